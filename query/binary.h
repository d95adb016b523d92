// Binary operators.
#pragma once

#include <vector>

#include "query/ast.h"
#include "query/query_context.h"

namespace deckwatch::query {

// Scalar op scalar; comparisons give 0 or 1.
double ScalarBinary(BinaryOp op, double lhs, double rhs);

// Arithmetic, comparison and histogram trims between two vectors, by e.matching.
Result<StepVector> VectorBinary(QueryContext& ctx, const Expr& e, StepVector lhs, StepVector rhs);

// and, or, unless.
Result<StepVector> VectorSet(QueryContext& ctx, const Expr& e, StepVector lhs, StepVector rhs);

// Between a vector and a scalar; `scalar_left` when the scalar is the left operand.
Result<StepVector> VectorScalarBinary(QueryContext& ctx, const Expr& e, StepVector vector,
                                      const std::vector<double>& scalar, bool scalar_left);

}  // namespace deckwatch::query
