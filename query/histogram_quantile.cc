#include "query/histogram_quantile.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "query/go_math.h"
#include "query/histogram_math.h"

namespace deckwatch::query {

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// A zero bucket of a histogram that has observations on one side only is one-sided itself.
void OneSided(const Histogram& h, Bucket* zero) {
  if (h.negative_buckets.empty() && !h.positive_buckets.empty()) zero->lower = 0;
  if (h.positive_buckets.empty() && !h.negative_buckets.empty()) zero->upper = 0;
}

double InsideBucket(const Histogram& h, const Bucket& b, double fraction) {
  if (UsesCustomBuckets(h) || (b.lower <= 0 && b.upper >= 0)) {
    return b.lower + (b.upper - b.lower) * fraction;
  }
  const double log_lower = go::Log2(std::fabs(b.lower));
  const double log_upper = go::Log2(std::fabs(b.upper));
  if (b.lower > 0) return go::Exp2(log_lower + (log_upper - log_lower) * fraction);
  return -go::Exp2(log_upper + (log_lower - log_upper) * (1 - fraction));
}

// How many of the observations up to `v`, which lies inside the bucket.
double RankInside(const Histogram& h, const Bucket& b, bool zero_bucket, double rank, double v) {
  if (UsesCustomBuckets(h) || zero_bucket) {
    if (std::isinf(b.lower)) {
      // Nothing is known of how far down the first bucket reaches, unless it can begin at zero.
      if (b.upper <= 0) return rank + b.count;
      return v <= 0 ? rank : rank + b.count * v / b.upper;
    }
    return rank + b.count * (v - b.lower) / (b.upper - b.lower);
  }
  const double log_lower = go::Log2(std::fabs(b.lower));
  const double log_upper = go::Log2(std::fabs(b.upper));
  const double log_v = go::Log2(std::fabs(v));
  const double fraction = v > 0 ? (log_v - log_lower) / (log_upper - log_lower)
                                : 1 - (log_v - log_upper) / (log_lower - log_upper);
  return rank + b.count * fraction;
}

// Finds the ranks of two bounds while buckets pass by in ascending order.
class RankFinder {
 public:
  RankFinder(double lower, double upper) : bounds_{lower, upper} {}
  // `rank`: observations below the bucket. inside(v): the rank of a v inside it.
  template <typename Inside>
  bool Pass(double bucket_lower, double bucket_upper, double rank, Inside inside) {
    for (int i = 0; i < 2; ++i) {
      if (set_[i]) continue;
      if (bucket_lower >= bounds_[i]) {
        ranks_[i] = rank;
        set_[i] = true;
      } else if (bucket_upper > bounds_[i]) {
        ranks_[i] = inside(bounds_[i]);
        set_[i] = true;
      }
    }
    return set_[0] && set_[1];
  }
  double Fraction(double counted, double count) const {
    const auto rank = [&](int i) { return !set_[i] || ranks_[i] > counted ? counted : ranks_[i]; };
    return (rank(1) - rank(0)) / count;
  }

 private:
  double bounds_[2];
  double ranks_[2] = {0, 0};
  bool set_[2] = {false, false};
};

void SortAndMerge(std::vector<ClassicBucket>* buckets) {
  std::stable_sort(buckets->begin(), buckets->end(),
                   [](const auto& a, const auto& b) { return a.upper < b.upper; });
  size_t last = 0;
  for (size_t i = 1; i < buckets->size(); ++i) {
    if ((*buckets)[i].upper == (*buckets)[last].upper) {
      (*buckets)[last].count += (*buckets)[i].count;
    } else {
      (*buckets)[++last] = (*buckets)[i];
    }
  }
  buckets->resize(last + 1);
}

// Counts that differ by rounding only become equal; then any that fall are raised. True when some
// were.
bool MakeMonotonic(std::vector<ClassicBucket>* buckets) {
  constexpr double kTolerance = 1e-12;
  double previous = (*buckets)[0].count;
  for (size_t i = 1; i < buckets->size(); ++i) {
    double& count = (*buckets)[i].count;
    const double delta = std::fabs(count - previous);
    if (delta == 0) continue;
    if (delta / count <= kTolerance) {
      count = previous;
    } else {
      previous = count;
    }
  }
  bool forced = false;
  double highest = (*buckets)[0].count;
  for (ClassicBucket& b : *buckets) {
    if (b.count > highest) {
      highest = b.count;
    } else if (b.count < highest) {
      b.count = highest;
      forced = true;
    }
  }
  return forced;
}

}  // namespace

