// Increases of native histograms, and the extended (anchored and smoothed) ranges of rate, increase
// and delta for floats and histograms.
#include <algorithm>

#include "query/histogram_math.h"
#include "query/range_functions.h"

namespace deckwatch::query {

namespace {

void NoteReconciled(const HistogramOpResult& r, HistogramOperation op, Position pos,
                    AnnotationSet* annotations) {
  if (r.bounds_reconciled) annotations->MismatchedCustomBuckets(op, pos);
}

bool ResetAt(const HistogramRange& range, size_t i, const Histogram& previous) {
  if (range.start_ms != nullptr && IsStartTimeReset(range.start_ms[i - 1], range.t_ms[i - 1],
                                                    range.start_ms[i], range.t_ms[i])) {
    return true;
  }
  return DetectReset(*range.value[i], previous);
}

void NoteStartTimeOverlap(const HistogramRange& range, std::string_view metric_name, Position pos,
                          AnnotationSet* annotations) {
  if (range.start_ms == nullptr) return;
  for (size_t i = 1; i < range.size; ++i) {
    if (range.start_ms[i] != 0 && range.start_ms[i] < range.t_ms[i - 1] &&
        range.start_ms[i] != range.start_ms[i - 1]) {
      annotations->StartTimeOverlap(metric_name, pos);
      return;
    }
  }
}

}  // namespace

bool HistogramIncrease(const HistogramRange& range, bool is_counter, std::string_view metric_name,
                       Position pos, AnnotationSet* annotations, Histogram* out) {
  const auto mixed = [&] {
    annotations->MixedExponentialCustom(metric_name, pos);
    return false;
  };
  const auto is_gauge = [&](size_t i) { return range.value[i]->hint == CounterResetHint::kGauge; };
  const Histogram& last = *range.value[range.size - 1];
  const Histogram* previous = range.value[0].get();
  if (is_counter && (is_gauge(0) || is_gauge(range.size - 1))) {
    annotations->NotCounterHistogram(metric_name, pos);
  }
  // A first sample that ends with a reset counts for nothing: its layout must not matter either.
  Histogram nothing;
  const Histogram& second = *range.value[1];
  if (is_counter && ResetAt(range, 1, *previous)) {
    nothing.schema = second.schema;
    nothing.custom_values = second.custom_values;
    previous = &nothing;
  }
  const bool custom = UsesCustomBuckets(*previous);
  if (UsesCustomBuckets(last) != custom) return mixed();
  int32_t schema = std::min(last.schema, previous->schema);
  for (size_t i = 1; is_counter && i + 1 < range.size; ++i) {
    if (is_gauge(i)) annotations->NotCounterHistogram(metric_name, pos);
    if (UsesCustomBuckets(*range.value[i]) != custom) return mixed();
    schema = std::min(schema, range.value[i]->schema);
  }
  *out = AtSchema(last, schema);
  const HistogramOpResult difference = SubtractHistogram(out, *previous);
  if (!difference.compatible) return mixed();
  NoteReconciled(difference, HistogramOperation::kSubtraction, pos, annotations);
  if (is_counter) {
    NoteStartTimeOverlap(range, metric_name, pos, annotations);
    for (size_t i = 1; i < range.size; ++i) {
      if (ResetAt(range, i, *previous)) {
        const HistogramOpResult sum = AddHistogram(out, *previous);
        if (!sum.compatible) return mixed();
        NoteReconciled(sum, HistogramOperation::kAddition, pos, annotations);
      }
      previous = range.value[i].get();
    }
  } else if (!is_gauge(0) || !is_gauge(range.size - 1)) {
    annotations->NotGaugeHistogram(metric_name, pos);
  }
  out->hint = CounterResetHint::kGauge;
  CompactHistogram(out);
  return true;
}

bool InterpolateHistograms(HistogramAt a, HistogramAt b, int64_t t_ms, bool is_counter,
                           std::string_view metric_name, Position pos, AnnotationSet* annotations,
                           Histogram* out) {
  if (t_ms == a.t_ms || t_ms == b.t_ms) {
    *out = t_ms == a.t_ms ? *a.histogram : *b.histogram;
    return true;
  }
  const double fraction = static_cast<double>(t_ms - a.t_ms) / static_cast<double>(b.t_ms - a.t_ms);
  *out = *b.histogram;
  if (is_counter && DetectReset(*b.histogram, *a.histogram)) {
    MultiplyHistogram(out, fraction);
    return true;
  }
  const HistogramOpResult difference = SubtractHistogram(out, *a.histogram);
  if (!difference.compatible) {
    annotations->MixedExponentialCustom(metric_name, pos);
    return false;
  }
  NoteReconciled(difference, HistogramOperation::kSubtraction, pos, annotations);
  MultiplyHistogram(out, fraction);
  NoteReconciled(AddHistogram(out, *a.histogram), HistogramOperation::kAddition, pos, annotations);
  return true;
}

namespace {

// The samples that an extended range is computed from: `first` is the last one at or before its
// start if there is one, `last` the first one at or after its end (smoothed) or the last of all.
struct Extent {
  size_t first = 0;
  size_t last = 0;
};

template <typename Samples>
bool FindExtent(const RangeCall& call, const Samples& s, size_t step, Extent* x) {
  const Window w = s.window[step];
  const int64_t end_ms = call.end_ms[step];
  const int64_t start_ms = end_ms - call.range_ms;
  const bool smoothed = call.mode == RangeMode::kSmoothed;
  const int64_t* begin = s.t_ms + w.begin;
  const int64_t* back = s.t_ms + w.end - 1;
  const int64_t* inside = std::upper_bound(begin, back, start_ms);
  x->first = static_cast<size_t>(std::max(begin, inside - 1) - s.t_ms);
  x->last = static_cast<size_t>((smoothed ? std::lower_bound(begin, back, end_ms) : back) - s.t_ms);
  if (s.t_ms[x->last] <= start_ms) return false;
  return !(smoothed && s.t_ms[x->first] > end_ms);
}

double InterpolateFloats(const FloatSamples& s, size_t left, int64_t t_ms, bool is_counter) {
  double y1 = s.value[left];
  const double y2 = s.value[left + 1];
  if (is_counter && y2 < y1) y1 = 0;
  return y1 + (y2 - y1) * static_cast<double>(t_ms - s.t_ms[left]) /
                  static_cast<double>(s.t_ms[left + 1] - s.t_ms[left]);
}

void ExtendedFloatRate(RangeCall& call, size_t step, bool is_counter, bool is_rate) {
  const FloatSamples& s = call.floats;
  const int64_t end_ms = call.end_ms[step];
  const int64_t start_ms = end_ms - call.range_ms;
  const bool smoothed = call.mode == RangeMode::kSmoothed;
  Extent x;
  if (!FindExtent(call, s, step, &x)) return;
  const double left = smoothed && s.t_ms[x.first] < start_ms
                          ? InterpolateFloats(s, x.first, start_ms, is_counter)
                          : s.value[x.first];
  const double right = smoothed && x.last > s.window[step].begin && s.t_ms[x.last] > end_ms
                           ? InterpolateFloats(s, x.last - 1, end_ms, is_counter)
                           : s.value[x.last];
  double result = right - left;
  if (is_counter) {
    // The ends account for resets beside them; these are the ones between.
    const size_t begin = x.first + (s.t_ms[x.first] <= start_ms ? 1 : 0);
    const size_t end = x.last + (s.t_ms[x.last] >= end_ms ? 0 : 1);
    double correction = 0, previous = left;
    for (size_t i = begin; i < end; ++i) {
      if (s.value[i] < previous) correction += previous;
      previous = s.value[i];
    }
    if (right < previous) correction += previous;
    result += correction;
  }
  if (is_rate) result /= static_cast<double>(call.range_ms) / 1000;
  call.Set(step, result);
}

class ExtendedHistogramRate {
 public:
  ExtendedHistogramRate(RangeCall& call, size_t step, bool is_counter)
      : call_(call),
        s_(call.histograms),
        step_(step),
        is_counter_(is_counter),
        smoothed_(call.mode == RangeMode::kSmoothed),
        end_ms_(call.end_ms[step]),
        start_ms_(end_ms_ - call.range_ms) {}

