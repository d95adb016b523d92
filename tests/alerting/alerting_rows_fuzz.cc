// What comes back from the store, and matchers as users write them: any bytes are decoded or
// refused, and a row that was decoded encodes to one that decodes again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "alerting/alert_states.h"
#include "alerting/am_matchers.h"
#include "alerting/notification.h"
#include "alerting/notification_log.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deckwatch;
  using namespace deckwatch::alerting;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Labels labels;
  RuleAlert alert;
  if (DecodeRuleAlert(bytes, &labels, &alert).ok() &&
      !DecodeRuleAlert(EncodeRuleAlert(labels, alert), &labels, &alert).ok()) {
    std::abort();
  }
  const Result<Notification> n = DecodeNotification(bytes);
  if (n.ok() && !DecodeNotification(EncodeNotification(*n)).ok()) std::abort();
  const Result<LogEntry> e = DecodeLogEntry(bytes);
  if (e.ok() && !DecodeLogEntry(EncodeLogEntry(*e)).ok()) std::abort();
  const Result<std::vector<Matcher>> m = ParseAlertMatchers(bytes);
  if (m.ok() && MatchersToString(*m).size() < 2) std::abort();
  return 0;
}
