#include "base/sample.h"

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

std::string FormatFloat(double v) {
  const double a = std::fabs(v);
  if (a != 0 && std::isfinite(a) && (a < 1e-6 || a >= 1e21)) {
    return Format(v, std::chars_format::scientific);
  }
  return FormatFloatPlain(v);
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
