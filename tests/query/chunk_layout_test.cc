// The lists of buckets that histograms get, against those that Prometheus 3.5.3 gave: it was sent
// the same series, and `series * NaN` shows every bucket, the empty ones too.
#include "query/chunk_layout.h"

#include <algorithm>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "query/histogram_buckets.h"

namespace deckwatch::query {
namespace {

constexpr int64_t kFirstMs = 1'700'000'000'000;  // the next range of chunks begins 6400 s later
constexpr int64_t kStepMs = 15'000;

enum class Kind { kInteger, kFloat, kCustom, kGauge, kMixed };

// The source of Random(n) is as in ANSI C, so that a script could send the same to Prometheus.
class SeriesOf {
 public:
  explicit SeriesOf(Kind kind) : kind_(kind), state_(static_cast<uint64_t>(kind) + 1) {}

  Columns Make(size_t samples) {
    Columns c;
    for (size_t i = 0; i < samples; ++i) {
      const auto number = static_cast<double>(i);
      c.t_ms.push_back(kFirstMs + static_cast<int64_t>(i) * kStepMs);
      c.value.push_back(0);
      c.histogram.push_back(nullptr);
      if (kind_ == Kind::kMixed && Random(40) == 0) {
        c.value.back() = Random(2) != 0 ? StaleNan() : number;
        continue;
      }
      c.histogram.back() = Next(number * 0.25);
    }
    return c;
  }

 private:
  uint64_t Random(uint64_t n) {
    state_ = (state_ * 1103515245 + 12345) % (uint64_t{1} << 31);
    return (state_ >> 16) % n;
  }

  HistogramPtr Next(double sum) {
    if (kind_ == Kind::kGauge || Random(150) == 0) {
      positive_.clear(), negative_.clear();
      zeros_ = 0;
    }
    for (uint64_t n = Random(6); n > 0; --n) Observe();
    auto h = std::make_shared<Histogram>();
    h->integer = kind_ == Kind::kInteger || kind_ == Kind::kMixed;
    h->hint = kind_ == Kind::kGauge ? CounterResetHint::kGauge : CounterResetHint::kUnknown;
    h->schema = kind_ == Kind::kGauge && Random(9) == 0 ? 1 : 2;
    h->zero_threshold = 0.001;
    if (kind_ == Kind::kCustom) {
      h->schema = kCustomBucketsSchema;
      h->zero_threshold = 0;
      for (int i = 1; i < 30; ++i) h->custom_values.push_back(i * 0.5 + (i >= 20 ? 1.0 / 3 : 0));
    }
    h->zero_count = h->count = zeros_;
    const auto side = [&](const std::map<int32_t, double>& from, auto* spans, auto* buckets) {
      BucketColumns columns;
      for (const auto& [index, count] : from) {
        columns.Add(index, count);
        h->count += count;
      }
      ToSpans(columns, spans, buckets);
    };
    side(positive_, &h->positive_spans, &h->positive_buckets);
    side(negative_, &h->negative_spans, &h->negative_buckets);
    h->sum = sum;
    return h;
  }

  void Observe() {
    const uint64_t w = Random(20);
    if (w == 0 && kind_ != Kind::kCustom) {
      zeros_ += 1;
      return;
    }
    const uint64_t a = Random(30), b = Random(30), c = Random(30);
    const auto bucket = static_cast<int32_t>(std::min({a, b, c}));
    (kind_ == Kind::kGauge && w < 5 ? negative_ : positive_)[bucket] += 1;
  }

