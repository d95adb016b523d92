// …_over_time and the other range functions that look at floats only. Each is linear in samples +
// steps where the result stays the same to the last bit, and works window by window elsewhere.
#include <algorithm>
#include <cmath>
#include <limits>

#include "query/kahan.h"
#include "query/quantile.h"
#include "query/range_functions.h"

namespace deckwatch::query {

namespace {

// Calls f(step, window) for every step with at least `min_floats` floats, and tells when histograms
// in the same window were ignored.
template <typename F>
void EachFloatWindow(RangeCall& call, uint32_t min_floats, F f) {
  const size_t steps = call.steps.size();
  bool ignored = false;
  for (size_t i = 0; i < steps; ++i) {
    const Window w = call.floats.window[i];
    if (w.size() == 0) continue;
    ignored |= call.histograms.window[i].size() > 0;
    if (w.size() >= min_floats) f(i, w);
  }
  if (ignored) call.annotations->HistogramIgnoredInRange(call.metric_name, call.arg_pos);
}

// The extreme of each window, by a queue of candidates: indexes of floats that no later float
// beats, the best in front. Every float enters and leaves once. `kBeats(a, b)`: a wins against b;
// an equal later float wins too if `later_wins`. NaN loses to everything.
template <typename Beats, typename Emit>
void Extremes(RangeCall& call, Beats beats, bool later_wins, Emit emit) {
  std::vector<uint32_t> queue(call.floats.size);
  size_t head = 0, tail = 0;
  uint32_t next = 0;
  const double* v = call.floats.value;
  EachFloatWindow(call, 1, [&](size_t step, Window w) {
    if (next < w.begin) next = w.begin, head = tail = 0;
    for (; next < w.end; ++next) {
      if (std::isnan(v[next])) continue;
      while (tail > head && (beats(v[next], v[queue[tail - 1]]) ||
                             (later_wins && v[next] == v[queue[tail - 1]]))) {
        --tail;
      }
      queue[tail++] = next;
    }
    while (head < tail && queue[head] < w.begin) ++head;
    emit(step, head < tail ? queue[head] : w.end - 1);
  });
}

void MaxOverTime(RangeCall& call) {
  Extremes(call, std::greater<>(), false,
           [&](size_t step, uint32_t i) { call.Set(step, call.floats.value[i]); });
}
void MinOverTime(RangeCall& call) {
  Extremes(call, std::less<>(), false,
           [&](size_t step, uint32_t i) { call.Set(step, call.floats.value[i]); });
}
double Seconds(int64_t t_ms) {
  return static_cast<double>(t_ms) / 1000;
}
void TsOfMaxOverTime(RangeCall& call) {
  Extremes(call, std::greater<>(), true,
           [&](size_t step, uint32_t i) { call.Set(step, Seconds(call.floats.t_ms[i])); });
}
void TsOfMinOverTime(RangeCall& call) {
  Extremes(call, std::less<>(), true,
           [&](size_t step, uint32_t i) { call.Set(step, Seconds(call.floats.t_ms[i])); });
}

void CountOverTime(RangeCall& call) {
  for (size_t i = 0; i < call.steps.size(); ++i) {
    const uint32_t n = call.floats.window[i].size() + call.histograms.window[i].size();
    if (n > 0) call.Set(i, n);
  }
}

void PresentOverTime(RangeCall& call) {
  for (size_t i = 0; i < call.steps.size(); ++i) {
    if (call.floats.window[i].size() + call.histograms.window[i].size() > 0) call.Set(i, 1);
  }
}

// first_ and last_over_time: the one sample of each window that is earliest or latest.
template <bool kLast>
void EdgeOverTime(RangeCall& call) {
  for (size_t i = 0; i < call.steps.size(); ++i) {
    const Window f = call.floats.window[i];
    const Window h = call.histograms.window[i];
    const uint32_t fi = kLast ? f.end - 1 : f.begin;
    const uint32_t hi = kLast ? h.end - 1 : h.begin;
    if (f.size() == 0 && h.size() == 0) continue;
    const bool use_float =
        h.size() == 0 ||
        (f.size() > 0 && (kLast ? call.histograms.t_ms[hi] < call.floats.t_ms[fi]
                                : call.floats.t_ms[fi] < call.histograms.t_ms[hi]));
    if (use_float) {
      call.Set(i, call.floats.value[fi]);
    } else {
      call.Set(i, call.histograms.value[hi]);
    }
  }
}

template <bool kLast>
void TsOfEdgeOverTime(RangeCall& call) {
  constexpr int64_t kNone = kLast ? INT64_MIN : INT64_MAX;
  for (size_t i = 0; i < call.steps.size(); ++i) {
    const Window f = call.floats.window[i];
    const Window h = call.histograms.window[i];
    if (f.size() == 0 && h.size() == 0) continue;
    const int64_t tf = f.size() == 0 ? kNone : call.floats.t_ms[kLast ? f.end - 1 : f.begin];
    const int64_t th = h.size() == 0 ? kNone : call.histograms.t_ms[kLast ? h.end - 1 : h.begin];
    call.Set(i, Seconds(kLast ? std::max(tf, th) : std::min(tf, th)));
  }
}

template <bool kRoot>
void VarianceOverTime(RangeCall& call) {
  EachFloatWindow(call, 1, [&](size_t step, Window w) {
    KahanSum mean, aux;
    double count = 0;
    for (uint32_t i = w.begin; i < w.end; ++i) {
      const double v = call.floats.value[i];
      count += 1;
      const double delta = v - mean.Value();
      mean.Add(delta / count);
      aux.Add(delta * (v - mean.Value()));
    }
    const double variance = aux.Value() / count;
    call.Set(step, kRoot ? std::sqrt(variance) : variance);
  });
}

void QuantileOverTime(RangeCall& call) {
  std::vector<double> values;
  EachFloatWindow(call, 1, [&](size_t step, Window w) {
    const double q = call.args[0][step];
    if (std::isnan(q) || q < 0 || q > 1) call.annotations->InvalidQuantile(q, call.scalar_pos);
    values.assign(call.floats.value + w.begin, call.floats.value + w.end);
    call.Set(step, Quantile(q, &values));
  });
}

void MadOverTime(RangeCall& call) {
  std::vector<double> values;
  EachFloatWindow(call, 1, [&](size_t step, Window w) {
    values.assign(call.floats.value + w.begin, call.floats.value + w.end);
    if (std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); })) {
      call.Set(step, NormalNan());
      return;
    }
    const double median = Quantile(0.5, &values);
    for (double& v : values) v = std::fabs(v - median);
    call.Set(step, Quantile(0.5, &values));
  });
}

