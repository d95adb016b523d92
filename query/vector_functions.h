// Functions of whole instant vectors: labels, info metrics, histograms.
#pragma once

#include <vector>

#include "query/ast.h"
#include "query/query_context.h"

namespace deckwatch::query {

Result<StepVector> LabelReplace(QueryContext& ctx, const Expr& call, StepVector v);
Result<StepVector> LabelJoin(QueryContext& ctx, const Expr& call, StepVector v);

// info(v, selector): `v` with the labels of info metrics that share its instance and job.
Result<StepVector> Info(QueryContext& ctx, const Expr& call, StepVector v, const StepRange& steps);

// histogram_avg, _count, _sum, _stddev, _stdvar of native histograms.
Result<StepVector> HistogramStatistic(QueryContext& ctx, const Expr& call, StepVector v);
// histogram_quantile, histogram_quantiles and histogram_fraction; `scalars` are the call's scalar
// arguments, one value per step each.
Result<StepVector> HistogramQuantiles(QueryContext& ctx, const Expr& call, StepVector v,
                                      const std::vector<std::vector<double>>& scalars);
Result<StepVector> HistogramFractions(QueryContext& ctx, const Expr& call, StepVector v,
                                      const std::vector<std::vector<double>>& scalars);

}  // namespace deckwatch::query
