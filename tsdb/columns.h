// Helpers on Columns (base/storage.h).
#pragma once

#include "base/storage.h"

namespace deckwatch::tsdb {

// Appends one sample; `histogram` may be null, `start_ms` 0.
void AppendSample(int64_t t_ms, double value, HistogramPtr histogram, int64_t start_ms,
                  Columns* out);

// Samples [from, to) of `in` after those of `out`, which end before.
void AppendRange(const Columns& in, size_t from, size_t to, Columns* out);

// Unites both; where both have a sample of the same time, that of `out` stays.
void MergeColumns(Columns&& add, Columns* out);

// The same float bit for bit, or the same histogram. A null histogram means the float counts.
bool SameSample(double a, const HistogramPtr& ha, double b, const HistogramPtr& hb);

// Leaves out the samples with start_ms <= t <= end_ms.
void CutRange(int64_t start_ms, int64_t end_ms, Columns* c);

}  // namespace deckwatch::tsdb
