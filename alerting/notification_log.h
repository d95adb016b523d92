// What each receiver has last been told about each group, and whether there is news.
// (Alertmanager: notify/dedup_stage.go, nflog/.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/notification.h"
#include "base/status.h"

namespace deckwatch::alerting {

struct LogEntry {
  uint64_t change = 0;  // rises with every notification of the lane; part of the idempotency key
  int64_t time_ms = 0;
  int64_t expires_ms = 0;
  std::vector<uint64_t> firing;    // fingerprints, sorted
  std::vector<uint64_t> resolved;  // fingerprints, sorted

  bool SaidFiring(uint64_t fingerprint) const;
  bool SaidResolved(uint64_t fingerprint) const;
};

struct GroupState {
  std::vector<uint64_t> firing;    // sorted
  std::vector<uint64_t> resolved;  // sorted
};

// The table of when to tell a receiver; `last` is null when it has never been told.
NotificationReason WhyNotify(const LogEntry* last, const GroupState& now, bool send_resolved,
                             int64_t repeat_interval_ms, int64_t now_ms);

// Row: version 1, varints change time expires, firing, resolved.
std::string EncodeLogEntry(const LogEntry& entry);
Result<LogEntry> DecodeLogEntry(std::string_view row);

}  // namespace deckwatch::alerting
