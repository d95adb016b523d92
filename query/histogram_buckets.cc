#include "query/histogram_buckets.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string_view>

namespace deckwatch::query {

namespace {

constexpr int32_t kFinestSchema = 8;
constexpr size_t kBoundsPerPower = size_t{1} << kFinestSchema;

// Prometheus and its clients share a table of bounds, some of which are a few steps off the double
// nearest to the exact value. Bounds are printed and compared, so ours have to be the same: digit i
// tells how many steps bound i lies below that double, plus one.
constexpr std::string_view kStepsBelow =
    "1111112111211111112311222222222211211121122211221122102211221122"
    "1111112222332132112111211112111111121011213311221222112121332222"
    "2121223322322122222222323233323311221121223321332233212232332232"
    "2243223233433343333333444455435422322333324422333243223333543344";

// The bounds in [0.5, 1); those of the coarser schemas are among them.
std::array<double, kBoundsPerPower> BoundsOfFinestSchema() {
  std::array<double, kBoundsPerPower> out;
  for (size_t i = 0; i < out.size(); ++i) {
    const auto nearest =
        static_cast<double>(std::exp2(static_cast<long double>(i) / kBoundsPerPower - 1));
    const auto bits = std::bit_cast<int64_t>(nearest) - (kStepsBelow[i] - '1');
    out[i] = std::bit_cast<double>(bits);
  }
  return out;
}

}  // namespace

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
  static const std::array<double, kBoundsPerPower> kBounds = BoundsOfFinestSchema();
  const auto fraction_index = static_cast<size_t>(index & ((1 << schema) - 1));
  const double fraction = kBounds[fraction_index << (kFinestSchema - schema)];
  const int exponent = (index >> schema) + 1;
  if (fraction_index == 0 && exponent == 1025) return std::numeric_limits<double>::max();
  return std::ldexp(fraction, exponent);
}

}  // namespace deckwatch::query
