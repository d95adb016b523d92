#include "query/runes.h"

#include <cstdio>

#include "base/labels.h"

namespace deckwatch::query {

std::string EncodeUtf8(int32_t r) {
  std::string out;
  const auto put = [&](int32_t byte) { out += static_cast<char>(byte); };
  if (r < 0x80) {
    put(r);
  } else if (r < 0x800) {
    put(0xc0 | (r >> 6)), put(0x80 | (r & 0x3f));
  } else if (r < 0x10000) {
    put(0xe0 | (r >> 12)), put(0x80 | ((r >> 6) & 0x3f)), put(0x80 | (r & 0x3f));
  } else {
    put(0xf0 | (r >> 18)), put(0x80 | ((r >> 12) & 0x3f));
    put(0x80 | ((r >> 6) & 0x3f)), put(0x80 | (r & 0x3f));
  }
  return out;
}

std::string QuoteRune(int32_t r) {
  if (r == '\'') return "'\\''";
  if (r == '"') return "'\"'";
  if (r == kEndOfInput) r = kRuneError;
  std::string quoted = QuoteGo(EncodeUtf8(r));
  quoted.front() = quoted.back() = '\'';
  return quoted;
}

std::string RuneName(int32_t r) {
  char code[16];
  std::snprintf(code, sizeof code, "U+%04X", static_cast<unsigned>(r));
  return std::string(code) + (r < 0x20 || r == 0x7f ? "" : " '" + EncodeUtf8(r) + "'");
}

}  // namespace deckwatch::query
