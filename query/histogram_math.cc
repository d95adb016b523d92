#include "query/histogram_math.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "query/histogram_buckets.h"
#include "query/kahan.h"

namespace deckwatch::query {

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

BucketColumns Positive(const Histogram& h) {
  return FromSpans(h.positive_spans, h.positive_buckets);
}
BucketColumns Negative(const Histogram& h) {
  return FromSpans(h.negative_spans, h.negative_buckets);
}
void SetPositive(Histogram* h, const BucketColumns& b) {
  ToSpans(b, &h->positive_spans, &h->positive_buckets);
}
void SetNegative(Histogram* h, const BucketColumns& b) {
  ToSpans(b, &h->negative_spans, &h->negative_buckets);
}

double CustomBound(const Histogram& h, int32_t index) {
  if (index < 0) return -kInf;
  return static_cast<size_t>(index) < h.custom_values.size()
             ? h.custom_values[static_cast<size_t>(index)]
             : kInf;
}

Bucket PositiveBucket(const Histogram& h, int32_t index, double count) {
  if (UsesCustomBuckets(h)) {
    const bool first = index == 0;
    return {CustomBound(h, index - 1), CustomBound(h, index), first, true, count, index};
  }
  return {ExponentialBound(index - 1, h.schema),
          ExponentialBound(index, h.schema),
          false,
          true,
          count,
          index};
}

// The zero bucket's count if its threshold were `*threshold`, which is raised to the end of a
// populated bucket that it would cut.
double ZeroCountFor(const Histogram& h, double* threshold) {
  if (*threshold == h.zero_threshold) return h.zero_count;
  const std::vector<Bucket> positive = PositiveBuckets(h);
  const std::vector<Bucket> negative = NegativeBuckets(h);
  for (;;) {
    double count = h.zero_count;
    for (const Bucket& b : positive) {
      if (b.lower >= *threshold) break;
      count += b.count;
      if (b.upper > *threshold) {
        if (b.count != 0) *threshold = b.upper;
        break;
      }
    }
    bool again = false;
    for (const Bucket& b : negative) {
      if (b.upper <= -*threshold) break;
      count += b.count;
      if (b.lower < -*threshold) {
        again = b.count != 0;
        if (again) *threshold = -b.lower;
        break;
      }
    }
    if (!again) return count;
  }
}

// Drops the buckets that the zero bucket has swallowed.
void TrimToZeroBucket(Histogram* h) {
  const auto trim = [h](const BucketColumns& from) {
    BucketColumns kept;
    for (size_t i = 0; i < from.size(); ++i) {
      if (ExponentialBound(from.index[i] - 1, h->schema) >= h->zero_threshold) {
        kept.Add(from.index[i], from.count[i]);
      }
    }
    return kept;
  };
  SetPositive(h, trim(Positive(*h)));
  SetNegative(h, trim(Negative(*h)));
}

// Makes the zero bucket of `h` as wide as that of `other` or wider; the count of other's at that
// width.
double ReconcileZeroBuckets(Histogram* h, const Histogram& other) {
  double other_count = other.zero_count;
  double other_threshold = other.zero_threshold;
  while (other_threshold != h->zero_threshold) {
    if (h->zero_threshold > other_threshold) {
      other_threshold = h->zero_threshold;
      other_count = ZeroCountFor(other, &other_threshold);
    }
    if (other_threshold > h->zero_threshold) {
      double threshold = other_threshold;
      h->zero_count = ZeroCountFor(*h, &threshold);
      h->zero_threshold = threshold;
      TrimToZeroBucket(h);
    }
  }
  return other_count;
}

// The hint of a sum; true when a reset meets a non-reset.
bool CombineHints(Histogram* h, const Histogram& other) {
  using enum CounterResetHint;
  if (other.hint == h->hint || h->hint == kGauge) return false;
  if (other.hint == kGauge) {
    h->hint = kGauge;
    return false;
  }
  const bool collision = h->hint != kUnknown && other.hint != kUnknown;
  h->hint = kUnknown;
  return collision;
}

std::vector<double> CommonBounds(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

// Buckets with custom bounds `from` as buckets with bounds `to`, a subset of them.
BucketColumns Rebound(const BucketColumns& buckets, const std::vector<double>& from,
                      const std::vector<double>& to) {
  BucketColumns out;
  for (size_t i = 0; i < buckets.size(); ++i) {
    const auto index = static_cast<size_t>(buckets.index[i]);
    const double upper = index < from.size() ? from[index] : kInf;
    const auto target =
        static_cast<int32_t>(std::lower_bound(to.begin(), to.end(), upper) - to.begin());
    if (out.size() > 0 && out.index.back() == target) {
      out.count.back() += buckets.count[i];
    } else {
      out.Add(target, buckets.count[i]);
    }
  }
  return out;
}

// The union of two sides: combine(count of a or 0, count of b) where b has a bucket.
template <typename Combine>
BucketColumns Merge(const BucketColumns& a, const BucketColumns& b, Combine combine) {
  BucketColumns out;
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (j >= b.size() || (i < a.size() && a.index[i] < b.index[j])) {
      out.Add(a.index[i], a.count[i]);
      ++i;
    } else if (i >= a.size() || b.index[j] < a.index[i]) {
      out.Add(b.index[j], combine(0.0, b.count[j]));
      ++j;
    } else {
      out.Add(a.index[i], combine(a.count[i], b.count[j]));
      ++i, ++j;
    }
  }
  return out;
}

// Buckets of `b` that the zero bucket of width `threshold` does not hold already.
BucketColumns Above(const BucketColumns& b, int32_t schema, double threshold) {
  BucketColumns out;
  for (size_t i = 0; i < b.size(); ++i) {
    if (ExponentialBound(b.index[i], schema) > threshold) out.Add(b.index[i], b.count[i]);
  }
  return out;
}

// The buckets of `other` in the layout of `h`, whose own layout is adapted first where it is finer.
struct Adapted {
  BucketColumns positive, negative;
  double zero_count = 0;
  bool bounds_reconciled = false;
};
Adapted Adapt(Histogram* h, const Histogram& other) {
  Adapted out;
  if (UsesCustomBuckets(*h)) {
    out.positive = Positive(other);
    if (h->custom_values == other.custom_values) return out;
    out.bounds_reconciled = true;
    const std::vector<double> bounds = CommonBounds(h->custom_values, other.custom_values);
    SetPositive(h, Rebound(Positive(*h), h->custom_values, bounds));
    out.positive = Rebound(out.positive, other.custom_values, bounds);
    h->custom_values = bounds;
    return out;
  }
  out.zero_count = ReconcileZeroBuckets(h, other);
  if (h->schema > other.schema) *h = AtSchema(*h, other.schema);
  const int levels = other.schema - h->schema;
  out.positive = Above(LowerResolution(Positive(other), levels), h->schema, h->zero_threshold);
  out.negative = Above(LowerResolution(Negative(other), levels), h->schema, h->zero_threshold);
  return out;
}

template <typename Combine>
HistogramOpResult CombineHistograms(Histogram* a, const Histogram& b, Combine combine) {
  HistogramOpResult result;
  if (UsesCustomBuckets(*a) != UsesCustomBuckets(b)) {
    result.compatible = false;
    return result;
  }
  result.reset_collision = CombineHints(a, b);
  const Adapted other = Adapt(a, b);
  result.bounds_reconciled = other.bounds_reconciled;
  a->integer = false;
  a->zero_count = combine(a->zero_count, other.zero_count);
  a->count = combine(a->count, b.count);
  a->sum = combine(a->sum, b.sum);
  SetPositive(a, Merge(Positive(*a), other.positive, combine));
  SetNegative(a, Merge(Negative(*a), other.negative, combine));
  return result;
}

void KahanStep(double* sum, double* c, double v) {
  KahanSum k{*sum, *c};
  k.Add(v);
  *sum = k.sum;
  *c = k.c;
}

// a += b with compensation in c, all three in one layout.
void KahanMerge(BucketColumns* a, BucketColumns* c, const BucketColumns& b) {
  const auto left = [](double x, double) { return x; };  // 0 where there was no bucket
  *a = Merge(*a, b, left);
  *c = Merge(*c, *a, left);
  size_t j = 0;
  for (size_t i = 0; i < a->size() && j < b.size(); ++i) {
    if (a->index[i] != b.index[j]) continue;
    KahanStep(&a->count[i], &c->count[i], b.count[j++]);
  }
}

bool SameLayout(const Histogram& a, const Histogram& b) {
  return a.schema == b.schema && a.zero_threshold == b.zero_threshold &&
         a.custom_values == b.custom_values;
}

template <typename F>
void EachCount(Histogram* h, F f) {
  f(h->zero_count);
  f(h->count);
  f(h->sum);
  for (double& c : h->positive_buckets) f(c);
  for (double& c : h->negative_buckets) f(c);
}

// Whether some bucket of `previous` has lost observations in `h`. Where h has no more buckets, the
// next one of `previous` decides, empty or not: so does Prometheus, which means to look at the
// rest.
bool AnyLoss(const BucketColumns& h, const BucketColumns& previous) {
  size_t i = 0;
  for (size_t j = 0; j < previous.size(); ++j) {
    while (i < h.size() && h.index[i] < previous.index[j]) ++i;
    if (i == h.size()) return previous.count[j] != 0;
    const bool found = h.index[i] == previous.index[j];
    if (found ? h.count[i] < previous.count[j] : previous.count[j] != 0) return true;
  }
  return false;
}

bool DetectCustomReset(const Histogram& h, const Histogram& previous) {
  if (h.custom_values == previous.custom_values) return AnyLoss(Positive(h), Positive(previous));
  const std::vector<double> bounds = CommonBounds(h.custom_values, previous.custom_values);
  return AnyLoss(Rebound(Positive(h), h.custom_values, bounds),
                 Rebound(Positive(previous), previous.custom_values, bounds));
}

}  // namespace

