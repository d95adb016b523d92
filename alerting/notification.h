// What is to be told to one receiver about one group, as data: made by the dispatcher, kept in the
// outbox, put into words by a sender.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/alert.h"
#include "alerting/template_value.h"
#include "base/status.h"

namespace deckwatch::alerting {

enum class NotificationReason : uint8_t {
  kNone,  // nothing to send
  kFirstNotification,
  kNewAlerts,
  kNewResolved,
  kAllResolved,
  kRepeat,
};
std::string_view NotificationReasonName(NotificationReason reason);

struct Notification {
  std::string receiver;
  std::string integration_type;
  int integration_index = 0;
  std::string group_key;
  Labels group_labels;
  KeyValues route_labels;
  NotificationReason reason = NotificationReason::kNone;
  int64_t created_at_ms = 0;
  // Sorted as Alertmanager sorts: job, instance, then all labels. ends_at_ms != 0: resolved.
  std::vector<Alert> alerts;

  // Which lane of the outbox this belongs to; a lane's notifications are sent in order.
  std::string Lane() const;
  bool firing() const;  // any alert is
};

void SortAlerts(std::vector<Alert>* alerts);

// What templates see: .Receiver .Status .Alerts(.Firing .Resolved) .GroupLabels .CommonLabels
// .CommonAnnotations .RouteLabels .ExternalURL .NotificationReason.
Value NotificationData(const Notification& n, std::string_view external_url);

// Alertmanager's webhook body, version "4". At most `max_alerts` alerts (0: all); how many were
// left out is `truncatedAlerts`.
std::string WebhookBody(const Notification& n, std::string_view external_url, int64_t max_alerts);

std::string EncodeNotification(const Notification& n);
Result<Notification> DecodeNotification(std::string_view row);

}  // namespace deckwatch::alerting
