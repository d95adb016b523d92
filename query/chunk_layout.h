// The lists of buckets with which Prometheus reads native histograms back.
//
// It keeps them in chunks, and a chunk has one list of buckets for all its histograms: one that
// comes with a bucket the chunk does not know adds it, empty, to all others. In the next chunk the
// list begins anew. So equal histograms may differ in their empty buckets where they lie on two
// sides of a border, and what compares such lists shows the borders.
#pragma once

#include "base/storage.h"
#include "query/function_id.h"
#include "query/query_context.h"

namespace deckwatch::query {

// Gives the histograms of `columns` the lists and the hints that they would have been read back
// with, had they been written in order of time. `columns` are all samples of a series in one or
// several ranges of two hours, aligned to such: no chunk reaches beyond one.
void LayOutAsChunks(Columns* columns);

// Before a range function that shows the lists of histograms: lays out those among `columns`, which
// are samples of the series with these labels, for which it reads what else lies in their chunks.
// Where only statistics are asked for, takes away their buckets. Does nothing where lists do not
// show.
Status LayOutSelected(QueryContext& ctx, FunctionId id, bool statistics_only, LabelsView labels,
                      Columns* columns);

}  // namespace deckwatch::query
