// alertmanager.yml, read strictly. (Alertmanager: config/, docs/configuration.md.)
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/alert.h"
#include "alerting/template.h"
#include "alerting/time_interval.h"
#include "base/http_config.h"
#include "base/matcher.h"
#include "base/status.h"
#include "base/yaml.h"

namespace deckwatch::alerting {

// A node of the routing tree, with what it inherits filled in.
struct Route {
  std::string receiver;
  std::vector<Matcher> matchers;      // all must hold
  std::vector<std::string> group_by;  // sorted
  bool group_by_all = false;          // '...'
  int64_t group_wait_ms = 30'000;
  int64_t group_interval_ms = 300'000;
  int64_t repeat_interval_ms = 4 * 3'600'000;
  bool continues = false;
  std::vector<std::string> mute_time_intervals;
  std::vector<std::string> active_time_intervals;
  KeyValues labels;
  std::vector<Route> routes;
  std::string key;  // `{}/{a="b"}`: the matchers from the root down

  // The nodes that take an alert: depth first, left to right; the first child that matches takes
  // it, and the next ones too while it says `continue`; the node itself when no child matches.
  // Empty when the node's own matchers do not hold.
  std::vector<const Route*> Match(LabelsView labels) const;
  Labels GroupLabels(LabelsView labels) const;
};

struct InhibitRule {
  std::string name;
  std::vector<Matcher> source_matchers;
  std::vector<Matcher> target_matchers;
  std::vector<std::string> equal;
};

struct WebhookConfig {
  Secret url;                               // a template
  std::string url_file;                     // instead of `url`: read at each send
  int64_t max_alerts = 0;                   // 0: all
  int64_t timeout_ms = 0;                   // 0: none of its own
  std::shared_ptr<const YamlNode> payload;  // instead of the usual body; its texts are templates
  HttpClientConfig http;
};

// One way to reach a receiver. Its place in the receiver's list of that type is its identity in the
// notification log.
struct Integration {
  std::string type;  // "webhook", "email", …
  int index = 0;     // among those of its type
  bool send_resolved = true;
  std::shared_ptr<const WebhookConfig> webhook;  // null: a type that cannot be sent to yet
};

struct Receiver {
  std::string name;
  std::vector<Integration> integrations;
};

struct AmConfig {
  int64_t resolve_timeout_ms = 300'000;
  Route route;
  std::vector<Receiver> receivers;
  std::vector<InhibitRule> inhibit_rules;
  std::vector<NamedTimeIntervals> time_intervals;
  std::vector<std::string> templates;                         // globs, absolute
  TemplateSet template_set{TemplateDialect::kNotifications};  // what those files define
  std::string text;                                           // the file as it was read

  const Receiver* FindReceiver(std::string_view name) const;
  const NamedTimeIntervals* FindTimeIntervals(std::string_view name) const;
};

// InvalidArgument "<file>:<line>: <section>: <reason>" for the first fault.
Result<AmConfig> ParseAmConfig(std::string_view text, const std::string& file);
// The same, with the template files read.
Result<AmConfig> ParseAmConfigFile(const std::string& path);

}  // namespace deckwatch::alerting
