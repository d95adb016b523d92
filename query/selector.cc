// Range selectors: a function over the window of each step.
#include "query/selector.h"

#include <algorithm>
#include <cstdio>

#include "query/blocks.h"
#include "query/chunk_layout.h"
#include "query/functions.h"
#include "query/histogram_hints.h"
#include "query/selection.h"
#include "query/series_samples.h"

namespace deckwatch::query {

namespace {

// rate and increase of what does not look like a counter.
void CheckCounterName(const Expr& call, Position arg_pos, LabelsView labels, const StepVector& out,
                      size_t row, AnnotationSet* annotations) {
  const FunctionId id = call.function->id;
  if (id != FunctionId::kRate && id != FunctionId::kIncrease) return;
  const std::string_view name = labels.MetricName();
  if (name.empty()) return;
  const uint8_t* cells = out.Cells(row);
  if (std::find(cells, cells + out.steps, kFloat) == cells + out.steps) return;
  const std::string_view type = labels.Get("__type__");
  if (!type.empty()) {
    if (type != "counter" && type != "histogram") {
      annotations->PossibleNonCounterLabel(name, type, arg_pos);
    }
    return;
  }
  for (std::string_view suffix : {"_total", "_sum", "_count", "_bucket"}) {
    if (name.ends_with(suffix)) return;
  }
  annotations->PossibleNonCounter(name, arg_pos);
}

// Whether a newest sample that is a float makes the others of its window immaterial.
bool NeedsLatestFloatOnly(FunctionId id) {
  return id == FunctionId::kLastOverTime || id == FunctionId::kTsOfLastOverTime ||
         id == FunctionId::kPresentOverTime || id == FunctionId::kAbsentOverTime;
}

// Applies `f` to one series after another; a row is added when it gives anything. The samples in
// the windows are counted in a tally of its own: several are at work at a time.
class RangeApplier {
 public:
  RangeApplier(QueryContext& ctx, const RangeFunctionCall& f, const StepRange& steps,
               const std::vector<int64_t>& end_ms, RangeMode mode, bool statistics_only)
      : ctx_(ctx),
        f_(f),
        end_ms_(end_ms),
        statistics_only_(statistics_only),
        tally_(ctx.tally.Fresh()) {
    call_.steps = steps;
    call_.end_ms = end_ms_.data();
    call_.range_ms = f.range->range_ms;
    call_.mode = mode;
    for (const auto& scalar : f.scalars) call_.args.push_back(scalar.data());
    call_.arg_pos = f.range->pos;
    call_.args_pos = f.range->pos;
    call_.scalar_pos = f.scalar_pos;
    call_.scratch = &scratch_;
  }

  // `labels` are those of `info`, from elsewhere.
  void Apply(const Columns& columns, LabelsView labels, SeriesInfo info, StepVector* out,
             AnnotationSet* annotations) {
    samples_.Load(columns, ctx_.options.use_start_timestamps);
    if (samples_.empty()) return;
    const bool extended = call_.mode != RangeMode::kPlain;
    samples_.SetWindows(end_ms_, call_.range_ms + (extended ? ctx_.lookback_ms : 0),
                        call_.mode == RangeMode::kSmoothed ? ctx_.lookback_ms : 0);
    Count();
    const FunctionId id = f_.call->function->id;
    if (id != FunctionId::kLastOverTime && id != FunctionId::kFirstOverTime) {
      DropName(ctx_, &info);
    }
    call_.floats = samples_.floats();
    call_.histograms = samples_.histograms();
    call_.metric_name = labels.MetricName();
    call_.annotations = annotations;
    call_.windows = samples_.windows();
    call_.out = out;
    call_.row = out->AddRow(std::move(info));
    f_.function(call_);
    CheckCounterName(*f_.call, call_.arg_pos, labels, *out, call_.row, annotations);
    if (out->RowEmpty(call_.row)) out->PopRow();
  }

  const SampleTally& tally() const { return tally_; }

