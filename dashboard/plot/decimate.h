// Fewer points than pixels need, none that the eye would miss.
//
// M4 (Jugel et al., VLDB 2014): of the samples that fall into one pixel column the first, the
// lowest, the highest and the last are kept, which draws the same pixels as all of them. Runs end
// at gaps, and both ends of every run are kept, so a hole stays a hole.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dashboard/data/model.h"

namespace deckwatch::dashboard {

// Indices of kept samples in rising order. Run k is index[run_end[k-1]] … index[run_end[k] - 1].
struct KeptSamples {
  std::vector<uint32_t> index;
  std::vector<uint32_t> run_end;
  void Clear() { index.clear(), run_end.clear(); }
};

// Decimates the samples inside `visible`, plus one on each side so that lines reach the edges.
// A gap is a value that is not finite, or more than `gap_ms` between neighbours. Linear in the
// number of visible samples; replaces `out`.
void Decimate(std::span<const int64_t> t_ms, std::span<const double> value, TimeRange visible,
              int64_t gap_ms, int columns, KeptSamples* out);

// Series piled on each other over their common time base, values below zero on a pile of their own.
struct Stack {
  std::vector<int64_t> t_ms;
  // Per series, one entry per time; NaN where that series has no value.
  std::vector<std::vector<double>> base, top;
};
Stack StackSeries(std::span<const Series* const> series, std::span<const double> sign);

}  // namespace deckwatch::dashboard
