// The evaluator's functions of instant vectors that need nothing but their values.
#include <algorithm>
#include <cmath>

#include "query/eval.h"
#include "query/function_id.h"
#include "query/functions.h"
#include "query/instant_functions.h"

namespace deckwatch::query {

namespace {

// Replaces the floats of `v` by f(step, value); histograms go.
template <typename F>
void Map(QueryContext& ctx, StepVector* v, F f) {
  for (size_t row = 0; row < v->size(); ++row) {
    DropName(ctx, &v->series[row]);
    double* values = v->Values(row);
    uint8_t* cells = v->Cells(row);
    for (size_t i = 0; i < v->steps; ++i) {
      if (cells[i] == kFloat) {
        values[i] = f(i, values[i]);
      } else {
        cells[i] = kAbsent;
      }
    }
  }
  v->histogram.clear();
}

Status MergeIfNamesAreGone(QueryContext& ctx, StepVector* v) {
  return ctx.options.delayed_name_removal ? Status() : MergeEqualSeries(v);
}

// The labels that an absent series would have: those matched by exactly one equality.
Labels AbsentLabels(const Expr& arg) {
  const Expr* selector = &Unwrap(arg);
  if (selector->kind == NodeKind::kMatrixSelector) selector = selector->lhs.get();
  if (selector->kind != NodeKind::kVectorSelector) return {};
  LabelsBuilder b;
  std::vector<std::string_view> seen;
  for (const Matcher& m : selector->matchers) {
    if (m.name() == kMetricName) continue;
    const bool again = std::find(seen.begin(), seen.end(), m.name()) != seen.end();
    if (m.type() == MatchType::kEqual && !again) {
      b.Set(m.name(), m.value());
      seen.push_back(m.name());
    } else {
      b.Del(m.name());
    }
  }
  return b.Build();
}

// Pieces of digits and of other characters, in turn.
std::vector<std::string_view> NaturalChunks(std::string_view s) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  std::vector<std::string_view> out;
  for (size_t i = 0; i < s.size();) {
    size_t end = i + 1;
    while (end < s.size() && digit(s[end]) == digit(s[i])) ++end;
    out.push_back(s.substr(i, end - i));
    i = end;
  }
  return out;
}

// -1, 0, 1: numbers inside the texts count as numbers ("a2" before "a10").
int CompareNatural(std::string_view a, std::string_view b) {
  const auto ca = NaturalChunks(a), cb = NaturalChunks(b);
  for (size_t i = 0; i < std::min(ca.size(), cb.size()); ++i) {
    std::string_view x = ca[i], y = cb[i];
    if (std::isdigit(static_cast<unsigned char>(x[0])) &&
        std::isdigit(static_cast<unsigned char>(y[0]))) {
      x.remove_prefix(std::min(x.find_first_not_of('0'), x.size()));
      y.remove_prefix(std::min(y.find_first_not_of('0'), y.size()));
      if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
    }
    if (const int c = x.compare(y); c != 0) return c;
  }
  return ca.size() < cb.size() ? -1 : ca.size() > cb.size() ? 1 : 0;
}

}  // namespace

Result<StepVector> Evaluator::MapFloats(const Expr& e, const StepRange& steps) {
  const FunctionId id = e.function->id;
  if (e.args.empty()) {
    const FloatFunction date = FindDateFunction(id);
    StepVector v(steps.size());
    v.AddRow({});
    for (size_t i = 0; i < steps.size(); ++i) {
      // Whole seconds, towards zero.
      v.SetFloat(0, i, date(static_cast<double>(steps.At(i) / 1000)));
    }
    return v;
  }
  const FloatFunction math = FindMathFunction(id);
  const FloatFunction f = math != nullptr ? math : FindDateFunction(id);
  TRY_ASSIGN(StepVector v, Vector(*e.args[0], steps));
  Map(ctx_, &v, [f](size_t, double x) { return f(x); });
  TRY(MergeIfNamesAreGone(ctx_, &v));
  return v;
}

Result<StepVector> Evaluator::Clamp(const Expr& e, const StepRange& steps) {
  const FunctionId id = e.function->id;
  TRY_ASSIGN(StepVector v, Vector(*e.args[0], steps));
  std::vector<double> low(steps.size(), -INFINITY), high(steps.size(), INFINITY);
  if (id != FunctionId::kClampMax) {
    TRY_ASSIGN(low, Scalar(*e.args[1], steps));
  }
  if (id != FunctionId::kClampMin) {
    TRY_ASSIGN(high, Scalar(*e.args.back(), steps));
  }
  Map(ctx_, &v, [&](size_t i, double x) { return GoMax(low[i], GoMin(high[i], x)); });
  for (size_t row = 0; row < v.size(); ++row) {
    for (size_t i = 0; i < v.steps; ++i) {
      if (high[i] < low[i]) v.Cells(row)[i] = kAbsent;
    }
  }
  TRY(MergeIfNamesAreGone(ctx_, &v));
  return v;
}