HistogramOpResult AddHistogram(Histogram* a, const Histogram& b) {
  return CombineHistograms(a, b, [](double x, double y) { return x + y; });
}

HistogramOpResult SubtractHistogram(Histogram* a, const Histogram& b) {
  return CombineHistograms(a, b, [](double x, double y) { return x - y; });
}

HistogramOpResult KahanAddHistogram(Histogram* a, const Histogram& b, std::optional<Histogram>* c) {
  HistogramOpResult result;
  if (UsesCustomBuckets(*a) != UsesCustomBuckets(b)) {
    result.compatible = false;
    return result;
  }
  if (!SameLayout(*a, b) && c->has_value()) {
    // What was lost so far belongs to the old layout: settle it before changing that.
    AddHistogram(a, **c);
    c->reset();
  }
  result.reset_collision = CombineHints(a, b);
  const Adapted other = Adapt(a, b);
  result.bounds_reconciled = other.bounds_reconciled;
  a->integer = false;
  if (!c->has_value()) {
    c->emplace();
    (*c)->hint = a->hint;
    (*c)->schema = a->schema;
    (*c)->zero_threshold = a->zero_threshold;
    (*c)->custom_values = a->custom_values;
  }
  Histogram& lost = **c;
  KahanStep(&a->zero_count, &lost.zero_count, other.zero_count);
  KahanStep(&a->count, &lost.count, b.count);
  KahanStep(&a->sum, &lost.sum, b.sum);
  BucketColumns positive = Positive(*a), lost_positive = Positive(lost);
  KahanMerge(&positive, &lost_positive, other.positive);
  SetPositive(a, positive);
  SetPositive(&lost, lost_positive);
  BucketColumns negative = Negative(*a), lost_negative = Negative(lost);
  KahanMerge(&negative, &lost_negative, other.negative);
  SetNegative(a, negative);
  SetNegative(&lost, lost_negative);
  return result;
}

