#include "base/sample.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace deckwatch {

namespace {
std::string Format(double v, std::chars_format format) {
  char buf[400];
  auto r = std::to_chars(buf, buf + sizeof buf, v, format);
  return {buf, r.ptr};
}
}  // namespace

std::string FormatFloatPlain(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  constexpr double kExact = 9007199254740992;  // from here on to_chars prints every digit
  if (std::fabs(v) < kExact) return Format(v, std::chars_format::fixed);
  // The shortest digits, then zeros.
  std::string out = Format(v, std::chars_format::scientific);
  const size_t e = out.find('e');
  const auto integer_digits = static_cast<size_t>(std::stoi(out.substr(e + 2))) + 1;
  out.resize(e);
  std::erase(out, '.');
  out.resize(integer_digits + (v < 0 ? 1 : 0), '0');
  return out;
}

char* WriteFloat(double v, char* out) {
  const double a = std::fabs(v);
  // Most samples are counts or have few decimals: v is the double nearest to `scaled` / 1000, and
  // no other decimal of at most 15 digits is, so those are its shortest digits.
  constexpr double kExactScaled = 1e15;
  const double scaled = a * 1000;
  if (scaled < kExactScaled && (v != 0 || !std::signbit(v))) {
    const auto n = static_cast<uint64_t>(scaled + 0.5);
    if (static_cast<double>(n) / 1000 == a) {
      if (v < 0) *out++ = '-';
      out = std::to_chars(out, out + 20, n / 1000).ptr;
      const uint64_t fraction = n % 1000;
      if (fraction == 0) return out;
      out[0] = '.';
      out[1] = static_cast<char>('0' + fraction / 100);
      out[2] = static_cast<char>('0' + fraction / 10 % 10);
      out[3] = static_cast<char>('0' + fraction % 10);
      return out + (out[3] != '0' ? 4 : out[2] != '0' ? 3 : 2);
    }
  }
  if (a >= 1e-6 && a < kExactScaled) {
    return std::to_chars(out, out + kMaxFloatChars, v, std::chars_format::fixed).ptr;
  }
  const bool scientific = a != 0 && std::isfinite(a) && (a < 1e-6 || a >= 1e21);
  const std::string text =
      scientific ? Format(v, std::chars_format::scientific) : FormatFloatPlain(v);
  return std::copy(text.begin(), text.end(), out);
}

std::string FormatFloat(double v) {
  char text[kMaxFloatChars];
  return {text, WriteFloat(v, text)};
}

bool ParseFloat(std::string_view text, double* v) {
  std::string_view s = text;
  bool negative = false;
  if (!s.empty() && (s[0] == '+' || s[0] == '-')) {
    negative = s[0] == '-';
    s.remove_prefix(1);
  }
  if (s.empty() || s[0] == '+' || s[0] == '-') return false;
  const auto equals = [&](std::string_view word) {
    if (s.size() != word.size()) return false;
    for (size_t i = 0; i < s.size(); ++i) {
      if ((s[i] | 0x20) != word[i]) return false;
    }
    return true;
  };
  if (equals("nan")) {
    *v = NormalNan();
    return true;
  }
  double x = 0;
  if (equals("inf") || equals("infinity")) {
    x = HUGE_VAL;
  } else {
    auto format = std::chars_format::general;
    if (s.size() > 2 && s[0] == '0' && (s[1] | 0x20) == 'x') {
      format = std::chars_format::hex;
      s.remove_prefix(2);
    }
    if (!(s[0] == '.' || std::isxdigit(static_cast<unsigned char>(s[0])))) return false;
    auto r = std::from_chars(s.data(), s.data() + s.size(), x, format);
    if (r.ptr != s.data() + s.size()) return false;
    if (r.ec == std::errc::result_out_of_range) return false;
    if (r.ec != std::errc()) return false;
  }
  *v = negative ? -x : x;
  return true;
}

}  // namespace deckwatch
