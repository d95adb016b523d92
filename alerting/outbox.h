// Notifications that are decided but not yet delivered: rows that survive a restart, sent in order
// per lane (group × integration), retried with backoff until the receiver takes or refuses them.
//
//   dispatcher ──Prepare──► rows ──Add──► lanes ──Claim──► sender ──Complete──► gone | later |
//   refused
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alerting/notification.h"
#include "alerting/notification_log.h"
#include "base/state_store.h"

namespace deckwatch::alerting {

struct OutboxItem {
  uint64_t id = 0;  // rises
  uint64_t change = 0;
  Notification notification;
  // What the notification log said before, so that a refusal can be taken back; empty: nothing.
  std::optional<LogEntry> before;

  std::string lane;  // notification.Lane()
  int attempts = 0;
  int64_t next_attempt_ms = 0;
  bool in_flight = false;

  // The same for every attempt at this notification, and for no other.
  std::string IdempotencyKey() const;
};

struct SendOutcome {
  enum class Kind { kDelivered, kRetry, kRefused };
  Kind kind = Kind::kDelivered;
  std::string reason;
  int64_t retry_after_ms = 0;  // kRetry: the receiver's own wish
};

// Owned by one thread.
class Outbox {
 public:
  static Result<std::unique_ptr<Outbox>> Open(StateStore* state);

  // The item for a notification and the row change that makes it durable; the caller commits that
  // together with its own rows, then calls Add. A lane that has piled up takes the notification
  // into its last item, so that an outage of days costs a bounded number of messages.
  OutboxItem Prepare(Notification notification, uint64_t change, std::optional<LogEntry> before);
  static StateChange RowOf(const OutboxItem& item);
  void Add(OutboxItem item);

  // Items to be sent now: the first of each lane that is not being sent already.
  std::vector<const OutboxItem*> Claim(int64_t now_ms);
  // What became of a claimed item; its row goes when it is delivered or refused. The item comes
  // back when it was given up: refused, or retried for longer than kMaxAgeMs.
  std::optional<OutboxItem> Complete(uint64_t id, const SendOutcome& outcome, int64_t now_ms);

  bool HasLane(const std::string& lane) const { return lanes_.contains(lane); }
  size_t size() const;
  int64_t NextDueMs() const;  // INT64_MAX: nothing waits

  static constexpr int64_t kMaxAgeMs = 120LL * 3'600'000;
  static constexpr size_t kMaxLane = 8;

 private:
  explicit Outbox(StateStore* state) : state_(state) {}
  OutboxItem* Find(uint64_t id);

  StateStore* state_;
  uint64_t next_id_ = 1;
  std::map<std::string, std::deque<OutboxItem>> lanes_;  // none is empty
};

}  // namespace deckwatch::alerting
