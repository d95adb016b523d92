// Properties of histogram arithmetic, on random histograms.
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "query/histogram_buckets.h"
#include "query/histogram_math.h"
#include "query/histogram_quantile.h"

namespace deckwatch::query {
namespace {

constexpr uint64_t kSeed = 99;
constexpr int kRounds = 500;

// Whole counts, so that sums are exact in any order.
Histogram RandomHistogram(std::mt19937_64& random, bool negative) {
  Histogram h;
  h.schema = static_cast<int32_t>(random() % 5) - 1;
  h.zero_threshold = random() % 2 == 0 ? 0.001 : 0.01;
  h.zero_count = static_cast<double>(random() % 4);
  const auto side = [&](std::vector<HistogramSpan>* spans, std::vector<double>* buckets) {
    for (size_t s = 0; s < 1 + random() % 2; ++s) {
      spans->push_back({static_cast<int32_t>(random() % 3) + (s > 0 ? 1 : -1),
                        static_cast<uint32_t>(1 + random() % 3)});
      for (uint32_t i = 0; i < spans->back().length; ++i) {
        buckets->push_back(static_cast<double>(1 + random() % 9));
      }
    }
  };
  side(&h.positive_spans, &h.positive_buckets);
  if (negative) side(&h.negative_spans, &h.negative_buckets);
  h.count = h.zero_count;
  for (double c : h.positive_buckets) h.count += c;
  for (double c : h.negative_buckets) h.count += c;
  h.sum = static_cast<double>(random() % 1000);
  return h;
}

double BucketSum(const Histogram& h) {
  double n = h.zero_count;
  for (double c : h.positive_buckets) n += c;
  for (double c : h.negative_buckets) n += c;
  return n;
}

template <typename F>
void EachRandom(bool negative, F f) {
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", round " + std::to_string(round));
    f(RandomHistogram(random, negative), RandomHistogram(random, negative));
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(HistogramMath, AdditionCommutesAndLosesNothing) {
  EachRandom(true, [](const Histogram& a, const Histogram& b) {
    Histogram ab = a, ba = b;
    ASSERT_TRUE(AddHistogram(&ab, b).compatible);
    ASSERT_TRUE(AddHistogram(&ba, a).compatible);
    CompactHistogram(&ab);
    CompactHistogram(&ba);
    ASSERT_TRUE(HistogramEquals(ab, ba)) << HistogramToString(ab) << HistogramToString(ba);
    ASSERT_EQ(BucketSum(ab), a.count + b.count);
    ASSERT_EQ(ab.count, a.count + b.count);
  });
}

TEST(HistogramMath, SubtractionUndoesAddition) {
  EachRandom(true, [](const Histogram& a, const Histogram& b) {
    Histogram sum = a;
    AddHistogram(&sum, b);
    Histogram back = sum;
    SubtractHistogram(&back, b);
    CompactHistogram(&back);
    // At the resolution and zero bucket of the sum.
    Histogram expected = a, nothing = b;
    MultiplyHistogram(&nothing, 0);
    nothing.hint = a.hint;
    AddHistogram(&expected, nothing);
    CompactHistogram(&expected);
    ASSERT_EQ(back.count, a.count);
    ASSERT_EQ(BucketSum(back), a.count);
    ASSERT_EQ(back.schema, expected.schema);
  });
}

TEST(HistogramMath, CompensatedAdditionOfWholeCountsIsPlainAddition) {
  EachRandom(true, [](const Histogram& a, const Histogram& b) {
    Histogram plain = a, compensated = a;
    std::optional<Histogram> c;
    AddHistogram(&plain, b);
    ASSERT_TRUE(KahanAddHistogram(&compensated, b, &c).compatible);
    ASSERT_TRUE(c.has_value());
    AddHistogram(&compensated, *c);
    CompactHistogram(&plain);
    CompactHistogram(&compensated);
    ASSERT_TRUE(HistogramEquals(plain, compensated));
  });
}

TEST(HistogramMath, CompensationKeepsWhatRoundingLoses) {
  Histogram a;
  a.count = a.sum = 1e16;
  Histogram one;
  one.count = one.sum = 1;
  std::optional<Histogram> c;
  for (int i = 0; i < 10; ++i) KahanAddHistogram(&a, one, &c);
  AddHistogram(&a, *c);
  EXPECT_EQ(a.count, 1e16 + 10);
}

TEST(HistogramMath, LowerResolutionKeepsCounts) {
  EachRandom(true, [](const Histogram& a, const Histogram&) {
    for (int32_t schema = a.schema; schema >= -4; --schema) {
      const Histogram low = AtSchema(a, schema);
      ASSERT_EQ(low.schema, schema);
      ASSERT_EQ(BucketSum(low), BucketSum(a));
    }
  });
}

TEST(HistogramMath, SpansAndColumnsAreTheSame) {
  EachRandom(true, [](const Histogram& a, const Histogram&) {
    const BucketColumns columns = FromSpans(a.positive_spans, a.positive_buckets);
    Histogram again = a;
    ToSpans(columns, &again.positive_spans, &again.positive_buckets);
    ASSERT_TRUE(HistogramEquals(a, again));
  });
}

TEST(HistogramMath, BoundsArePowersOfTwo) {
  for (int32_t schema = -4; schema <= 8; ++schema) {
    for (int32_t i = -40; i <= 40; ++i) {
      const double exact = std::exp2(std::ldexp(i, -schema));
      EXPECT_NEAR(ExponentialBound(i, schema) / exact, 1, 1e-15) << schema << " " << i;
    }
  }
  EXPECT_EQ(ExponentialBound(3, 2), 1.6817928305074288);  // as Prometheus rounds it
  EXPECT_EQ(ExponentialBound(1024, 0), std::numeric_limits<double>::max());
}

TEST(HistogramMath, CompactIsIdempotent) {
  Histogram h;
  h.positive_spans = {{2, 4}};
  h.positive_buckets = {0, 3, 0, 5};
  CompactHistogram(&h);
  EXPECT_EQ(h.positive_spans, (std::vector<HistogramSpan>{{3, 1}, {1, 1}}));
  EXPECT_EQ(h.positive_buckets, (std::vector<double>{3, 5}));
  const Histogram once = h;
  CompactHistogram(&h);
  EXPECT_EQ(h, once);
}

TEST(HistogramMath, DetectsResets) {
  Histogram before;
  before.count = 10;
  before.positive_spans = {{0, 2}};
  before.positive_buckets = {4, 6};
  Histogram after = before;
  EXPECT_FALSE(DetectReset(after, before));
  after.count = 12;
  after.positive_buckets = {6, 6};
  EXPECT_FALSE(DetectReset(after, before));
  after.positive_buckets = {7, 5};  // one bucket fell although the count rose
  EXPECT_TRUE(DetectReset(after, before));
  after.hint = CounterResetHint::kNotReset;
  EXPECT_FALSE(DetectReset(after, before));
  after = before;
  after.schema = 1;  // a finer resolution comes only with a restart
  EXPECT_TRUE(DetectReset(after, before));
  EXPECT_FALSE(DetectReset(AtSchema(before, -1), before));
}

TEST(HistogramMath, ExponentialAndCustomBucketsDoNotMix) {
  Histogram exponential, custom;
  custom.schema = kCustomBucketsSchema;
  const Histogram before = exponential;
  EXPECT_FALSE(AddHistogram(&exponential, custom).compatible);
  EXPECT_EQ(exponential, before);
}

TEST(HistogramMath, CustomBoundsMeetInTheirIntersection) {
  Histogram a, b;
  a.schema = b.schema = kCustomBucketsSchema;
  a.custom_values = {1, 2, 3};
  a.positive_spans = {{0, 4}};
  a.positive_buckets = {1, 2, 3, 4};
  b.custom_values = {2, 4};
  b.positive_spans = {{0, 3}};
  b.positive_buckets = {10, 20, 30};
  EXPECT_TRUE(AddHistogram(&a, b).bounds_reconciled);
  EXPECT_EQ(a.custom_values, std::vector<double>{2});
  EXPECT_EQ(a.positive_buckets, (std::vector<double>{13, 57}));
}

TEST(HistogramQuantile, RisesWithQ) {
  AnnotationSet none;
  EachRandom(true, [&](const Histogram& a, const Histogram&) {
    double previous = -HUGE_VAL;
    for (double q = 0; q <= 1; q += 0.05) {
      const double v = NativeQuantile(q, a, "", {}, &none);
      ASSERT_GE(v, previous - 1e-9) << HistogramToString(a) << " " << q;
      previous = v;
    }
  });
}

TEST(HistogramQuantile, FractionIsItsInverse) {
  AnnotationSet none;
  EachRandom(false, [&](const Histogram& a, const Histogram&) {
    for (double q : {0.1, 0.37, 0.5, 0.81}) {
      const double v = NativeQuantile(q, a, "", {}, &none);
      ASSERT_NEAR(NativeFraction(-HUGE_VAL, v, a, "", {}, &none), q, 1e-9)
          << HistogramToString(a) << " " << q;
    }
  });
}

TEST(ExponentialBound, IsTheOneOfPrometheus) {
  EXPECT_EQ(ExponentialBound(-1, 1), 0.7071067811865475);
  EXPECT_EQ(ExponentialBound(3, 2), 2 * 0.8408964152537144);
  EXPECT_EQ(ExponentialBound(-1, 4), 0.9576032806985735);
  EXPECT_EQ(ExponentialBound(53 - 256, 8), 0.5771552102951081);
  EXPECT_EQ(ExponentialBound(255, 8), 2 * 0.9972960560854698);
  EXPECT_EQ(ExponentialBound(5 << 8, 8), 32);
  EXPECT_EQ(ExponentialBound(-3, -2), 0x1p-12);
  for (int32_t schema = -4; schema <= 8; ++schema) {
    const int32_t last = schema < 0 ? 1024 >> -schema : 1024 << schema;
    EXPECT_EQ(ExponentialBound(last, schema), std::numeric_limits<double>::max());
    EXPECT_EQ(ExponentialBound(last + 1, schema), HUGE_VAL);
    for (int32_t n = schema < 0 ? 60 : 600, i = -n; i < n; ++i) {
      ASSERT_LT(ExponentialBound(i, schema), ExponentialBound(i + 1, schema)) << schema << " " << i;
    }
  }
}

TEST(HistogramTrim, PartsMakeTheWhole) {
  EachRandom(true, [](const Histogram& a, const Histogram&) {
    for (double x : {-1.3, -0.5, 0.0, 0.0007, 0.8, 2.0, 100.0}) {
      Histogram below = a, above = a;
      TrimHistogram(&below, x, true);
      TrimHistogram(&above, x, false);
      ASSERT_NEAR(below.count + above.count, a.count, 1e-9) << x << HistogramToString(a);
      ASSERT_GE(below.count, 0);
    }
  });
}

TEST(ClassicQuantile, RepairsAndTells) {
  std::vector<ClassicBucket> buckets = {{0.1, 2}, {1, 1}, {10, 5}, {100, 4}, {HUGE_VAL, 8}};
  bool forced = false;
  EXPECT_DOUBLE_EQ(ClassicQuantile(0.5, &buckets, &forced), 1 + 9 * (2.0 / 3));
  EXPECT_TRUE(forced);
  buckets = {{1, 3}, {HUGE_VAL, 3 + 1e-15}};
  ClassicQuantile(0.5, &buckets, &forced);
  EXPECT_FALSE(forced);
}

}  // namespace
}  // namespace deckwatch::query
