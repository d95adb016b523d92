// Aggregations over instant vectors.
#pragma once

#include <memory>
#include <vector>

#include "query/ast.h"
#include "query/query_context.h"

namespace deckwatch::query {

// sum, avg, count, min, max, group, stddev, stdvar and quantile: folds blocks of series into one
// row per group. Series are taken in order at every step, so sums are Prometheus's to the last bit;
// memory is that of the result (quantile keeps its input).
class Aggregator {
 public:
  virtual ~Aggregator() = default;
  virtual Status Add(StepVector&& block) = 0;
  virtual Result<StepVector> Finish() = 0;
};
// `param`: quantile's q per step. `e` must outlive the aggregator.
std::unique_ptr<Aggregator> NewAggregator(QueryContext& ctx, const Expr& e,
                                          std::vector<double> param, size_t steps);

// topk, bottomk, limitk and limit_ratio: series of the input, each where it is chosen. At a single
// step the result is in order of choice.
Result<StepVector> SelectK(QueryContext& ctx, const Expr& e, const std::vector<double>& param,
                           const StepVector& input);

Result<StepVector> CountValues(QueryContext& ctx, const Expr& e, const StepVector& input);

}  // namespace deckwatch::query
