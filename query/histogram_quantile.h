// Quantiles and fractions of histograms, native and classic.
#pragma once

#include <string_view>
#include <vector>

#include "base/sample.h"
#include "query/annotations.h"

namespace deckwatch::query {

// Interpolates on a logarithmic scale inside exponential buckets, linearly inside the zero bucket
// and custom buckets.
double NativeQuantile(double q, const Histogram& h, std::string_view metric_name, Position pos,
                      AnnotationSet* annotations);
double NativeFraction(double lower, double upper, const Histogram& h, std::string_view metric_name,
                      Position pos, AnnotationSet* annotations);

// One `le` bucket of a classic histogram; counts are cumulative.
struct ClassicBucket {
  double upper = 0;
  double count = 0;
};
// Reorders and repairs `buckets`. `*forced` tells that counts had to be made non-decreasing by more
// than a rounding error.
double ClassicQuantile(double q, std::vector<ClassicBucket>* buckets, bool* forced);
double ClassicFraction(double lower, double upper, std::vector<ClassicBucket>* buckets);

}  // namespace deckwatch::query
