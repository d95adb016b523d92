// Any bytes in any pieces: the framer never hands out more than its limits allow.
#include <algorithm>

#include "base/status.h"
#include "server/http_framing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deckwatch::server;
  const HttpLimits limits{.max_head_bytes = 512,
                          .max_headers = 8,
                          .max_target_bytes = 128,
                          .max_path_bytes = 64,
                          .max_body_bytes = 256};
  RequestFramer framer(limits);
  std::string in;
  for (size_t at = 0; at < size;) {
    const size_t n = std::min<size_t>(1 + data[at] % 64, size - at);
    in.append(reinterpret_cast<const char*>(data) + at, n);
    at += n;
    for (;;) {
      const RequestFramer::State state = framer.Feed(&in);
      if (state == RequestFramer::State::kBad) return 0;
      if (state == RequestFramer::State::kNeedMore) break;
      const RawRequest request = framer.Take();
      CHECK(request.body.size() <= limits.max_body_bytes);
      CHECK(request.target.size() <= limits.max_target_bytes);
      CHECK(request.headers.size() <= limits.max_headers);
    }
  }
  return 0;
}