struct Line {
  double slope;
  double intercept;
};

// Least squares over the window, x in seconds from `origin_ms`.
Line Regression(const FloatSamples& s, Window w, int64_t origin_ms) {
  KahanSum sum_x, sum_y, sum_xy, sum_x2;
  double n = 0;
  const double first = s.value[w.begin];
  bool constant = true;
  for (uint32_t i = w.begin; i < w.end; ++i) {
    const double y = s.value[i];
    if (i > w.begin && y != first) constant = false;
    n += 1;
    const double x = static_cast<double>(s.t_ms[i] - origin_ms) / 1e3;
    sum_x.Add(x);
    sum_y.Add(y);
    sum_xy.Add(x * y);
    sum_x2.Add(x * x);
  }
  if (constant) {
    if (std::isinf(first)) return {NormalNan(), NormalNan()};
    return {0, first};
  }
  const double sx = sum_x.Value(), sy = sum_y.Value();
  const double cov_xy = sum_xy.Value() - sx * sy / n;
  const double var_x = sum_x2.Value() - sx * sx / n;
  const double slope = cov_xy / var_x;
  return {slope, sy / n - slope * sx / n};
}

void Deriv(RangeCall& call) {
  EachFloatWindow(call, 2, [&](size_t step, Window w) {
    call.Set(step, Regression(call.floats, w, call.floats.t_ms[w.begin]).slope);
  });
}

void PredictLinear(RangeCall& call) {
  EachFloatWindow(call, 2, [&](size_t step, Window w) {
    const Line line = Regression(call.floats, w, call.steps.At(step));
    call.Set(step, line.slope * call.args[0][step] + line.intercept);
  });
}

void DoubleExponentialSmoothing(RangeCall& call) {
  EachFloatWindow(call, 2, [&](size_t step, Window w) {
    const double sf = call.args[0][step];
    const double tf = call.args[1][step];
    const double* v = call.floats.value;
    double s0 = 0, s1 = v[w.begin], trend = v[w.begin + 1] - v[w.begin];
    for (uint32_t i = w.begin + 1; i < w.end; ++i) {
      const double x = sf * v[i];
      if (i > w.begin + 1) trend = tf * (s1 - s0) + (1 - tf) * trend;
      const double y = (1 - sf) * (s1 + trend);
      s0 = s1;
      s1 = x + y;
    }
    call.Set(step, s1);
  });
}

}  // namespace

RangeFunction FindRangeFunction(FunctionId id) {
  switch (id) {
    case FunctionId::kAbsentOverTime:
    case FunctionId::kPresentOverTime: return PresentOverTime;
    case FunctionId::kAvgOverTime: return AvgOverTime;
    case FunctionId::kChanges: return Changes;
    case FunctionId::kCountOverTime: return CountOverTime;
    case FunctionId::kDelta: return Delta;
    case FunctionId::kDeriv: return Deriv;
    case FunctionId::kDoubleExponentialSmoothing: return DoubleExponentialSmoothing;
    case FunctionId::kFirstOverTime: return EdgeOverTime<false>;
    case FunctionId::kIdelta: return Idelta;
    case FunctionId::kIncrease: return Increase;
    case FunctionId::kIrate: return Irate;
    case FunctionId::kLastOverTime: return EdgeOverTime<true>;
    case FunctionId::kMadOverTime: return MadOverTime;
    case FunctionId::kMaxOverTime: return MaxOverTime;
    case FunctionId::kMinOverTime: return MinOverTime;
    case FunctionId::kPredictLinear: return PredictLinear;
    case FunctionId::kQuantileOverTime: return QuantileOverTime;
    case FunctionId::kRate: return Rate;
    case FunctionId::kResets: return Resets;
    case FunctionId::kStddevOverTime: return VarianceOverTime<true>;
    case FunctionId::kStdvarOverTime: return VarianceOverTime<false>;
    case FunctionId::kSumOverTime: return SumOverTime;
    case FunctionId::kTsOfFirstOverTime: return TsOfEdgeOverTime<false>;
    case FunctionId::kTsOfLastOverTime: return TsOfEdgeOverTime<true>;
    case FunctionId::kTsOfMaxOverTime: return TsOfMaxOverTime;
    case FunctionId::kTsOfMinOverTime: return TsOfMinOverTime;
    default: return nullptr;
  }
}

}  // namespace deckwatch::query
