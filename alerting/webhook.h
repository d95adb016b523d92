// The webhook sender: one POST per notification.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "alerting/am_config.h"
#include "alerting/outbox.h"
#include "alerting/seams.h"

namespace deckwatch::alerting {

// Any 2xx is delivery; 429, 5xx and failures of the network are worth another try; every other
// answer is final. Blocks for as long as the request takes, or until `stop`. Thread-safe.
SendOutcome SendWebhook(const WebhookConfig& config, const TemplateSet& templates,
                        const HttpTransport& transport, const OutboxItem& item,
                        std::string_view external_url, int64_t now_ms, std::stop_token stop);

}  // namespace deckwatch::alerting
