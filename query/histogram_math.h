// Arithmetic on native histograms, as Prometheus does it (model/histogram/float_histogram.go): same
// order of operations, so same bits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/sample.h"
#include "query/annotations.h"

namespace deckwatch::query {

inline bool UsesCustomBuckets(const Histogram& h) {
  return h.schema == kCustomBucketsSchema;
}

struct HistogramOpResult {
  bool compatible = true;  // false: exponential against custom buckets; the receiver is unchanged
  bool reset_collision = false;    // a reset met a non-reset
  bool bounds_reconciled = false;  // custom bounds differed; the result has their intersection
};

// a += b and a -= b. Resolution and zero bucket are reconciled as needed.
HistogramOpResult AddHistogram(Histogram* a, const Histogram& b);
HistogramOpResult SubtractHistogram(Histogram* a, const Histogram& b);
// a += b with compensation carried in `c`, which is created when needed.
HistogramOpResult KahanAddHistogram(Histogram* a, const Histogram& b, std::optional<Histogram>* c);

void MultiplyHistogram(Histogram* h, double factor);
void DivideHistogram(Histogram* h, double divisor);
bool HasOverflow(const Histogram& h);
// Removes empty buckets at the ends of spans and inside them.
void CompactHistogram(Histogram* h);
// `h` with its exponential schema lowered to `schema`, which is not higher than its own.
Histogram AtSchema(const Histogram& h, int32_t schema);

// Same layout and same bits of every count, hint aside.
bool HistogramEquals(const Histogram& a, const Histogram& b);
// Whether a counter began anew between `previous` and `h`.
bool DetectReset(const Histogram& h, const Histogram& previous);

struct Bucket {
  double lower = 0;
  double upper = 0;
  bool lower_inclusive = false;
  bool upper_inclusive = false;
  double count = 0;
  int32_t index = 0;
};
// Buckets in the order of their bounds. Positive and negative ones include empty buckets inside
// spans; AllBuckets holds negative, zero (if counted) and positive ones, ascending.
std::vector<Bucket> PositiveBuckets(const Histogram& h);
std::vector<Bucket> NegativeBuckets(const Histogram& h);  // from zero downwards
std::vector<Bucket> AllBuckets(const Histogram& h);
Bucket ZeroBucket(const Histogram& h);

// Prometheus's text form, as count_values labels have it.
std::string HistogramToString(const Histogram& h);

// Consecutive histograms of one series; start_ms may be null.
struct HistogramRange {
  const HistogramPtr* value;
  const int64_t* t_ms;
  const int64_t* start_ms;
  size_t size;
};
// Increase from the first to the last, resets added back (counters). False, with a warning, when
// they are incompatible. Needs size >= 2.
bool HistogramIncrease(const HistogramRange& range, bool is_counter, std::string_view metric_name,
                       Position pos, AnnotationSet* annotations, Histogram* out);

// A histogram at a time, for interpolation.
struct HistogramAt {
  const Histogram* histogram;
  int64_t t_ms;
};
// On the line from `a` to `b` at `t_ms`; a counter that was reset between them rises from zero.
// False, with a warning, when they are incompatible.
bool InterpolateHistograms(HistogramAt a, HistogramAt b, int64_t t_ms, bool is_counter,
                           std::string_view metric_name, Position pos, AnnotationSet* annotations,
                           Histogram* out);

// h </ x (keep_below) and h >/ x: only the observations on one side of `x`.
void TrimHistogram(Histogram* h, double x, bool keep_below);

}  // namespace deckwatch::query
