// Decoding of remote write 1.0 (prometheus.WriteRequest) into columns. protozero stays in
// write_request.cc.
//
// Labels are not built here: a series is known by the raw bytes of its label fields, so that a
// receiver that has seen them before needs no more than a hash.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/status.h"
#include "base/storage.h"

namespace deckwatch::server {

struct WriteRequest {
  struct Series {
    std::string_view labels;   // wire bytes: repeated field 1, into the message or `gathered`
    uint32_t samples_end = 0;  // its samples end here in batch.t_ms; they begin where the
                               // previous series' end
  };
  std::vector<Series> series;
  // Everything but the refs, which are still to be resolved: `ref` has the size of `t_ms` and holds
  // kNoSeries.
  WriteBatch batch;
  std::vector<uint32_t> histogram_series;  // parallel to batch.histograms: index into `series`
  std::vector<uint32_t> exemplar_series;   // parallel to batch.exemplars
  std::deque<std::string> gathered;        // label bytes that were not contiguous
  // Left out: histograms that cannot be, the first of them as `refusal` says, and exemplars with
  // malformed labels or with more than 128 characters of them.
  uint64_t refused_histograms = 0;
  Status refusal;
  uint64_t refused_exemplars = 0;
};

// Replaces `out`, which keeps views into `message`. InvalidArgument when the bytes are not such a
// message.
Status DecodeWriteRequest(std::string_view message, WriteRequest* out);

// The label set of WriteRequest::Series::labels. InvalidArgument when it has no metric name, an
// empty or repeated name, or is not UTF-8.
Result<Labels> DecodeWireLabels(std::string_view wire);

}  // namespace deckwatch::server
