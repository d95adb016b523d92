#include "query/selector_needs.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "query/parser.h"

namespace deckwatch::query {
namespace {

// The names of the selectors in one of the sets.
std::string Names(std::string_view text,
                  std::unordered_set<const Expr*> SelectorNeeds::*selectors) {
  const auto expr = ParseExpr(text);
  EXPECT_TRUE(expr.ok()) << text;
  const SelectorNeeds needs = SelectorNeeds::Of(**expr);
  std::vector<std::string> names;
  for (const Expr* e : needs.*selectors) names.push_back(e->metric_name);
  std::sort(names.begin(), names.end());
  std::string out;
  for (const std::string& name : names) out += name;
  return out;
}

std::string AnyValue(std::string_view text) {
  return Names(text, &SelectorNeeds::any_value);
}
std::string StatisticsOnly(std::string_view text) {
  return Names(text, &SelectorNeeds::statistics_only);
}

TEST(SelectorNeeds, WhatIsOnlyCountedMayHaveAnyValue) {
  EXPECT_EQ(AnyValue("count(a)"), "a");
  EXPECT_EQ(AnyValue("count by (job) ((a))"), "a");
  EXPECT_EQ(AnyValue("group(a)"), "a");
  EXPECT_EQ(AnyValue("a and b"), "b");
  EXPECT_EQ(AnyValue("a unless on (job) (b)"), "b");
  EXPECT_EQ(AnyValue("absent(a)"), "a");
  EXPECT_EQ(AnyValue("timestamp(a)"), "a");
  for (const char* f : {"absent", "count", "present", "ts_of_first", "ts_of_last"}) {
    EXPECT_EQ(AnyValue(std::string(f) + "_over_time(a[5m])"), "a") << f;
  }
  EXPECT_EQ(AnyValue("count(a) / count(b) > scalar(count(c))"), "abc");
}

TEST(SelectorNeeds, WhatIsLookedAtMayNot) {
  for (const char* text :
       {"a", "sum(a)", "count(a > 1)", "count(-a)", "count(rate(a[5m]))", "count_values(\"v\", a)",
        "a or b", "a and b > 1", "a and on () (b + 0)", "last_over_time(a[5m])", "count(abs(a))",
        "count_over_time((a > 1)[5m:])", "absent(a * b)", "ts_of_max_over_time(a[5m])"}) {
    EXPECT_EQ(AnyValue(text), "") << text;
  }
}

TEST(SelectorNeeds, StatisticsOnlyUnlessAnythingAsksForBuckets) {
  EXPECT_EQ(StatisticsOnly("histogram_count(a)"), "a");
  EXPECT_EQ(StatisticsOnly("histogram_sum(rate(a[5m])) / histogram_avg(b + c) > d"), "abc");
  EXPECT_EQ(StatisticsOnly("histogram_count(sum by (x) (a)) or b"), "a");
  for (const char* text :
       {"a", "rate(a[5m])", "histogram_quantile(0.9, histogram_count(a))",
        "histogram_quantiles(a, \"q\", 0.9)", "histogram_fraction(0, 1, histogram_sum(a))",
        "histogram_count(a </ 5)", "max_over_time(histogram_count(rate(a[5m]))[1h:])",
        "histogram_count(last_over_time(a[5m:]))"}) {
    EXPECT_EQ(StatisticsOnly(text), "") << text;
  }
}

}  // namespace
}  // namespace deckwatch::query
