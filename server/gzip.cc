#include "server/gzip.h"

#include <algorithm>
#include <limits>

#include <zlib.h>

#include "base/status.h"

namespace deckwatch::server {

std::string Gzip(std::string_view text) {
  constexpr int kGzipFraming = 15 + 16;  // zlib: the largest window, in gzip's format
  constexpr int kMemoryLevel = 9;
  constexpr size_t kPiece = 64 << 10;
  z_stream z{};
  CHECK(deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, kGzipFraming, kMemoryLevel,
                     Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out;
  int rc = Z_OK;
  while (rc == Z_OK) {
    if (z.avail_in == 0) {
      const size_t n = std::min<size_t>(text.size(), std::numeric_limits<uInt>::max());
      z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
      z.avail_in = static_cast<uInt>(n);
      text.remove_prefix(n);
    }
    out.resize(out.size() + std::max(kPiece, out.size()));
    z.next_out = reinterpret_cast<Bytef*>(out.data()) + z.total_out;
    z.avail_out = static_cast<uInt>(
        std::min<size_t>(out.size() - z.total_out, std::numeric_limits<uInt>::max()));
    rc = deflate(&z, text.empty() ? Z_FINISH : Z_NO_FLUSH);
  }
  CHECK(rc == Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

}  // namespace deckwatch::server
