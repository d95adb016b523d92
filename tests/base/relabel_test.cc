#include "base/relabel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deckwatch {
namespace {

using ::testing::HasSubstr;

Result<RelabelRules> Parse(std::string_view yaml) {
  TRY_ASSIGN(const YamlNode root, ParseYaml(yaml, "c.yml"));
  RelabelRules rules;
  YamlDecoder d(root, "c.yml", "test");
  DecodeRelabelRules(&d, "r", "c.yml", &rules);
  TRY(d.Finish());
  return rules;
}

// The relabelled set as text, or "dropped".
std::string Relabelled(std::string_view yaml, const Labels& in) {
  const auto rules = Parse(yaml);
  EXPECT_TRUE(rules.ok()) << rules.status().message();
  if (!rules.ok()) return "";
  LabelsBuilder b(in);
  return Relabel(*rules, &b) ? b.Build().view().ToString() : "dropped";
}

const Labels kSet{{"a", "foo"}, {"b", "bar"}, {"c", "baz"}};

TEST(Relabel, ReplaceExpandsGroupsInTargetAndReplacement) {
  EXPECT_EQ(
      Relabelled(
          R"(r: [{source_labels: [a], regex: 'f(.*)', target_label: d, replacement: 'ch${1}-ch$1'}])",
          kSet),
      R"({a="foo", b="bar", c="baz", d="choo-choo"})");
  EXPECT_EQ(
      Relabelled(
          R"(r: [{source_labels: [a, b], regex: 'f(.*);(.*)r', target_label: 'x_$1', replacement: '$2'}])",
          kSet),
      R"({a="foo", b="bar", c="baz", x_oo="ba"})");
}

TEST(Relabel, ReplaceIsAnchoredAndLeavesAloneWhatDoesNotMatch) {
  const std::string same = kSet.view().ToString();
  EXPECT_EQ(
      Relabelled(R"(r: [{source_labels: [a], regex: fo, target_label: a, replacement: x}])", kSet),
      same);
}

TEST(Relabel, EmptyResultRemovesTheLabel) {
  EXPECT_EQ(Relabelled(R"(r: [{source_labels: [a], target_label: a, replacement: ''}])", kSet),
            R"({b="bar", c="baz"})");
  EXPECT_EQ(Relabelled(R"(r: [{source_labels: [absent], target_label: b}])", kSet),
            R"({a="foo", c="baz"})");
}

TEST(Relabel, KeepAndDropTakeTheJoinedValue) {
  EXPECT_EQ(
      Relabelled(R"(r: [{source_labels: [a, b], separator: '', regex: foobar, action: drop}])",
                 kSet),
      "dropped");
  EXPECT_EQ(Relabelled(R"(r: [{source_labels: [a], regex: '.*o', action: Keep}])", kSet),
            kSet.view().ToString());
  EXPECT_EQ(Relabelled(R"(r: [{source_labels: [a], regex: 'o', action: keep}])", kSet), "dropped");
}

TEST(Relabel, EqualActionsCompareWithTheTarget) {
  const Labels same{{"__tmp", "1"}, {"port", "1"}};
  EXPECT_EQ(
      Relabelled("r: [{source_labels: [__tmp], target_label: port, action: dropequal}]", same),
      "dropped");
  EXPECT_EQ(
      Relabelled("r: [{source_labels: [__tmp], target_label: port, action: keepequal}]", kSet),
      kSet.view().ToString());  // both absent: equal
  EXPECT_EQ(Relabelled("r: [{source_labels: [a], target_label: b, action: keepequal}]", kSet),
            "dropped");
}

// Expected numbers: last 8 bytes of `printf foo | md5sum`, modulo, computed with Python's hashlib.
TEST(Relabel, HashModIsMd5) {
  EXPECT_EQ(Relabelled("r: [{source_labels: [c], target_label: d, modulus: 1000, action: hashmod}]",
                       Labels{{"c", "baz"}}),
            R"({c="baz", d="976"})");
  EXPECT_EQ(
      Relabelled("r: [{source_labels: [c, a], target_label: d, modulus: 1000, action: hashmod}]",
                 Labels{{"a", "foo\nbar"}}),
      R"({a="foo\nbar", d="359"})");
}

TEST(Relabel, LabelMapDoesNotFeedItself) {
  EXPECT_EQ(Relabelled(R"(r: [{regex: '__meta_(.*)', action: labelmap}])",
                       Labels{{"__meta_x", "1"}, {"__meta___meta_y", "2"}}),
            R"({__meta___meta_y="2", __meta_x="1", __meta_y="2", x="1"})");
}

TEST(Relabel, LabelDropAndKeepMatchWholeNames) {
  EXPECT_EQ(Relabelled("r: [{regex: 'a|b', action: labeldrop}]", kSet), R"({c="baz"})");
  EXPECT_EQ(Relabelled("r: [{regex: 'a|b', action: labelkeep}]", kSet), R"({a="foo", b="bar"})");
}

TEST(Relabel, CaseActionsKnowUnicode) {
  EXPECT_EQ(Relabelled("r: [{source_labels: [v], target_label: u, action: uppercase}]",
                       Labels{{"v", "aé1"}}),
            R"({u="AÉ1", v="aé1"})");
  EXPECT_EQ(Relabelled("r: [{source_labels: [v], target_label: v, action: lowercase}]",
                       Labels{{"v", "AÉ1"}}),
            R"({v="aé1"})");
}

TEST(Relabel, RulesRunInOrderAndStopAtADrop) {
  EXPECT_EQ(Relabelled(R"(
r:
  - {source_labels: [a], target_label: n}
  - {source_labels: [n], regex: foo, target_label: n, replacement: seen}
  - {source_labels: [n], regex: seen, action: keep}
)",
                       kSet),
            R"({a="foo", b="bar", c="baz", n="seen"})");
}

TEST(Relabel, RefusesWhatCannotWorkNamingTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"r:\n- {action: hashmod, target_label: a}", "c.yml:2: relabel_config: hashmod needs"},
      {"r: [{action: replace}]", "target_label is required"},
      {"r: [{regex: 'abc(def'}]", "regex: error parsing regexp"},
      {"r: [{action: nope}]", "unknown relabel action \"nope\""},
      {"r: [{action: labeldrop, source_labels: [a], regex: b}]", "only regex"},
      {"r: [{action: labelkeep, replacement: b, regex: b}]", "only regex"},
      {"r: [{action: keepequal, source_labels: [a], target_label: b, regex: c}]",
       "only source_labels"},
      {"r: [{action: lowercase, source_labels: [a], target_label: b, replacement: c}]",
       "cannot be set"},
      {"r: [{action: keep, regexp: a}]", "regexp: unknown key"},
      {"r:\n-\n", "empty or null"},
      {"r: [{source_labels: [''], target_label: a}]", "source_labels: \"\" is not a label name"},
  };
  for (const auto& [yaml, want] : cases) {
    const auto rules = Parse(yaml);
    EXPECT_FALSE(rules.ok()) << yaml;
    EXPECT_THAT(rules.status().message(), HasSubstr(want)) << yaml;
  }
}

TEST(Relabel, EqualityComparesPatternsNotPrograms) {
  const char* yaml = "r: [{source_labels: [a], regex: 'x.*', target_label: b}]";
  EXPECT_EQ(*Parse(yaml), *Parse(yaml));
  EXPECT_NE(*Parse(yaml), *Parse("r: [{source_labels: [a], regex: 'y.*', target_label: b}]"));
}

}  // namespace
}  // namespace deckwatch
