#include "query/chunk_layout.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "query/histogram_buckets.h"
#include "query/histogram_hints.h"
#include "query/selection.h"

namespace deckwatch::query {

namespace {

// Prometheus's, of tsdb/head.go and tsdb/chunkenc/chunk.go.
constexpr int64_t kRangeMs = 2 * 3'600'000;
constexpr uint64_t kTargetBytes = 1024;
constexpr uint64_t kMinSamples = 10;
constexpr uint64_t kHeaderBytes = 3;

int64_t RangeStart(int64_t t_ms) {
  return t_ms / kRangeMs * kRangeMs;
}
int64_t RangeEnd(int64_t t_ms) {
  return RangeStart(t_ms) + kRangeMs;
}

// Where a chunk of `bytes` should end so that the rest of its range makes chunks of equal length.
int64_t EvenEnd(int64_t first_ms, int64_t last_ms, int64_t range_end_ms, uint64_t bytes) {
  const double times_full = static_cast<double>(kTargetBytes) / static_cast<double>(bytes);
  const auto left = static_cast<double>(range_end_ms - first_ms);
  const double n = left / (static_cast<double>(last_ms - first_ms + 1) * times_full);
  if (n <= 1) return range_end_ms;
  return static_cast<int64_t>(static_cast<double>(first_ms) + left / std::floor(n));
}

// ---- Bits that values take in a chunk.

struct VarbitSize {
  int width;
  uint64_t bits;  // with the prefix
};
constexpr VarbitSize kVarbitSizes[] = {{3, 5},   {6, 9},   {9, 13}, {12, 17},
                                       {18, 24}, {25, 32}, {56, 64}};
constexpr uint64_t kVarbitMost = 72;

uint64_t SignedBits(int64_t v) {
  if (v == 0) return 1;
  for (const VarbitSize& s : kVarbitSizes) {
    const int64_t most = int64_t{1} << (s.width - 1);
    if (-most < v && v <= most) return s.bits;
  }
  return kVarbitMost;
}

uint64_t UnsignedBits(uint64_t v) {
  if (v == 0) return 1;
  for (const VarbitSize& s : kVarbitSizes) {
    if (v >> s.width == 0) return s.bits;
  }
  return kVarbitMost;
}

// A column of doubles, each as what differs from the one before.
class XorColumn {
 public:
  explicit XorColumn(double first = 0) : last_(std::bit_cast<uint64_t>(first)) {}

  uint64_t Add(double v) {
    const auto bits = std::bit_cast<uint64_t>(v);
    const uint64_t delta = bits ^ last_;
    last_ = bits;
    if (delta == 0) return 1;
    const int leading = std::min(std::countl_zero(delta), 31);
    const int trailing = std::countr_zero(delta);
    const bool fits = leading_ >= 0 && leading >= leading_ && trailing >= trailing_;
    if (!fits) leading_ = leading, trailing_ = trailing;
    return (fits ? 2 : 13) + static_cast<uint64_t>(64 - leading_ - trailing_);
  }

 private:
  uint64_t last_;
  int leading_ = -1;
  int trailing_ = 0;
};

// A column of integers, each as the change of the change.
class DeltaColumn {
 public:
  explicit DeltaColumn(int64_t first = 0) : last_(static_cast<uint64_t>(first)) {}

  uint64_t Add(int64_t v) {
    const uint64_t delta = static_cast<uint64_t>(v) - last_, change = delta - delta_;
    last_ = static_cast<uint64_t>(v), delta_ = delta;
    return SignedBits(static_cast<int64_t>(change));
  }

