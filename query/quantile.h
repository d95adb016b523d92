// Quantiles of plain floats.
#pragma once

#include <vector>

namespace deckwatch::query {

// The q-quantile, linear between ranks; NaN sorts below every number. NaN when `values` is empty or
// q is NaN, -Inf / +Inf for q outside [0, 1]. Reorders `values`.
double Quantile(double q, std::vector<double>* values);

}  // namespace deckwatch::query
