// Trees as a whole: random ones survive printing, copying and formatting; hostile texts are
// refused without harm; selectors, metrics, durations and places.
#include <memory>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "query/functions.h"
#include "query/parser.h"

namespace deckwatch::query {
namespace {

// Writes random expressions that type-check, in odd but legal spelling.
class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed) {}

  std::string Vector(int depth) {
    if (depth <= 0) return Selector() + Modifiers();
    switch (Pick(7)) {
      case 0: return "(" + Vector(depth - 1) + ")";
      case 1: return "-" + Vector(depth - 1);
      case 2: return Vector(depth - 1) + Operator() + Vector(depth - 1);
      case 3: return Vector(depth - 1) + " * " + Scalar(depth - 1);
      case 4: return Aggregate(depth);
      case 5: return Call(depth);
      default: return Selector() + Modifiers();
    }
  }

 private:
  uint32_t Pick(uint32_t n) { return std::uniform_int_distribution<uint32_t>(0, n - 1)(random_); }
  std::string One(std::initializer_list<const char*> of) { return of.begin()[Pick(of.size())]; }

  std::string Selector() {
    std::string out = One({"foo", "a:b", "sum", "start", "offset", "by", "fill"});
    if (Pick(2) == 0) out += One({"{}", "{x='1'}", "{x!=\"\",y=~`a|b`,}", "{'z.z'!~\"\\\\d+\"}"});
    return out;
  }

  std::string Modifiers() {
    return One({"", "", " offset 5m", " offset -1h30m", " @ 12.5", " @ start() offset 1",
                " offset -(step()+1m)", " offset -max_of(range(),5s) @ end()"});
  }

  std::string Range(int depth) {
    const std::string duration =
        One({"5m", "300", "1h-5m", "step()", "-(5s-10s)*2^2", "min_of(1m,range())"});
    if (Pick(3) > 0)
      return Selector() + "[" + duration + "]" + One({"", " anchored", " smoothed"}) + Modifiers();
    return "(" + Vector(depth - 1) + ")[" + duration + ":" + One({"", "1m", "step()*2"}) + "]" +
           Modifiers();
  }

  std::string Scalar(int depth) {
    if (depth <= 0) return One({"1", "-0x1f", "1_000.5", "2m", "Inf", "NaN", "0755"});
    switch (Pick(4)) {
      case 0:
        return "(" + Scalar(depth - 1) + One({"+", "-", "/", "%", "^", " atan2 ", "== bool "}) +
               Scalar(depth - 1) + ")";
      case 1: return "scalar(" + Vector(depth - 1) + ")";
      case 2: return One({"time()", "pi()", "step()", "min_of(1,2)"});
      default: return Scalar(0);
    }
  }

  std::string Operator() {
    return One({" + ", "- on(a) ", " / ignoring(a,b) group_left(c) ", " == bool ", " > ", " and ",
                " or on() ", " unless ignoring(x) ", "^", " </ ", " + fill(0) ",
                " * on(a) group_right fill_left(1) fill_right(-2) "});
  }

  std::string Aggregate(int depth) {
    const std::string grouping = One({"", " by (a, 'b c')", " without(x,)", " by()"});
    const bool param = Pick(2) == 0;
    const std::string body = param ? "(" + Scalar(depth - 1) + "," + Vector(depth - 1) + ")"
                                   : "(" + Vector(depth - 1) + ")";
    const std::string name =
        param ? One({"topk", "quantile", "limitk"}) : One({"sum", "AVG", "group"});
    return Pick(2) == 0 ? name + grouping + body : name + body + grouping;
  }

  std::string Call(int depth) {
    const auto& table = AllFunctions();
    for (;;) {
      const Function& f = table[Pick(static_cast<uint32_t>(table.size()))];
      if (f.returns != ValueType::kVector || f.name == "info") continue;
      std::string out = std::string(f.name) + "(";
      for (size_t i = 0; i < f.args.size(); ++i) {
        if (i > 0) out += ", ";
        switch (f.args[i]) {
          case ValueType::kScalar: out += Scalar(depth - 1); break;
          case ValueType::kString: out += One({"'a'", "\"b\\n\"", "`c`"}); break;
          case ValueType::kMatrix: out += Range(depth - 1); break;
          default: out += Vector(depth - 1);
        }
      }
      return out + ")";
    }
  }

  std::mt19937 random_;
};

