// The samples of one series in the form that range functions take, with buffers that are reused
// from series to series.
#pragma once

#include <optional>

#include "base/storage.h"
#include "query/known_times.h"
#include "query/range_functions.h"

namespace deckwatch::query {

class SeriesSamples {
 public:
  // Takes what `columns` hold, without stale markers, floats and histograms apart. `columns` must
  // stay unchanged while the samples are used: where nothing has to be left out they are looked at
  // in place.
  void Load(const Columns& columns, bool with_start_times);
  // Window i becomes (end_ms[i] - before_ms, end_ms[i] + after_ms]; end_ms must not fall. Called
  // with the same arguments for every series.
  void SetWindows(const std::vector<int64_t>& end_ms, int64_t before_ms, int64_t after_ms);

  // Names the windows: equal for series that are scraped at the same times.
  WindowsId windows() const { return windows_; }

  // How many floats the windows hold together; one in several windows counts for each.
  uint64_t floats_in_windows() const { return floats_in_windows_; }

  bool empty() const { return floats_.size + histograms_.size == 0; }
  const FloatSamples& floats() const { return floats_; }
  const HistogramSamples& histograms() const { return histograms_; }

 private:
  // Windows of one sequence of times.
  struct Windows {
    uint64_t number = 0;
    std::vector<Window> of_step;
    uint64_t samples = 0;  // in all of them
  };

  void Split(const Columns& columns, bool with_start_times);

  FloatSamples floats_;
  HistogramSamples histograms_;
  std::vector<int64_t> float_t_, float_start_, histogram_t_, histogram_start_;
  std::vector<double> float_value_;
  std::vector<HistogramPtr> histogram_value_;
  std::vector<Window> histogram_window_;
  size_t histograms_before_ = 0;              // how many the windows were made for
  std::optional<KnownTimes<Windows>> known_;  // of the floats; made by the first SetWindows
  WindowsId windows_;                         // of the last call
  uint64_t numbers_ = 0;                      // given so far
  uint64_t floats_in_windows_ = 0;
};

}  // namespace deckwatch::query
