#include "query/selector.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "query/functions.h"
#include "query/histogram_hints.h"
#include "query/histogram_math.h"
#include "query/label_sets.h"
#include "query/series_samples.h"

namespace deckwatch::query {

namespace {

// A block has this many series, fewer when they have very many steps.
constexpr size_t kMaxBlockSeries = 256;
constexpr size_t kMaxBlockCells = 4'000'000;

using BlockFunction =
    std::function<Status(size_t begin, size_t end, StepVector* out, AnnotationSet* annotations)>;

// Evaluates series [0, n) block by block and hands the blocks to `sink` in order. Blocks of one
// wave are evaluated in parallel.
Status RunBlocks(QueryContext& ctx, size_t n, size_t steps, const BlockFunction& evaluate,
                 const BlockSink& sink) {
  struct Slot {
    std::optional<StepVector> out;
    AnnotationSet annotations;
    Status status;
  };
  const size_t block_series = std::clamp<size_t>(kMaxBlockCells / steps, 1, kMaxBlockSeries);
  const size_t blocks = (n + block_series - 1) / block_series;
  const size_t wave = ctx.pool == nullptr ? 1 : static_cast<size_t>(ctx.pool->threads()) * 2 + 1;
  for (size_t first = 0; first < blocks; first += wave) {
    std::vector<Slot> slots(std::min(wave, blocks - first));
    const auto run = [&](size_t i) {
      Slot& slot = slots[i];
      slot.status = ctx.budget.Check();
      if (!slot.status.ok()) return;
      slot.out.emplace(steps);
      const size_t begin = (first + i) * block_series, end = std::min(n, begin + block_series);
      slot.out->Reserve(end - begin);
      slot.status = evaluate(begin, end, &*slot.out, &slot.annotations);
      if (slot.status.ok()) slot.status = ctx.Hold(&*slot.out);
    };
    if (slots.size() > 1) {
      ctx.pool->ParallelFor(slots.size(), run);
    } else {
      run(0);
    }
    for (Slot& slot : slots) {
      TRY(slot.status);
      ctx.annotations.Merge(std::move(slot.annotations));
      TRY(sink(std::move(*slot.out)));
    }
  }
  return {};
}

// The reference time of each step: `@` and offset applied.
std::vector<int64_t> ReferenceTimes(const QueryContext& ctx, const Expr& e,
                                    const StepRange& steps) {
  std::vector<int64_t> out(steps.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = AtTime(ctx, e, steps.At(i)) - e.offset_ms;
  return out;
}

Result<std::unique_ptr<SeriesSet>> Select(QueryContext& ctx, const Expr& selector, int64_t start_ms,
                                          int64_t end_ms, const SelectHints& hints) {
  auto set = ctx.querier.Select(start_ms, end_ms, selector.matchers, hints);
  if (!set.ok()) return set.status().Annotate("expanding series");
  ctx.budget.CountSeries((*set)->size());
  return set;
}

Status Read(QueryContext& ctx, const SeriesSet& set, size_t i, Columns* columns) {
  if (Status s = set.Read(i, columns); !s.ok()) return s.Annotate("expanding series");
  ctx.budget.CountRead(columns->size());
  if (!columns->histogram.empty()) ctx.budget.NoteHistograms();
  return {};
}

// Which sample each step picks: the newest one in (reference - lookback, reference]. Worked out
// anew only when the times of the samples differ from those of the series before.
class Picks {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  Picks(const std::vector<int64_t>& reference_ms, int64_t lookback_ms)
      : reference_ms_(reference_ms), lookback_ms_(lookback_ms) {}

  // The earliest sample that any step picks.
  uint32_t First(const std::vector<int64_t>& t_ms) {
    const std::vector<uint32_t>& picks = For(t_ms);
    return *std::min_element(picks.begin(), picks.end());
  }

  const std::vector<uint32_t>& For(const std::vector<int64_t>& t_ms) {
    if (!picks_.empty() && t_ms == t_ms_) return picks_;
    t_ms_ = t_ms;
    picks_.assign(reference_ms_.size(), kNone);
    auto next = std::upper_bound(t_ms.begin(), t_ms.end(), reference_ms_.front());
    for (size_t step = 0; step < picks_.size(); ++step) {
      const int64_t reference = reference_ms_[step];
      while (next != t_ms.end() && *next <= reference) ++next;
      if (next == t_ms.begin() || *(next - 1) <= reference - lookback_ms_) continue;
      picks_[step] = static_cast<uint32_t>(next - t_ms.begin()) - 1;
    }
    return picks_;
  }

 private:
  const std::vector<int64_t>& reference_ms_;
  const int64_t lookback_ms_;
  std::vector<int64_t> t_ms_;
  std::vector<uint32_t> picks_;
};

void PickFloats(const std::vector<double>& value, const std::vector<uint32_t>& picks,
                StepVector* out, size_t row) {
  double* values = out->Values(row);
  uint8_t* cells = out->Cells(row);
  for (size_t step = 0; step < picks.size(); ++step) {
    if (picks[step] == Picks::kNone) continue;
    const double v = value[picks[step]];
    values[step] = v;
    cells[step] = IsStale(v) ? kAbsent : kFloat;
  }
}

// The samples that `picks` name, unless they are stale markers.
Status PickSamples(const Columns& c, const std::vector<uint32_t>& picks, Pick pick,
                   bool tell_resets, StepVector* out, size_t row) {
  if (pick == Pick::kValue && c.histogram.empty()) {
    PickFloats(c.value, picks, out, row);
    return {};
  }
  for (size_t step = 0; step < picks.size(); ++step) {
    if (picks[step] == Picks::kNone) continue;
    const size_t i = picks[step];
    const bool histogram = !c.histogram.empty() && c.histogram[i] != nullptr;
    if (histogram ? IsStale(*c.histogram[i]) : IsStale(c.value[i])) continue;
    if (pick == Pick::kInfoTimestamp && histogram) {
      return ExecutionError("this should be an info metric, with float samples: " +
                            BracedString(out->series[row].labels));
    }
    if (pick == Pick::kTimestamp || pick == Pick::kInfoTimestamp) {
      out->SetFloat(row, step, static_cast<double>(c.t_ms[i]) / 1000);
    } else if (pick == Pick::kStartTimestamp) {
      const int64_t start_ms = c.start_ms.empty() ? 0 : c.start_ms[i];
      out->SetFloat(row, step, static_cast<double>(start_ms) / 1000);
    } else if (histogram) {
      out->SetHistogram(row, step, WithResetHint(c, i, tell_resets));
    } else {
      out->SetFloat(row, step, c.value[i]);
    }
  }
  return {};
}

double Interpolate(const FloatSamples& s, size_t left, int64_t t_ms) {
  return s.value[left] + (s.value[left + 1] - s.value[left]) *
                             static_cast<double>(t_ms - s.t_ms[left]) /
                             static_cast<double>(s.t_ms[left + 1] - s.t_ms[left]);
}

// A smoothed instant selector: on the line between the samples around each reference time, or the
// last one where none follows.
void PickSmoothed(const SeriesSamples& samples, const std::vector<int64_t>& reference_ms,
                  const Expr& selector, AnnotationSet* annotations, StepVector* out, size_t row) {
  const FloatSamples& f = samples.floats();
  const HistogramSamples& h = samples.histograms();
  const std::string name(out->series[row].labels.MetricName());
  for (size_t step = 0; step < reference_ms.size(); ++step) {
    const int64_t t_ms = reference_ms[step];
    const Window fw = f.window[step], hw = h.window[step];
    if (fw.size() > 0 && hw.size() > 0) {
      annotations->MixedFloatsHistograms(name, selector.pos);
      continue;
    }
    const auto upper = [t_ms](const int64_t* t, Window w) {
      return static_cast<uint32_t>(std::lower_bound(t + w.begin, t + w.end, t_ms) - t);
    };
    if (fw.size() > 0) {
      const uint32_t i = upper(f.t_ms, fw);
      if (i < fw.end && f.t_ms[i] == t_ms) {
        out->SetFloat(row, step, f.value[i]);
      } else if (i > fw.begin) {
        out->SetFloat(row, step, i < fw.end ? Interpolate(f, i - 1, t_ms) : f.value[i - 1]);
      }
    } else if (hw.size() > 0) {
      const uint32_t i = upper(h.t_ms, hw);
      if (i < hw.end && h.t_ms[i] == t_ms) {
        out->SetHistogram(row, step, h.value[i]);
      } else if (i > hw.begin && i == hw.end) {
        out->SetHistogram(row, step, h.value[i - 1]);
      } else if (i > hw.begin &&
                 UsesCustomBuckets(*h.value[i]) != UsesCustomBuckets(*h.value[i - 1])) {
        annotations->MixedExponentialCustom(name, selector.pos);
      } else if (i > hw.begin) {
        Histogram between;
        if (InterpolateHistograms({h.value[i - 1].get(), h.t_ms[i - 1]},
                                  {h.value[i].get(), h.t_ms[i]}, t_ms,
                                  h.value[i]->hint != CounterResetHint::kGauge, name, selector.pos,
                                  annotations, &between)) {
          out->SetHistogram(row, step, std::make_shared<const Histogram>(std::move(between)));
        }
      }
    }
  }
}

// rate and increase of what does not look like a counter.
void CheckCounterName(const Expr& call, Position arg_pos, const Labels& labels,
                      const StepVector& out, size_t row, AnnotationSet* annotations) {
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

// Applies `f` to the samples of one series; a row is added when it gives anything.
class RangeApplier {
 public:
  RangeApplier(QueryContext& ctx, const RangeFunctionCall& f, const StepRange& steps,
               const std::vector<int64_t>& end_ms, int64_t range_ms, RangeMode mode)
      : ctx_(ctx), f_(f), steps_(steps), end_ms_(end_ms), range_ms_(range_ms), mode_(mode) {}

  void Apply(const Columns& columns, const Labels& labels, bool name_dropped, StepVector* out,
             AnnotationSet* annotations) {
    samples_.Load(columns, ctx_.options.use_start_timestamps);
    if (samples_.empty()) return;
    samples_.SetWindows(end_ms_, range_ms_ + (mode_ == RangeMode::kPlain ? 0 : ctx_.lookback_ms),
                        mode_ == RangeMode::kSmoothed ? ctx_.lookback_ms : 0);
    const FunctionId id = f_.call->function->id;
    SeriesInfo info{labels, name_dropped};
    if (id != FunctionId::kLastOverTime && id != FunctionId::kFirstOverTime) {
      DropName(ctx_, &info);
    }
    RangeCall call;
    call.floats = samples_.floats();
    call.histograms = samples_.histograms();
    call.steps = steps_;
    call.end_ms = end_ms_.data();
    call.range_ms = range_ms_;
    call.mode = mode_;
    for (const auto& scalar : f_.scalars) call.args.push_back(scalar.data());
    call.metric_name = labels.MetricName();
    call.arg_pos = f_.range->pos;
    call.args_pos = f_.range->pos;
    call.scalar_pos = f_.scalar_pos;
    call.annotations = annotations;
    call.scratch = &scratch_;
    call.windows = samples_.windows();
    call.out = out;
    call.row = out->AddRow(std::move(info));
    f_.function(call);
    CheckCounterName(*f_.call, call.arg_pos, labels, *out, call.row, annotations);
    if (out->RowEmpty(call.row)) out->PopRow();
  }

 private:
  QueryContext& ctx_;
  const RangeFunctionCall& f_;
  const StepRange& steps_;
  const std::vector<int64_t>& end_ms_;
  const int64_t range_ms_;
  const RangeMode mode_;
  SeriesSamples samples_;
  RangeScratch scratch_;
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

int64_t AtTime(const QueryContext& ctx, const Expr& e, int64_t t_ms) {
  switch (e.at) {
    case AtModifier::kNone: return t_ms;
    case AtModifier::kTimestamp: return e.at_ms;
    case AtModifier::kStart: return ctx.range.start_ms;
    case AtModifier::kEnd: return ctx.range.end_ms;
  }
  return t_ms;
}

Status SelectInstant(QueryContext& ctx, const Expr& selector, const StepRange& steps, Pick pick,
                     std::string_view hint_function, const BlockSink& sink) {
  std::vector<int64_t> reference = ReferenceTimes(ctx, selector, steps);
  int64_t lookback_ms = ctx.lookback_ms;
  if (pick == Pick::kTimestamp && selector.at != AtModifier::kNone) {
    // As in Prometheus, timestamp() looks at the time that @ names, among what is selected for that
    // time less the offset: the sample must be recent for both.
    if (selector.offset_ms < 0) {
      for (int64_t& t_ms : reference) t_ms += selector.offset_ms;
    }
    lookback_ms -= std::abs(selector.offset_ms);
  }
  const bool smoothed = selector.range_mode == RangeMode::kSmoothed;
  const bool tell_resets = ctx.statistics_only.contains(&selector);
  SelectHints hints;
  hints.step_ms = steps.size() > 1 ? steps.step_ms : 0;
  hints.function = hint_function;
  hints.latest_only = reference.front() == reference.back() && !smoothed;
  TRY_ASSIGN(const auto set, Select(ctx, selector, reference.front() - ctx.lookback_ms + 1,
                                    reference.back() + (smoothed ? ctx.lookback_ms : 0), hints));
  return RunBlocks(
      ctx, set->size(), steps.size(),
      [&](size_t begin, size_t end, StepVector* out, AnnotationSet* annotations) -> Status {
        Columns columns;
        SeriesSamples samples;
        Picks picks(reference, lookback_ms);
        Labels labels;
        for (size_t i = begin; i < end; ++i) {
          TRY(Read(ctx, *set, i, &columns));
          if (columns.empty()) continue;
          labels = Labels(set->LabelsAt(i));
          const size_t row = out->AddRow({labels, false});
          if (smoothed) {
            samples.Load(columns, false);
            samples.SetWindows(reference, ctx.lookback_ms, ctx.lookback_ms);
            PickSmoothed(samples, reference, selector, annotations, out, row);
          } else {
            if (!columns.histogram.empty() && picks.First(columns.t_ms) == 0) {
              TRY(PrependPrevious(ctx, labels, &columns));
            }
            TRY(PickSamples(columns, picks.For(columns.t_ms), pick, tell_resets, out, row));
          }
          if (out->RowEmpty(row)) out->PopRow();
        }
        return {};
      },
      sink);
}

Status ApplyToSelector(QueryContext& ctx, const RangeFunctionCall& f, const StepRange& steps,
                       const BlockSink& sink) {
  const Expr& selector = *f.range->lhs;
  const std::vector<int64_t> end_ms = ReferenceTimes(ctx, selector, steps);
  const int64_t range_ms = f.range->range_ms;
  const bool extended = selector.range_mode != RangeMode::kPlain;
  const bool smoothed = selector.range_mode == RangeMode::kSmoothed;
  SelectHints hints;
  hints.step_ms = steps.size() > 1 ? steps.step_ms : 0;
  hints.range_ms = range_ms;
  hints.function = f.call->function->name;
  TRY_ASSIGN(const auto set,
             Select(ctx, selector, end_ms.front() - range_ms - (extended ? ctx.lookback_ms : 0) + 1,
                    end_ms.back() + (smoothed ? ctx.lookback_ms : 0), hints));
  return RunBlocks(
      ctx, set->size(), steps.size(),
      [&](size_t begin, size_t end, StepVector* out, AnnotationSet* annotations) -> Status {
        RangeApplier applier(ctx, f, steps, end_ms, range_ms, selector.range_mode);
        Columns columns;
        Labels labels;
        for (size_t i = begin; i < end; ++i) {
          TRY(Read(ctx, *set, i, &columns));
          if (columns.empty()) continue;
          labels = Labels(set->LabelsAt(i));
          if (!columns.histogram.empty() && ShowsResetHints(f.call->function->id)) {
            TRY(PrependPrevious(ctx, labels, &columns));
            SetResetHints(&columns, ctx.statistics_only.contains(&selector));
          }
          applier.Apply(columns, labels, false, out, annotations);
        }
        return {};
      },
      sink);
}

Status ApplyToSubquery(QueryContext& ctx, const RangeFunctionCall& f, const StepRange& steps,
                       const StepVector& inner, const StepRange& inner_steps,
                       const BlockSink& sink) {
  const std::vector<int64_t> end_ms = ReferenceTimes(ctx, *f.range, steps);
  return RunBlocks(
      ctx, inner.size(), steps.size(),
      [&](size_t begin, size_t end, StepVector* out, AnnotationSet* annotations) -> Status {
        RangeApplier applier(ctx, f, steps, end_ms, f.range->range_ms, RangeMode::kPlain);
        Columns columns;
        for (size_t i = begin; i < end; ++i) {
          RowColumns(inner, i, inner_steps, &columns);
          applier.Apply(columns, inner.series[i].labels, inner.series[i].drop_name, out,
                        annotations);
        }
        return {};
      },
      sink);
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
  TRY_ASSIGN(const auto set, Select(ctx, selector, end_ms - e.range_ms + 1, end_ms, {}));
  Charge charge;
  uint64_t samples = 0, bytes = 0;
  for (size_t i = 0; i < set->size(); ++i) {
    TRY(ctx.budget.Check());
    Columns columns;
    TRY(Read(ctx, *set, i, &columns));
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
    if (series.t_ms.empty()) continue;
    bytes += columns.bytes();
    TRY(ctx.budget.Hold(samples, bytes, &charge));
    out->push_back(std::move(series));
  }
  return {};
}

}  // namespace deckwatch::query