TEST(RandomExpressions, PrintToTextThatPrintsItself) {
  for (uint32_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::string text = Generator(seed).Vector(4);
    const auto expr = ParseExpr(text);
    ASSERT_TRUE(expr.ok()) << text << "\n" << expr.status().message();
    const std::string canonical = ToString(**expr);
    const auto again = ParseExpr(canonical);
    ASSERT_TRUE(again.ok()) << text << "\n" << canonical << "\n" << again.status().message();
    ASSERT_EQ(ToString(**again), canonical) << text;
    ASSERT_EQ(ToString(*Clone(**expr)), canonical) << text;
    const auto pretty = ParseExpr(Pretty(**expr));
    ASSERT_TRUE(pretty.ok()) << Pretty(**expr);
    ASSERT_EQ(ToString(**pretty), canonical) << Pretty(**expr);
  }
}

// Whatever one byte less, or another byte, makes of a query, parsing it ends in a tree or an error
// that names a place in the text.
TEST(RandomExpressions, SurviveDamage) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::string text = Generator(seed).Vector(3);
    for (size_t i = 0; i < text.size(); ++i) {
      std::string flipped = text;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
      for (const std::string& damaged : {text.substr(0, i), flipped}) {
        const auto result = ParseExpr(damaged);
        if (result.ok()) continue;
        ASSERT_NE(result.status().message().find(": parse error: "), std::string::npos)
            << damaged << "\n"
            << result.status().message();
      }
    }
  }
}

TEST(Parser, RefusesTreesThatAreTooHigh) {
  const auto repeated = [](std::string_view s, int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += s;
    return out;
  };
  constexpr int kMany = 200'000;
  for (const std::string& text :
       {repeated("(", kMany), repeated("-", kMany) + "1", "1" + repeated("+1", kMany),
        "1" + repeated("^1", kMany), repeated("sum(", kMany), "a" + repeated("[1m:]", kMany),
        "a[" + repeated("(", kMany), "a[1" + repeated("+1", kMany) + "]",
        "a offset " + repeated("(", kMany)}) {
    const auto result = ParseExpr(text);
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.status().message().find("nested too deeply"), std::string::npos)
        << text.substr(0, 20) << ": " << result.status().message();
  }
  EXPECT_TRUE(ParseExpr("1" + repeated("+1", 900)).ok());
  EXPECT_FALSE(ParseExpr(std::string(2 << 20, ' ')).ok());
}

TEST(ParseSelector, GivesTheMatchers) {
  const auto matchers = ParseSelector("foo{a=\"b\",c!~\"d\"}");
  ASSERT_TRUE(matchers.ok());
  ASSERT_EQ(matchers->size(), 3u);
  EXPECT_EQ((*matchers)[0].ToString(), "a=\"b\"");
  EXPECT_EQ((*matchers)[1].ToString(), "c!~\"d\"");
  EXPECT_EQ((*matchers)[2].ToString(), "__name__=\"foo\"");
  EXPECT_TRUE(ParseSelector("{\"foo bar\"}").ok());
}

TEST(ParseSelector, RefusesWhatSelectsNothingInParticular) {
  EXPECT_EQ(ParseSelector("{a=\"\"}").status().message(),
            "match[] must contain at least one non-empty matcher");
  EXPECT_EQ(ParseSelector("foo[5m]").status().message(), "1:4: parse error: unexpected \"[\"");
  EXPECT_EQ(ParseSelector("foo offset 5m").status().message(),
            "1:5: parse error: unexpected <offset>");
  EXPECT_FALSE(ParseSelector("").ok());
  EXPECT_FALSE(ParseSelector("sum(foo)").ok());
}

TEST(ParseMetric, GivesTheLabels) {
  EXPECT_EQ(*ParseMetric("foo{a=\"b\", \"c d\"='e',}"),
            (Labels{{"__name__", "foo"}, {"a", "b"}, {"c d", "e"}}));
  EXPECT_EQ(*ParseMetric("{\"foo\", a=\"b\"}"), (Labels{{"__name__", "foo"}, {"a", "b"}}));
  EXPECT_EQ(*ParseMetric("{}"), Labels());
  EXPECT_EQ(ParseMetric("foo{a=~\"b\"}").status().message(),
            "1:6: parse error: unexpected <op:=~> in label set, expected \"=\"");
  EXPECT_EQ(ParseMetric("foo{a}").status().message(),
            "1:6: parse error: unexpected \"}\" in label set, expected \"=\"");
}

TEST(LineColumn, CountsFromOne) {
  EXPECT_EQ(LineColumn("abc", 0), "1:1");
  EXPECT_EQ(LineColumn("abc", 3), "1:4");
  EXPECT_EQ(LineColumn("a\nbc", 2), "2:1");
  EXPECT_EQ(LineColumn("a\n\nbc", 4), "3:2");
}

// ---- durations

const Expr& Find(const Expr& e, NodeKind kind) {
  return e.kind == kind ? e : Find(e.kind == NodeKind::kCall ? *e.args[0] : *e.lhs, kind);
}

