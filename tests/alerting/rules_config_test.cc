#include "alerting/rules_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deckwatch::alerting {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Error(std::string_view text) {
  return ParseRules(text, "r.yml").status().message();
}

TEST(RulesConfig, ReadsGroupsAndRules) {
  const auto groups = ParseRules(R"(
groups:
- name: g
  interval: 30s
  query_offset: 1m
  limit: 7
  labels: {team: infra, severity: low}
  rules:
  - record: job:up:sum
    expr: sum by(job)  (up)
  - alert: Down
    expr: up==0
    for: 5m
    keep_firing_for: 1m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.instance }} down"}
- name: empty
)",
                                 "r.yml");
  ASSERT_TRUE(groups.ok()) << groups.status().message();
  ASSERT_EQ(groups->size(), 2u);
  const RuleGroupConfig& g = (*groups)[0];
  EXPECT_EQ(g.interval_ms, 30'000);
  EXPECT_EQ(g.query_offset_ms, 60'000);
  EXPECT_EQ(g.limit, 7);
  ASSERT_EQ(g.rules.size(), 2u);
  EXPECT_FALSE(g.rules[0].alerting);
  EXPECT_EQ(g.rules[0].query, "sum by (job) (up)");
  EXPECT_EQ(g.rules[1].hold_ms, 300'000);
  EXPECT_EQ(g.rules[1].keep_firing_for_ms, 60'000);
  EXPECT_EQ(g.rules[1].labels, (KeyValues{{"severity", "page"}, {"team", "infra"}}));
  EXPECT_EQ((*groups)[1].query_offset_ms, -1);
}

TEST(RulesConfig, RefusesWithFileLineAndReason) {
  const auto rule = [](const std::string& body) {
    return Error("groups:\n- name: g\n  rules:\n" + body);
  };
  EXPECT_THAT(rule("  - alert: A\n    expr: 'test +'\n"),
              StartsWith("r.yml:5: rule: expr: could not parse expression: 1:7: parse error"));
  EXPECT_THAT(rule("  - alert: A\n    record: b\n    expr: up\n"),
              HasSubstr("only one of 'record' and 'alert' must be set"));
  EXPECT_THAT(rule("  - expr: up\n"), HasSubstr("one of 'record' or 'alert' must be set"));
  EXPECT_THAT(rule("  - alert: A\n"), HasSubstr("field 'expr' must be set in rule"));
  EXPECT_THAT(rule("  - record: a\n    expr: up\n    for: 1m\n"),
              StartsWith("r.yml:6: rule: for: invalid field 'for' in recording rule"));
  EXPECT_THAT(rule("  - record: a\n    expr: up\n    keep_firing_for: 1m\n"),
              HasSubstr("invalid field 'keep_firing_for' in recording rule"));
  EXPECT_THAT(rule("  - record: a\n    expr: up\n    annotations: {a: b}\n"),
              HasSubstr("invalid field 'annotations' in recording rule"));
  EXPECT_THAT(rule("  - record: a{b=\"c\"}\n    expr: up\n"),
              HasSubstr("braces present in the recording rule name"));
  EXPECT_THAT(rule("  - alert: A\n    expr: up\n    labels: {__name__: x}\n"),
              HasSubstr("invalid label name: __name__"));
  EXPECT_THAT(rule("  - alert: A\n    expr: up\n    annotations: {s: \"{{ $label.foo }}\"}\n"),
              HasSubstr("undefined variable \"$label\""));
  EXPECT_THAT(rule("  - alert: A\n    expr: up\n    labels: {s: \"{{ nope }}\"}\n"),
              HasSubstr("function \"nope\" not defined"));
  EXPECT_THAT(rule("  - alert: A\n    expr: up\n    ownership: x\n"),
              HasSubstr("r.yml:6: rule: ownership: unknown key"));
  EXPECT_THAT(rule("  - alert: A\n    expr: up\n    for: 5 minutes\n"),
              HasSubstr("r.yml:6: rule: for: "));
  EXPECT_THAT(
      Error("groups:\n- name: g\n- name: g\n"),
      StartsWith("r.yml:3: rule group: name: groupname: \"g\" is repeated in the same file"));
  EXPECT_THAT(Error("groups:\n- rules: []\n"), HasSubstr("groupname must not be empty"));
  EXPECT_THAT(Error("group: []\n"), HasSubstr("unknown key"));
}

TEST(RulesConfig, JudgesPromtoolsFilesAsPromtoolDoes) {
  const std::string dir = std::string(TEST_DATA_DIR) + "/alerting/rules/";
  for (const char* good : {"rules.yml", "prometheus-rules.lint.yml", "bad-rules-error.yml"}) {
    const auto groups = ParseRuleFile(dir + good);
    EXPECT_TRUE(groups.ok()) << groups.status().message();
  }
  for (const char* bad : {"rules-bad.yml", "bad-rules-syntax.yml", "rules_extrafields.yml"}) {
    EXPECT_FALSE(ParseRuleFile(dir + bad).ok()) << bad;
  }
  EXPECT_EQ(ParseRuleFile(dir + "absent.yml").status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace deckwatch::alerting