void MultiplyHistogram(Histogram* h, double factor) {
  h->integer = false;
  EachCount(h, [factor](double& c) { c *= factor; });
  if (factor < 0) h->hint = CounterResetHint::kGauge;
}

void DivideHistogram(Histogram* h, double divisor) {
  h->integer = false;
  if (divisor == 0) {
    h->positive_spans.clear(), h->positive_buckets.clear();
    h->negative_spans.clear(), h->negative_buckets.clear();
  }
  EachCount(h, [divisor](double& c) { c /= divisor; });
  if (divisor < 0) h->hint = CounterResetHint::kGauge;
}

bool HasOverflow(const Histogram& h) {
  const auto inf = [](double c) { return std::isinf(c); };
  return inf(h.zero_count) || inf(h.count) || inf(h.sum) ||
         std::any_of(h.positive_buckets.begin(), h.positive_buckets.end(), inf) ||
         std::any_of(h.negative_buckets.begin(), h.negative_buckets.end(), inf);
}

void CompactHistogram(Histogram* h) {
  const auto compact = [](const BucketColumns& from) {
    BucketColumns kept;
    for (size_t i = 0; i < from.size(); ++i) {
      if (from.count[i] != 0) kept.Add(from.index[i], from.count[i]);
    }
    return kept;
  };
  SetPositive(h, compact(Positive(*h)));
  SetNegative(h, compact(Negative(*h)));
}