 private:
  uint64_t last_, delta_ = 0;  // they wrap around
};

// A count of an integer histogram.
int64_t Whole(double count) {
  constexpr double kMost = 0x1p62;
  return std::fabs(count) < kMost ? static_cast<int64_t>(count) : 0;
}

uint64_t BoundBits(double bound) {
  const double thousandths = bound * 1000;
  const bool whole = std::round(thousandths) / 1000 == bound;
  if (thousandths < 0 || thousandths > 33554430 || !whole) return 1 + 64;
  return UnsignedBits(static_cast<uint64_t>(std::round(thousandths)) + 1);
}

uint64_t ThresholdBits(double threshold) {
  int exponent = 0;
  if (threshold == 0) return 8;
  const double fraction = std::frexp(threshold, &exponent);
  return fraction == 0.5 && exponent >= -242 && exponent <= 11 ? 8 : 8 + 64;
}

// ---- Chunks.

constexpr size_t kSides = 2;  // positive, negative
using Counts = std::array<std::vector<double>, kSides>;

std::array<BucketColumns, kSides> Sides(const Histogram& h) {
  return {FromSpans(h.positive_spans, h.positive_buckets),
          FromSpans(h.negative_spans, h.negative_buckets)};
}

// The list of buckets of a chunk. The spans are how it is written down: not always the shortest
// way, which counts for the size.
struct BucketList {
  std::array<std::vector<int32_t>, kSides> index;
  std::array<std::vector<HistogramSpan>, kSides> spans;

  // The counts of a histogram, 0 in buckets that it lacks.
  Counts On(const Histogram& h) const {
    const std::array<BucketColumns, kSides> sides = Sides(h);
    Counts out;
    for (size_t s = 0; s < kSides; ++s) {
      out[s].assign(index[s].size(), 0);
      size_t k = 0;
      for (size_t i = 0; i < sides[s].size(); ++i) {
        while (k < index[s].size() && index[s][k] < sides[s].index[i]) ++k;
        if (k == index[s].size()) break;
        out[s][k] = sides[s].count[i];
      }
    }
    return out;
  }
};

// How large a chunk has become.
class EncodedSize {
 public:
  uint64_t samples() const { return samples_; }
  uint64_t bytes() const { return kHeaderBytes + (bits_ + 7) / 8; }

  // The first sample tells the layout.
  void Add(int64_t t_ms, const Histogram& h, bool integer, const BucketList& list,
           const Counts& counts) {
    if (samples_ == 0) AddLayout(h, list);
    if (integer) {
      AddInteger(t_ms, h, counts);
    } else {
      AddFloat(t_ms, h, counts);
    }
    ++samples_;
  }

 private:
  void AddLayout(const Histogram& h, const BucketList& list) {
    bits_ += ThresholdBits(h.zero_threshold) + SignedBits(h.schema);
    for (const auto& spans : list.spans) {
      bits_ += UnsignedBits(spans.size());
      for (const HistogramSpan& s : spans) bits_ += UnsignedBits(s.length) + SignedBits(s.offset);
    }
    if (h.schema != kCustomBucketsSchema) return;
    bits_ += UnsignedBits(h.custom_values.size());
    for (double bound : h.custom_values) bits_ += BoundBits(bound);
  }

  void AddTime(int64_t t_ms) {
    if (samples_ == 0) time_ = DeltaColumn(t_ms);
    bits_ += samples_ == 0 ? SignedBits(t_ms) : time_.Add(t_ms);
  }

  void AddInteger(int64_t t_ms, const Histogram& h, const Counts& counts) {
    AddTime(t_ms);
    const int64_t count = Whole(h.count), zeros = Whole(h.zero_count);
    if (samples_ == 0) {
      bits_ += UnsignedBits(static_cast<uint64_t>(count)) +
               UnsignedBits(static_cast<uint64_t>(zeros)) + 64;
      count_ = DeltaColumn(count), zeros_ = DeltaColumn(zeros), sum_ = XorColumn(h.sum);
    } else {
      bits_ += IsStale(h) ? 2 : count_.Add(count) + zeros_.Add(zeros);
      bits_ += sum_.Add(h.sum);
    }
    size_t column = 0;
    for (const auto& side : counts) {
      int64_t before = 0;
      for (double c : side) {  // a bucket is told as the difference to the one before it
        const int64_t v = Whole(c) - before;
        before += v;
        if (samples_ == 0) {
          buckets_.emplace_back(v);
          bits_ += SignedBits(v);
        } else {
          bits_ += buckets_[column++].Add(v);
        }
      }
    }
  }

  void AddFloat(int64_t t_ms, const Histogram& h, const Counts& counts) {
    AddTime(t_ms);
    if (samples_ == 0) {
      bits_ += 3 * 64;
      float_count_ = XorColumn(h.count), float_zeros_ = XorColumn(h.zero_count);
      sum_ = XorColumn(h.sum);
    } else {
      bits_ += float_count_.Add(h.count) + float_zeros_.Add(h.zero_count) + sum_.Add(h.sum);
    }
    size_t column = 0;
    for (const auto& side : counts) {
      for (double c : side) {
        if (samples_ == 0) {
          float_buckets_.emplace_back(c);
          bits_ += 64;
        } else {
          bits_ += float_buckets_[column++].Add(c);
        }
      }
    }
  }

