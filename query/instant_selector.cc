// Instant selectors: the newest sample of each series within the lookback of each step.
#include <algorithm>
#include <cstdlib>

#include "query/blocks.h"
#include "query/functions.h"
#include "query/histogram_hints.h"
#include "query/histogram_math.h"
#include "query/known_times.h"
#include "query/label_sets.h"
#include "query/selection.h"
#include "query/selector.h"
#include "query/series_samples.h"

namespace deckwatch::query {

namespace {

// Which sample each step picks: the newest one in (reference - lookback, reference].
struct Picked {
  std::vector<uint32_t> sample;  // 0 where there is none
  std::vector<uint8_t> cells;    // kFloat where there is one, else kAbsent
  bool has_first = false;        // some step picks sample 0
};

class Picks {
 public:
  Picks(const std::vector<int64_t>& reference_ms, int64_t lookback_ms)
      : reference_ms_(reference_ms),
        lookback_ms_(lookback_ms),
        known_(RoomForTimes(reference_ms.size())) {}

  const Picked& For(const std::vector<int64_t>& t_ms) {
    const auto found = known_.Find(t_ms.data(), t_ms.size());
    Picked& picked = *found.value;
    if (found.known) return picked;
    picked.sample.assign(reference_ms_.size(), 0);
    picked.cells.assign(reference_ms_.size(), kAbsent);
    picked.has_first = false;
    auto next = std::upper_bound(t_ms.begin(), t_ms.end(), reference_ms_.front());
    for (size_t step = 0; step < reference_ms_.size(); ++step) {
      const int64_t reference = reference_ms_[step];
      while (next != t_ms.end() && *next <= reference) ++next;
      if (next == t_ms.begin() || *(next - 1) <= reference - lookback_ms_) continue;
      picked.sample[step] = static_cast<uint32_t>(next - t_ms.begin()) - 1;
      picked.cells[step] = kFloat;
      picked.has_first |= picked.sample[step] == 0;
    }
    return picked;
  }

