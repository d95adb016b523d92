#include "query/selector_needs.h"

#include "query/eval.h"
#include "query/function_id.h"
#include "query/functions.h"

namespace deckwatch::query {

namespace {

enum class Asked { kAll, kStatistics, kBuckets };

// What `e` asks of the histograms below it, or what was asked above it: buckets once and for all.
Asked AskedBy(const Expr& e, Asked above) {
  if (above == Asked::kBuckets || e.kind == NodeKind::kSubquery) return Asked::kBuckets;
  if (e.kind == NodeKind::kBinary) {
    const bool trims = e.op == BinaryOp::kTrimUpper || e.op == BinaryOp::kTrimLower;
    return trims ? Asked::kBuckets : above;
  }
  if (e.kind != NodeKind::kCall) return above;
  switch (e.function->id) {
    case FunctionId::kHistogramCount:
    case FunctionId::kHistogramSum:
    case FunctionId::kHistogramAvg: return Asked::kStatistics;
    case FunctionId::kHistogramQuantile:
    case FunctionId::kHistogramQuantiles:
    case FunctionId::kHistogramFraction: return Asked::kBuckets;
    default: return above;
  }
}

void FindStatisticsOnly(const Expr& e, Asked above, std::unordered_set<const Expr*>* out) {
  const Asked asked = AskedBy(e, above);
  if (e.kind == NodeKind::kVectorSelector && asked == Asked::kStatistics) out->insert(&e);
  if (e.lhs != nullptr) FindStatisticsOnly(*e.lhs, asked, out);
  if (e.rhs != nullptr) FindStatisticsOnly(*e.rhs, asked, out);
  for (const auto& arg : e.args) FindStatisticsOnly(*arg, asked, out);
}

// The operand of `e` whose samples are only counted, or null.
const Expr* CountedBy(const Expr& e) {
  if (e.kind == NodeKind::kAggregate) {
    const bool counts = e.aggregate == AggregateOp::kCount || e.aggregate == AggregateOp::kGroup;
    return counts ? e.lhs.get() : nullptr;
  }
  if (e.kind == NodeKind::kBinary) {
    const bool asks = e.op == BinaryOp::kAnd || e.op == BinaryOp::kUnless;
    return asks ? e.rhs.get() : nullptr;
  }
  if (e.kind != NodeKind::kCall) return nullptr;
  switch (e.function->id) {
    case FunctionId::kAbsent:
    case FunctionId::kAbsentOverTime:
    case FunctionId::kCountOverTime:
    case FunctionId::kPresentOverTime:
    case FunctionId::kTimestamp:
    case FunctionId::kTsOfFirstOverTime:
    case FunctionId::kTsOfLastOverTime: return e.args[0].get();
    default: return nullptr;
  }
}

void FindAnyValue(const Expr& e, std::unordered_set<const Expr*>* out) {
  if (const Expr* counted = CountedBy(e); counted != nullptr) {
    const Expr& operand = Unwrap(*counted);
    const Expr& selector = operand.kind == NodeKind::kMatrixSelector ? *operand.lhs : operand;
    if (selector.kind == NodeKind::kVectorSelector) out->insert(&selector);
  }
  for (const auto* child : {&e.lhs, &e.rhs, &e.param}) {
    if (*child != nullptr) FindAnyValue(**child, out);
  }
  for (const auto& arg : e.args) FindAnyValue(*arg, out);
}

}  // namespace

SelectorNeeds SelectorNeeds::Of(const Expr& root) {
  SelectorNeeds needs;
  FindStatisticsOnly(root, Asked::kAll, &needs.statistics_only);
  FindAnyValue(root, &needs.any_value);
  return needs;
}

}  // namespace deckwatch::query
