#include "query/quantile.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/sample.h"

namespace deckwatch::query {

double Quantile(double q, std::vector<double>* values) {
  if (values->empty() || std::isnan(q)) return NormalNan();
  if (q < 0) return -std::numeric_limits<double>::infinity();
  if (q > 1) return std::numeric_limits<double>::infinity();
  const auto less = [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; };
  const double n = static_cast<double>(values->size());
  const double rank = q * (n - 1);
  const auto lower = static_cast<size_t>(std::max(0.0, std::floor(rank)));
  const size_t upper = std::min(values->size() - 1, lower + 1);
  const auto at = values->begin() + static_cast<std::ptrdiff_t>(lower);
  std::nth_element(values->begin(), at, values->end(), less);
  const double low = *at;
  const double high = upper == lower ? low : *std::min_element(at + 1, values->end(), less);
  const double weight = rank - std::floor(rank);
  return low * (1 - weight) + high * weight;
}

}  // namespace deckwatch::query
