#include "alerting/rules_config.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "alerting/rule_template.h"
#include "base/yaml.h"
#include "query/parser.h"

namespace deckwatch::alerting {
namespace {

// Label names may be any UTF-8 since Prometheus 3; only the metric's name is out of reach.
bool IsValidLabelName(std::string_view name) {
  return !name.empty() && name != kMetricName && IsValidUtf8(name);
}

Status CheckLabels(const YamlDecoder& d, const KeyValues& labels) {
  for (const auto& [name, value] : labels) {
    if (!IsValidLabelName(name)) return d.ErrorAt("labels", "invalid label name: " + name);
    if (!IsValidUtf8(value)) return d.ErrorAt("labels", "invalid label value: " + QuoteGo(value));
  }
  return Status::Ok();
}

Status CheckNames(const YamlDecoder& d, const RuleConfig& rule, const std::string& record) {
  if (!record.empty() && rule.alerting) {
    return d.Error("only one of 'record' and 'alert' must be set");
  }
  if (rule.name.empty()) return d.Error("one of 'record' or 'alert' must be set");
  if (rule.alerting) return Status::Ok();
  if (!rule.annotations.empty()) {
    return d.ErrorAt("annotations", "invalid field 'annotations' in recording rule");
  }
  if (rule.hold_ms != 0) return d.ErrorAt("for", "invalid field 'for' in recording rule");
  if (rule.keep_firing_for_ms != 0) {
    return d.ErrorAt("keep_firing_for", "invalid field 'keep_firing_for' in recording rule");
  }
  if (!IsValidUtf8(rule.name))
    return d.ErrorAt("record", "invalid recording rule name: " + rule.name);
  if (rule.name.find_first_of("{}") != std::string::npos) {
    return d.ErrorAt(
        "record", "braces present in the recording rule name; should it be in expr?: " + rule.name);
  }
  return Status::Ok();
}

Status CheckTemplates(const YamlDecoder& d, const RuleConfig& rule) {
  if (!rule.alerting) return Status::Ok();
  for (const auto& [name, text] : rule.labels) {
    if (const Status s = RuleTemplate(rule.name, text).status(); !s.ok()) {
      return d.ErrorAt("labels", "label " + QuoteGo(name) + ": " + s.message());
    }
  }
  for (const auto& [name, text] : rule.annotations) {
    if (!IsValidLabelName(name))
      return d.ErrorAt("annotations", "invalid annotation name: " + name);
    if (const Status s = RuleTemplate(rule.name, text).status(); !s.ok()) {
      return d.ErrorAt("annotations", "annotation " + QuoteGo(name) + ": " + s.message());
    }
  }
  return Status::Ok();
}

Status ParseRule(const YamlNode& node, std::string_view file, const KeyValues& group_labels,
                 RuleConfig* rule) {
  YamlDecoder d(node, file, "rule");
  std::string record, alert;
  d.String("record", &record).String("alert", &alert).String("expr", &rule->expr);
  d.Duration("for", &rule->hold_ms).Duration("keep_firing_for", &rule->keep_firing_for_ms);
  d.StringMap("labels", &rule->labels).StringMap("annotations", &rule->annotations);
  TRY(d.Finish());
  rule->alerting = !alert.empty();
  rule->name = rule->alerting ? alert : record;
  TRY(CheckNames(d, *rule, record));
  if (rule->expr.empty()) return d.Error("field 'expr' must be set in rule");
  Result<std::unique_ptr<query::Expr>> expr = query::ParseExpr(rule->expr);
  if (!expr.ok()) {
    return d.ErrorAt("expr", "could not parse expression: " + expr.status().message());
  }
  rule->query = query::ToString(**expr);
  TRY(CheckLabels(d, rule->labels));
  TRY(CheckTemplates(d, *rule));
  for (const auto& [name, value] : group_labels) {
    if (Find(rule->labels, name).empty()) rule->labels.emplace_back(name, value);
  }
  std::ranges::sort(rule->labels);
  std::ranges::sort(rule->annotations);
  return Status::Ok();
}

Status ParseGroup(const YamlNode& node, const std::string& file, RuleGroupConfig* group) {
  YamlDecoder d(node, file, "rule group");
  KeyValues labels;
  group->file = file;
  d.String("name", &group->name).Duration("interval", &group->interval_ms);
  d.Duration("query_offset", &group->query_offset_ms).Int("limit", &group->limit);
  d.StringMap("labels", &labels);
  d.Child("rules", [&](const YamlNode&) { return CheckLabels(d, labels); });
  d.Each("rules", [&](const YamlNode& n) {
    group->rules.emplace_back();
    return ParseRule(n, file, labels, &group->rules.back());
  });
  TRY(d.Finish());
  if (group->name.empty()) return d.Error("groupname must not be empty");
  if (group->limit < 0) return d.ErrorAt("limit", "must not be negative");
  return Status::Ok();
}

}  // namespace

Result<std::vector<RuleGroupConfig>> ParseRules(std::string_view text, const std::string& file) {
  TRY_ASSIGN(const YamlNode root, ParseYaml(text, file));
  std::vector<RuleGroupConfig> groups;
  std::set<std::string> names;
  YamlDecoder d(root, file, "rule file");
  d.Each("groups", [&](const YamlNode& node) -> Status {
    RuleGroupConfig group;
    TRY(ParseGroup(node, file, &group));
    if (!names.insert(group.name).second) {
      return YamlDecoder(node, file, "rule group")
          .ErrorAt("name", "groupname: " + QuoteGo(group.name) + " is repeated in the same file");
    }
    groups.push_back(std::move(group));
    return Status::Ok();
  });
  TRY(d.Finish());
  return groups;
}

Result<std::vector<RuleGroupConfig>> ParseRuleFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status::NotFound("open " + path + ": no such file or not readable");
  std::ostringstream text;
  text << in.rdbuf();
  return ParseRules(text.str(), path);
}

}  // namespace deckwatch::alerting
