#include "query/binary_cell.h"

#include <cmath>

#include "query/histogram_math.h"

namespace deckwatch::query {

double ApplyToFloats(BinaryOp op, double lhs, double rhs, bool* keep) {
  *keep = true;
  switch (op) {
    case BinaryOp::kAdd: return lhs + rhs;
    case BinaryOp::kSub: return lhs - rhs;
    case BinaryOp::kMul: return lhs * rhs;
    case BinaryOp::kDiv: return lhs / rhs;
    case BinaryOp::kMod: return std::fmod(lhs, rhs);
    case BinaryOp::kPow: return std::pow(lhs, rhs);
    case BinaryOp::kAtan2: return std::atan2(lhs, rhs);
    case BinaryOp::kEq: *keep = lhs == rhs; break;
    case BinaryOp::kNe: *keep = lhs != rhs; break;
    case BinaryOp::kGt: *keep = lhs > rhs; break;
    case BinaryOp::kLt: *keep = lhs < rhs; break;
    case BinaryOp::kGe: *keep = lhs >= rhs; break;
    case BinaryOp::kLe: *keep = lhs <= rhs; break;
    default: *keep = false; break;
  }
  return lhs;
}

namespace {

std::string_view TypeName(const Operand& o) {
  return o.histogram == nullptr ? "float" : "histogram";
}

HistogramPtr Share(Histogram&& h) {
  return std::make_shared<const Histogram>(std::move(h));
}

// h op x. False when the operator does not work so.
bool HistogramByFloat(BinaryOp op, const Histogram& h, double x, CellResult* out) {
  Histogram result = h;
  switch (op) {
    case BinaryOp::kMul: MultiplyHistogram(&result, x); break;
    case BinaryOp::kDiv: DivideHistogram(&result, x); break;
    case BinaryOp::kTrimUpper:
    case BinaryOp::kTrimLower:
      TrimHistogram(&result, x, op == BinaryOp::kTrimUpper);
      out->histogram = Share(std::move(result));
      return true;
    default: return false;
  }
  CompactHistogram(&result);
  out->histogram = Share(std::move(result));
  return true;
}

// Sum or difference of two histograms.
Outcome Combine(BinaryOp op, const Histogram& a, const Histogram& b, Position pos,
                AnnotationSet* annotations, CellResult* out) {
  const bool add = op == BinaryOp::kAdd;
  Histogram result = a;
  const HistogramOpResult r = add ? AddHistogram(&result, b) : SubtractHistogram(&result, b);
  if (!r.compatible) {
    annotations->IncompatibleBucketLayout(BinaryOpSymbol(op), pos);
    return Outcome::kFailed;
  }
  const HistogramOperation operation =
      add ? HistogramOperation::kAddition : HistogramOperation::kSubtraction;
  if (r.reset_collision) {
    // Prometheus drops the result with the warning.
    annotations->CounterResetCollision(operation, pos);
    return Outcome::kFailed;
  }
  if (r.bounds_reconciled) annotations->MismatchedCustomBuckets(operation, pos);
  if (!add) result.hint = CounterResetHint::kGauge;
  CompactHistogram(&result);
  out->histogram = Share(std::move(result));
  return Outcome::kKept;
}

}  // namespace

Outcome ApplyOperator(BinaryOp op, const Operand& lhs, const Operand& rhs, Position pos,
                      AnnotationSet* annotations, CellResult* out) {
  const Histogram* l = lhs.histogram;
  const Histogram* r = rhs.histogram;
  if (l == nullptr && r == nullptr && op != BinaryOp::kTrimUpper && op != BinaryOp::kTrimLower) {
    bool keep = false;
    out->value = ApplyToFloats(op, lhs.value, rhs.value, &keep);
    return keep ? Outcome::kKept : Outcome::kFiltered;
  }
  if (l == nullptr && r != nullptr && op == BinaryOp::kMul) {
    HistogramByFloat(op, *r, lhs.value, out);
    return Outcome::kKept;
  }
  if (l != nullptr && r == nullptr && HistogramByFloat(op, *l, rhs.value, out)) {
    return Outcome::kKept;
  }
  if (l != nullptr && r != nullptr) {
    if (op == BinaryOp::kAdd || op == BinaryOp::kSub) {
      return Combine(op, *l, *r, pos, annotations, out);
    }
    if (op == BinaryOp::kEq || op == BinaryOp::kNe) {
      out->histogram = Share(Histogram(*l));
      return HistogramEquals(*l, *r) == (op == BinaryOp::kEq) ? Outcome::kKept : Outcome::kFiltered;
    }
  }
  annotations->IncompatibleTypes(TypeName(lhs), BinaryOpSymbol(op), TypeName(rhs), pos);
  return Outcome::kFailed;
}

}  // namespace deckwatch::query
