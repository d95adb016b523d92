// Code points as the lexer sees them, and as Go prints them.
#pragma once

#include <cstdint>
#include <string>

namespace deckwatch::query {

inline constexpr int32_t kEndOfInput = -1;
inline constexpr int32_t kRuneError = 0xfffd;  // stands for bytes that are not UTF-8 too

constexpr bool IsSpace(int32_t r) {
  return r == ' ' || r == '\t' || r == '\n' || r == '\r';
}
constexpr bool IsDigit(int32_t r) {
  return r >= '0' && r <= '9';
}
constexpr bool IsAlpha(int32_t r) {
  return r == '_' || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z');
}
constexpr bool IsAlphaNumeric(int32_t r) {
  return IsAlpha(r) || IsDigit(r);
}

// 16 when it is none.
constexpr int DigitValue(int32_t r) {
  if (IsDigit(r)) return r - '0';
  if (r >= 'a' && r <= 'f') return r - 'a' + 10;
  if (r >= 'A' && r <= 'F') return r - 'A' + 10;
  return 16;
}

std::string EncodeUtf8(int32_t r);
std::string QuoteRune(int32_t r);  // %q: 'a', '\n'
std::string RuneName(int32_t r);   // %#U: U+0061 'a'

}  // namespace deckwatch::query
