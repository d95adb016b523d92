// sum_over_time and avg_over_time of native histograms.
#include "query/histogram_math.h"
#include "query/range_functions.h"

namespace deckwatch::query {

namespace {

// Folds the histograms of a window with compensation, and raises what has to be said about them.
class Fold {
 public:
  Fold(RangeCall& call, size_t step) : call_(call), w_(call.histograms.window[step]) {}

  // False when they are incompatible.
  bool Sum(Histogram* sum) {
    *sum = At(0);
    std::optional<Histogram> c;
    for (uint32_t i = 1; i < w_.size(); ++i) {
      if (!Note(KahanAddHistogram(sum, At(i), &c))) return Mixed();
    }
    if (c) Note(AddHistogram(sum, *c));
    Finish();
    return true;
  }

  bool Average(Histogram* sum) {
    *sum = At(0);
    std::optional<Histogram> c;
    bool incremental = false;  // `sum` is the mean
    double count = 1;
    for (uint32_t i = 1; i < w_.size(); ++i) {
      count = i + 1;
      if (!incremental) {
        Histogram next = *sum;
        std::optional<Histogram> next_c = c;
        if (!Note(KahanAddHistogram(&next, At(i), &next_c))) return Mixed();
        if (!HasOverflow(next)) {
          *sum = std::move(next);
          c = std::move(next_c);
          continue;
        }
        incremental = true;
        DivideHistogram(sum, count - 1);
        if (c) DivideHistogram(&*c, count - 1);
      }
      const double q = (count - 1) / count;
      if (c) MultiplyHistogram(&*c, q);
      Histogram part = At(i);
      DivideHistogram(&part, count);
      MultiplyHistogram(sum, q);
      if (!Note(KahanAddHistogram(sum, part, &c))) return Mixed();
    }
    if (!incremental) {
      DivideHistogram(sum, count);
      if (c) DivideHistogram(&*c, count);
    }
    if (c) AddHistogram(sum, *c);
    Finish();
    return true;
  }

 private:
  const Histogram& At(uint32_t i) const { return *call_.histograms.value[w_.begin + i]; }
  bool Note(const HistogramOpResult& r) {
    reconciled_ |= r.bounds_reconciled;
    return r.compatible;
  }
  bool Mixed() {
    call_.annotations->MixedExponentialCustom(call_.metric_name, call_.arg_pos);
    return false;
  }
  void Finish() {
    bool reset = false, not_reset = false;
    for (uint32_t i = 0; i < w_.size(); ++i) {
      reset |= At(i).hint == CounterResetHint::kReset;
      not_reset |= At(i).hint == CounterResetHint::kNotReset;
    }
    if (reset && not_reset) {
      call_.annotations->CounterResetCollision(HistogramOperation::kAggregation, call_.arg_pos);
    }
    if (reconciled_) {
      call_.annotations->MismatchedCustomBuckets(HistogramOperation::kAggregation, call_.arg_pos);
    }
  }

  RangeCall& call_;
  const Window w_;
  bool reconciled_ = false;
};

}  // namespace

void SumHistogramsOverTime(RangeCall& call, size_t step) {
  Histogram result;
  if (Fold(call, step).Sum(&result)) call.Set(step, std::move(result));
}

void AvgHistogramsOverTime(RangeCall& call, size_t step) {
  Histogram result;
  if (Fold(call, step).Average(&result)) call.Set(step, std::move(result));
}

}  // namespace deckwatch::query