 private:
  const std::vector<int64_t>& reference_ms_;
  const int64_t lookback_ms_;
  KnownTimes<Picked> known_;
};

void PickFloats(const std::vector<double>& value, const Picked& picked, StepVector* out,
                size_t row) {
  double* values = out->Values(row);
  uint8_t* cells = out->Cells(row);
  const size_t steps = picked.sample.size();
  bool stale = false;
  for (size_t step = 0; step < steps; ++step) {
    values[step] = value[picked.sample[step]];
    stale |= IsStale(values[step]);
  }
  std::copy_n(picked.cells.begin(), steps, cells);
  if (!stale) return;
  for (size_t step = 0; step < steps; ++step) {
    if (IsStale(values[step])) cells[step] = kAbsent;
  }
}

// The samples picked, unless they are stale markers.
Status PickSamples(const Columns& c, const Picked& picked, Pick pick, bool tell_resets,
                   StepVector* out, size_t row) {
  if (pick == Pick::kValue && c.histogram.empty()) {
    PickFloats(c.value, picked, out, row);
    return {};
  }
  for (size_t step = 0; step < picked.cells.size(); ++step) {
    if (picked.cells[step] == kAbsent) continue;
    const size_t i = picked.sample[step];
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

// How samples become cells, for all series of one selector.
struct Picking {
  const Expr& selector;
  Pick pick;
  std::vector<int64_t> reference_ms;  // per step
  int64_t lookback_ms;
  bool tell_resets;

  bool smoothed() const { return selector.range_mode == RangeMode::kSmoothed; }
};

// What blocks reuse.
struct Worker {
  explicit Worker(const Picking& p) : picks(p.reference_ms, p.lookback_ms) {}
  Picks picks;
  SeriesSamples samples;
  LatestSamples latest;
  Columns one;
};

Status PickRow(QueryContext& ctx, const Picking& p, LabelsView labels, Columns* columns,
               Worker* worker, StepVector* out, AnnotationSet* annotations) {
  const size_t row = out->AddRow({SeriesLabels::View(labels), false});
  if (p.smoothed()) {
    worker->samples.Load(*columns, false);
    worker->samples.SetWindows(p.reference_ms, ctx.lookback_ms, ctx.lookback_ms);
    PickSmoothed(worker->samples, p.reference_ms, p.selector, annotations, out, row);
  } else {
    const Picked* picked = &worker->picks.For(columns->t_ms);
    if (!columns->histogram.empty() && picked->has_first) {
      TRY(PrependPrevious(ctx, labels, columns));
      picked = &worker->picks.For(columns->t_ms);
    }
    TRY(PickSamples(*columns, *picked, p.pick, p.tell_resets, out, row));
  }
  if (out->RowEmpty(row)) out->PopRow();
  return {};
}

// One step: only the newest sample of each series is read.
Status PickLatest(QueryContext& ctx, const Picking& p, const SeriesSet& set, size_t begin,
                  size_t end, Worker* worker, StepVector* out, AnnotationSet* annotations) {
  LatestSamples& latest = worker->latest;
  if (Status s = set.ReadLatest(begin, end, &latest); !s.ok())
    return s.Annotate("expanding series");
  const auto none = std::count(latest.t_ms.begin(), latest.t_ms.end(), LatestSamples::kNone);
  ctx.budget.CountRead(latest.size() - static_cast<size_t>(none));
  if (!latest.histogram.empty()) ctx.budget.NoteHistograms();
  const int64_t oldest_ms = p.reference_ms[0] - p.lookback_ms;
  for (size_t k = 0; k < latest.size(); ++k) {
    if (latest.t_ms[k] <= oldest_ms) continue;
    const LabelsView labels = set.LabelsAt(begin + k);
    if (p.pick == Pick::kValue && latest.histogram.empty()) {
      if (IsStale(latest.value[k])) continue;
      out->SetFloat(out->AddRow({SeriesLabels::View(labels), false}), 0, latest.value[k]);
      continue;
    }
    Columns& one = worker->one;
    one.Clear();
    one.t_ms.push_back(latest.t_ms[k]);
    one.value.push_back(latest.value[k]);
    if (!latest.histogram.empty() && latest.histogram[k] != nullptr) {
      one.histogram.push_back(std::move(latest.histogram[k]));
    }
    TRY(PickRow(ctx, p, labels, &one, worker, out, annotations));
  }
  return {};
}

}  // namespace

Status SelectInstant(QueryContext& ctx, const Expr& selector, const StepRange& steps, Pick pick,
                     std::string_view hint_function, const BlockSink& sink) {
  Picking p{selector, pick, ReferenceTimes(ctx, selector, steps), ctx.lookback_ms,
            ctx.needs.statistics_only.contains(&selector)};
  if (pick == Pick::kTimestamp && selector.at != AtModifier::kNone) {
    // As in Prometheus, timestamp() looks at the time that @ names, among what is selected for that
    // time less the offset: the sample must be recent for both.
    if (selector.offset_ms < 0) {
      for (int64_t& t_ms : p.reference_ms) t_ms += selector.offset_ms;
    }
    p.lookback_ms -= std::abs(selector.offset_ms);
  }
  SelectHints hints;
  hints.step_ms = steps.size() > 1 ? steps.step_ms : 0;
  hints.function = hint_function;
  hints.latest_only = p.reference_ms.front() == p.reference_ms.back() && !p.smoothed();
  const bool latest = steps.size() == 1 && !p.smoothed() && pick != Pick::kStartTimestamp;
  TRY_ASSIGN(const SeriesSet* const set,
             Select(ctx, selector, p.reference_ms.front() - ctx.lookback_ms + 1,
                    p.reference_ms.back() + (p.smoothed() ? ctx.lookback_ms : 0), hints));
  const BlockSink counted = [&](StepVector&& block) {
    ctx.tally.AddCells(block, p.tell_resets);
    return sink(std::move(block));
  };
  Lender<Worker> workers([&] { return std::make_unique<Worker>(p); });
  return RunBlocks(
      ctx, set->size(), steps.size(),
      [&](size_t begin, size_t end, StepVector* out, AnnotationSet* annotations) -> Status {
        const auto worker = workers.Borrow();
        if (latest) {
          return PickLatest(ctx, p, *set, begin, end, worker.get(), out, annotations);
        }
        return ReadSeries(ctx, *set, begin, end, [&](size_t i, Columns* columns) {
          return PickRow(ctx, p, set->LabelsAt(i), columns, worker.get(), out, annotations);
        });
      },
      counted);
}

}  // namespace deckwatch::query
