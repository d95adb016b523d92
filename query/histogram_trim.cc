// h </ x and h >/ x: the part of a histogram on one side of a value.
//
// Counts are split inside the bucket that x lies in, by the interpolation that quantiles use. The
// sum is that of the kept observations, each taken to lie in the middle of what is kept of its
// bucket: arithmetically in linear buckets, geometrically in exponential ones.
#include <algorithm>
#include <cmath>

#include "query/go_math.h"
#include "query/histogram_math.h"

namespace deckwatch::query {

namespace {

enum class Scale { kLinear, kExponential };

// Of a bucket that begins at -infinity: as if it began at zero where it can, else all or nothing.
double KeptOfLowest(const Bucket& b, double x, bool keep_below) {
  if (std::isinf(b.upper)) return 0;  // the only bucket: nothing is known
  if (b.upper <= 0) return keep_below ? b.count : 0;
  if (x < 0) return 0;
  return b.count * (keep_below ? x / b.upper : 1 - x / b.upper);
}

double Kept(const Bucket& b, double x, bool keep_below, Scale scale) {
  if (x <= b.lower) return keep_below ? 0 : b.count;
  if (x >= b.upper) return keep_below ? b.count : 0;
  if (std::isinf(b.lower)) return KeptOfLowest(b, x, keep_below);
  if (std::isinf(b.upper)) return keep_below ? 0 : b.count;
  double fraction = 0;  // of the observations at or below x
  if (scale == Scale::kLinear) {
    fraction = (x - b.lower) / (b.upper - b.lower);
  } else {
    const double log_lower = go::Log2(std::fabs(b.lower));
    const double log_upper = go::Log2(std::fabs(b.upper));
    const double log_x = go::Log2(std::fabs(x));
    fraction = b.lower > 0 ? (log_x - log_lower) / (log_upper - log_lower)
                           : 1 - (log_x - log_upper) / (log_lower - log_upper);
  }
  return b.count * (keep_below ? fraction : 1 - fraction);
}

// The middle of what is kept of the bucket.
double Middle(const Bucket& b, double x, bool keep_below, Scale scale) {
  const double lower = keep_below ? b.lower : std::max(b.lower, x);
  const double upper = keep_below ? std::min(b.upper, x) : b.upper;
  if (std::isinf(lower)) return upper > 0 ? upper / 2 : upper;
  if (std::isinf(upper)) return lower;
  if (scale == Scale::kLinear) return (lower + upper) / 2;
  const double magnitude = std::sqrt(lower * upper);
  return lower < 0 ? -magnitude : magnitude;
}

class Trimmer {
 public:
  Trimmer(Histogram* h, double x, bool keep_below) : h_(*h), x_(x), keep_below_(keep_below) {}

  void Run() {
    const Scale scale = UsesCustomBuckets(h_) ? Scale::kLinear : Scale::kExponential;
    Side(PositiveBuckets(h_), scale, &h_.positive_buckets);
    Side(NegativeBuckets(h_), scale, &h_.negative_buckets);
    if (h_.zero_count > 0) {
      Bucket zero = ZeroBucket(h_);
      if (h_.negative_buckets.empty() && !h_.positive_buckets.empty()) zero.lower = 0;
      if (h_.positive_buckets.empty() && !h_.negative_buckets.empty()) zero.upper = 0;
      Trim(zero, Scale::kLinear, &h_.zero_count);
    }
    if (changed_) {
      h_.integer = false;
      h_.count = count_;
      h_.sum = sum_;
    }
    CompactHistogram(&h_);
  }

 private:
  void Side(const std::vector<Bucket>& buckets, Scale scale, std::vector<double>* counts) {
    for (size_t i = 0; i < buckets.size(); ++i) Trim(buckets[i], scale, &(*counts)[i]);
  }

  void Trim(const Bucket& b, Scale scale, double* count) {
    if (b.count == 0) return;
    const double kept = Kept(b, x_, keep_below_, scale);
    changed_ |= kept != b.count;
    *count = kept;
    count_ += kept;
    if (kept != 0) sum_ += kept * Middle(b, x_, keep_below_, scale);
  }

  Histogram& h_;
  const double x_;
  const bool keep_below_;
  bool changed_ = false;
  double count_ = 0;
  double sum_ = 0;
};

}  // namespace

void TrimHistogram(Histogram* h, double x, bool keep_below) {
  Trimmer(h, x, keep_below).Run();
}

}  // namespace deckwatch::query
