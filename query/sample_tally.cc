#include "query/sample_tally.h"

namespace deckwatch::query {

void SampleTally::AddCells(const StepVector& rows, bool statistics_only) {
  if (!counts_steps() && (rows.histogram.empty() || !statistics_only)) {
    total_ += rows.charge.samples();  // counted when the rows were charged for
    return;
  }
  for (size_t row = 0; row < rows.size(); ++row) {
    for (size_t step = 0; step < rows.steps; ++step) {
      if (rows.Cells(row)[step] == kAbsent) continue;
      const Histogram* h = rows.HistogramAt(row, step);
      AddAt(step, h == nullptr ? 1 : SampleCost(*h, statistics_only));
    }
  }
}

}  // namespace deckwatch::query