  uint64_t samples_ = 0, bits_ = 0;
  DeltaColumn time_, count_, zeros_;
  std::vector<DeltaColumn> buckets_;
  XorColumn sum_, float_count_, float_zeros_;
  std::vector<XorColumn> float_buckets_;
};

// Goes through the samples of a series as Prometheus's head takes them in.
class Chunks {
 public:
  explicit Chunks(Columns* columns) : columns_(*columns) {}

  void Add(size_t i) {
    const Histogram* const h = At(i);
    if (h == nullptr) return Close(i);
    const bool integer = columns_.histogram[i] != nullptr ? h->integer : integer_;
    if (EndsBefore(columns_.t_ms[i], integer)) {
      Start(i, *h, integer);
      has_even_end_ = false;
    } else if (!Extend(i, *h)) {
      Start(i, *h, integer);  // Prometheus forgets to set has_even_end_ here
    }
    Encode(i);
  }

  // Ends the chunk before sample `end`.
  void Close(size_t end) {
    if (!open_) return;
    open_ = false;
    for (size_t i = first_; i < end; ++i) {
      const HistogramPtr& h = columns_.histogram[i];
      if (h == nullptr || IsStale(*h)) continue;
      auto out = std::make_shared<Histogram>(*h);
      out->hint = gauge_        ? CounterResetHint::kGauge
                  : i == first_ ? CounterResetHint::kUnknown
                                : CounterResetHint::kNotReset;
      Counts counts = list_.On(*h);
      ToSpans({list_.index[0], std::move(counts[0])}, &out->positive_spans, &out->positive_buckets);
      ToSpans({list_.index[1], std::move(counts[1])}, &out->negative_spans, &out->negative_buckets);
      columns_.histogram[i] = std::move(out);
    }
  }

 private:
  // Null for a float. A stale marker behind a histogram is one of histograms.
  const Histogram* At(size_t i) const {
    static const Histogram stale = [] {
      Histogram h;
      h.sum = StaleNan();
      return h;
    }();
    const Histogram* const h = columns_.histogram[i].get();
    if (h != nullptr ? IsStale(*h) : open_ && IsStale(columns_.value[i])) return &stale;
    return h;
  }

  // Whether the chunk ends because of its size or time, or because samples of another kind come.
  bool EndsBefore(int64_t t_ms, bool integer) {
    if (!open_ || integer != integer_) return true;
    const int64_t first_ms = columns_.t_ms[first_];
    const uint64_t bytes = size_.bytes();
    if (!has_even_end_ && bytes >= kTargetBytes / 4) {
      end_ms_ = EvenEnd(first_ms, last_ms_, end_ms_, bytes);
      has_even_end_ = true;
    }
    return (t_ms >= end_ms_ || bytes >= 2 * kTargetBytes) &&
           (size_.samples() >= kMinSamples || t_ms >= RangeEnd(first_ms));
  }

  void Start(size_t i, const Histogram& h, bool integer) {
    Close(i);
    open_ = true;
    first_ = i;
    end_ms_ = RangeEnd(columns_.t_ms[i]);
    integer_ = integer;
    gauge_ = h.hint == CounterResetHint::kGauge;
    size_ = {};
    std::array<BucketColumns, kSides> sides = Sides(h);
    for (size_t s = 0; s < kSides; ++s) list_.index[s] = std::move(sides[s].index);
    list_.spans = {h.positive_spans, h.negative_spans};
  }

