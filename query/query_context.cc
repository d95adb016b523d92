#include "query/query_context.h"

#include "query/label_sets.h"

namespace deckwatch::query {

void DropName(const QueryContext& ctx, SeriesInfo* info) {
  info->drop_name = true;
  if (!ctx.options.delayed_name_removal) info->labels = DropMetadataLabels(info->labels);
}

Status MergeEqualSeries(StepVector* v) {
  LabelIndex index;
  std::vector<size_t> first(v->size());  // row -> row of the same labels that came first
  std::vector<size_t> row_of;            // index -> row
  bool any = false;
  for (size_t row = 0; row < v->size(); ++row) {
    bool added = false;
    const size_t i = index.Insert(v->series[row].labels.encoded(), &added);
    if (added) row_of.push_back(row);
    first[row] = row_of[i];
    any |= !added;
  }
  if (!any) return {};
  for (size_t row = 0; row < v->size(); ++row) {
    const size_t to = first[row];
    if (to == row) continue;
    for (size_t step = 0; step < v->steps; ++step) {
      if (v->Cells(row)[step] == kAbsent) continue;
      if (v->Cells(to)[step] != kAbsent) {
        return ExecutionError("vector cannot contain metrics with the same labelset");
      }
      v->CopyCell(to, step, *v, row, step);
      v->Cells(row)[step] = kAbsent;
    }
  }
  v->RemoveEmptyRows();
  return {};
}

}  // namespace deckwatch::query
