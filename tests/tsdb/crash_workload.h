// What the crash test's writer writes and its reader expects: a pure function of series and step.
#pragma once

#include <cstdint>
#include <string>

#include "base/labels.h"

namespace deckwatch::tsdb {

inline constexpr int64_t kNow = 1'800'000'000'000;
inline constexpr int kSeries = 40;

inline Labels SeriesLabels(int i) {
  return Labels{{"__name__", "m" + std::to_string(i % 5)},
                {"job", i % 2 == 0 ? "a" : "b"},
                {"n", std::to_string(i)}};
}

inline double ValueAt(int series, int64_t step) {
  return series % 3 == 0 ? 1 : static_cast<double>(step * (series + 1)) / 10;
}

}  // namespace deckwatch::tsdb
