// Intermediate values of evaluation: an instant vector at every step of a query, kept as columns.
//
//              step 0   step 1   step 2
//   series 0 [  1.0   |   -    |  3.0  ]   value: one row of doubles per series, rows contiguous
//   series 1 [   -    |  h     |  h    ]   cell:  what each place holds (absent, float, histogram)
//
// Histograms stand in a third array of the same shape, which stays empty as long as there is none.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/labels.h"
#include "base/sample.h"
#include "query/budget.h"

namespace deckwatch::query {

// The times at which an expression is evaluated: start, start+step, … <= end.
struct StepRange {
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  int64_t step_ms = 1;

  static StepRange Instant(int64_t t_ms) { return {t_ms, t_ms, 1}; }
  // 0 when end lies before start, as inside a subquery whose window holds no multiple of its step.
  size_t size() const {
    return end_ms < start_ms ? 0 : static_cast<size_t>((end_ms - start_ms) / step_ms) + 1;
  }
  int64_t At(size_t i) const { return start_ms + static_cast<int64_t>(i) * step_ms; }
  bool operator==(const StepRange&) const = default;
};

enum Cell : uint8_t { kAbsent = 0, kFloat = 1, kHistogram = 2 };

// The labels of a row: its own, or those of a selected series, which the query keeps.
class SeriesLabels {
 public:
  SeriesLabels() = default;
  SeriesLabels(Labels own) : own_(std::move(own)) {}  // NOLINT: implicit on purpose
  // `labels` lives as long as the query.
  static SeriesLabels View(LabelsView labels) {
    SeriesLabels l;
    l.seen_ = labels;
    return l;
  }

  operator LabelsView() const { return own_.empty() ? seen_ : own_.view(); }  // NOLINT: likewise
  LabelsView view() const { return *this; }
  std::string_view Get(std::string_view name) const { return view().Get(name); }
  std::string_view MetricName() const { return view().MetricName(); }
  std::string_view encoded() const { return view().encoded(); }
  Labels Take() && { return own_.empty() ? Labels(seen_) : std::move(own_); }

  friend bool operator<(const SeriesLabels& a, const SeriesLabels& b) {
    return a.view() < b.view();
  }

 private:
  Labels own_;
  LabelsView seen_;
};

struct SeriesInfo {
  SeriesLabels labels;
  bool drop_name = false;  // __name__, __type__ and __unit__ go at the end of the query
};

struct StepVector {
  explicit StepVector(size_t step_count = 1) : steps(step_count) {}

  size_t size() const { return series.size(); }
  bool empty() const { return series.empty(); }

  double* Values(size_t row) { return value.data() + row * steps; }
  const double* Values(size_t row) const { return value.data() + row * steps; }
  uint8_t* Cells(size_t row) { return cell.data() + row * steps; }
  const uint8_t* Cells(size_t row) const { return cell.data() + row * steps; }
  // Null while the vector holds no histogram at all.
  HistogramPtr* Histograms(size_t row) {
    return histogram.empty() ? nullptr : histogram.data() + row * steps;
  }
  const HistogramPtr* Histograms(size_t row) const {
    return histogram.empty() ? nullptr : histogram.data() + row * steps;
  }
  // Null where the cell is no histogram.
  const Histogram* HistogramAt(size_t row, size_t step) const {
    return Cells(row)[step] == kHistogram ? Histograms(row)[step].get() : nullptr;
  }

  // Makes room for `n` rows.
  void Reserve(size_t n);
  // A new row of absent cells; returns its index.
  size_t AddRow(SeriesInfo info);
  // Removes the last row.
  void PopRow();
  // Gives the vector its histogram array, if it has none yet.
  void EnsureHistograms();
  void SetFloat(size_t row, size_t step, double v) {
    Values(row)[step] = v;
    Cells(row)[step] = kFloat;
  }
  void SetHistogram(size_t row, size_t step, HistogramPtr h) {
    EnsureHistograms();
    Histograms(row)[step] = std::move(h);
    Cells(row)[step] = kHistogram;
  }
  void CopyCell(size_t row, size_t step, const StepVector& from, size_t from_row, size_t from_step);
  // Appends the rows of `other`, which has the same number of steps, with its charge.
  void Append(StepVector&& other);
  bool RowEmpty(size_t row) const;
  void RemoveEmptyRows();
  // Cells that hold something; a histogram counts as many as Prometheus lets it count.
  uint64_t SampleCount() const;
  uint64_t Bytes() const;

  size_t steps = 1;
  std::vector<SeriesInfo> series;
  std::vector<double> value;
  std::vector<uint8_t> cell;
  std::vector<HistogramPtr> histogram;
  Charge charge;  // what the query's budget holds for this vector
};

// `v` again, with nothing charged for it.
StepVector CopyOf(const StepVector& v);

// The vector of one step repeated over `steps` steps.
StepVector Repeat(const StepVector& one, size_t steps);

// `v` with its rows in the order given.
StepVector Reorder(StepVector v, const std::vector<size_t>& order);
// `v` with its rows in the order of their labels; equal ones stay as they are.
StepVector SortedByLabels(StepVector v);

// How many float samples a histogram counts as: its size over that of a float point.
uint64_t HistogramSampleCost(const Histogram& h);

}  // namespace deckwatch::query