  const Kind kind_;
  uint64_t state_;
  std::map<int32_t, double> positive_, negative_;
  double zeros_ = 0;
};

// How many buckets the lists of consecutive histograms have: "3x17 1x-1": three with 17, and one
// that is none.
std::string Lists(Kind kind, size_t samples) {
  Columns c = SeriesOf(kind).Make(700);
  LayOutAsChunks(&c);
  std::string out;
  for (size_t i = 0, run = 1; i < samples; ++i, ++run) {
    const auto size = [&](size_t k) {
      const HistogramPtr& h = c.histogram[k];
      if (h == nullptr) return -1;
      return static_cast<int>(h->positive_buckets.size() + h->negative_buckets.size());
    };
    if (i + 1 < samples && size(i + 1) == size(i)) continue;
    out += (out.empty() ? "" : " ") + std::to_string(run) + "x" + std::to_string(size(i));
    run = 0;
  }
  return out;
}

TEST(ChunkLayout, ListsArePrometheuss) {
  EXPECT_EQ(Lists(Kind::kInteger, 700), "34x20 244x27 18x20 84x26 4x9 43x21 86x26 187x25");
  EXPECT_EQ(Lists(Kind::kFloat, 700), "24x21 30x22 10x23 11x24 144x25 54x22 398x28 29x17");
  EXPECT_EQ(Lists(Kind::kCustom, 700),
            "10x16 10x19 10x21 40x22 35x23 35x19 327x24 20x25 18x26 195x28");
  EXPECT_EQ(Lists(Kind::kGauge, 240),
            "2x5 1x1 9x17 1x1 5x8 1x2 6x8 1x2 3x6 1x2 5x13 1x1 14x20 5x7 1x1 2x4 3x9 2x6 23x31 1x5 "
            "3x7 1x3 9x15 1x5 4x10 1x1 7x14 2x5 7x14 1x0 3x8 1x2 6x13 1x1 2x3 1x4 1x0 1x5 2x6 1x0 "
            "32x27 1x2 15x18 1x1 10x21 1x4 3x6 1x1 8x8 1x0 5x10 3x9 16x19 1x3");
  EXPECT_EQ(Lists(Kind::kMixed, 700),
            "37x17 51x24 1x-1 27x25 1x-1 34x26 1x-1 9x26 90x24 1x-1 3x24 16x19 1x-1 4x20 2x4 53x21 "
            "1x-1 25x23 1x-1 19x23 1x-1 15x25 1x-1 5x25 28x18 28x21 1x-1 96x26 14x16 134x25");
}

TEST(ChunkLayout, KeepsWhatHistogramsCount) {
  for (const Kind kind :
       {Kind::kInteger, Kind::kFloat, Kind::kCustom, Kind::kGauge, Kind::kMixed}) {
    const Columns before = SeriesOf(kind).Make(700);
    Columns after = before;
    LayOutAsChunks(&after);
    EXPECT_EQ(after.t_ms, before.t_ms);
    for (size_t i = 0; i < before.size(); ++i) {
      if (before.histogram[i] == nullptr) continue;
      Histogram a = *after.histogram[i], b = *before.histogram[i];
      EXPECT_EQ(a.hint == CounterResetHint::kGauge, kind == Kind::kGauge);
      a.hint = b.hint;
      for (Histogram* h : {&a, &b}) {
        const auto compact = [](auto* spans, auto* buckets) {
          BucketColumns kept;
          const BucketColumns all = FromSpans(*spans, *buckets);
          for (size_t k = 0; k < all.size(); ++k) {
            if (all.count[k] != 0) kept.Add(all.index[k], all.count[k]);
          }
          ToSpans(kept, spans, buckets);
        };
        compact(&h->positive_spans, &h->positive_buckets);
        compact(&h->negative_spans, &h->negative_buckets);
      }
      EXPECT_EQ(a, b);
    }
  }
}

TEST(ChunkLayout, OnlyTheFirstOfAChunkMayBeAReset) {
  Columns c = SeriesOf(Kind::kInteger).Make(60);
  LayOutAsChunks(&c);
  EXPECT_EQ(c.histogram[0]->hint, CounterResetHint::kUnknown);
  EXPECT_EQ(c.histogram[33]->hint, CounterResetHint::kNotReset);
  EXPECT_EQ(c.histogram[34]->hint, CounterResetHint::kUnknown);
  EXPECT_EQ(c.histogram[35]->hint, CounterResetHint::kNotReset);
}

TEST(ChunkLayout, FloatsAndNothingStayAsTheyAre) {
  Columns c;
  LayOutAsChunks(&c);
  c.t_ms = {1, 2};
  c.value = {1, StaleNan()};
  LayOutAsChunks(&c);
  EXPECT_TRUE(c.histogram.empty());
  c.histogram.resize(2);
  LayOutAsChunks(&c);
  EXPECT_EQ(c.value[0], 1);
}

}  // namespace
}  // namespace deckwatch::query
