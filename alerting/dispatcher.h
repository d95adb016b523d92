// Alerts in, decisions out: routing, grouping, inhibition, time intervals, deduplication.
//
//   Put ──► alerts ──route──► groups ──Flush──► muted? ──► news? ──► log + outbox, one commit
//
// Its rows are alerts, the groups' next flush, and the notification log. Everything is committed
// before it counts, so that after a restart the same groups flush at the same times and nobody is
// told twice. (Alertmanager: dispatch/, notify/.)
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "alerting/am_config.h"
#include "alerting/inhibit.h"
#include "alerting/notification_log.h"
#include "alerting/outbox.h"
#include "alerting/snapshot.h"
#include "base/state_store.h"

namespace deckwatch::alerting {

// Ids of the silences that hold for an alert now; empty: none.
using SilenceFunction = std::function<std::vector<std::string>(const Alert& alert, int64_t now_ms)>;

// Owned by one thread.
class Dispatcher {
 public:
  // Reads the rows. `outbox` and `state` must outlive it.
  static Result<std::unique_ptr<Dispatcher>> Open(StateStore* state, Outbox* outbox,
                                                  SilenceFunction silences);

  // Routes every alert anew. Groups that exist on keep their times. A null config takes alerts in
  // but notifies nobody.
  void Configure(std::shared_ptr<const AmConfig> config, int64_t now_ms);

  // Takes alerts in; on error none of them, to be tried again.
  Status Put(const std::vector<Alert>& alerts, int64_t now_ms);

  // Ends those open-ended alerts that are not in `live` (fingerprints): their rules are gone.
  Status ResolveAllBut(const std::set<uint64_t>& live, int64_t now_ms);

  // Flushes the groups that are due.
  void Flush(int64_t now_ms);
  int64_t NextDueMs() const;  // INT64_MAX: no group

  // A receiver has refused, or never taken, a notification: forget that it was told, so that the
  // next flush tells it again.
  void Refused(const OutboxItem& item);

  std::vector<AlertGroupSnapshot> Snapshot(int64_t now_ms) const;
  uint64_t version() const { return version_; }  // rises when a snapshot would differ
  struct Counters {
    uint64_t received = 0, suppressed = 0, unsupported = 0;
    uint64_t groups = 0, firing = 0;
  };
  Counters counters(int64_t now_ms) const;

 private:
  struct Group {
    const Route* route = nullptr;
    std::string id;   // of its row
    std::string key;  // groupKey of payloads
    Labels labels;
    int64_t next_flush_ms = 0;
    bool flushed = false;
    std::set<uint64_t> members;
  };
  struct Muted {
    std::vector<std::string> by_time;  // interval names; the whole group
    std::map<uint64_t, AlertGroupSnapshot::Member> alerts;
  };

  Dispatcher(StateStore* state, Outbox* outbox, SilenceFunction silences)
      : state_(state), outbox_(outbox), silences_(std::move(silences)) {}
  Status Load();
  void NameRoutes(const Route& route);
  void Join(uint64_t fingerprint, int64_t now_ms, std::vector<StateChange>* changes);
  Alert Merge(const Alert& alert, int64_t now_ms) const;
  Inhibitor MakeInhibitor(int64_t now_ms) const;
  std::vector<std::string> MutedByTime(const Route& route, int64_t now_ms) const;
  AlertGroupSnapshot::Member Judge(const Alert& alert, const Inhibitor& inhibitor,
                                   int64_t now_ms) const;
  void ForgetResolved(int64_t now_ms);
  Status FlushGroup(Group* group, const Inhibitor& inhibitor, int64_t now_ms);
  struct Pending;  // what one flush will commit
  void Notify(const Group& group, const Integration& integration, const std::vector<Alert>& alerts,
              const std::vector<uint64_t>& muted, int64_t now_ms, Pending* pending);
  void Prune(Group* group, int64_t now_ms);
  bool SomeoneThinksFiring(const Group& group, uint64_t fingerprint) const;
  std::string LaneOf(const Group& group, const Integration& integration) const;
  void ExpireLog(int64_t now_ms);

  StateStore* state_;
  Outbox* outbox_;
  SilenceFunction silences_;
  std::shared_ptr<const AmConfig> config_;
  std::map<const Route*, std::string> route_ids_;
  std::map<uint64_t, Alert> alerts_;                              // by fingerprint
  std::map<std::string, Group> groups_;                           // by id
  std::map<std::string, std::pair<int64_t, bool>> stored_times_;  // next flush, flushed; from rows
  std::map<std::string, LogEntry> log_;                           // by lane
  int64_t next_expiry_ms_ = 0;
  Counters counters_;
  uint64_t version_ = 1;
};

}  // namespace deckwatch::alerting
