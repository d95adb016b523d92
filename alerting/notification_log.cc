#include "alerting/notification_log.h"

#include <algorithm>

#include "alerting/row.h"

namespace deckwatch::alerting {
namespace {
constexpr uint8_t kRowVersion = 1;
}  // namespace

bool LogEntry::SaidFiring(uint64_t fingerprint) const {
  return std::ranges::binary_search(firing, fingerprint);
}

bool LogEntry::SaidResolved(uint64_t fingerprint) const {
  return std::ranges::binary_search(resolved, fingerprint);
}

NotificationReason WhyNotify(const LogEntry* last, const GroupState& now, bool send_resolved,
                             int64_t repeat_interval_ms, int64_t now_ms) {
  using Reason = NotificationReason;
  if (last == nullptr) return now.firing.empty() ? Reason::kNone : Reason::kFirstNotification;
  if (!std::ranges::includes(last->firing, now.firing)) {
    return last->firing.empty() ? Reason::kFirstNotification : Reason::kNewAlerts;
  }
  if (now.firing.empty()) return last->firing.empty() ? Reason::kNone : Reason::kAllResolved;
  if (send_resolved && !std::ranges::includes(last->resolved, now.resolved)) {
    return Reason::kNewResolved;
  }
  return now_ms - last->time_ms >= repeat_interval_ms ? Reason::kRepeat : Reason::kNone;
}

std::string EncodeLogEntry(const LogEntry& entry) {
  std::string out(1, static_cast<char>(kRowVersion));
  PutVarint(&out, entry.change);
  PutSignedVarint(&out, entry.time_ms);
  PutSignedVarint(&out, entry.expires_ms);
  PutHashes(&out, entry.firing);
  PutHashes(&out, entry.resolved);
  return out;
}

Result<LogEntry> DecodeLogEntry(std::string_view row) {
  Reader r(row);
  LogEntry e;
  uint8_t version = 0;
  if (!r.GetByte(&version) || version != kRowVersion || !r.GetVarint(&e.change) ||
      !r.GetSignedVarint(&e.time_ms) || !r.GetSignedVarint(&e.expires_ms) ||
      !GetHashes(&r, &e.firing) || !GetHashes(&r, &e.resolved) || !r.AtEnd()) {
    return Status::Corruption("notification log row is malformed");
  }
  return e;
}

}  // namespace deckwatch::alerting
