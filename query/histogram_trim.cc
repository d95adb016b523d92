// h </ x and h >/ x: the part of a histogram on one side of a value.
#include <cmath>

#include "query/histogram_math.h"

namespace deckwatch::query {

namespace {

// What is kept of a bucket, and the value that what goes is taken to have had.
struct Trimmed {
  double kept = 0;
  double midpoint = 0;
};

// Buckets that reach to infinity give all or nothing, unless their other end lets them begin at 0.
Trimmed TrimInfinite(const Bucket& b, double x, bool keep_below) {
  if (std::isinf(b.lower)) {
    const bool from_zero = x >= 0 && b.upper > x && !std::isinf(b.upper);
    if (keep_below) {
      if (x >= b.upper) return {b.count, 0};
      if (from_zero) return {b.count * x / b.upper, (x + b.upper) / 2};
      return {0, b.upper};
    }
    if (x <= b.lower) return {b.count, 0};
    if (from_zero) return {b.count * (1 - x / b.upper), x / 2};
    return {0, b.upper};
  }
  if (keep_below || x > b.lower) return {0, b.lower};
  return {b.count, 0};
}

// Observations of the bucket at or below x.
double CountBelow(const Bucket& b, double x, bool positive, bool linear) {
  if (x <= b.lower) return 0;
  if (x >= b.upper) return b.count;
  if (linear) return b.count * ((x - b.lower) / (b.upper - b.lower));
  const double log_lower = std::log2(std::fabs(b.lower));
  const double log_upper = std::log2(std::fabs(b.upper));
  const double log_x = std::log2(std::fabs(x));
  const double fraction = positive ? (log_x - log_lower) / (log_upper - log_lower)
                                   : 1 - (log_x - log_upper) / (log_lower - log_upper);
  return b.count * fraction;
}

Trimmed TrimBucket(const Bucket& b, double x, bool keep_below, bool positive, bool custom) {
  if (std::isinf(b.lower) || std::isinf(b.upper)) return TrimInfinite(b, x, keep_below);
  const double below = CountBelow(b, x, positive, custom);
  const double product =
      keep_below ? std::fabs(b.lower) * std::fabs(x) : std::fabs(x) * std::fabs(b.upper);
  const double midpoint =
      custom ? (b.lower + b.upper) / 2 : (positive ? 1 : -1) * std::sqrt(product);
  return {keep_below ? below : b.count - below, midpoint};
}

class Trimmer {
 public:
  Trimmer(Histogram* h, double x, bool keep_below)
      : h_(*h), x_(x), keep_below_(keep_below), custom_(UsesCustomBuckets(*h)) {}

  void Run() {
    Side(PositiveBuckets(h_), true, &h_.positive_buckets);
    Side(NegativeBuckets(h_), false, &h_.negative_buckets);
    if (h_.zero_count > 0) {
      const double below = CountBelow(ZeroBucket(h_), x_, true, true);
      h_.zero_count = keep_below_ ? below : h_.zero_count - below;
      kept_ += h_.zero_count;
    }
    double sum = 0;
    if (kept_ != 0) {
      sum = h_.sum - removed_sum_;
      if (!has_negative_ && sum < 0) sum = 0;
      if (!has_positive_ && sum > 0) sum = 0;
    }
    h_.integer = false;
    h_.count = kept_;
    h_.sum = sum;
    CompactHistogram(&h_);
  }

 private:
  void NoteSign(const Bucket& b, bool positive) {
    if (!custom_) {
      (positive ? has_positive_ : has_negative_) = true;
      return;
    }
    has_negative_ |= b.upper <= 0 || b.lower < 0;
    has_positive_ |= b.upper > 0;
  }

  void Side(const std::vector<Bucket>& buckets, bool positive, std::vector<double>* counts) {
    for (size_t i = 0; i < buckets.size(); ++i) {
      const Bucket& b = buckets[i];
      if (b.count == 0) continue;
      NoteSign(b, positive);
      Trimmed t = TrimBucket(b, x_, keep_below_, positive, custom_);
      if (keep_below_ ? b.upper <= x_ : b.lower >= x_) {
        kept_ += b.count;
        continue;
      }
      if (keep_below_ ? b.lower < x_ : b.upper > x_) {
        removed_sum_ += (b.count - t.kept) * t.midpoint;
        kept_ += t.kept;
        (*counts)[i] = t.kept;
        continue;
      }
      if (!custom_) t.midpoint = std::sqrt(b.lower * b.upper);
      removed_sum_ += b.count * t.midpoint;
      (*counts)[i] = 0;
    }
  }

  Histogram& h_;
  const double x_;
  const bool keep_below_;
  const bool custom_;
  double kept_ = 0;
  double removed_sum_ = 0;
  bool has_positive_ = false;
  bool has_negative_ = false;
};

}  // namespace

void TrimHistogram(Histogram* h, double x, bool keep_below) {
  Trimmer(h, x, keep_below).Run();
}

}  // namespace deckwatch::query
