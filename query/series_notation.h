// Series as tests write them: `metric{label="value"} 1 2+3x4 _ stale {{schema:0 count:2}}`.
//
//   values := item (space item)*
//   item   := _ | _xN                   nothing, N times
//           | stale                     a staleness marker
//           | V | VxN                   a number; N + 1 times
//           | V+DxN | V-DxN             N + 1 numbers from V in steps of D
//           | H | HxN | H+HxN | H-HxN   the same with histograms
//   H      := {{ key:value … }}         keys: schema sum count z_bucket z_bucket_w offset buckets
//                                       n_offset n_buckets custom_values counter_reset_hint
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/sample.h"
#include "base/status.h"

namespace deckwatch::query {

struct SequenceValue {
  bool omitted = false;
  double value = 0;
  HistogramPtr histogram;   // null for a number
  bool hint_given = false;  // the counter reset hint was written out
};

struct SeriesLine {
  Labels labels;
  std::vector<SequenceValue> values;
};

// InvalidArgument with the place and the reason. At most kMaxSequence values.
inline constexpr size_t kMaxSequence = 1'000'000;
Result<SeriesLine> ParseSeriesLine(std::string_view line);
Result<std::vector<SequenceValue>> ParseSequence(std::string_view text);

// Start times of samples, as `metric@st` lines write them: durations relative to each sample in
// milliseconds, with the repetitions of numbers; `*` and `*xN` repeat the last one.
Result<std::vector<SequenceValue>> ParseStartTimes(std::string_view text);

}  // namespace deckwatch::query
