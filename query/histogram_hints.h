// Counter reset hints of stored histograms. Stores may keep none: a hint is what comparing a sample
// with the one before it tells.
#pragma once

#include "base/storage.h"
#include "query/function_id.h"
#include "query/query_context.h"

namespace deckwatch::query {

// Sample i of a series, which is a histogram, with its hint. As Prometheus's chunks do, a reset is
// left unknown, unless `tell_resets`; so is the first sample of the columns.
HistogramPtr WithResetHint(const Columns& c, size_t i, bool tell_resets);
// All of them.
void SetResetHints(Columns* c, bool tell_resets);

// Leaves nothing but counts, sums and what hints tell of resets. So Prometheus reads histograms
// where no more is asked for: gauges then have "resets" where their counts fall, and only there.
void KeepStatistics(Columns* c);

// Whether results of a range function show the hints of its samples.
bool ShowsResetHints(FunctionId id);

// Puts the sample before the first one, if it is a histogram and not too old, in front of the
// columns of the series with these labels, so that the first one's hint can be told.
Status PrependPrevious(QueryContext& ctx, LabelsView labels, Columns* columns);

}  // namespace deckwatch::query
