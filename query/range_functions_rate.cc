// rate, increase, delta, irate, idelta, resets and changes.
//
// The sum of a counter's increase over a window is last - first plus the value before each reset in
// the window, in that order. Resets are found once per series, so a window costs as much as it has
// resets, and most have none.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "query/histogram_math.h"
#include "query/range_functions.h"

namespace deckwatch::query {

namespace {

int64_t StartOf(const int64_t* start_ms, size_t i) {
  return start_ms == nullptr ? 0 : start_ms[i];
}

bool StartTimeReset(const FloatSamples& s, size_t i) {
  return s.start_ms != nullptr &&
         IsStartTimeReset(s.start_ms[i - 1], s.t_ms[i - 1], s.start_ms[i], s.t_ms[i]);
}

bool FloatReset(const FloatSamples& s, size_t i) {
  return s.value[i] < s.value[i - 1] || StartTimeReset(s, i);
}

// A start time inside the life of the previous sample, other than that sample's own.
bool StartTimeOverlap(const int64_t* start_ms, const int64_t* t_ms, size_t i) {
  return start_ms[i] != 0 && start_ms[i] < t_ms[i - 1] && start_ms[i] != start_ms[i - 1];
}

// Indexes i (ascending) at which `at(i)` holds for samples i-1 and i.
template <typename F>
void FindIndexes(size_t n, F at, std::vector<uint32_t>* out) {
  out->clear();
  for (uint32_t i = 1; i < n; ++i) {
    if (at(i)) out->push_back(i);
  }
}

// Extrapolates the increase over the samples of a window to the whole window.
struct Extrapolation {
  double range_start_s = 0;         // from the window's start to the first sample
  double range_end_s = 0;           // from the last sample to the window's end
  double sampled_s = 0;             // between first and last sample
  double covered_s = 0;             // the same, or from the start time on where that is used
  uint32_t intervals = 0;           // samples - 1
  bool zero_at_start_time = false;  // the counter is known to have begun at 0 inside the window
  bool is_counter = false;
  double first = 0;     // value (histograms: count) of the first sample
  double increase = 0;  // raw result, before extrapolation

