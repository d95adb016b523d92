#include "query/histogram_buckets.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace deckwatch::query {

BucketColumns FromSpans(const std::vector<HistogramSpan>& spans,
                        const std::vector<double>& counts) {
  BucketColumns out;
  out.index.reserve(counts.size());
  out.count.reserve(counts.size());
  int32_t index = 0;
  size_t next = 0;
  for (const HistogramSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length && next < counts.size(); ++i) {
      out.Add(index++, counts[next++]);
    }
  }
  return out;
}

void ToSpans(const BucketColumns& buckets, std::vector<HistogramSpan>* spans,
             std::vector<double>* counts) {
  spans->clear();
  *counts = buckets.count;
  int32_t next = 0;  // index after the last bucket
  for (size_t i = 0; i < buckets.size(); ++i) {
    if (spans->empty() || buckets.index[i] != next) {
      spans->push_back({buckets.index[i] - next, 0});
    }
    ++spans->back().length;
    next = buckets.index[i] + 1;
  }
}

BucketColumns LowerResolution(const BucketColumns& buckets, int levels) {
  if (levels == 0) return buckets;
  BucketColumns out;
  for (size_t i = 0; i < buckets.size(); ++i) {
    const int32_t target = ((buckets.index[i] - 1) >> levels) + 1;
    if (out.size() > 0 && out.index.back() == target) {
      out.count.back() += buckets.count[i];
    } else {
      out.Add(target, buckets.count[i]);
    }
  }
  return out;
}

double ExponentialBound(int32_t index, int32_t schema) {
  if (schema < 0) {
    const int64_t exponent = static_cast<int64_t>(index) << -schema;
    if (exponent == 1024) return std::numeric_limits<double>::max();
    return std::ldexp(1.0, static_cast<int>(std::clamp<int64_t>(exponent, -5000, 5000)));
  }
  const int32_t per_power = 1 << schema;
  const int32_t fraction_index = index & (per_power - 1);
  const double fraction = 0.5 * std::exp2(static_cast<double>(fraction_index) / per_power);
  const int exponent = (index >> schema) + 1;
  if (fraction_index == 0 && exponent == 1025) return std::numeric_limits<double>::max();
  return std::ldexp(fraction, exponent);
}

}  // namespace deckwatch::query
