// The evaluator: walks the syntax tree of a query and computes each node for all steps at once.
#pragma once

#include <functional>
#include <vector>

#include "query/ast.h"
#include "query/query_context.h"
#include "query/selector.h"

namespace deckwatch::query {

class Evaluator {
 public:
  explicit Evaluator(QueryContext& ctx) : ctx_(ctx) {}

  // An expression of type vector, at `steps`.
  Result<StepVector> Vector(const Expr& e, const StepRange& steps);
  // An expression of type scalar: one value per step.
  Result<std::vector<double>> Scalar(const Expr& e, const StepRange& steps);
  // Like Vector, in blocks of series where the expression allows it.
  Status Blocks(const Expr& e, const StepRange& steps, const BlockSink& sink);
  // A subquery's inner expression at all the times that its windows at `steps` can reach.
  // `inner_steps` becomes those times.
  Result<StepVector> Subquery(const Expr& e, const StepRange& steps, StepRange* inner_steps);

 private:
  // Evaluates what the query has several times once.
  Result<StepVector> Shared(const Expr& e, const StepRange& steps);
  void ShareWith(const Expr& e, const StepRange& steps,
                 const std::function<void(StepVector* copy)>& evaluate);
  // Evaluates what does not depend on the step once.
  Result<StepVector> Repeated(const Expr& e, const StepRange& steps);
  // For consumers whose result depends on the order of rows (rounding of sums, ties): in one that
  // does not depend on the steps asked for. By labels, where it is not that of the series anyway.
  Result<StepVector> InOrder(const Expr& e, const StepRange& steps);
  Result<StepVector> VectorNode(const Expr& e, const StepRange& steps);
  Status Stream(const Expr& e, const StepRange& steps, const BlockSink& sink);
  Result<StepVector> Collect(const Expr& e, const StepRange& steps);
  Result<StepVector> Unary(const Expr& e, const StepRange& steps);
  Result<StepVector> Binary(const Expr& e, const StepRange& steps);
  Result<StepVector> Aggregate(const Expr& e, const StepRange& steps);
  Result<StepVector> Call(const Expr& e, const StepRange& steps);
  Result<StepVector> Absent(const Expr& e, const StepRange& steps);
  Result<StepVector> Sort(const Expr& e, const StepRange& steps);
  Result<StepVector> VectorOf(const Expr& e, const StepRange& steps);
  Result<StepVector> MapFloats(const Expr& e, const StepRange& steps);
  Result<StepVector> Clamp(const Expr& e, const StepRange& steps);
  Result<StepVector> Round(const Expr& e, const StepRange& steps);
  Result<StepVector> Timestamp(const Expr& e, const StepRange& steps);
  Status RangeFunctionBlocks(const Expr& e, const StepRange& steps, const BlockSink& sink);
  Result<std::vector<double>> ScalarNode(const Expr& e, const StepRange& steps);
  Result<std::vector<double>> ScalarCall(const Expr& e, const StepRange& steps);

  QueryContext& ctx_;
};

// Whether the value of `e` is the same at every step, so that one evaluation is enough.
bool StepInvariant(const Expr& e);

// `e` without the parentheses around it.
const Expr& Unwrap(const Expr& e);

}  // namespace deckwatch::query
