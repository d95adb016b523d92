// The buckets of one side of a native histogram as plain columns: an index and a count each,
// indexes ascending. Arithmetic works on these; spans are only how histograms are kept.
#pragma once

#include <cstdint>
#include <vector>

#include "base/sample.h"

namespace deckwatch::query {

struct BucketColumns {
  std::vector<int32_t> index;
  std::vector<double> count;
  size_t size() const { return index.size(); }
  void Add(int32_t i, double c) {
    index.push_back(i);
    count.push_back(c);
  }
};

BucketColumns FromSpans(const std::vector<HistogramSpan>& spans, const std::vector<double>& counts);
void ToSpans(const BucketColumns& buckets, std::vector<HistogramSpan>* spans,
             std::vector<double>* counts);

// At a schema lower by `levels`: 2^levels neighbours become one.
BucketColumns LowerResolution(const BucketColumns& buckets, int levels);

// Upper bound of a positive bucket. The bound of the last bucket of regular numbers is the largest
// of them, not infinity, which is the next bucket's.
double ExponentialBound(int32_t index, int32_t schema);

}  // namespace deckwatch::query