TEST(ResolveDurations, KnowsStepAndRange) {
  auto expr =
      ParseExpr("rate((foo offset (step()-1m))[range()/2 + 1s:max_of(step(),90s)] offset -step())");
  ASSERT_TRUE(expr.ok()) << expr.status().message();
  ASSERT_TRUE(ResolveDurations(expr->get(), 0, 3'600'000, 30'000).ok());
  const Expr& subquery = Find(**expr, NodeKind::kSubquery);
  EXPECT_EQ(subquery.range_ms, 1'801'000);
  EXPECT_EQ(subquery.step_ms, 90'000);
  EXPECT_EQ(subquery.offset_ms, -30'000);
  EXPECT_EQ(Find(subquery, NodeKind::kVectorSelector).offset_ms, -30'000);
}

TEST(ResolveDurations, ArithmeticIsThatOfFloats) {
  const auto range_ms = [](const std::string& duration) {
    auto expr = ParseExpr("foo[" + duration + "]");
    EXPECT_TRUE(expr.ok() && ResolveDurations(expr->get(), 0, 0, 60'000).ok()) << duration;
    return (*expr)->range_ms;
  };
  EXPECT_EQ(range_ms("1m + 30s"), 90'000);
  EXPECT_EQ(range_ms("2^3^2"), 512'000);
  EXPECT_EQ(range_ms("-5 + 10"), 5'000);
  EXPECT_EQ(range_ms("-2^2 + 5"), 1'000);
  EXPECT_EQ(range_ms("7 % 4"), 3'000);
  EXPECT_EQ(range_ms("step() / 8"), 7'500);
  EXPECT_EQ(range_ms("(1.0015)"), 1'001);
  EXPECT_EQ(range_ms("min_of(5s, -(-3s))"), 3'000);
}

TEST(ResolveDurations, RefusesWhatIsNoDuration) {
  const auto error = [](const std::string& text) {
    auto expr = ParseExpr(text);
    EXPECT_TRUE(expr.ok()) << text << expr.status().message();
    return ResolveDurations(expr->get(), 0, 0, 60'000).message();
  };
  EXPECT_EQ(error("foo[range()]"), "4:11: duration must be greater than 0");
  EXPECT_EQ(error("foo[1m-1m]"), "4:9: duration must be greater than 0");
  EXPECT_EQ(error("foo[5m:step()-1h]"), "7:16: duration must be greater than 0");
  EXPECT_EQ(error("foo[1m/range()]"), "4:14: division by zero");
  EXPECT_EQ(error("foo[1m%(5-5)]"), "4:11: modulo by zero");
  EXPECT_EQ(error("foo[10^300]"), "4:10: duration is out of range");
  EXPECT_EQ(error("foo offset (0-1m)"), "");
}

// ---- formatting

struct Formatted {
  std::string_view text;
  std::string_view pretty;
};

class PrettyPrints : public testing::TestWithParam<Formatted> {};

TEST_P(PrettyPrints, OverLines) {
  const auto expr = ParseExpr(GetParam().text);
  ASSERT_TRUE(expr.ok()) << expr.status().message();
  EXPECT_EQ(Pretty(**expr), GetParam().pretty);
}

// Short ones stay on their line; names are long enough to break the others.
INSTANTIATE_TEST_SUITE_P(
    All, PrettyPrints,
    testing::ValuesIn(std::vector<Formatted>{
        {"sum( foo )by(bar)", "sum by (bar) (foo)"},
        {"sum(very_long_metric_name_number_one_that_fills_the_line) + "
         "sum(very_long_metric_name_number_two_that_fills_it)",
         "  sum(very_long_metric_name_number_one_that_fills_the_line)\n+\n"
         "  sum(very_long_metric_name_number_two_that_fills_it)"},
        {"sum by (job) (rate(very_long_metric_name_number_one_that_fills_the_line[5m]) / ignoring "
         "(x) rate(another_metric_name_of_length[5m]))",
         "sum by (job) (\n    rate(very_long_metric_name_number_one_that_fills_the_line[5m])\n"
         "  / ignoring (x)\n    rate(another_metric_name_of_length[5m])\n)"},
        {"topk(5, quantile_over_time(0.99, "
         "(very_long_metric_name_number_one_that_fills_the_line)[5m:1m] offset 12h30m15s))",
         "topk(\n  5,\n  quantile_over_time(\n    0.99,\n"
         "(very_long_metric_name_number_one_that_fills_the_line)[5m:1m] offset 12h30m15s\n  )\n)"},
        {"-(very_long_metric_name_number_one_that_fills_the_line + "
         "another_very_long_metric_name_that_fills_it_too)",
         "-(\n    very_long_metric_name_number_one_that_fills_the_line\n  +\n"
         "    another_very_long_metric_name_that_fills_it_too\n)"},
    }));

}  // namespace
}  // namespace deckwatch::query
