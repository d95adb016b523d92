// sum_over_time and avg_over_time.
//
// Prometheus sums every window anew with compensation. Where all values are whole numbers and no
// running total reaches 2^53 those sums are exact and their compensation is zero, so the
// difference of two running totals is the same to the last bit and costs one subtraction a step.
#include <cmath>

#include "query/kahan.h"
#include "query/range_functions.h"

namespace deckwatch::query {

namespace {

// Makes total[i] = value[0] + … + value[i-1]; false when that may not be exact.
bool ExactTotals(const FloatSamples& s, std::vector<double>* total) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  total->resize(s.size + 1);
  double magnitude = 0, sum = 0;
  for (size_t i = 0; i < s.size; ++i) {
    const double v = s.value[i];
    magnitude += std::fabs(v);
    if (!(magnitude < kExact) || static_cast<double>(static_cast<int64_t>(v)) != v) return false;
    (*total)[i] = sum;
    sum += v;
  }
  (*total)[s.size] = sum;
  return true;
}

// Where windows hardly overlap, running totals save nothing.
bool WindowsOverlap(const RangeCall& call) {
  size_t covered = 0;
  for (size_t i = 0; i < call.steps.size(); ++i) covered += call.floats.window[i].size();
  return covered > 2 * call.floats.size;
}

template <typename Exact, typename Each, typename Histograms>
void SumWindows(RangeCall& call, Exact exact, Each each, Histograms histograms) {
  std::vector<double>& total = call.scratch->values;
  const bool totals = WindowsOverlap(call) && ExactTotals(call.floats, &total);
  bool mixed = false;
  for (size_t i = 0; i < call.steps.size(); ++i) {
    const Window w = call.floats.window[i];
    if (call.mixed(i)) {
      mixed = true;
    } else if (w.size() == 0) {
      if (call.histograms.window[i].size() > 0) histograms(call, i);
    } else if (totals) {
      call.Set(i, exact(total[w.end] - total[w.begin], w.size()));
    } else {
      call.Set(i, each(call.floats.value + w.begin, w.size()));
    }
  }
  if (mixed) call.annotations->MixedFloatsHistograms(call.metric_name, call.arg_pos);
}

}  // namespace

void SumOverTime(RangeCall& call) {
  SumWindows(
      call, [](double sum, uint32_t) { return sum; },
      [](const double* v, uint32_t n) {
        KahanSum sum;
        for (uint32_t i = 0; i < n; ++i) sum.Add(v[i]);
        return std::isinf(sum.sum) ? sum.sum : sum.Value();
      },
      SumHistogramsOverTime);
}

void AvgOverTime(RangeCall& call) {
  SumWindows(
      call, [](double sum, uint32_t n) { return sum / n + 0.0; },
      [](const double* v, uint32_t n) {
        KahanMean mean(v[0]);
        for (uint32_t i = 1; i < n; ++i) mean.Add(v[i]);
        return mean.Value();
      },
      AvgHistogramsOverTime);
}

}  // namespace deckwatch::query
