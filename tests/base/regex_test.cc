#include "base/regex.h"

#include <gtest/gtest.h>

#include "base/matcher.h"

namespace deckwatch {
namespace {

TEST(Regex, IsAnchoredAndDotMatchesNewline) {
  const Regex r = *Regex::Compile("a.c");
  EXPECT_TRUE(r.FullMatch("abc"));
  EXPECT_TRUE(r.FullMatch("a\nc"));
  EXPECT_FALSE(r.FullMatch("xabc"));
}

TEST(Regex, FindsLiteralSets) {
  EXPECT_EQ(Regex::Compile("a|b|c")->literals(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(Regex::Compile("(a|b)c")->literals(), (std::vector<std::string>{"ac", "bc"}));
  EXPECT_EQ(Regex::Compile("x\\.y")->literals(), (std::vector<std::string>{"x.y"}));
  EXPECT_TRUE(Regex::Compile("a|b+")->literals().empty());
  EXPECT_TRUE(Regex::Compile("(?i)a")->literals().empty());
}

// As in Prometheus, whose matchers compare literals and parse only what is more than that.
TEST(Regex, MatchersTakeLiteralsOfAnyBytes) {
  const auto matches = [](std::string pattern, std::string_view value) {
    const auto m = Matcher::Create(MatchType::kRegex, "a", std::move(pattern));
    return m.ok() && m->Matches(value);
  };
  EXPECT_TRUE(matches("\xff", "\xff"));
  EXPECT_TRUE(matches("b|a\xff", "a\xff"));
  EXPECT_FALSE(matches("b|a\xff", "a\xc3\xbf"));  // U+00FF
  EXPECT_TRUE(matches("é|\xff", "é"));
  std::string many = "\xff";
  for (int i = 0; i < 300; ++i) many += "|x" + std::to_string(i);
  EXPECT_TRUE(matches(many, "x299"));
  EXPECT_TRUE(matches(many, "\xff"));
  EXPECT_EQ(Matcher::Create(MatchType::kRegex, "a", "é[\xff]").status().message(),
            "error parsing regexp: invalid UTF-8: `\xff]`");
  EXPECT_FALSE(Regex::Compile("\xff").ok());
}

TEST(Regex, FindsPrefix) {
  EXPECT_EQ(Regex::Compile("node_.*")->prefix(), "node_");
  EXPECT_EQ(Regex::Compile("ab*c")->prefix(), "a");
  EXPECT_EQ(Regex::Compile("a.*|b")->prefix(), "");
  EXPECT_EQ(Regex::Compile("é?x")->prefix(), "");
}

TEST(Regex, LiteralShortcutsAgreeWithTheEngine) {
  for (const char* p :
       {"a|b", "(a|b)c", "a(b|)", "|x", "foo.*", "fo+bar", "a\\.b", ".*", ".+", "a{2}"}) {
    const Regex r = *Regex::Compile(p);
    const Regex plain =
        *Regex::Compile(std::string("(?:") + p + ")[x]{0}");  // defeats the shortcuts
    for (const char* t :
         {"", "a", "b", "ac", "bc", "ab", "x", "foo", "foobar", "fobar", "a.b", "aa", "axb"}) {
      EXPECT_EQ(r.FullMatch(t), plain.FullMatch(t)) << p << " on " << t;
    }
  }
}

TEST(Regex, ExpandsGoReplacements) {
  const Regex r = *Regex::Compile("(?P<host>[^:]+)(?::(\\d+))?");
  std::string out;
  ASSERT_TRUE(r.Expand("web:80", "$1-${2}-$host-$$-$9", &out));
  EXPECT_EQ(out, "web-80-web-$-");
  ASSERT_TRUE(r.Expand("web", "${1}:9100", &out));
  EXPECT_EQ(out, "web:9100");
  EXPECT_FALSE(r.Expand("", "x", &out));
}

TEST(Regex, ReplacesAll) {
  EXPECT_EQ(Regex::Compile("a(x*)b")->ReplaceAll("-ab-axxb-", "${1}W"), "-W-xxW-");
  EXPECT_EQ(Regex::Compile("x*")->ReplaceAll("abc", "-"), "-a-b-c-");
}

TEST(Regex, RefusesBadPatternsWithReason) {
  EXPECT_EQ(Regex::Compile("a(b").status().message(),
            "error parsing regexp: missing closing ): `a(b`");
  EXPECT_EQ(Regex::Compile("*").status().message(),
            "error parsing regexp: missing argument to repetition operator: `*`");
}

TEST(Matcher, AbsentLabelIsEmpty) {
  const Labels l{{"a", "1"}};
  EXPECT_TRUE(Matcher::Create(MatchType::kNotEqual, "b", "x")->Matches(l));
  EXPECT_TRUE(Matcher::Equal("b", "").Matches(l));
  EXPECT_FALSE(Matcher::Create(MatchType::kRegex, "b", ".+")->Matches(l));
  EXPECT_EQ(Matcher::Create(MatchType::kNotRegex, "a.b", "x|y")->ToString(), "\"a.b\"!~\"x|y\"");
}

}  // namespace
}  // namespace deckwatch