  bool Compute(Histogram* result) {
    if (!FindExtent(call_, s_, step_, &x_) || !Validate()) return false;
    Histogram left, right;
    if (!Left(&left) || !Right(&right)) return false;
    if (!is_counter_ &&
        (left.hint != CounterResetHint::kGauge || right.hint != CounterResetHint::kGauge)) {
      call_.annotations->NotGaugeHistogram(call_.metric_name, call_.arg_pos);
    }
    *result = right;
    const HistogramOpResult r = SubtractHistogram(result, left);
    if (!r.compatible) return Mixed();
    NoteReconciled(r, HistogramOperation::kSubtraction, call_.arg_pos, call_.annotations);
    return !is_counter_ || CorrectResets(left, right, result);
  }

 private:
  bool Mixed() {
    call_.annotations->MixedExponentialCustom(call_.metric_name, call_.arg_pos);
    return false;
  }

  const Histogram& At(size_t i) const { return *s_.value[i]; }

  bool Validate() {
    for (size_t i = x_.first; i <= x_.last; ++i) {
      if (UsesCustomBuckets(At(i)) != UsesCustomBuckets(At(x_.first))) return Mixed();
      if (is_counter_ && At(i).hint == CounterResetHint::kGauge) {
        call_.annotations->NotCounterHistogram(call_.metric_name, call_.arg_pos);
      }
    }
    return true;
  }

