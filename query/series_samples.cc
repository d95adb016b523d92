#include "query/series_samples.h"

#include <algorithm>

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

bool AnyStale(const std::vector<double>& values) {
  bool any = false;
  for (double v : values) any |= IsStale(v);
  return any;
}

}  // namespace

void SeriesSamples::Load(const Columns& columns, bool with_start_times) {
  with_start_times = with_start_times && !columns.start_ms.empty();
  histograms_ = {};
  if (!columns.histogram.empty() || AnyStale(columns.value)) {
    Split(columns, with_start_times);
    return;
  }
  floats_ = {columns.t_ms.data(), columns.value.data(),
             with_start_times ? columns.start_ms.data() : nullptr, columns.size(), nullptr};
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
  floats_ = {float_t_.data(), float_value_.data(), with_start_times ? float_start_.data() : nullptr,
             float_t_.size(), nullptr};
  histograms_ = {histogram_t_.data(), histogram_value_.data(),
                 with_start_times ? histogram_start_.data() : nullptr, histogram_t_.size(),
                 nullptr};
}

SeriesSamples::Known* SeriesSamples::FindKnown() {
  const auto same = [this](const Known& k) {
    return std::equal(k.t_ms.begin(), k.t_ms.end(), floats_.t_ms, floats_.t_ms + floats_.size);
  };
  for (size_t i = 0; i < known_.size(); ++i) {
    Known& known = known_[(windows_.slot + i) % known_.size()];  // the last one first
    if (same(known)) return &known;
  }
  return nullptr;
}

void SeriesSamples::SetWindows(const std::vector<int64_t>& end_ms, int64_t before_ms,
                               int64_t after_ms) {
  constexpr size_t kMaxKnown = 64, kMaxKnownSteps = size_t{1} << 16;
  Known* known = FindKnown();
  if (known == nullptr) {
    const size_t room = std::clamp<size_t>(kMaxKnownSteps / end_ms.size(), 1, kMaxKnown);
    if (known_.size() < room) known_.emplace_back();
    known = &known_[numbers_ % known_.size()];  // the first ones in turn
    known->t_ms.assign(floats_.t_ms, floats_.t_ms + floats_.size);
    Slide(floats_.t_ms, floats_.size, end_ms, before_ms, after_ms, &known->windows);
    known->number = ++numbers_;
  }
  windows_ = {static_cast<size_t>(known - known_.data()), known->number};
  Slide(histograms_.t_ms, histograms_.size, end_ms, before_ms, after_ms, &histogram_window_);
  floats_.window = known->windows.data();
  histograms_.window = histogram_window_.data();
}

}  // namespace deckwatch::query
