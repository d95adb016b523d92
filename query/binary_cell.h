// Binary operators on single values: floats in rows, and histograms one by one.
#pragma once

#include "query/ast.h"
#include "query/query_context.h"

namespace deckwatch::query {

// One operand at one step; `histogram` null means a float.
struct Operand {
  double value = 0;
  const Histogram* histogram = nullptr;
};

enum class Outcome {
  kKept,      // `out` has the result
  kFiltered,  // a comparison that does not hold
  kFailed,    // the operator does not work on such operands; an annotation tells
};

// What an operator gives. A comparison gives its left operand.
struct CellResult {
  double value = 0;
  HistogramPtr histogram;
};
Outcome ApplyOperator(BinaryOp op, const Operand& lhs, const Operand& rhs, Position pos,
                      AnnotationSet* annotations, CellResult* out);

// The same for two floats: the value, and in `*keep` whether a comparison holds.
double ApplyToFloats(BinaryOp op, double lhs, double rhs, bool* keep);

// The same for rows of `n` floats: out[i] and keep[i]. `out` may be `lhs` or `rhs`.
void ApplyToRows(BinaryOp op, const double* lhs, const double* rhs, size_t n, double* out,
                 uint8_t* keep);

// Arithmetic: the result is no longer the metric that went in.
inline bool ChangesMetric(BinaryOp op) {
  return op <= BinaryOp::kAtan2;
}

}  // namespace deckwatch::query