  bool Between(size_t i, int64_t t_ms, Histogram* out) {
    return InterpolateHistograms({&At(i), s_.t_ms[i]}, {&At(i + 1), s_.t_ms[i + 1]}, t_ms,
                                 is_counter_, call_.metric_name, call_.arg_pos, call_.annotations,
                                 out);
  }
  bool Left(Histogram* out) {
    if (smoothed_ && s_.t_ms[x_.first] < start_ms_) return Between(x_.first, start_ms_, out);
    *out = At(x_.first);
    return true;
  }
  bool Right(Histogram* out) {
    if (smoothed_ && x_.last > s_.window[step_].begin && s_.t_ms[x_.last] > end_ms_) {
      return Between(x_.last - 1, end_ms_, out);
    }
    *out = At(x_.last);
    return true;
  }

  bool CorrectResets(const Histogram& left, const Histogram& right, Histogram* result) {
    size_t i = x_.first + 1;
    const Histogram* previous = &left;
    if (smoothed_ && s_.t_ms[x_.first] < start_ms_ && DetectReset(At(i), At(x_.first))) {
      // The left end, interpolated, has this reset in it already.
      previous = &At(i);
      ++i;
    }
    if (i > x_.last) return true;
    std::optional<Histogram> correction;
    const auto add = [&](const Histogram& h) {
      if (!correction) {
        correction = h;
        return true;
      }
      const HistogramOpResult r = AddHistogram(&*correction, h);
      NoteReconciled(r, HistogramOperation::kAddition, call_.arg_pos, call_.annotations);
      return r.compatible || Mixed();
    };
    for (; i < x_.last; ++i) {
      if (DetectReset(At(i), *previous) && !add(*previous)) return false;
      previous = &At(i);
    }
    if (DetectReset(right, *previous) && !add(*previous)) return false;
    if (!correction) return true;
    const HistogramOpResult r = AddHistogram(result, *correction);
    NoteReconciled(r, HistogramOperation::kAddition, call_.arg_pos, call_.annotations);
    return r.compatible || Mixed();
  }

  RangeCall& call_;
  const HistogramSamples& s_;
  const size_t step_;
  const bool is_counter_;
  const bool smoothed_;
  const int64_t end_ms_;
  const int64_t start_ms_;
  Extent x_;
};

}  // namespace

void ExtendedRate(RangeCall& call, size_t step, bool is_counter, bool is_rate) {
  if (call.floats.window[step].size() > 0) {
    ExtendedFloatRate(call, step, is_counter, is_rate);
    return;
  }
  if (call.histograms.window[step].size() == 0) return;
  Histogram result;
  if (!ExtendedHistogramRate(call, step, is_counter).Compute(&result)) return;
  if (is_rate) DivideHistogram(&result, static_cast<double>(call.range_ms) / 1000);
  result.hint = CounterResetHint::kGauge;
  CompactHistogram(&result);
  call.Set(step, std::move(result));
}

}  // namespace deckwatch::query