  // Prepares the chunk for sample i. False when it cannot take it.
  bool Extend(size_t i, const Histogram& h) {
    const Histogram& last = *At(i - 1);
    if ((h.hint == CounterResetHint::kGauge) != gauge_) return false;
    if (h.hint == CounterResetHint::kReset) return false;
    if (IsStale(h)) return true;
    if (IsStale(last)) return false;
    if (h.schema != last.schema || h.zero_threshold != last.zero_threshold) return false;
    if (h.custom_values != last.custom_values) return false;
    if (!gauge_ && (h.count < last.count || h.zero_count < last.zero_count)) return false;
    const std::array<BucketColumns, kSides> sides = Sides(h);
    const Counts before = list_.On(last);
    std::array<std::vector<int32_t>, kSides> all;
    bool grows = false;
    for (size_t s = 0; s < kSides; ++s) {
      if (!gauge_ && Lost(sides[s], list_.index[s], before[s])) return false;
      const std::vector<int32_t>&mine = list_.index[s], &its = sides[s].index;
      std::set_union(mine.begin(), mine.end(), its.begin(), its.end(), std::back_inserter(all[s]));
      grows = grows || all[s].size() > mine.size();
    }
    if (!grows) return true;
    // The spans are those of the newcomer where it has all buckets, for gauges on both sides.
    const bool lacks[] = {all[0].size() > sides[0].size(), all[1].size() > sides[1].size()};
    list_.index = std::move(all);
    list_.spans = {h.positive_spans, h.negative_spans};
    for (size_t s = 0; s < kSides; ++s) {
      if (!lacks[s] && !(gauge_ && lacks[1 - s])) continue;
      std::vector<double> counts(list_.index[s].size());
      ToSpans({list_.index[s], counts}, &list_.spans[s], &counts);
    }
    size_ = {};
    for (size_t k = first_; k < i; ++k) Encode(k);
    return true;
  }

  // Whether a bucket has fewer observations than in the sample before.
  static bool Lost(const BucketColumns& now, const std::vector<int32_t>& index,
                   const std::vector<double>& before) {
    size_t k = 0;
    for (size_t i = 0; i < before.size(); ++i) {
      while (k < now.size() && now.index[k] < index[i]) ++k;
      const bool found = k < now.size() && now.index[k] == index[i];
      if (found ? now.count[k] < before[i] : before[i] != 0) return true;
    }
    return false;
  }

  void Encode(size_t i) {
    const Histogram& h = *At(i);
    last_ms_ = columns_.t_ms[i];
    size_.Add(last_ms_, h, integer_, list_, IsStale(h) ? Counts{} : list_.On(h));
  }

  Columns& columns_;
  bool open_ = false;
  size_t first_ = 0;
  int64_t last_ms_ = 0;
  int64_t end_ms_ = 0;
  bool has_even_end_ = false;
  bool integer_ = false;
  bool gauge_ = false;
  BucketList list_;
  EncodedSize size_;
};

// Resets of counters are told apart when they are stored, by what they count: there the lists do
// not matter. Those of gauges, which only a mistaken query asks for, are found by comparing lists.
bool ShowsLists(FunctionId id, const Columns& columns) {
  if (id == FunctionId::kChanges || id == FunctionId::kResets) return true;
  const bool finds_resets =
      id == FunctionId::kRate || id == FunctionId::kIncrease || id == FunctionId::kIrate;
  return finds_resets &&
         std::any_of(columns.histogram.begin(), columns.histogram.end(), [](const HistogramPtr& h) {
           return h != nullptr && h->hint == CounterResetHint::kGauge;
         });
}

}  // namespace

void LayOutAsChunks(Columns* columns) {
  if (columns->histogram.empty()) return;
  Chunks chunks(columns);
  for (size_t i = 0; i < columns->size(); ++i) chunks.Add(i);
  chunks.Close(columns->size());
}

Status LayOutSelected(QueryContext& ctx, FunctionId id, bool statistics_only, LabelsView labels,
                      Columns* columns) {
  if (columns->histogram.empty() || !ShowsLists(id, *columns)) return {};
  if (statistics_only) {
    KeepStatistics(columns);
    return {};
  }
  ctx.budget.NoteChunks();
  Columns whole;
  TRY(ReadAlone(ctx, labels, RangeStart(columns->t_ms.front()), RangeEnd(columns->t_ms.back()) - 1,
                {}, &whole));
  LayOutAsChunks(&whole);
  for (size_t i = 0, k = 0; i < columns->size() && !whole.histogram.empty(); ++i) {
    while (k < whole.size() && whole.t_ms[k] < columns->t_ms[i]) ++k;
    if (k == whole.size()) break;
    if (whole.t_ms[k] == columns->t_ms[i]) columns->histogram[i] = whole.histogram[k];
  }
  return {};
}

}  // namespace deckwatch::query
