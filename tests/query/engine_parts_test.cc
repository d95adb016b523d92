// The small parts of the engine.
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "query/annotations.h"
#include "query/budget.h"
#include "query/instant_functions.h"
#include "query/kahan.h"
#include "query/known_times.h"
#include "query/label_sets.h"
#include "query/quantile.h"
#include "query/query_context.h"
#include "query/series_hash.h"

namespace deckwatch::query {
namespace {

TEST(Kahan, KeepsSmallTerms) {
  KahanSum sum;
  for (double v : {1.0, 1e100, 1.0, -1e100}) sum.Add(v);
  EXPECT_EQ(sum.Value(), 2);
}

TEST(Kahan, ColumnsAreSumsSideBySide) {
  std::mt19937_64 random(7);
  constexpr size_t kColumns = 13;
  double sums[kColumns] = {}, lost[kColumns] = {};
  KahanSum expected[kColumns];
  for (int row = 0; row < 200; ++row) {
    double v[kColumns];
    for (double& x : v) {
      x = std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 200) - 100);
      if (random() % 50 == 0) x = -x * 1e250;
    }
    KahanAddColumns(sums, lost, v, kColumns);
    for (size_t i = 0; i < kColumns; ++i) expected[i].Add(v[i]);
  }
  for (size_t i = 0; i < kColumns; ++i) {
    EXPECT_EQ(std::bit_cast<uint64_t>(sums[i]), std::bit_cast<uint64_t>(expected[i].sum)) << i;
    EXPECT_EQ(std::bit_cast<uint64_t>(lost[i]), std::bit_cast<uint64_t>(expected[i].c)) << i;
  }
}

TEST(Kahan, MeanSurvivesOverflow) {
  const double big = std::numeric_limits<double>::max();
  KahanMean mean(big);
  mean.Add(big);
  mean.Add(big);
  EXPECT_DOUBLE_EQ(mean.Value(), big);
}

TEST(Quantile, EdgesAndInterpolation) {
  std::vector<double> v = {3, 1, 2};
  EXPECT_EQ(Quantile(0.5, &v), 2);
  EXPECT_EQ(Quantile(0.25, &v), 1.5);
  EXPECT_EQ(Quantile(1, &v), 3);
  EXPECT_EQ(Quantile(-1, &v), -HUGE_VAL);
  EXPECT_EQ(Quantile(2, &v), HUGE_VAL);
  EXPECT_TRUE(std::isnan(Quantile(std::nan(""), &v)));
  v = {5, std::nan(""), 1};  // NaN sorts first
  EXPECT_EQ(Quantile(1, &v), 5);
  EXPECT_EQ(Quantile(0.5, &v), 1);
}

double Date(FunctionId id, double t) {
  return FindDateFunction(id)(t);
}

TEST(DateFunctions, KnowTheCalendar) {
  constexpr double kLeapDay = 951782400;  // 2000-02-29T00:00:00Z
  EXPECT_EQ(Date(FunctionId::kYear, kLeapDay), 2000);
  EXPECT_EQ(Date(FunctionId::kMonth, kLeapDay), 2);
  EXPECT_EQ(Date(FunctionId::kDayOfMonth, kLeapDay), 29);
  EXPECT_EQ(Date(FunctionId::kDayOfYear, kLeapDay), 60);
  EXPECT_EQ(Date(FunctionId::kDayOfWeek, kLeapDay), 2);  // Tuesday
  EXPECT_EQ(Date(FunctionId::kDaysInMonth, kLeapDay), 29);
  EXPECT_EQ(Date(FunctionId::kDaysInMonth, -2203977600), 28);  // February 1900
  EXPECT_EQ(Date(FunctionId::kDayOfMonth, -1), 31);            // 1969-12-31T23:59:59Z
  EXPECT_EQ(Date(FunctionId::kHour, -1), 23);
  EXPECT_EQ(Date(FunctionId::kMinute, 59 * 60), 59);
}

TEST(LabelSets, IndexNumbersInOrderOfAppearance) {
  LabelIndex index;
  std::map<std::string, size_t> known;
  std::mt19937 random(7);
  for (int i = 0; i < 5000; ++i) {
    const std::string key(random() % 5, static_cast<char>('a' + random() % 200));
    bool added = false;
    const size_t number = index.Insert(key, &added);
    const auto [it, is_new] = known.try_emplace(key, known.size());
    ASSERT_EQ(added, is_new);
    ASSERT_EQ(number, it->second);
  }
  EXPECT_EQ(index.size(), known.size());
}

