#include "query/series_samples.h"

#include <cstring>

namespace deckwatch::query {

namespace {

void Slide(const int64_t* t_ms, size_t size, const std::vector<int64_t>& end_ms, int64_t before_ms,
           int64_t after_ms, std::vector<Window>* out) {
  out->resize(end_ms.size());
  uint32_t begin = 0, end = 0;
  for (size_t i = 0; i < end_ms.size(); ++i) {
    const int64_t left = end_ms[i] - before_ms;
    const int64_t right = end_ms[i] + after_ms;
    while (end < size && t_ms[end] <= right) ++end;
    while (begin < end && t_ms[begin] <= left) ++begin;
    (*out)[i] = {begin, end};
  }
}

// Whether all values have the same bits.
bool IsConstant(const std::vector<double>& v) {
  return v.empty() || std::memcmp(v.data(), v.data() + 1, (v.size() - 1) * sizeof v[0]) == 0;
}

bool AnyStale(const std::vector<double>& values) {
  bool any = false;
  for (double v : values) any |= IsStale(v);
  return any;
}

}  // namespace

void SeriesSamples::Load(const Columns& columns, bool with_start_times) {
  with_start_times = with_start_times && !columns.start_ms.empty();
  histograms_ = {};
  const bool constant = IsConstant(columns.value);
  const bool stale = constant ? !columns.empty() && IsStale(columns.value[0])  //
                              : AnyStale(columns.value);
  if (!columns.histogram.empty() || stale) {
    Split(columns, with_start_times);
    return;
  }
  floats_ = {columns.t_ms.data(),
             columns.value.data(),
             with_start_times ? columns.start_ms.data() : nullptr,
             columns.size(),
             nullptr,
             constant};
}

void SeriesSamples::Split(const Columns& columns, bool with_start_times) {
  float_t_.clear(), float_value_.clear(), float_start_.clear();
  histogram_t_.clear(), histogram_value_.clear(), histogram_start_.clear();
  for (size_t i = 0; i < columns.size(); ++i) {
    const int64_t start_ms = with_start_times ? columns.start_ms[i] : 0;
    if (!columns.histogram.empty() && columns.histogram[i] != nullptr) {
      if (IsStale(*columns.histogram[i])) continue;
      histogram_t_.push_back(columns.t_ms[i]);
      histogram_value_.push_back(columns.histogram[i]);
      histogram_start_.push_back(start_ms);
    } else if (!IsStale(columns.value[i])) {
      float_t_.push_back(columns.t_ms[i]);
      float_value_.push_back(columns.value[i]);
      float_start_.push_back(start_ms);
    }
  }
  floats_ = {float_t_.data(),
             float_value_.data(),
             with_start_times ? float_start_.data() : nullptr,
             float_t_.size(),
             nullptr,
             IsConstant(float_value_)};
  histograms_ = {histogram_t_.data(), histogram_value_.data(),
                 with_start_times ? histogram_start_.data() : nullptr, histogram_t_.size(),
                 nullptr};
}

void SeriesSamples::SetWindows(const std::vector<int64_t>& end_ms, int64_t before_ms,
                               int64_t after_ms) {
  if (!known_) known_.emplace(RoomForTimes(end_ms.size()));
  const auto found = known_->Find(floats_.t_ms, floats_.size);
  Windows& windows = *found.value;
  if (!found.known) {
    Slide(floats_.t_ms, floats_.size, end_ms, before_ms, after_ms, &windows.of_step);
    windows.number = ++numbers_;
    windows.samples = 0;
    for (const Window w : windows.of_step) windows.samples += w.size();
  }
  windows_ = {found.slot, windows.number};
  floats_in_windows_ = windows.samples;
  if (histograms_.size > 0 || histograms_before_ > 0 || histogram_window_.empty()) {
    Slide(histograms_.t_ms, histograms_.size, end_ms, before_ms, after_ms, &histogram_window_);
  }
  histograms_before_ = histograms_.size;
  floats_.window = windows.of_step.data();
  histograms_.window = histogram_window_.data();
}

}  // namespace deckwatch::query
