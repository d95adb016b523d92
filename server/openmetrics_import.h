// OpenMetrics text with timestamps, in any order, becomes history of the store.
//
// Read as Prometheus reads it: `# EOF` ends it, `_created` lines are series of their own, `le` and
// `quantile` are brought into their canonical form. A line's labels are parsed once: lines that
// repeat the series of the line before, or any series known, cost a comparison or a hash.
#pragma once

#include <cstdint>
#include <functional>
#include <istream>

#include "base/status.h"
#include "tsdb/history.h"

namespace deckwatch::server {

struct ImportCounts {
  uint64_t bytes = 0;
  uint64_t samples = 0;
  uint64_t exemplars_too_long = 0;  // more than 128 characters of labels: left out
};

// Reads all of `in` into `history`. `progress` is called every megabyte or so. InvalidArgument
// names the line and the reason; what was read up to there is in `history`.
Status ReadOpenMetrics(std::istream* in, tsdb::History* history,
                       const std::function<void(const ImportCounts&)>& progress,
                       ImportCounts* counts);

}  // namespace deckwatch::server
