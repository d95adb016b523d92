#include "tsdb/columns.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "tsdb/histogram_codec.h"

namespace deckwatch::tsdb {

void AppendSample(int64_t t_ms, double value, HistogramPtr histogram, int64_t start_ms,
                  Columns* out) {
  const size_t n = out->t_ms.size();
  if (histogram != nullptr && out->histogram.empty()) out->histogram.resize(n);
  if (histogram != nullptr || !out->histogram.empty()) {
    out->histogram.push_back(std::move(histogram));
  }
  if (start_ms != 0 && out->start_ms.empty()) out->start_ms.resize(n);
  if (start_ms != 0 || !out->start_ms.empty()) out->start_ms.push_back(start_ms);
  out->t_ms.push_back(t_ms);
  out->value.push_back(value);
}

namespace {
template <typename T>
void AppendOptional(const std::vector<T>& in, size_t from, size_t to, size_t before,
                    std::vector<T>* out) {
  if (in.empty() && out->empty()) return;
  out->resize(before);
  if (in.empty()) {
    out->resize(before + (to - from));
  } else {
    out->insert(out->end(), in.begin() + static_cast<std::ptrdiff_t>(from),
                in.begin() + static_cast<std::ptrdiff_t>(to));
  }
}
}  // namespace

void AppendRange(const Columns& in, size_t from, size_t to, Columns* out) {
  const size_t before = out->t_ms.size();
  AppendOptional(in.histogram, from, to, before, &out->histogram);
  AppendOptional(in.start_ms, from, to, before, &out->start_ms);
  const auto f = static_cast<std::ptrdiff_t>(from), t = static_cast<std::ptrdiff_t>(to);
  out->t_ms.insert(out->t_ms.end(), in.t_ms.begin() + f, in.t_ms.begin() + t);
  out->value.insert(out->value.end(), in.value.begin() + f, in.value.begin() + t);
}

void MergeColumns(Columns&& add, Columns* out) {
  if (add.empty()) return;
  if (out->empty()) {
    *out = std::move(add);
    return;
  }
  if (add.t_ms.front() > out->t_ms.back()) {
    AppendRange(add, 0, add.size(), out);
    return;
  }
  Columns merged;
  for (size_t i = 0, j = 0; i < out->size() || j < add.size();) {
    // Whole stretches of one side at a time.
    size_t from = i;
    while (i < out->size() && (j == add.size() || out->t_ms[i] <= add.t_ms[j])) {
      if (j < add.size() && out->t_ms[i] == add.t_ms[j]) ++j;
      ++i;
    }
    AppendRange(*out, from, i, &merged);
    from = j;
    while (j < add.size() && (i == out->size() || add.t_ms[j] < out->t_ms[i])) ++j;
    AppendRange(add, from, j, &merged);
  }
  *out = std::move(merged);
}

bool SameSample(double a, const HistogramPtr& ha, double b, const HistogramPtr& hb) {
  if (ha == nullptr && hb == nullptr) {
    return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
  }
  return ha != nullptr && hb != nullptr && SameHistogram(*ha, *hb);
}

void CutRange(int64_t start_ms, int64_t end_ms, Columns* c) {
  const auto first = std::lower_bound(c->t_ms.begin(), c->t_ms.end(), start_ms);
  const auto last = std::upper_bound(first, c->t_ms.end(), end_ms);
  if (first == last) return;
  Columns kept;
  AppendRange(*c, 0, static_cast<size_t>(first - c->t_ms.begin()), &kept);
  AppendRange(*c, static_cast<size_t>(last - c->t_ms.begin()), c->size(), &kept);
  *c = std::move(kept);
}

}  // namespace deckwatch::tsdb