double NativeQuantile(double q, const Histogram& h, std::string_view metric_name, Position pos,
                      AnnotationSet* annotations) {
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  if (h.count == 0 || std::isnan(q)) return NormalNan();
  // NaN observations are in no bucket and count as the largest, so their histograms are walked from
  // the low end.
  const bool nan_observations = std::isnan(h.sum);
  const bool forward = nan_observations || q < 0.5;
  double rank = (forward ? q : 1 - q) * h.count;
  std::vector<Bucket> buckets = AllBuckets(h);
  if (!forward) std::reverse(buckets.begin(), buckets.end());
  Bucket bucket;
  double count = 0;
  for (const Bucket& b : buckets) {
    if (b.count == 0) continue;
    bucket = b;
    count += b.count;
    if (count >= rank) break;
  }
  if (UsesCustomBuckets(h)) {
    if (std::isinf(bucket.lower)) {
      if (bucket.upper <= 0) return bucket.upper;
      bucket.lower = 0;
    } else if (std::isinf(bucket.upper)) {
      return bucket.lower;
    }
  } else if (bucket.lower < 0 && bucket.upper > 0) {
    OneSided(h, &bucket);
  }
  count = std::min(count, h.count);
  if (count < rank) {
    if (nan_observations) {
      annotations->QuantileNanResult(metric_name, pos);
      return NormalNan();
    }
    return forward ? bucket.upper : bucket.lower;
  }
  if (nan_observations) annotations->QuantileNanSkew(metric_name, pos);
  rank = forward ? rank - (count - bucket.count) : count - rank;
  return InsideBucket(h, bucket, rank / bucket.count);
}

double NativeFraction(double lower, double upper, const Histogram& h, std::string_view metric_name,
                      Position pos, AnnotationSet* annotations) {
  if (h.count == 0 || std::isnan(lower) || std::isnan(upper)) return NormalNan();
  if (lower >= upper) return 0;
  RankFinder finder(lower, upper);
  double rank = 0, counted = 0;
  bool found = false;
  for (Bucket b : AllBuckets(h)) {
    counted += b.count;
    const bool zero_bucket = b.lower <= 0 && b.upper >= 0;
    if (zero_bucket && !UsesCustomBuckets(h)) OneSided(h, &b);
    found = found || finder.Pass(b.lower, b.upper, rank,
                                 [&](double v) { return RankInside(h, b, zero_bucket, rank, v); });
    rank += b.count;
  }
  if (!std::isnan(h.sum)) {
    counted = h.count;
  } else if (counted < h.count) {
    annotations->FractionNans(metric_name, pos);
  }
  return finder.Fraction(counted, h.count);
}

double ClassicQuantile(double q, std::vector<ClassicBucket>* buckets, bool* forced) {
  *forced = false;
  if (std::isnan(q)) return NormalNan();
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  SortAndMerge(buckets);
  if (buckets->back().upper != kInf) return NormalNan();
  const bool raised = MakeMonotonic(buckets);
  if (buckets->size() < 2) return NormalNan();
  const double observations = buckets->back().count;
  if (observations == 0) return NormalNan();
  *forced = raised;
  double rank = q * observations;
  const auto at = std::partition_point(buckets->begin(), buckets->end() - 1,
                                       [rank](const auto& b) { return !(b.count >= rank); });
  if (at == buckets->end() - 1) return (at - 1)->upper;
  if (at == buckets->begin() && at->upper <= 0) return at->upper;
  double start = 0, count = at->count;
  if (at != buckets->begin()) {
    start = (at - 1)->upper;
    count -= (at - 1)->count;
    rank -= (at - 1)->count;
  }
  return start + (at->upper - start) * (rank / count);
}

double ClassicFraction(double lower, double upper, std::vector<ClassicBucket>* buckets) {
  if (buckets->empty()) return NormalNan();
  SortAndMerge(buckets);
  if (buckets->back().upper != kInf) return NormalNan();
  const double count = buckets->back().count;
  if (count == 0 || std::isnan(lower) || std::isnan(upper)) return NormalNan();
  if (lower >= upper) return 0;
  RankFinder finder(lower, upper);
  double rank = 0, start = -kInf;
  for (size_t i = 0; i < buckets->size(); ++i) {
    const ClassicBucket& b = (*buckets)[i];
    // The lowest bucket begins at zero if it can.
    const double from = i == 0 && b.upper > 0 ? 0 : start;
    const auto inside = [&](double v) {
      if (std::isinf(b.upper)) return rank;
      if (std::isinf(from)) return b.count;
      return v <= from ? rank : rank + (b.count - rank) * (v - from) / (b.upper - from);
    };
    if (finder.Pass(start, b.upper, rank, inside)) break;
    rank = b.count;
    start = b.upper;
  }
  return finder.Fraction(count, count);
}

}  // namespace deckwatch::query
