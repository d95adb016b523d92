#include "server/content_coding.h"

#include <algorithm>
#include <limits>

#include <zlib.h>
#include <zstd.h>

#include "base/sample.h"
#include "base/status.h"
#include "server/http_framing.h"

namespace deckwatch::server {

namespace {

std::string_view Trimmed(std::string_view s) {
  const size_t begin = s.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return s.substr(begin, s.find_last_not_of(" \t") - begin + 1);
}

// The weight of "…;q=0.5"; 1 without one, 0 when it is no number.
double Weight(std::string_view parameters) {
  const size_t q = parameters.find("q=");
  if (q == std::string_view::npos) return 1;
  std::string_view text = Trimmed(parameters.substr(q + 2));
  double weight = 0;
  return ParseFloat(text.substr(0, text.find(';')), &weight) ? weight : 0;
}

}  // namespace

ContentCoding ChooseCoding(std::string_view accept_encoding) {
  constexpr double kUnnamed = -1;
  double gzip = kUnnamed, zstd = kUnnamed, any = 0;
  while (!accept_encoding.empty()) {
    const std::string_view item = accept_encoding.substr(0, accept_encoding.find(','));
    accept_encoding.remove_prefix(std::min(item.size() + 1, accept_encoding.size()));
    const size_t semicolon = std::min(item.find(';'), item.size());
    const std::string_view name = Trimmed(item.substr(0, semicolon));
    const double weight = Weight(item.substr(semicolon));
    if (EqualsIgnoreCase(name, "gzip") || EqualsIgnoreCase(name, "x-gzip")) gzip = weight;
    if (EqualsIgnoreCase(name, "zstd")) zstd = weight;
    if (name == "*") any = weight;
  }
  if (gzip == kUnnamed) gzip = any;
  if (zstd == kUnnamed) zstd = any;
  if (!(gzip > 0) && !(zstd > 0)) return ContentCoding::kIdentity;
  return zstd >= gzip ? ContentCoding::kZstd : ContentCoding::kGzip;
}

std::string_view CodingName(ContentCoding coding) {
  switch (coding) {
    case ContentCoding::kIdentity: return "identity";
    case ContentCoding::kGzip: return "gzip";
    case ContentCoding::kZstd: return "zstd";
  }
  return "";
}

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

std::string Zstd(std::string_view text) {
  constexpr int kLevel = 1;
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), kLevel);
  CHECK(ZSTD_isError(size) == 0);
  out.resize(size);
  return out;
}

}  // namespace deckwatch::server
