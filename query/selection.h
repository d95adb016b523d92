// What both kinds of selectors ask of the store.
#pragma once

#include <memory>
#include <vector>

#include "query/ast.h"
#include "query/query_context.h"

namespace deckwatch::query {

// The reference time of each step: `@` and offset applied.
std::vector<int64_t> ReferenceTimes(const QueryContext& ctx, const Expr& e, const StepRange& steps);

// What the selector matches. The set lives, and is accounted for, as long as the query, which waits
// for a place among the large ones first where the set is large.
Result<const SeriesSet*> Select(QueryContext& ctx, const Expr& selector, int64_t start_ms,
                                int64_t end_ms, SelectHints hints);

// Reads series [begin, end) in turn, counts what is read, and visits those that have samples.
Status ReadSeries(QueryContext& ctx, const SeriesSet& set, size_t begin, size_t end,
                  const SeriesSet::Visit& visit);

// Replaces `out` by the samples of the one series with these labels, for what a series already read
// lacks; counts them.
Status ReadAlone(QueryContext& ctx, LabelsView labels, int64_t start_ms, int64_t end_ms,
                 const SelectHints& hints, Columns* out);

}  // namespace deckwatch::query