Histogram AtSchema(const Histogram& h, int32_t schema) {
  Histogram out = h;
  if (schema >= h.schema || UsesCustomBuckets(h)) return out;
  const int levels = h.schema - schema;
  out.schema = schema;
  SetPositive(&out, LowerResolution(Positive(h), levels));
  SetNegative(&out, LowerResolution(Negative(h), levels));
  return out;
}

bool HistogramEquals(const Histogram& a, const Histogram& b) {
  const auto same = [](double x, double y) {
    return std::bit_cast<uint64_t>(x) == std::bit_cast<uint64_t>(y);
  };
  const auto same_side = [&](const BucketColumns& x, const BucketColumns& y) {
    return x.index == y.index &&
           std::equal(x.count.begin(), x.count.end(), y.count.begin(), y.count.end(), same);
  };
  return a.schema == b.schema && same(a.count, b.count) && same(a.sum, b.sum) &&
         a.custom_values == b.custom_values && same(a.zero_threshold, b.zero_threshold) &&
         same(a.zero_count, b.zero_count) && same_side(Positive(a), Positive(b)) &&
         same_side(Negative(a), Negative(b));
}

bool DetectReset(const Histogram& h, const Histogram& previous) {
  if (h.hint == CounterResetHint::kReset) return true;
  if (h.hint == CounterResetHint::kNotReset) return false;
  if (h.count < previous.count) return true;
  if (UsesCustomBuckets(h) != UsesCustomBuckets(previous)) return true;
  if (UsesCustomBuckets(h)) return DetectCustomReset(h, previous);
  if (h.schema > previous.schema || h.zero_threshold < previous.zero_threshold) return true;
  double threshold = h.zero_threshold;
  const double previous_zero_count = ZeroCountFor(previous, &threshold);
  if (threshold != h.zero_threshold || h.zero_count < previous_zero_count) return true;
  const int levels = previous.schema - h.schema;
  const auto comparable = [&](const BucketColumns& b) {
    return Above(LowerResolution(b, levels), h.schema, h.zero_threshold);
  };
  return AnyLoss(Positive(h), comparable(Positive(previous))) ||
         AnyLoss(Negative(h), comparable(Negative(previous)));
}

std::vector<Bucket> PositiveBuckets(const Histogram& h) {
  const BucketColumns b = Positive(h);
  std::vector<Bucket> out;
  out.reserve(b.size());
  for (size_t i = 0; i < b.size(); ++i) {
    out.push_back(PositiveBucket(h, b.index[i], b.count[i]));
  }
  return out;
}

std::vector<Bucket> NegativeBuckets(const Histogram& h) {
  const BucketColumns b = Negative(h);
  std::vector<Bucket> out;
  out.reserve(b.size());
  for (size_t i = 0; i < b.size(); ++i) {
    out.push_back({-ExponentialBound(b.index[i], h.schema),
                   -ExponentialBound(b.index[i] - 1, h.schema), true, false, b.count[i],
                   b.index[i]});
  }
  return out;
}

Bucket ZeroBucket(const Histogram& h) {
  return {-h.zero_threshold, h.zero_threshold, true, true, h.zero_count, 0};
}

std::vector<Bucket> AllBuckets(const Histogram& h) {
  std::vector<Bucket> out = NegativeBuckets(h);
  std::reverse(out.begin(), out.end());
  // A bucket that reaches into the zero bucket yields to it, even when that one counts nothing.
  if (!out.empty()) out.back().upper = std::min(out.back().upper, -h.zero_threshold);
  if (h.zero_count > 0) out.push_back(ZeroBucket(h));
  const size_t first_positive = out.size();
  for (const Bucket& b : PositiveBuckets(h)) out.push_back(b);
  if (!UsesCustomBuckets(h) && out.size() > first_positive) {
    out[first_positive].lower = std::max(out[first_positive].lower, h.zero_threshold);
  }
  return out;
}

std::string HistogramToString(const Histogram& h) {
  std::string out = "{count:" + FormatGo(h.count) + ", sum:" + FormatGo(h.sum);
  const auto print = [&out](const Bucket& b) {
    if (b.count == 0) return;
    out += ", ";
    out += b.lower_inclusive ? '[' : '(';
    out += FormatGo(b.lower) + "," + FormatGo(b.upper);
    out += b.upper_inclusive ? ']' : ')';
    out += ":" + FormatGo(b.count);
  };
  const std::vector<Bucket> negative = NegativeBuckets(h);
  std::for_each(negative.rbegin(), negative.rend(), print);
  print(ZeroBucket(h));
  for (const Bucket& b : PositiveBuckets(h)) print(b);
  return out + "}";
}

}  // namespace deckwatch::query
