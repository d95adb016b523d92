// The receiver of remote write 1.0: a snappy block with a WriteRequest becomes one commit.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/storage.h"
#include "server/series_cache.h"
#include "server/write_request.h"

namespace deckwatch::server {

struct RemoteWriteCounters {
  uint64_t requests = 0;
  uint64_t samples = 0;  // accepted, duplicates included
  uint64_t histograms = 0;
  uint64_t rejected = 0;  // samples too old, too new or conflicting, impossible histograms
  uint64_t exemplars_rejected = 0;
  uint64_t invalid_series = 0;
  uint64_t cache_bytes = 0;  // memory of the table of series
};

// Thread-safe.
class RemoteWriter {
 public:
  // `max_bytes` bounds a request after decompression. `accept_conflicting`: samples with another
  // value for a stored time are left out without an error, as when several write the same.
  RemoteWriter(Appender* appender, size_t max_bytes, bool accept_conflicting = false)
      : appender_(appender), max_bytes_(max_bytes), accept_conflicting_(accept_conflicting) {}

  // OK: all is stored. InvalidArgument: the request is malformed (nothing stored), or some samples
  // were refused (the others are stored). Otherwise the store's error: nothing is stored, try
  // again.
  Status Write(std::string_view compressed);

  RemoteWriteCounters counters() const;

 private:
  Status Resolve(WriteRequest* request, std::vector<SeriesRef>* refs, Status* refused);
  Status CommitForgotten(const WriteRequest& request, const AppendResult& first,
                         AppendResult* total, Status* refused);

  Appender* appender_;
  size_t max_bytes_;
  bool accept_conflicting_;
  SeriesCache cache_;
  std::atomic<uint64_t> requests_{0}, samples_{0}, histograms_{0}, rejected_{0}, invalid_{0};
  std::atomic<uint64_t> exemplars_rejected_{0};
};

}  // namespace deckwatch::server