 private:
  // What the windows hold.
  void Count() {
    const FloatSamples& f = samples_.floats();
    const HistogramSamples& h = samples_.histograms();
    if (!tally_.counts_steps() && h.size == 0) return tally_.Add(samples_.floats_in_windows());
    cost_before_.assign(1, 0);
    for (size_t i = 0; i < h.size; ++i) {
      cost_before_.push_back(cost_before_[i] + SampleCost(*h.value[i], statistics_only_));
    }
    for (size_t step = 0; step < end_ms_.size(); ++step) {
      const Window w = h.window[step];
      tally_.AddAt(step, f.window[step].size() + cost_before_[w.end] - cost_before_[w.begin]);
    }
  }

  QueryContext& ctx_;
  const RangeFunctionCall& f_;
  const std::vector<int64_t>& end_ms_;
  const bool statistics_only_;
  SampleTally tally_;
  std::vector<uint64_t> cost_before_;  // of the histograms before each
  SeriesSamples samples_;
  RangeScratch scratch_;
  RangeCall call_;  // what changes from series to series is set by Apply
};

// The points of row `row` as columns.
void RowColumns(const StepVector& v, size_t row, const StepRange& steps, Columns* out) {
  out->Clear();
  for (size_t i = 0; i < v.steps; ++i) {
    if (v.Cells(row)[i] == kAbsent) continue;
    out->t_ms.push_back(steps.At(i));
    out->value.push_back(v.Values(row)[i]);
    if (v.histogram.empty()) continue;
    HistogramPtr h = v.Histograms(row)[i];
    if (h != nullptr && h->hint != CounterResetHint::kGauge &&
        h->hint != CounterResetHint::kUnknown) {
      // Points may repeat or leave out samples: what they said of the sample before is void.
      auto copy = std::make_shared<Histogram>(*h);
      copy->hint = CounterResetHint::kUnknown;
      h = std::move(copy);
    }
    out->histogram.push_back(std::move(h));
  }
}

}  // namespace

Status ApplyToSelector(QueryContext& ctx, const RangeFunctionCall& f, const StepRange& steps,
                       const BlockSink& sink) {
  const Expr& selector = *f.range->lhs;
  const std::vector<int64_t> end_ms = ReferenceTimes(ctx, selector, steps);
  const int64_t range_ms = f.range->range_ms;
  const bool extended = selector.range_mode != RangeMode::kPlain;
  const bool smoothed = selector.range_mode == RangeMode::kSmoothed;
  const bool shows_hints = ShowsResetHints(f.call->function->id);
  const bool one_window = end_ms.front() == end_ms.back();
  SelectHints hints;
  hints.step_ms = steps.size() > 1 ? steps.step_ms : 0;
  hints.range_ms = range_ms;
  hints.function = f.call->function->name;
  hints.latest_float = one_window && !extended && NeedsLatestFloatOnly(f.call->function->id);
  TRY_ASSIGN(const SeriesSet* const set,
             Select(ctx, selector, end_ms.front() - range_ms - (extended ? ctx.lookback_ms : 0) + 1,
                    end_ms.back() + (smoothed ? ctx.lookback_ms : 0), hints));
  const bool statistics_only = ctx.needs.statistics_only.contains(&selector);
  Lender<RangeApplier> appliers([&] {
    return std::make_unique<RangeApplier>(ctx, f, steps, end_ms, selector.range_mode,
                                          statistics_only);
  });
  TRY(RunBlocks(
      ctx, set->size(), steps.size(),
      [&](size_t begin, size_t end, StepVector* out, AnnotationSet* annotations) {
        const auto applier = appliers.Borrow();
        return ReadSeries(ctx, *set, begin, end, [&](size_t i, Columns* columns) -> Status {
          const LabelsView labels = set->LabelsAt(i);
          if (!columns->histogram.empty() && shows_hints) {
            TRY(PrependPrevious(ctx, labels, columns));
            SetResetHints(columns, statistics_only);
          }
          TRY(LayOutSelected(ctx, f.call->function->id, statistics_only, labels, columns));
          applier->Apply(*columns, labels, {SeriesLabels::View(labels), false}, out, annotations);
          return {};
        });
      },
      sink));
  appliers.ForEach([&](const RangeApplier& a) { ctx.tally.Add(a.tally()); });
  return {};
}

Status ApplyToSubquery(QueryContext& ctx, const RangeFunctionCall& f, const StepRange& steps,
                       const StepVector& inner, const StepRange& inner_steps,
                       const BlockSink& sink) {
  const std::vector<int64_t> end_ms = ReferenceTimes(ctx, *f.range, steps);
  Lender<RangeApplier> appliers([&] {
    return std::make_unique<RangeApplier>(ctx, f, steps, end_ms, RangeMode::kPlain, false);
  });
  TRY(RunBlocks(
      ctx, inner.size(), steps.size(),
      [&](size_t begin, size_t end, StepVector* out, AnnotationSet* annotations) -> Status {
        const auto applier = appliers.Borrow();
        Columns columns;
        for (size_t i = begin; i < end; ++i) {
          RowColumns(inner, i, inner_steps, &columns);
          applier->Apply(columns, inner.series[i].labels, inner.series[i], out, annotations);
        }
        return {};
      },
      sink));
  appliers.ForEach([&](const RangeApplier& a) { ctx.tally.Add(a.tally()); });
  return {};
}

Status CheckRangeFunction(const RangeFunctionCall& f) {
  const FunctionId id = f.call->function->id;
  const std::string name(f.call->function->name);
  const RangeMode mode =
      f.range->kind == NodeKind::kMatrixSelector ? f.range->lhs->range_mode : RangeMode::kPlain;
  const bool is_rate =
      id == FunctionId::kRate || id == FunctionId::kIncrease || id == FunctionId::kDelta;
  if (mode == RangeMode::kSmoothed && !is_rate) {
    return ExecutionError(
        "smoothed modifier can only be used with: delta, increase, rate - not with " + name);
  }
  if (mode == RangeMode::kAnchored && !is_rate && id != FunctionId::kChanges &&
      id != FunctionId::kResets) {
    return ExecutionError(
        "anchored modifier can only be used with: changes, delta, increase, rate, resets - not "
        "with " +
        name);
  }
  if (id == FunctionId::kDoubleExponentialSmoothing) {
    const auto check = [](const std::vector<double>& factors, const char* which) -> Status {
      for (double x : factors) {
        if (x > 0 && x < 1) continue;
        char text[96];
        std::snprintf(text, sizeof text, "invalid %s factor. Expected: 0 < %cf < 1, got: %f", which,
                      which[0], x);
        return ExecutionError(text);
      }
      return {};
    };
    TRY(check(f.scalars[0], "smoothing"));
    TRY(check(f.scalars[1], "trend"));
  }
  return {};
}

Status SelectRaw(QueryContext& ctx, const Expr& e, int64_t t_ms, std::vector<ResultSeries>* out) {
  const Expr& selector = *e.lhs;
  const int64_t end_ms = AtTime(ctx, selector, t_ms) - selector.offset_ms;
  TRY_ASSIGN(const SeriesSet* const set,
             Select(ctx, selector, end_ms - e.range_ms + 1, end_ms, {}));
  Charge charge;
  uint64_t samples = 0, bytes = 0;
  TRY(ReadSeries(ctx, *set, 0, set->size(), [&](size_t i, Columns* read) -> Status {
    TRY(ctx.budget.Check());
    Columns& columns = *read;
    ResultSeries series;
    series.labels = Labels(set->LabelsAt(i));
    const size_t inside = columns.size();
    if (!columns.histogram.empty()) {
      TRY(PrependPrevious(ctx, series.labels, &columns));
      SetResetHints(&columns, false);
    }
    for (size_t k = columns.size() - inside; k < columns.size(); ++k) {
      const HistogramPtr h = columns.histogram.empty() ? nullptr : columns.histogram[k];
      if (h ? IsStale(*h) : IsStale(columns.value[k])) continue;
      series.t_ms.push_back(columns.t_ms[k]);
      series.value.push_back(columns.value[k]);
      if (!columns.histogram.empty()) series.histogram.push_back(h);
      samples += h ? HistogramSampleCost(*h) : 1;
    }
    if (series.t_ms.empty()) return {};
    bytes += columns.bytes();
    TRY(ctx.budget.Hold(samples, bytes, &charge));
    out->push_back(std::move(series));
    return {};
  }));
  ctx.tally.AddAt(0, samples);
  return {};
}

}  // namespace deckwatch::query