// More sequences than there is room for: what is known is that of the times asked for.
TEST(KnownTimesTest, FindsWhatWasWorkedOutForTheSameTimes) {
  constexpr size_t kRoom = 8;
  KnownTimes<std::vector<int64_t>> known(kRoom);
  std::mt19937 random(7);
  int found_again = 0;
  for (int i = 0; i < 5000; ++i) {
    const auto n = static_cast<int64_t>(random() % 12);
    std::vector<int64_t> t_ms = {1, 5 + n % 2, 10, 20 + n, 99};  // apart in the middle only
    t_ms.resize(random() % 4 == 0 ? 0 : 5);
    const auto found = known.Find(t_ms.data(), t_ms.size());
    ASSERT_LT(found.slot, kRoom);
    if (found.known) {
      ASSERT_EQ(*found.value, t_ms);
    }
    found_again += found.known ? 1 : 0;
    *found.value = t_ms;
  }
  EXPECT_GT(found_again, 1000);
}

TEST(LabelSets, ProjectionsKeepAndDrop) {
  const Labels l{{"__name__", "up"}, {"a", "1"}, {"b", "2"}, {"c", "3"}};
  EXPECT_EQ(Projection::Keep({"c", "a", "z"}).Apply(l), (Labels{{"a", "1"}, {"c", "3"}}));
  EXPECT_EQ(Projection::Drop({"b"}).Apply(l), (Labels{{"a", "1"}, {"c", "3"}}));
  EXPECT_EQ(Projection::DropOnly({"b", "c"}).Apply(l), (Labels{{"__name__", "up"}, {"a", "1"}}));
  EXPECT_TRUE(Projection::Keep({}).Apply(l).empty());
  EXPECT_EQ(BracedString(l), R"({__name__="up", a="1", b="2", c="3"})");
}

TEST(SeriesHash, IsPrometheusXxHash64) {
  // xxHash64 of the empty input is a published value.
  EXPECT_DOUBLE_EQ(SeriesHashFraction(Labels()),
                   static_cast<double>(0xef46db3751d8e999u) / static_cast<double>(UINT64_MAX));
}

TEST(FormatGo, WritesNumbersAsGoDoes) {
  EXPECT_EQ(FormatGo(0.5), "0.5");
  EXPECT_EQ(FormatGo(100000), "100000");
  EXPECT_EQ(FormatGo(1e6), "1e+06");
  EXPECT_EQ(FormatGo(0.00001), "1e-05");
  EXPECT_EQ(FormatGo(-HUGE_VAL), "-Inf");
}

TEST(Annotations, SameTextIsKeptOnceWithItsLastPosition) {
  AnnotationSet a, b;
  a.InvalidQuantile(2, {0, 1});
  b.InvalidQuantile(2, {9, 10});
  a.Merge(std::move(b));
  const Annotations out = a.Render("01234\n789");
  ASSERT_EQ(out.warnings.size(), 1u);
  EXPECT_EQ(out.warnings[0],
            "PromQL warning: quantile value should be between 0 and 1, got 2 (2:4)");
}

TEST(Budget, CountsWhatIsHeldAndGivesItBack) {
  FakeClock clock(0);
  Budget budget({10, 1000, 5, {}}, &clock);
  Charge a, b;
  EXPECT_TRUE(budget.Hold(6, 100, &a).ok());
  EXPECT_EQ(budget.Hold(6, 100, &b).code(), StatusCode::kResourceExhausted);
  a.Release();
  EXPECT_TRUE(budget.Hold(7, 100, &b).ok());
  EXPECT_TRUE(budget.Hold(3, 100, &a).ok());
  b.Absorb(std::move(a));
  b.Release();
  EXPECT_TRUE(budget.Hold(10, 100, &a).ok());
  EXPECT_EQ(budget.Hold(1, 5000, &a).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(budget.peak_samples(), 12u);
  EXPECT_TRUE(budget.Check().ok());
  clock.AdvanceMs(6);
  EXPECT_EQ(budget.Check().code(), StatusCode::kDeadlineExceeded);
}

TEST(StepVectorTest, MergesSeriesOfOneName) {
  StepVector v(2);
  v.AddRow({Labels{{"a", "1"}}, false});
  v.AddRow({Labels{{"a", "1"}}, false});
  v.SetFloat(0, 0, 1);
  v.SetFloat(1, 1, 2);
  ASSERT_TRUE(MergeEqualSeries(&v).ok());
  ASSERT_EQ(v.size(), 1u);
  EXPECT_EQ(v.Values(0)[1], 2);
  v.AddRow({Labels{{"a", "1"}}, false});
  v.SetFloat(1, 1, 3);
  EXPECT_EQ(MergeEqualSeries(&v).message(), "vector cannot contain metrics with the same labelset");
}

}  // namespace
}  // namespace deckwatch::query