  // What the raw result is to be multiplied by.
  double Factor() const {
    const double average_s = intervals > 0 ? sampled_s / intervals : 0;
    const double threshold_s = average_s * 1.1;
    double to_start_s = range_start_s;
    double to_end_s = range_end_s;
    if (zero_at_start_time) {
      to_start_s = 0;
    } else {
      if (to_start_s >= threshold_s) to_start_s = average_s / 2;
      if (is_counter) {
        // A counter cannot have been negative: it grows from where the slope meets zero.
        double to_zero_s = to_start_s;
        if (increase > 0 && first >= 0) to_zero_s = sampled_s * (first / increase);
        to_start_s = std::min(to_start_s, to_zero_s);
      }
    }
    if (to_end_s >= threshold_s) to_end_s = average_s / 2;
    return covered_s == 0 ? 1.0 : (covered_s + to_start_s + to_end_s) / covered_s;
  }
};

double Seconds(int64_t ms) {
  return static_cast<double>(ms) / 1000;
}

// The part that floats and histograms share. False when the window has a single sample whose start
// time does not help.
template <typename Samples>
bool Prepare(const RangeCall& call, const Samples& s, size_t step, bool is_counter,
             Extrapolation* x) {
  const Window w = s.window[step];
  const int64_t end_ms = call.end_ms[step];
  const int64_t start_ms = end_ms - call.range_ms;
  const int64_t first_ms = s.t_ms[w.begin];
  const int64_t last_ms = s.t_ms[w.end - 1];
  x->is_counter = is_counter;
  x->intervals = w.size() - 1;
  x->range_start_s = Seconds(first_ms - start_ms);
  x->range_end_s = Seconds(end_ms - last_ms);
  x->sampled_s = x->covered_s = Seconds(last_ms - first_ms);
  const int64_t born_ms = StartOf(s.start_ms, w.begin);
  if (is_counter && born_ms != 0 && born_ms > start_ms && born_ms < first_ms) {
    x->zero_at_start_time = true;
    x->covered_s = Seconds(last_ms - born_ms);
    return true;
  }
  return x->intervals > 0;
}

RateGeometry GeometryOf(const RangeCall& call, bool per_second) {
  const size_t n = call.steps.size();
  RateGeometry g;
  g.first.assign(n, 0), g.last.assign(n, 0), g.cell.assign(n, kAbsent);
  g.sampled_s.assign(n, 0), g.to_start_s.assign(n, 0), g.to_end_s.assign(n, 0);
  g.factor.assign(n, 0);
  for (size_t i = 0; i < n; ++i) {
    const Window w = call.floats.window[i];
    if (w.size() < 2) continue;
    const int64_t first_ms = call.floats.t_ms[w.begin], last_ms = call.floats.t_ms[w.end - 1];
    const double sampled_s = Seconds(last_ms - first_ms);
    double to_start_s = Seconds(first_ms - (call.end_ms[i] - call.range_ms));
    double to_end_s = Seconds(call.end_ms[i] - last_ms);
    const double average_s = sampled_s / (w.size() - 1);
    const double threshold_s = average_s * 1.1;
    if (to_start_s >= threshold_s) to_start_s = average_s / 2;
    if (to_end_s >= threshold_s) to_end_s = average_s / 2;
    g.first[i] = w.begin, g.last[i] = w.end - 1, g.cell[i] = kFloat;
    g.sampled_s[i] = sampled_s, g.to_start_s[i] = to_start_s, g.to_end_s[i] = to_end_s;
    g.factor[i] = (sampled_s + to_start_s + to_end_s) / sampled_s;
    if (per_second) g.factor[i] /= Seconds(call.range_ms);
  }
  return g;
}

// The geometry of all windows, worked out once for all series that are scraped at the same times.
const RateGeometry& Geometry(RangeCall& call, bool per_second) {
  std::vector<RangeScratch::Geometry>& all = call.scratch->geometry;
  if (all.size() <= call.windows.slot) all.resize(call.windows.slot + 1);
  RangeScratch::Geometry& known = all[call.windows.slot];
  if (known.windows != call.windows.number) {
    known.windows = call.windows.number;
    known.of_steps = GeometryOf(call, per_second);
  }
  return known.of_steps;
}

// increase[i] of each window: last - first, and for counters the value before each reset inside.
template <bool kCounter>
void Increases(RangeCall& call, const RateGeometry& g, double* increase) {
  const FloatSamples& s = call.floats;
  const size_t n = g.cell.size();
  for (size_t i = 0; i < n; ++i) increase[i] = s.value[g.last[i]] - s.value[g.first[i]];
  if (!kCounter) return;
  unsigned any = 0;
  for (size_t i = 1; i < s.size; ++i) any |= s.value[i] < s.value[i - 1] ? 1u : 0u;
  if (any == 0) return;
  std::vector<uint32_t>& resets = call.scratch->indexes;
  FindIndexes(
      s.size, [&](uint32_t i) { return s.value[i] < s.value[i - 1]; }, &resets);
  auto reset = resets.begin();
  for (size_t i = 0; i < n; ++i) {
    if (g.cell[i] == kAbsent) continue;
    while (reset != resets.end() && *reset <= g.first[i]) ++reset;
    for (auto r = reset; r != resets.end() && *r <= g.last[i]; ++r) {
      increase[i] += s.value[*r - 1];
    }
  }
}

// Where the slope of a counter meets zero inside the reach before the first sample, the increase
// begins there. That is rare and takes a division: it is ruled out for all steps at once, with a
// margin for rounding, and looked at closely where it is not.
void StartAtZero(const RangeCall& call, const RateGeometry& g, const double* increase,
                 bool per_second, double* out) {
  const double* value = call.floats.value;
  const auto may_meet_zero = [&](size_t i) {
    const double first = value[g.first[i]];
    return static_cast<unsigned>(increase[i] > 0) & static_cast<unsigned>(first >= 0) &
           static_cast<unsigned>(
               !(first * g.sampled_s[i] > g.to_start_s[i] * increase[i] * 1.000001));
  };
  const size_t n = g.cell.size();
  unsigned any = 0;
  for (size_t i = 0; i < n; ++i) any |= may_meet_zero(i);
  if (any == 0) return;
  for (size_t i = 0; i < n; ++i) {
    if (g.cell[i] == kAbsent || may_meet_zero(i) == 0) continue;
    const double to_zero_s = g.sampled_s[i] * (value[g.first[i]] / increase[i]);
    if (!(to_zero_s < g.to_start_s[i])) continue;
    double factor = (g.sampled_s[i] + to_zero_s + g.to_end_s[i]) / g.sampled_s[i];
    if (per_second) factor /= Seconds(call.range_ms);
    out[i] = increase[i] * factor;
  }
}

// Series of floats whose start times are not known or not looked at: all but the increase and the
// point where a counter was zero depends on times alone.
template <bool kCounter, bool kPerSecond>
void PlainRate(RangeCall& call) {
  const RateGeometry& g = Geometry(call, kPerSecond);
  const size_t n = g.cell.size();
  double* out = call.out->Values(call.row);
  std::memcpy(call.out->Cells(call.row), g.cell.data(), n);
  // No increase at all: what the row holds already, 0, times a positive factor.
  if (call.floats.constant && std::isfinite(call.floats.value[0])) return;
  std::vector<double>& increase = call.scratch->values;
  increase.resize(n);
  Increases<kCounter>(call, g, increase.data());
  for (size_t i = 0; i < n; ++i) out[i] = increase[i] * g.factor[i];
  if (kCounter) StartAtZero(call, g, increase.data(), kPerSecond, out);
}

template <bool kCounter, bool kPerSecond>
void FloatRate(RangeCall& call) {
  const FloatSamples& s = call.floats;
  if (s.start_ms == nullptr && call.histograms.size == 0) {
    return PlainRate<kCounter, kPerSecond>(call);
  }
  const double range_s = Seconds(call.range_ms);
  std::vector<uint32_t> resets, overlaps;
  if (kCounter) {
    FindIndexes(
        s.size, [&](uint32_t i) { return FloatReset(s, i); }, &resets);
    if (s.start_ms != nullptr) {
      FindIndexes(
          s.size, [&](uint32_t i) { return StartTimeOverlap(s.start_ms, s.t_ms, i); }, &overlaps);
    }
  }
  auto reset = resets.begin();
  bool mixed = false, overlap = false;
  for (size_t i = 0; i < call.steps.size(); ++i) {
    const Window w = s.window[i];
    if (call.mixed(i)) {
      mixed = true;
      continue;
    }
    if (call.histograms.window[i].size() > 0) {
      HistogramRate(call, i, kCounter, kPerSecond);
      continue;
    }
    if (w.size() == 0) continue;
    double increase = s.value[w.end - 1] - s.value[w.begin];
    while (reset != resets.end() && *reset <= w.begin) ++reset;
    for (auto r = reset; r != resets.end() && *r < w.end; ++r) increase += s.value[*r - 1];
    if (!overlaps.empty() && !overlap) {
      const auto o = std::upper_bound(overlaps.begin(), overlaps.end(), w.begin);
      overlap = o != overlaps.end() && *o < w.end;
    }
    Extrapolation x;
    if (!Prepare(call, s, i, kCounter, &x)) continue;
    if (x.zero_at_start_time) increase += s.value[w.begin];
    x.first = s.value[w.begin];
    x.increase = increase;
    double factor = x.Factor();
    if (kPerSecond) factor /= range_s;
    call.Set(i, increase * factor);
  }
  if (mixed) call.annotations->MixedFloatsHistograms(call.metric_name, call.arg_pos);
  if (overlap) call.annotations->StartTimeOverlap(call.metric_name, call.arg_pos);
}

template <bool kCounter, bool kPerSecond>
void RateFunction(RangeCall& call) {
  if (call.mode == RangeMode::kPlain) return FloatRate<kCounter, kPerSecond>(call);
  for (size_t i = 0; i < call.steps.size(); ++i) {
    if (call.mixed(i)) {
      call.annotations->MixedFloatsHistograms(call.metric_name, call.arg_pos);
    } else {
      ExtendedRate(call, i, kCounter, kPerSecond);
    }
  }
}

// The two newest samples of a window, floats and histograms merged by time.
struct Point {
  int64_t t_ms = 0;
  int64_t start_ms = 0;
  double value = 0;
  const Histogram* histogram = nullptr;
};

Point FloatPoint(const FloatSamples& s, size_t i) {
  return {s.t_ms[i], StartOf(s.start_ms, i), s.value[i], nullptr};
}
Point HistogramPoint(const HistogramSamples& s, size_t i) {
  return {s.t_ms[i], StartOf(s.start_ms, i), 0, s.value[i].get()};
}

// Calls f(point) for the samples of a step's window in time order.
template <typename F>
void MergePoints(const RangeCall& call, Window fw, Window hw, F f) {
  uint32_t fi = fw.begin, hi = hw.begin;
  while (fi < fw.end || hi < hw.end) {
    if (hi >= hw.end || (fi < fw.end && call.floats.t_ms[fi] < call.histograms.t_ms[hi])) {
      f(FloatPoint(call.floats, fi++));
    } else {
      f(HistogramPoint(call.histograms, hi++));
    }
  }
}

bool ResetBetween(const Point& a, const Point& b) {
  return IsStartTimeReset(a.start_ms, a.t_ms, b.start_ms, b.t_ms);
}

void InstantHistogram(RangeCall& call, size_t step, const Point& a, const Point& b, bool is_rate) {
  const Histogram& last = *b.histogram;
  const Histogram& previous = *a.histogram;
  const bool both_gauge =
      last.hint == CounterResetHint::kGauge && previous.hint == CounterResetHint::kGauge;
  const bool any_gauge =
      last.hint == CounterResetHint::kGauge || previous.hint == CounterResetHint::kGauge;
  if (is_rate && any_gauge) call.annotations->NotCounterHistogram(call.metric_name, call.args_pos);
  if (!is_rate && !both_gauge) call.annotations->NotGaugeHistogram(call.metric_name, call.args_pos);
  Histogram result = last;
  if (!is_rate || (!ResetBetween(a, b) && !DetectReset(last, previous))) {
    const HistogramOpResult r = SubtractHistogram(&result, previous);
    if (!r.compatible) {
      call.annotations->MixedExponentialCustom(call.metric_name, call.args_pos);
      return;
    }
    if (r.bounds_reconciled) {
      call.annotations->MismatchedCustomBuckets(HistogramOperation::kSubtraction, call.args_pos);
    }
  }
  result.hint = CounterResetHint::kGauge;
  CompactHistogram(&result);
  if (is_rate) DivideHistogram(&result, Seconds(b.t_ms - a.t_ms));
  call.Set(step, std::move(result));
}

template <bool kIsRate>
void InstantValue(RangeCall& call) {
  for (size_t i = 0; i < call.steps.size(); ++i) {
    Window fw = call.floats.window[i];
    Window hw = call.histograms.window[i];
    if (fw.size() + hw.size() < 2) continue;
    fw.begin = std::max(fw.begin, fw.end - std::min(2u, fw.end));
    hw.begin = std::max(hw.begin, hw.end - std::min(2u, hw.end));
    Point a, b;
    MergePoints(call, fw, hw, [&](const Point& p) {
      a = b;
      b = p;
    });
    if (a.t_ms == b.t_ms) continue;
    if ((a.histogram == nullptr) != (b.histogram == nullptr)) {
      call.annotations->MixedFloatsHistograms(call.metric_name, call.args_pos);
    } else if (b.histogram != nullptr) {
      InstantHistogram(call, i, a, b, kIsRate);
    } else {
      const bool reset = kIsRate && (b.value < a.value || ResetBetween(a, b));
      double v = reset ? b.value : b.value - a.value;
      if (kIsRate) v /= Seconds(b.t_ms - a.t_ms);
      call.Set(i, v);
    }
  }
}

bool IsReset(const Point& a, const Point& b) {
  if ((a.histogram == nullptr) != (b.histogram == nullptr)) return true;
  if (ResetBetween(a, b)) return true;
  return a.histogram == nullptr ? b.value < a.value : DetectReset(*b.histogram, *a.histogram);
}

bool IsChange(const Point& a, const Point& b) {
  if ((a.histogram == nullptr) != (b.histogram == nullptr)) return true;
  if (a.histogram != nullptr) return !HistogramEquals(*b.histogram, *a.histogram);
  return b.value != a.value && !(std::isnan(b.value) && std::isnan(a.value));
}

// An anchored window begins with the newest sample at or before its start. False when no sample
// lies inside.
bool Anchor(const RangeCall& call, size_t step, Window* fw, Window* hw) {
  if (call.mode != RangeMode::kAnchored) return true;
  const int64_t start_ms = call.end_ms[step] - call.range_ms;
  const auto inside = [start_ms](const int64_t* t, Window w) {
    return static_cast<uint32_t>(std::upper_bound(t + w.begin, t + w.end, start_ms) - t);
  };
  const uint32_t f = inside(call.floats.t_ms, *fw);
  const uint32_t h = inside(call.histograms.t_ms, *hw);
  if (f == fw->end && h == hw->end) return false;
  const bool float_before = f > fw->begin, histogram_before = h > hw->begin;
  const bool anchor_is_float =
      float_before && (!histogram_before || call.floats.t_ms[f - 1] >= call.histograms.t_ms[h - 1]);
  fw->begin = f - (anchor_is_float ? 1 : 0);
  hw->begin = h - (!anchor_is_float && histogram_before ? 1 : 0);
  return true;
}

// How many pairs of neighbours within each window satisfy `pair`.
template <typename FloatPair, typename PointPair>
void CountPairs(RangeCall& call, FloatPair float_pair, PointPair pair) {
  const FloatSamples& s = call.floats;
  std::vector<uint32_t> before(s.size + 1);  // pairs (j-1, j) with j < i
  for (size_t i = 1; i < s.size; ++i) before[i + 1] = before[i] + (float_pair(i) ? 1 : 0);
  for (size_t i = 0; i < call.steps.size(); ++i) {
    Window fw = s.window[i];
    Window hw = call.histograms.window[i];
    if (fw.size() + hw.size() == 0 || !Anchor(call, i, &fw, &hw)) continue;
    if (hw.size() == 0) {
      call.Set(i, before[fw.end] - before[fw.begin + 1]);
      continue;
    }
    uint32_t count = 0;
    bool first = true;
    Point previous;
    MergePoints(call, fw, hw, [&](const Point& p) {
      if (!first && pair(previous, p)) ++count;
      first = false;
      previous = p;
    });
    call.Set(i, count);
  }
}

}  // namespace

bool IsStartTimeReset(int64_t previous_start_ms, int64_t previous_t_ms, int64_t start_ms,
                      int64_t t_ms) {
  // Unknown (0), nonsensical (> t) or OpenTelemetry's "unknown" (== t).
  if (start_ms == 0 || start_ms >= t_ms) return false;
  if (start_ms != previous_t_ms) return start_ms > previous_t_ms;
  // Begins with the previous sample: a delta, if that one's start time is a known one; else a
  // cumulative series that does not know its start.
  return previous_start_ms != 0 && previous_start_ms < previous_t_ms;
}

void HistogramRate(RangeCall& call, size_t step, bool is_counter, bool is_rate) {
  const HistogramSamples& s = call.histograms;
  const Window w = s.window[step];
  Extrapolation x;
  const bool usable = Prepare(call, s, step, is_counter, &x);
  Histogram result;
  if (w.size() > 1) {
    const HistogramRange range{s.value + w.begin, s.t_ms + w.begin,
                               s.start_ms == nullptr ? nullptr : s.start_ms + w.begin, w.size()};
    if (!HistogramIncrease(range, is_counter, call.metric_name, call.arg_pos, call.annotations,
                           &result)) {
      return;
    }
  }
  if (!usable) return;
  if (x.zero_at_start_time) {
    if (w.size() == 1) {
      result = *s.value[w.begin];
    } else {
      const HistogramOpResult r = AddHistogram(&result, *s.value[w.begin]);
      if (!r.compatible) {
        call.annotations->MixedExponentialCustom(call.metric_name, call.arg_pos);
        return;
      }
      if (r.bounds_reconciled) {
        call.annotations->MismatchedCustomBuckets(HistogramOperation::kAddition, call.arg_pos);
      }
    }
  }
  x.first = s.value[w.begin]->count;
  x.increase = result.count;
  double factor = x.Factor();
  if (is_rate) factor /= Seconds(call.range_ms);
  MultiplyHistogram(&result, factor);
  call.Set(step, std::move(result));
}

void Rate(RangeCall& call) {
  RateFunction<true, true>(call);
}
void Increase(RangeCall& call) {
  RateFunction<true, false>(call);
}
void Delta(RangeCall& call) {
  RateFunction<false, false>(call);
}
void Irate(RangeCall& call) {
  InstantValue<true>(call);
}
void Idelta(RangeCall& call) {
  InstantValue<false>(call);
}
void Resets(RangeCall& call) {
  CountPairs(
      call, [&](size_t i) { return FloatReset(call.floats, i); }, IsReset);
}
void Changes(RangeCall& call) {
  const double* v = call.floats.value;
  CountPairs(
      call,
      [v](size_t i) { return v[i] != v[i - 1] && !(std::isnan(v[i]) && std::isnan(v[i - 1])); },
      IsChange);
}

}  // namespace deckwatch::query
