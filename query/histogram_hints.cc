#include "query/histogram_hints.h"

#include "query/histogram_math.h"
#include "query/selection.h"

namespace deckwatch::query {

HistogramPtr WithResetHint(const Columns& c, size_t i, bool tell_resets) {
  const HistogramPtr& h = c.histogram[i];
  if (h->hint != CounterResetHint::kUnknown || i == 0) return h;
  const HistogramPtr& previous = c.histogram[i - 1];
  if (previous == nullptr || IsStale(*previous)) return h;
  if (!tell_resets && previous->hint == CounterResetHint::kGauge) return h;
  const bool reset = DetectReset(*h, *previous);
  if (reset && !tell_resets) return h;
  auto hinted = std::make_shared<Histogram>(*h);
  hinted->hint = reset ? CounterResetHint::kReset : CounterResetHint::kNotReset;
  return hinted;
}

void SetResetHints(Columns* c, bool tell_resets) {
  for (size_t i = c->size(); i-- > 0;) {  // from the end: hints must not influence each other
    if (c->histogram[i] != nullptr) c->histogram[i] = WithResetHint(*c, i, tell_resets);
  }
}

void KeepStatistics(Columns* c) {
  SetResetHints(c, true);
  for (HistogramPtr& h : c->histogram) {
    if (h == nullptr) continue;
    auto statistics = std::make_shared<Histogram>();
    statistics->hint = h->hint;
    statistics->count = h->count;
    statistics->sum = h->sum;
    h = std::move(statistics);
  }
}

bool ShowsResetHints(FunctionId id) {
  return id == FunctionId::kSumOverTime || id == FunctionId::kAvgOverTime ||
         id == FunctionId::kFirstOverTime || id == FunctionId::kLastOverTime;
}

Status PrependPrevious(QueryContext& ctx, LabelsView labels, Columns* columns) {
  constexpr int64_t kOldestMs = 2 * 3'600'000;  // what a chunk of Prometheus's spans
  const HistogramPtr& first = columns->histogram.front();
  if (first == nullptr || first->hint != CounterResetHint::kUnknown) return {};
  SelectHints hints;
  hints.latest_only = true;
  const int64_t t_ms = columns->t_ms.front();
  Columns before;
  TRY(ReadAlone(ctx, labels, t_ms - kOldestMs, t_ms - 1, hints, &before));
  if (before.histogram.empty() || before.histogram.back() == nullptr) return {};
  columns->t_ms.insert(columns->t_ms.begin(), before.t_ms.back());
  columns->value.insert(columns->value.begin(), before.value.back());
  columns->histogram.insert(columns->histogram.begin(), before.histogram.back());
  if (!columns->start_ms.empty()) columns->start_ms.insert(columns->start_ms.begin(), 0);
  return {};
}

}  // namespace deckwatch::query
