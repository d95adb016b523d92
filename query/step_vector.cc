#include "query/step_vector.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace deckwatch::query {

void StepVector::Reserve(size_t n) {
  series.reserve(n);
  value.reserve(n * steps);
  cell.reserve(n * steps);
}

size_t StepVector::AddRow(SeriesInfo info) {
  series.push_back(std::move(info));
  value.resize(series.size() * steps);
  cell.resize(series.size() * steps, kAbsent);
  if (!histogram.empty()) histogram.resize(series.size() * steps);
  return series.size() - 1;
}

void StepVector::PopRow() {
  series.pop_back();
  value.resize(series.size() * steps);
  cell.resize(series.size() * steps);
  if (!histogram.empty()) histogram.resize(series.size() * steps);
}

void StepVector::EnsureHistograms() {
  if (histogram.empty()) histogram.resize(value.size());
}

void StepVector::CopyCell(size_t row, size_t step, const StepVector& from, size_t from_row,
                          size_t from_step) {
  const uint8_t kind = from.Cells(from_row)[from_step];
  if (kind == kHistogram) {
    SetHistogram(row, step, from.Histograms(from_row)[from_step]);
    return;
  }
  Values(row)[step] = from.Values(from_row)[from_step];
  Cells(row)[step] = kind;
}

void StepVector::Append(StepVector&& other) {
  charge.Absorb(std::move(other.charge));
  if (!histogram.empty()) other.EnsureHistograms();
  if (!other.histogram.empty()) EnsureHistograms();
  series.insert(series.end(), std::make_move_iterator(other.series.begin()),
                std::make_move_iterator(other.series.end()));
  value.insert(value.end(), other.value.begin(), other.value.end());
  cell.insert(cell.end(), other.cell.begin(), other.cell.end());
  histogram.insert(histogram.end(), std::make_move_iterator(other.histogram.begin()),
                   std::make_move_iterator(other.histogram.end()));
}

bool StepVector::RowEmpty(size_t row) const {
  const uint8_t* c = Cells(row);
  return std::all_of(c, c + steps, [](uint8_t k) { return k == kAbsent; });
}

void StepVector::RemoveEmptyRows() {
  size_t kept = 0;
  for (size_t row = 0; row < size(); ++row) {
    if (RowEmpty(row)) continue;
    if (kept != row) {
      series[kept] = std::move(series[row]);
      std::memcpy(Values(kept), Values(row), steps * sizeof(double));
      std::memcpy(Cells(kept), Cells(row), steps);
      if (!histogram.empty()) std::move(Histograms(row), Histograms(row) + steps, Histograms(kept));
    }
    ++kept;
  }
  series.resize(kept);
  value.resize(kept * steps);
  cell.resize(kept * steps);
  if (!histogram.empty()) histogram.resize(kept * steps);
}

namespace {
// How many bytes are not zero, eight at a time: cells are 0, 1 or 2.
uint64_t CountPresent(const std::vector<uint8_t>& cells) {
  static_assert(kFloat == 1 && kHistogram == 2);
  constexpr uint64_t kLowBits = 0x0101010101010101u;
  uint64_t n = 0;
  size_t i = 0;
  for (; i + 8 <= cells.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, cells.data() + i, 8);
    n += ((word | word >> 1) & kLowBits) * kLowBits >> 56;  // the sum of the bytes
  }
  for (; i < cells.size(); ++i) n += cells[i] != kAbsent;
  return n;
}
}  // namespace

uint64_t StepVector::SampleCount() const {
  uint64_t n = CountPresent(cell);
  for (const HistogramPtr& h : histogram) {
    if (h) n += HistogramSampleCost(*h) - 1;
  }
  return n;
}

uint64_t StepVector::Bytes() const {
  uint64_t n =
      value.size() * sizeof(double) + cell.size() + histogram.size() * sizeof(HistogramPtr);
  for (const SeriesInfo& s : series) n += sizeof s + s.labels.encoded().size();
  return n;
}

StepVector CopyOf(const StepVector& v) {
  StepVector out(v.steps);
  out.series = v.series;
  out.value = v.value;
  out.cell = v.cell;
  out.histogram = v.histogram;
  return out;
}

StepVector Repeat(const StepVector& one, size_t steps) {
  StepVector out(steps);
  out.Reserve(one.size());
  if (!one.histogram.empty()) out.histogram.reserve(one.size() * steps);
  for (size_t row = 0; row < one.size(); ++row) {
    out.AddRow(one.series[row]);
    std::fill_n(out.Values(row), steps, one.Values(row)[0]);
    std::fill_n(out.Cells(row), steps, one.Cells(row)[0]);
    if (one.Cells(row)[0] == kHistogram) {
      out.EnsureHistograms();
      std::fill_n(out.Histograms(row), steps, one.Histograms(row)[0]);
    }
  }
  return out;
}

StepVector Reorder(StepVector v, const std::vector<size_t>& order) {
  StepVector out(v.steps);
  out.Reserve(v.size());
  if (!v.histogram.empty()) out.histogram.resize(v.histogram.size());
  for (const size_t from : order) {
    const size_t row = out.size();
    out.series.push_back(std::move(v.series[from]));
    out.value.insert(out.value.end(), v.Values(from), v.Values(from) + v.steps);
    out.cell.insert(out.cell.end(), v.Cells(from), v.Cells(from) + v.steps);
    if (v.histogram.empty()) continue;
    std::move(v.Histograms(from), v.Histograms(from) + v.steps, out.Histograms(row));
  }
  out.charge = std::move(v.charge);
  return out;
}

StepVector SortedByLabels(StepVector v) {
  const auto before = [&v](size_t a, size_t b) { return v.series[a].labels < v.series[b].labels; };
  std::vector<size_t> order(v.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (std::is_sorted(order.begin(), order.end(), before)) return v;
  std::stable_sort(order.begin(), order.end(), before);
  return Reorder(std::move(v), order);
}

uint64_t HistogramSampleCost(const Histogram& h) {
  // Prometheus: bytes of the histogram with its slices, plus 8 for the time, over the 16 bytes of a
  // float point.
  constexpr uint64_t kFixedBytes = 168;
  const uint64_t bytes =
      kFixedBytes + 8 +
      8 * (h.positive_spans.size() + h.negative_spans.size() + h.positive_buckets.size() +
           h.negative_buckets.size() + h.custom_values.size());
  return bytes / 16;
}

}  // namespace deckwatch::query
