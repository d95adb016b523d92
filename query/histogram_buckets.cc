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

namespace {

// 2^(i/32) / 2 for i = 0 … 31, as Prometheus rounds them (some are an ulp or two off): its bounds
// of schemas up to 5.
constexpr int32_t kTableSchema = 5;
constexpr double kBounds[1 << kTableSchema] = {
    0.5,
    0.5109485743270583,
    0.5221368912137069,
    0.5335702003384117,
    0.5452538663326288,
    0.5571933712979462,
    0.5693943173783458,
    0.5818624293887887,
    0.5946035575013605,
    0.6076236799902344,
    0.620928906036742,
    0.6345254785958666,
    0.6484197773255048,
    0.6626183215798706,
    0.6771277734684463,
    0.6919549409819159,
    0.7071067811865475,
    0.7225904034885232,
    0.7384130729697496,
    0.7545822137967112,
    0.7711054127039704,
    0.7879904225539431,
    0.805245165974627,
    0.8228777390769823,
    0.8408964152537144,
    0.8593096490612387,
    0.8781260801866495,
    0.8973545375015533,
    0.9170040432046711,
    0.9370838170551498,
    0.9576032806985735,
    0.9785720620876999,
};

// 2^(i / 2^schema) / 2.
double FractionBound(int32_t i, int32_t schema) {
  if (schema <= kTableSchema) return kBounds[i << (kTableSchema - schema)];
  const int32_t finer = schema - kTableSchema;
  if ((i & ((1 << finer) - 1)) == 0) return kBounds[i >> finer];
  return 0.5 * std::exp2(static_cast<double>(i) / (1 << schema));
}

}  // namespace

double ExponentialBound(int32_t index, int32_t schema) {
  if (schema < 0) {
    const int64_t exponent = static_cast<int64_t>(index) << -schema;
    if (exponent == 1024) return std::numeric_limits<double>::max();
    return std::ldexp(1.0, static_cast<int>(std::clamp<int64_t>(exponent, -5000, 5000)));
  }
  const int32_t per_power = 1 << schema;
  const int32_t fraction_index = index & (per_power - 1);
  const double fraction = FractionBound(fraction_index, schema);
  const int exponent = (index >> schema) + 1;
  if (fraction_index == 0 && exponent == 1025) return std::numeric_limits<double>::max();
  return std::ldexp(fraction, exponent);
}

}  // namespace deckwatch::query