Result<StepVector> Evaluator::Round(const Expr& e, const StepRange& steps) {
  TRY_ASSIGN(StepVector v, Vector(*e.args[0], steps));
  std::vector<double> to(steps.size(), 1);
  if (e.args.size() > 1) {
    TRY_ASSIGN(to, Scalar(*e.args[1], steps));
  }
  // With the inverse, as that loses less.
  for (double& x : to) x = 1.0 / x;
  Map(ctx_, &v, [&](size_t i, double x) { return std::floor(x * to[i] + 0.5) / to[i]; });
  TRY(MergeIfNamesAreGone(ctx_, &v));
  return v;
}

Result<StepVector> Evaluator::VectorOf(const Expr& e, const StepRange& steps) {
  TRY_ASSIGN(const std::vector<double> values, Scalar(*e.args[0], steps));
  StepVector v(steps.size());
  v.AddRow({});
  for (size_t i = 0; i < values.size(); ++i) v.SetFloat(0, i, values[i]);
  return v;
}

Result<StepVector> Evaluator::Timestamp(const Expr& e, const StepRange& steps) {
  const bool start = e.function->id == FunctionId::kStartTimestamp;
  const Expr& arg = Unwrap(*e.args[0]);
  if (start && (arg.kind != NodeKind::kVectorSelector || !ctx_.options.use_start_timestamps)) {
    return StepVector(steps.size());
  }
  StepVector v(steps.size());
  if (arg.kind == NodeKind::kVectorSelector && arg.range_mode == RangeMode::kPlain) {
    TRY(SelectInstant(ctx_, arg, steps, start ? Pick::kStartTimestamp : Pick::kTimestamp,
                      e.function->name, [&](StepVector&& block) {
                        v.Append(std::move(block));
                        return Status();
                      }));
  } else {
    TRY_ASSIGN(v, Vector(arg, steps));
    for (size_t row = 0; row < v.size(); ++row) {
      for (size_t i = 0; i < v.steps; ++i) {
        if (v.Cells(row)[i] == kAbsent) continue;
        v.SetFloat(row, i, static_cast<double>(steps.At(i)) / 1000);
      }
    }
    v.histogram.clear();
  }
  for (SeriesInfo& info : v.series) DropName(ctx_, &info);
  TRY(MergeIfNamesAreGone(ctx_, &v));
  return v;
}

Result<StepVector> Evaluator::Absent(const Expr& e, const StepRange& steps) {
  std::vector<uint8_t> present(steps.size());
  const auto mark = [&](const StepVector& v) {
    for (size_t row = 0; row < v.size(); ++row) {
      for (size_t i = 0; i < v.steps; ++i) present[i] |= v.Cells(row)[i];
    }
  };
  const auto sink = [&](StepVector&& block) {
    mark(block);
    return Status();
  };
  if (e.function->id == FunctionId::kAbsentOverTime) {
    TRY(RangeFunctionBlocks(e, steps, sink));
  } else {
    TRY(Blocks(*e.args[0], steps, sink));
  }
  StepVector v(steps.size());
  v.AddRow({AbsentLabels(*e.args[0]), false});
  for (size_t i = 0; i < present.size(); ++i) {
    if (present[i] == kAbsent) v.SetFloat(0, i, 1);
  }
  v.RemoveEmptyRows();
  return v;
}

Result<StepVector> Evaluator::Sort(const Expr& e, const StepRange& steps) {
  const FunctionId id = e.function->id;
  const bool by_value = id == FunctionId::kSort || id == FunctionId::kSortDesc;
  TRY_ASSIGN(StepVector v, Vector(*e.args[0], steps));
  if (by_value) {
    for (uint8_t& c : v.cell) {
      if (c == kHistogram) c = kAbsent;
    }
    v.histogram.clear();
    v.RemoveEmptyRows();
  }
  if (ctx_.step_ms > 0) {
    ctx_.annotations.SortIneffective(e.pos);
    return v;
  }
  if (steps.size() != 1) return v;
  std::vector<size_t> order(v.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (by_value) {
    const bool descending = id == FunctionId::kSortDesc;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const double x = v.value[a], y = v.value[b];
      if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) && std::isnan(y);
      return descending ? x > y : x < y;
    });
  } else {
    const bool descending = id == FunctionId::kSortByLabelDesc;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const LabelsView x = v.series[descending ? b : a].labels;
      const LabelsView y = v.series[descending ? a : b].labels;
      for (size_t i = 1; i < e.args.size(); ++i) {
        const std::string& name = Unwrap(*e.args[i]).string;
        if (const int c = CompareNatural(x.Get(name), y.Get(name)); c != 0) return c < 0;
      }
      return x < y;
    });
  }
  return Reorder(std::move(v), order);
}

}  // namespace deckwatch::query
