#include "query/eval.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "query/aggregate.h"
#include "query/binary.h"
#include "query/function_id.h"
#include "query/functions.h"
#include "query/histogram_math.h"
#include "query/instant_functions.h"
#include "query/parser.h"
#include "query/reach.h"
#include "query/vector_functions.h"

namespace deckwatch::query {

namespace {

// Functions whose value depends on the evaluation time even when their arguments do not.
bool DependsOnTime(FunctionId id) {
  return FindDateFunction(id) != nullptr || id == FunctionId::kPredictLinear ||
         id == FunctionId::kTime || id == FunctionId::kTimestamp;
}

// Whether `e` can be had block by block.
bool Streams(const Expr& e, const StepRange& steps) {
  if (steps.size() == 0 || (steps.size() > 1 && StepInvariant(e))) return false;
  return e.kind == NodeKind::kVectorSelector ||
         (e.kind == NodeKind::kCall && e.function->id != FunctionId::kAbsentOverTime &&
          FindRangeFunction(e.function->id) != nullptr);
}

// Appends a copy of `rows` to what is kept to be shared, which is given up (steps 0) when it grows
// large: reading again is better than holding everything.
void KeepRows(const StepVector& rows, StepVector* kept) {
  constexpr size_t kMostCells = 1'000'000;
  if (kept->value.size() + rows.value.size() > kMostCells) *kept = StepVector(0);
  if (kept->steps > 0) kept->Append(CopyOf(rows));
}

}  // namespace

const Expr& Unwrap(const Expr& e) {
  return e.kind == NodeKind::kParen ? Unwrap(*e.lhs) : e;
}

bool StepInvariant(const Expr& e) {
  switch (e.kind) {
    case NodeKind::kNumber:
    case NodeKind::kString:
    case NodeKind::kDuration: return true;
    case NodeKind::kVectorSelector:
    case NodeKind::kSubquery: return e.at != AtModifier::kNone;
    case NodeKind::kMatrixSelector:
    case NodeKind::kParen:
    case NodeKind::kUnary:
    case NodeKind::kAggregate: return StepInvariant(*e.lhs);
    case NodeKind::kBinary: return StepInvariant(*e.lhs) && StepInvariant(*e.rhs);
    case NodeKind::kCall:
      return !DependsOnTime(e.function->id) &&
             std::all_of(e.args.begin(), e.args.end(),
                         [](const auto& arg) { return StepInvariant(*arg); });
  }
  return false;
}

Result<StepVector> Evaluator::Vector(const Expr& e, const StepRange& steps) {
  TRY(ctx_.budget.Check());
  if (steps.size() == 0) return StepVector(0);
  TRY(ctx_.budget.CheckRoom(1, steps.size()));
  if (ctx_.trace == nullptr) return Shared(e, steps);
  const int64_t begun_ns = ctx_.options.clock->MonotonicNs();
  ++ctx_.trace_depth;
  auto v = Shared(e, steps);
  --ctx_.trace_depth;
  if (v.ok()) {
    ctx_.trace->push_back({ctx_.trace_depth, ToString(e), v->size(), v->SampleCount(), v->Bytes(),
                           ctx_.options.clock->MonotonicNs() - begun_ns});
  }
  return v;
}

Result<StepVector> Evaluator::Shared(const Expr& e, const StepRange& steps) {
  const Expr& inner = Unwrap(e);
  if (!ctx_.shared.Has(inner)) return Repeated(e, steps);
  if (std::optional<StepVector> known = ctx_.shared.Take(inner, steps, &ctx_.tally)) {
    TRY(ctx_.Hold(&*known));
    return std::move(*known);
  }
  Result<StepVector> v = StepVector();
  ShareWith(inner, steps, [&](StepVector* copy) {
    v = Repeated(inner, steps);
    if (v.ok()) KeepRows(*v, copy);
  });
  return v;
}

// Keeps what `evaluate` leaves in its argument for the other places that have `e`. Not if there are
// annotations: they carry their positions, so each place makes its own.
void Evaluator::ShareWith(const Expr& e, const StepRange& steps,
                          const std::function<void(StepVector* copy)>& evaluate) {
  StepVector copy(steps.size());
  AnnotationSet annotations;
  SampleTally tally = ctx_.tally.Fresh();
  std::swap(annotations, ctx_.annotations);
  std::swap(tally, ctx_.tally);
  evaluate(&copy);
  std::swap(annotations, ctx_.annotations);
  std::swap(tally, ctx_.tally);
  const bool plain = annotations.empty();
  ctx_.annotations.Merge(std::move(annotations));
  ctx_.tally.Add(tally);
  if (!plain || copy.steps == 0) return;
  // Its samples do not count against the limit: without sharing they would not be held twice.
  if (!ctx_.budget.Hold(0, copy.Bytes(), &copy.charge).ok()) return;
  ctx_.shared.Keep(e, steps, std::move(copy), std::move(tally));
}

Result<StepVector> Evaluator::Repeated(const Expr& e, const StepRange& steps) {
  if (steps.size() > 1 && StepInvariant(e)) {
    Result<StepVector> one = StepVector();
    const uint64_t samples =
        TallyApart(ctx_, [&] { one = VectorNode(e, StepRange::Instant(steps.start_ms)); });
    TRY(one.status());
    ctx_.tally.AddToEach(steps.size(), samples);
    TRY(ctx_.budget.CheckRoom(one->size(), steps.size()));
    StepVector all = Repeat(*one, steps.size());
    TRY(ctx_.Hold(&all));
    return all;
  }
  TRY_ASSIGN(StepVector v, VectorNode(e, steps));
  TRY(ctx_.Hold(&v));
  return v;
}

Result<StepVector> Evaluator::VectorNode(const Expr& e, const StepRange& steps) {
  switch (e.kind) {
    case NodeKind::kVectorSelector: return Collect(e, steps);
    case NodeKind::kParen: return VectorNode(*e.lhs, steps);
    case NodeKind::kUnary: return Unary(e, steps);
    case NodeKind::kBinary: return Binary(e, steps);
    case NodeKind::kAggregate: return Aggregate(e, steps);
    case NodeKind::kCall: return Call(e, steps);
    default: return ExecutionError("expression is not an instant vector");
  }
}

Status Evaluator::Blocks(const Expr& e, const StepRange& steps, const BlockSink& sink) {
  const Expr& inner = Unwrap(e);
  if (!Streams(inner, steps)) {
    TRY_ASSIGN(StepVector v, InOrder(e, steps));
    return sink(std::move(v));
  }
  if (!ctx_.shared.Has(inner)) return Stream(inner, steps, sink);
  if (std::optional<StepVector> known = ctx_.shared.Take(inner, steps, &ctx_.tally)) {
    TRY(ctx_.Hold(&*known));
    return sink(std::move(*known));
  }
  Status status;
  ShareWith(inner, steps, [&](StepVector* copy) {
    status = Stream(inner, steps, [&](StepVector&& block) {
      KeepRows(block, copy);
      return sink(std::move(block));
    });
  });
  return status;
}

Status Evaluator::Stream(const Expr& e, const StepRange& steps, const BlockSink& sink) {
  return e.kind == NodeKind::kVectorSelector ? SelectInstant(ctx_, e, steps, Pick::kValue, "", sink)
                                             : RangeFunctionBlocks(e, steps, sink);
}

Result<StepVector> Evaluator::InOrder(const Expr& e, const StepRange& steps) {
  TRY_ASSIGN(StepVector v, Vector(e, steps));
  return InFixedOrder(e) ? std::move(v) : SortedByLabels(std::move(v));
}

Result<StepVector> Evaluator::Collect(const Expr& e, const StepRange& steps) {
  StepVector all(steps.size());
  TRY(Blocks(e, steps, [&](StepVector&& block) {
    all.Append(std::move(block));
    return Status();
  }));
  if (!ctx_.options.delayed_name_removal) TRY(MergeEqualSeries(&all));
  return all;
}

Result<StepVector> Evaluator::Subquery(const Expr& e, const StepRange& steps,
                                       StepRange* inner_steps) {
  const int64_t step = e.step_ms > 0 ? e.step_ms : ctx_.options.default_subquery_step_ms;
  const int64_t first_end = AtTime(ctx_, e, steps.start_ms) - e.offset_ms;
  const int64_t left = first_end - e.range_ms;  // excluded
  int64_t start = step * (left / step);
  if (start <= left) start += step;
  const int64_t last = steps.At(steps.size() - 1);
  *inner_steps = {start, AtTime(ctx_, e, last) - e.offset_ms, step};
  return InOrder(*e.lhs, *inner_steps);
}

Result<StepVector> Evaluator::Unary(const Expr& e, const StepRange& steps) {
  TRY_ASSIGN(StepVector v, Vector(*e.lhs, steps));
  if (!e.negative) return v;
  for (size_t row = 0; row < v.size(); ++row) {
    DropName(ctx_, &v.series[row]);
    for (size_t i = 0; i < v.steps; ++i) {
      v.Values(row)[i] = -v.Values(row)[i];
      if (const Histogram* h = v.HistogramAt(row, i)) {
        auto negated = std::make_shared<Histogram>(*h);
        MultiplyHistogram(negated.get(), -1);
        v.Histograms(row)[i] = std::move(negated);
      }
    }
  }
  if (!ctx_.options.delayed_name_removal) TRY(MergeEqualSeries(&v));
  return v;
}

Result<StepVector> Evaluator::Binary(const Expr& e, const StepRange& steps) {
  const bool scalar_left = e.lhs->type == ValueType::kScalar;
  if (scalar_left || e.rhs->type == ValueType::kScalar) {
    TRY_ASSIGN(const std::vector<double> scalar, Scalar(scalar_left ? *e.lhs : *e.rhs, steps));
    TRY_ASSIGN(StepVector v, Vector(scalar_left ? *e.rhs : *e.lhs, steps));
    return VectorScalarBinary(ctx_, e, std::move(v), scalar, scalar_left);
  }
  TRY_ASSIGN(StepVector lhs, Vector(*e.lhs, steps));
  TRY_ASSIGN(StepVector rhs, Vector(*e.rhs, steps));
  return IsSetOperator(e.op) ? VectorSet(ctx_, e, std::move(lhs), std::move(rhs))
                             : VectorBinary(ctx_, e, std::move(lhs), std::move(rhs));
}

Result<StepVector> Evaluator::Aggregate(const Expr& e, const StepRange& steps) {
  if (e.aggregate == AggregateOp::kCountValues) {
    TRY_ASSIGN(const StepVector input, Vector(*e.lhs, steps));
    return CountValues(ctx_, e, input);
  }
  std::vector<double> param;
  if (e.param != nullptr) {
    TRY_ASSIGN(param, Scalar(*e.param, steps));
  }
  switch (e.aggregate) {
    case AggregateOp::kTopk:
    case AggregateOp::kBottomk:
    case AggregateOp::kLimitk:
    case AggregateOp::kLimitRatio: {
      TRY_ASSIGN(const StepVector input, InOrder(*e.lhs, steps));
      return SelectK(ctx_, e, param, input);
    }
    default: break;
  }
  const auto aggregator = NewAggregator(ctx_, e, std::move(param), steps.size());
  TRY(Blocks(*e.lhs, steps, [&](StepVector&& block) { return aggregator->Add(std::move(block)); }));
  return aggregator->Finish();
}

Status Evaluator::RangeFunctionBlocks(const Expr& e, const StepRange& steps,
                                      const BlockSink& sink) {
  RangeFunctionCall f;
  f.call = &e;
  f.function = FindRangeFunction(e.function->id);
  for (const auto& arg : e.args) {
    if (arg->type == ValueType::kMatrix) {
      f.range = &Unwrap(*arg);
      continue;
    }
    if (f.scalars.empty()) f.scalar_pos = arg->pos;
    TRY_ASSIGN(std::vector<double> scalar, Scalar(*arg, steps));
    f.scalars.push_back(std::move(scalar));
  }
  TRY(CheckRangeFunction(f));
  if (f.range->kind == NodeKind::kMatrixSelector) return ApplyToSelector(ctx_, f, steps, sink);
  StepRange inner_steps;
  Result<StepVector> inner = StepVector();
  TallyApart(ctx_, [&] { inner = Subquery(*f.range, steps, &inner_steps); });
  TRY(inner.status());
  return ApplyToSubquery(ctx_, f, steps, *inner, inner_steps, sink);
}

Result<std::vector<double>> Evaluator::Scalar(const Expr& e, const StepRange& steps) {
  TRY(ctx_.budget.Check());
  const size_t n = steps.size();
  if (n == 0) return std::vector<double>();
  TRY(ctx_.budget.CheckRoom(1, n));
  if (n > 1 && StepInvariant(e)) {
    Result<std::vector<double>> one = std::vector<double>();
    const uint64_t samples =
        TallyApart(ctx_, [&] { one = ScalarNode(e, StepRange::Instant(steps.start_ms)); });
    TRY(one.status());
    ctx_.tally.AddToEach(n, samples);
    return std::vector<double>(n, (*one)[0]);
  }
  return ScalarNode(e, steps);
}

Result<std::vector<double>> Evaluator::ScalarNode(const Expr& e, const StepRange& steps) {
  switch (e.kind) {
    case NodeKind::kNumber: return std::vector<double>(steps.size(), e.number);
    case NodeKind::kParen: return ScalarNode(*e.lhs, steps);
    case NodeKind::kUnary: {
      TRY_ASSIGN(std::vector<double> v, Scalar(*e.lhs, steps));
      if (e.negative) {
        for (double& x : v) x = -x;
      }
      return v;
    }
    case NodeKind::kBinary: {
      TRY_ASSIGN(std::vector<double> v, Scalar(*e.lhs, steps));
      TRY_ASSIGN(const std::vector<double> rhs, Scalar(*e.rhs, steps));
      for (size_t i = 0; i < v.size(); ++i) v[i] = ScalarBinary(e.op, v[i], rhs[i]);
      return v;
    }
    case NodeKind::kCall: return ScalarCall(e, steps);
    default: return ExecutionError("expression is not a scalar");
  }
}

Result<std::vector<double>> Evaluator::ScalarCall(const Expr& e, const StepRange& steps) {
  const auto constant = [&](double v) { return std::vector<double>(steps.size(), v); };
  const auto seconds = [](int64_t ms) { return static_cast<double>(ms) / 1000; };
  switch (e.function->id) {
    case FunctionId::kPi: return constant(M_PI);
    case FunctionId::kStart: return constant(seconds(ctx_.range.start_ms));
    case FunctionId::kEnd: return constant(seconds(ctx_.range.end_ms));
    case FunctionId::kRange: return constant(seconds(ctx_.range.end_ms - ctx_.range.start_ms));
    case FunctionId::kStep: return constant(seconds(ctx_.step_ms));
    case FunctionId::kTime: {
      std::vector<double> v(steps.size());
      for (size_t i = 0; i < v.size(); ++i) v[i] = seconds(steps.At(i));
      return v;
    }
    case FunctionId::kMaxOf:
    case FunctionId::kMinOf: {
      TRY_ASSIGN(std::vector<double> v, Scalar(*e.args[0], steps));
      for (size_t a = 1; a < e.args.size(); ++a) {
        TRY_ASSIGN(const std::vector<double> other, Scalar(*e.args[a], steps));
        for (size_t i = 0; i < v.size(); ++i) {
          v[i] =
              e.function->id == FunctionId::kMaxOf ? GoMax(v[i], other[i]) : GoMin(v[i], other[i]);
        }
      }
      return v;
    }
    case FunctionId::kScalar: {
      TRY_ASSIGN(const StepVector in, Vector(*e.args[0], steps));
      std::vector<double> v = constant(NormalNan());
      std::vector<uint32_t> floats(steps.size());
      for (size_t row = 0; row < in.size(); ++row) {
        for (size_t i = 0; i < in.steps; ++i) {
          if (in.Cells(row)[i] != kFloat) continue;
          v[i] = ++floats[i] == 1 ? in.Values(row)[i] : NormalNan();
        }
      }
      return v;
    }
    default:
      return ExecutionError("function " + std::string(e.function->name) +
                            " does not give a scalar");
  }
}

Result<StepVector> Evaluator::Call(const Expr& e, const StepRange& steps) {
  const FunctionId id = e.function->id;
  if (id == FunctionId::kAbsent || id == FunctionId::kAbsentOverTime) return Absent(e, steps);
  if (FindRangeFunction(id) != nullptr) return Collect(e, steps);
  if (FindMathFunction(id) != nullptr || FindDateFunction(id) != nullptr) {
    return MapFloats(e, steps);
  }
  switch (id) {
    case FunctionId::kTimestamp:
    case FunctionId::kStartTimestamp: return Timestamp(e, steps);
    case FunctionId::kVector: return VectorOf(e, steps);
    case FunctionId::kClamp:
    case FunctionId::kClampMin:
    case FunctionId::kClampMax: return Clamp(e, steps);
    case FunctionId::kRound: return Round(e, steps);
    case FunctionId::kSort:
    case FunctionId::kSortDesc:
    case FunctionId::kSortByLabel:
    case FunctionId::kSortByLabelDesc: return Sort(e, steps);
    default: break;
  }
  // What remains takes one vector, and scalars beside it.
  StepVector v(steps.size());
  std::vector<std::vector<double>> scalars;
  for (const auto& arg : e.args) {
    if (arg->type == ValueType::kScalar) {
      TRY_ASSIGN(std::vector<double> scalar, Scalar(*arg, steps));
      scalars.push_back(std::move(scalar));
    } else if (arg->type == ValueType::kVector && v.empty() &&
               !(id == FunctionId::kInfo && arg != e.args[0])) {
      TRY_ASSIGN(v, Vector(*arg, steps));
    }
  }
  switch (id) {
    case FunctionId::kLabelReplace: return LabelReplace(ctx_, e, std::move(v));
    case FunctionId::kLabelJoin: return LabelJoin(ctx_, e, std::move(v));
    case FunctionId::kInfo: return Info(ctx_, e, std::move(v), steps);
    case FunctionId::kHistogramQuantile:
    case FunctionId::kHistogramQuantiles: return HistogramQuantiles(ctx_, e, std::move(v), scalars);
    case FunctionId::kHistogramFraction: return HistogramFractions(ctx_, e, std::move(v), scalars);
    default: return HistogramStatistic(ctx_, e, std::move(v));
  }
}

}  // namespace deckwatch::query
