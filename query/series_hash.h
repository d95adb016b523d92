// Where a series stands in limit_ratio's order.
#pragma once

#include "base/labels.h"

namespace deckwatch::query {

// A number in [0, 1] that depends on the label set only: Prometheus's own (xxHash64 of its string
// encoding over 2^64-1), so that the same series are chosen.
double SeriesHashFraction(LabelsView labels);

}  // namespace deckwatch::query
