#include "dashboard/plot/decimate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace deckwatch::dashboard {
namespace {

// The samples of one run in one column.
struct Column {
  uint32_t first, min, max, last;

  void Flush(std::vector<uint32_t>* out) const {
    std::array<uint32_t, 4> kept = {first, min, max, last};
    if (kept[1] > kept[2]) std::swap(kept[1], kept[2]);
    for (size_t i = 0; i < kept.size(); ++i) {
      if (i == 0 || kept[i] != kept[i - 1]) out->push_back(kept[i]);
    }
  }
};

}  // namespace

void Decimate(std::span<const int64_t> t_ms, std::span<const double> value, TimeRange visible,
              int64_t gap_ms, int columns, KeptSamples* out) {
  out->Clear();
  if (visible.span_ms() <= 0 || columns <= 0) return;
  size_t begin = std::lower_bound(t_ms.begin(), t_ms.end(), visible.from_ms) - t_ms.begin();
  size_t end = std::upper_bound(t_ms.begin(), t_ms.end(), visible.to_ms) - t_ms.begin();
  if (begin > 0) --begin;
  if (end < t_ms.size()) ++end;
  const double columns_per_ms = columns / static_cast<double>(visible.span_ms());
  Column column{};
  int64_t column_end_ms = std::numeric_limits<int64_t>::min();
  bool in_run = false;
  const auto end_run = [&] {
    if (!in_run) return;
    column.Flush(&out->index);
    out->run_end.push_back(static_cast<uint32_t>(out->index.size()));
    in_run = false;
  };
  for (size_t i = begin; i < end; ++i) {
    const double v = value[i];
    if (!std::isfinite(v)) {
      end_run();
      continue;
    }
    if (in_run && t_ms[i] - t_ms[i - 1] > gap_ms) end_run();
    const auto at = static_cast<uint32_t>(i);
    if (in_run && t_ms[i] < column_end_ms) {
      if (v < value[column.min]) column.min = at;
      if (v > value[column.max]) column.max = at;
      column.last = at;
      continue;
    }
    if (in_run) column.Flush(&out->index);
    in_run = true;
    column = {at, at, at, at};
    const double n = std::floor(static_cast<double>(t_ms[i] - visible.from_ms) * columns_per_ms);
    column_end_ms = visible.from_ms + static_cast<int64_t>(std::ceil((n + 1) / columns_per_ms));
  }
  end_run();
}

Stack StackSeries(std::span<const Series* const> series, std::span<const double> sign) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  Stack out;
  for (const Series* s : series) {
    if (out.t_ms == s->t_ms) continue;  // the usual case: one step grid for all
    std::vector<int64_t> merged;
    std::set_union(out.t_ms.begin(), out.t_ms.end(), s->t_ms.begin(), s->t_ms.end(),
                   std::back_inserter(merged));
    out.t_ms = std::move(merged);
  }
  std::vector<double> above(out.t_ms.size(), 0), below(out.t_ms.size(), 0);
  for (size_t k = 0; k < series.size(); ++k) {
    std::vector<double> base(out.t_ms.size(), kNone), top(out.t_ms.size(), kNone);
    const Series& s = *series[k];
    for (size_t i = 0, j = 0; i < out.t_ms.size() && j < s.t_ms.size(); ++i) {
      if (s.t_ms[j] != out.t_ms[i]) continue;
      const double v = s.value[j++] * sign[k];
      if (!std::isfinite(v)) continue;
      double& pile = v < 0 ? below[i] : above[i];
      base[i] = pile;
      top[i] = pile += v;
    }
    out.base.push_back(std::move(base));
    out.top.push_back(std::move(top));
  }
  return out;
}

}  // namespace deckwatch::dashboard
