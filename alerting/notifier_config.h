// The `alerting` section of prometheus.yml: the Alertmanagers outside that are sent our alerts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_config.h"
#include "base/labels.h"
#include "base/relabel.h"
#include "base/status.h"
#include "base/yaml.h"

namespace deckwatch::alerting {

// An element of `alertmanagers`: Alertmanagers that are reached, and told, in one way. Their
// addresses are static, so relabel_configs have been applied once, when this was read.
struct AlertmanagerSet {
  std::vector<std::string> urls;          // to post alerts to, none twice
  std::vector<std::string> dropped_urls;  // by relabel_configs
  int64_t timeout_ms = 10'000;            // of one request
  HttpClientConfig http;
  RelabelRules alert_relabel;
};

struct NotifierConfig {
  RelabelRules alert_relabel;  // before those of the sets
  std::vector<AlertmanagerSet> sets;
};

// Decodes the section. InvalidArgument naming file, line and key, also for what Prometheus knows
// and we do not: service discovery and sigv4.
Result<NotifierConfig> ParseNotifierConfig(const YamlNode& node, std::string_view file);

}  // namespace deckwatch::alerting
