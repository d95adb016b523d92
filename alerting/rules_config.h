// Rule files: groups of recording and alerting rules, read strictly.
// Source of the format: Prometheus, model/rulefmt.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/alert.h"
#include "base/labels.h"
#include "base/status.h"

namespace deckwatch::alerting {

struct RuleConfig {
  bool alerting = false;
  std::string name;     // of `record` or `alert`
  std::string expr;     // as written
  std::string query;    // as PromQL prints it
  int64_t hold_ms = 0;  // `for`
  int64_t keep_firing_for_ms = 0;
  KeyValues labels;       // alerting: templates; the group's labels are merged in
  KeyValues annotations;  // templates
  bool operator==(const RuleConfig&) const = default;
};

struct RuleGroupConfig {
  std::string file;
  std::string name;
  int64_t interval_ms = 0;       // 0: global.evaluation_interval
  int64_t query_offset_ms = -1;  // -1: global.rule_query_offset
  int64_t limit = 0;             // 0: none
  std::vector<RuleConfig> rules;
  bool operator==(const RuleGroupConfig&) const = default;
};

// InvalidArgument "<file>:<line>: <section>: <reason>" for the first fault: unknown keys, an
// expression or template that does not parse, a name that is not one, a group named twice.
Result<std::vector<RuleGroupConfig>> ParseRules(std::string_view text, const std::string& file);
Result<std::vector<RuleGroupConfig>> ParseRuleFile(const std::string& path);

}  // namespace deckwatch::alerting
