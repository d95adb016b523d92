#include "query/binary_cell.h"

#include <cmath>
#include <functional>

#include "query/go_math.h"
#include "query/histogram_math.h"

namespace deckwatch::query {

namespace {

// Calls f(operation) with the operation of `op` on two floats: a function that gives the value and
// tells in its third argument whether to keep it.
template <typename F>
void WithOperation(BinaryOp op, F f) {
  const auto compare = [&f](auto holds) {
    f([holds](double a, double b, auto* keep) {
      *keep = holds(a, b);
      return a;
    });
  };
  const auto compute = [&f](auto value) {
    f([value](double a, double b, auto* keep) {
      *keep = true;
      return value(a, b);
    });
  };
  switch (op) {
    case BinaryOp::kAdd: return compute(std::plus<>());
    case BinaryOp::kSub: return compute(std::minus<>());
    case BinaryOp::kMul: return compute(std::multiplies<>());
    case BinaryOp::kDiv: return compute(std::divides<>());
    case BinaryOp::kMod: return compute([](double a, double b) { return std::fmod(a, b); });
    case BinaryOp::kPow: return compute(go::Pow);
    case BinaryOp::kAtan2: return compute(go::Atan2);
    case BinaryOp::kEq: return compare(std::equal_to<>());
    case BinaryOp::kNe: return compare(std::not_equal_to<>());
    case BinaryOp::kGt: return compare(std::greater<>());
    case BinaryOp::kLt: return compare(std::less<>());
    case BinaryOp::kGe: return compare(std::greater_equal<>());
    case BinaryOp::kLe: return compare(std::less_equal<>());
    default: return compare([](double, double) { return false; });
  }
}

}  // namespace

double ApplyToFloats(BinaryOp op, double lhs, double rhs, bool* keep) {
  double value = 0;
  WithOperation(op, [&](auto operation) { value = operation(lhs, rhs, keep); });
  return value;
}

void ApplyToRows(BinaryOp op, const double* lhs, const double* rhs, size_t n, double* out,
                 uint8_t* keep) {
  WithOperation(op, [=](auto operation) {
    for (size_t i = 0; i < n; ++i) out[i] = operation(lhs[i], rhs[i], &keep[i]);
  });
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
