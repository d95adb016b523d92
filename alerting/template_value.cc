#include "alerting/template_value.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/clock.h"

namespace deckwatch::alerting {
namespace {

constexpr int kMaxWidth = 1000;
constexpr int kExponentFrom = 6;  // strconv's threshold for 'g' with shortest digits
constexpr int64_t kNsPerSecond = 1'000'000'000;

std::string_view Special(double v) {
  if (std::isnan(v)) return "NaN";
  return v > 0 ? "+Inf" : "-Inf";
}

struct Spec {
  bool plus = false, minus = false, sharp = false, space = false, zero = false;
  int width = 0;
  int precision = -1;
  char verb = 0;
};

// Reads a conversion after its '%'; returns the bytes used.
size_t ParseSpec(std::string_view s, Spec* spec) {
  size_t i = 0;
  for (; i < s.size(); ++i) {
    if (s[i] == '+') {
      spec->plus = true;
    } else if (s[i] == '-') {
      spec->minus = true;
    } else if (s[i] == '#') {
      spec->sharp = true;
    } else if (s[i] == ' ') {
      spec->space = true;
    } else if (s[i] == '0') {
      spec->zero = true;
    } else {
      break;
    }
  }
  const auto number = [&](int* out) {
    *out = 0;
    for (; i < s.size() && s[i] >= '0' && s[i] <= '9'; ++i) {
      *out = std::min(kMaxWidth, *out * 10 + (s[i] - '0'));
    }
  };
  number(&spec->width);
  if (i < s.size() && s[i] == '.') {
    ++i;
    number(&spec->precision);
  }
  if (i < s.size()) spec->verb = s[i++];
  return i;
}

size_t RuneCount(std::string_view s) {
  size_t n = 0;
  for (unsigned char c : s) n += (c & 0xc0) != 0x80;
  return n;
}

std::string Pad(const Spec& spec, std::string text, bool number) {
  const size_t width = spec.width, n = RuneCount(text);
  if (n >= width) return text;
  if (spec.minus) return text + std::string(width - n, ' ');
  if (!spec.zero || !number) return std::string(width - n, ' ') + text;
  const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  return text.insert(sign, width - n, '0');
}

std::string FormatFloatVerb(const Spec& spec, double v) {
  const bool shortest = spec.precision < 0 && (spec.verb == 'g' || spec.verb == 'v');
  std::string text;
  if (!std::isfinite(v)) {
    Spec plain = spec;
    plain.zero = false;
    text = Special(v);
    if (text[0] == '+' && !spec.plus && spec.width > 0) text = "+Inf";
    return Pad(plain, text, true);
  }
  if (shortest) {
    text = FormatGoFloat(v);
  } else {
    const char verb = spec.verb == 'v' ? 'g' : spec.verb;
    const char format[] = {'%', '.', '*', verb, 0};
    const int precision = spec.precision < 0 ? 6 : spec.precision;
    const int n = std::snprintf(nullptr, 0, format, precision, v);
    text.resize(n + 1);
    std::snprintf(text.data(), text.size(), format, precision, v);
    text.resize(n);
  }
  if (text[0] != '-' && spec.plus) text.insert(0, "+");
  if (text[0] != '-' && !spec.plus && spec.space) text.insert(0, " ");
  return Pad(spec, text, true);
}

std::string FormatIntVerb(const Spec& spec, int64_t v) {
  const int base = spec.verb == 'x' || spec.verb == 'X' ? 16
                   : spec.verb == 'o'                   ? 8
                   : spec.verb == 'b'                   ? 2
                                                        : 10;
  char buf[72];
  const auto end = std::to_chars(buf, buf + sizeof buf, v, base).ptr;
  std::string text(buf, end);
  if (spec.verb == 'X') {
    for (char& c : text) c = c >= 'a' ? static_cast<char>(c - 32) : c;
  }
  if (spec.sharp && base == 16) text.insert(text[0] == '-' ? 1 : 0, spec.verb == 'X' ? "0X" : "0x");
  if (v >= 0 && spec.plus) text.insert(0, "+");
  if (v >= 0 && !spec.plus && spec.space) text.insert(0, " ");
  return Pad(spec, text, true);
}

std::string FormatStringVerb(const Spec& spec, std::string_view s) {
  if (spec.precision >= 0) {
    size_t i = 0;
    for (int runes = 0; i < s.size(); ++i) {
      if ((static_cast<unsigned char>(s[i]) & 0xc0) != 0x80 && runes++ == spec.precision) break;
    }
    s = s.substr(0, i);
  }
  if (spec.verb == 'q') return Pad(spec, QuoteGo(s), false);
  if (spec.verb != 'x' && spec.verb != 'X') return Pad(spec, std::string(s), false);
  std::string hex;
  for (unsigned char c : s) {
    char two[3];
    std::snprintf(two, sizeof two, spec.verb == 'x' ? "%02x" : "%02X", c);
    hex += two;
  }
  return Pad(spec, hex, false);
}

std::string FormatRune(int64_t rune) {
  const auto r = static_cast<uint32_t>(rune);
  std::string out;
  if (rune < 0 || rune > 0x10ffff) return "\xef\xbf\xbd";
  if (r < 0x80) {
    out += static_cast<char>(r);
  } else if (r < 0x800) {
    out += static_cast<char>(0xc0 | r >> 6);
    out += static_cast<char>(0x80 | (r & 63));
  } else if (r < 0x10000) {
    out += static_cast<char>(0xe0 | r >> 12);
    out += static_cast<char>(0x80 | (r >> 6 & 63));
    out += static_cast<char>(0x80 | (r & 63));
  } else {
    out += static_cast<char>(0xf0 | r >> 18);
    out += static_cast<char>(0x80 | (r >> 12 & 63));
    out += static_cast<char>(0x80 | (r >> 6 & 63));
    out += static_cast<char>(0x80 | (r & 63));
  }
  return out;
}

std::string FormatVerb(const Spec& spec, const Value& arg) {
  const auto one_of = [&](std::string_view verbs) {
    return verbs.find(spec.verb) != std::string_view::npos;
  };
  if (spec.verb == 'T') return Pad(spec, std::string(arg.TypeName()), false);
  if (const double* d = arg.AsDouble(); d != nullptr && one_of("vfFeEgG")) {
    return FormatFloatVerb(spec, *d);
  }
  if (const int64_t* i = arg.AsInt(); i != nullptr) {
    if (one_of("vdxXob")) return FormatIntVerb(spec, *i);
    if (spec.verb == 'c') return Pad(spec, FormatRune(*i), false);
    if (spec.verb == 'q') return Pad(spec, "'" + FormatRune(*i) + "'", false);
  }
  if (const ValueDuration* d = arg.AsDuration(); d != nullptr && one_of("dxX")) {
    return FormatIntVerb(spec, d->ns);
  }
  if (const std::string* s = arg.AsString(); s != nullptr && one_of("vsqxX")) {
    return FormatStringVerb(spec, *s);
  }
  if (arg.AsBool() != nullptr && one_of("vt")) return Pad(spec, arg.ToString(), false);
  const bool has_string = arg.AsTime() || arg.AsDuration() || arg.AsList() || arg.AsMap();
  if ((has_string && one_of("vs")) || (arg.IsNil() && spec.verb == 'v')) {
    return Pad(spec, arg.ToString(), false);
  }
  if (arg.IsNil()) return std::string("%!") + spec.verb + "(<nil>)";
  return std::string("%!") + spec.verb + "(" + std::string(arg.TypeName()) + "=" + arg.ToString() +
         ")";
}

}  // namespace

Value::Value(ValueList v) : v_(std::make_shared<const ValueList>(std::move(v))) {}
Value::Value(ValueMap v) : v_(std::make_shared<const ValueMap>(std::move(v))) {}

const ValueList* Value::AsList() const {
  const auto* p = std::get_if<std::shared_ptr<const ValueList>>(&v_);
  return p == nullptr ? nullptr : p->get();
}

const ValueMap* Value::AsMap() const {
  const auto* p = std::get_if<std::shared_ptr<const ValueMap>>(&v_);
  return p == nullptr ? nullptr : p->get();
}

bool Value::Truth() const {
  if (const bool* b = AsBool()) return *b;
  if (const int64_t* i = AsInt()) return *i != 0;
  if (const double* d = AsDouble()) return *d != 0;
  if (const std::string* s = AsString()) return !s->empty();
  if (const ValueDuration* d = AsDuration()) return d->ns != 0;
  if (const ValueList* l = AsList()) return !l->items.empty();
  if (const ValueMap* m = AsMap()) return m->kind == ValueMap::Kind::kStruct || !m->entries.empty();
  return AsTime() != nullptr;
}

std::string_view Value::TypeName() const {
  static constexpr std::string_view kNames[] = {
      "<nil>", "bool", "int", "float64", "string", "time.Time", "time.Duration", "[]interface {}"};
  const ValueMap* m = AsMap();
  if (m == nullptr) return kNames[v_.index()];
  if (m->kind == ValueMap::Kind::kStruct) return "struct";
  return m->kind == ValueMap::Kind::kStrings ? "map[string]string" : "map[string]interface {}";
}

std::string Value::ToString() const {
  if (const bool* b = AsBool()) return *b ? "true" : "false";
  if (const int64_t* i = AsInt()) return std::to_string(*i);
  if (const double* d = AsDouble()) return FormatGoFloat(*d);
  if (const std::string* s = AsString()) return *s;
  if (const ValueTime* t = AsTime()) return FormatGoTime(t->ns);
  if (const ValueDuration* d = AsDuration()) return FormatGoDuration(d->ns);
  std::string out;
  if (const ValueList* l = AsList()) {
    for (const Value& item : l->items) out += (out.empty() ? "" : " ") + item.ToString();
    return "[" + out + "]";
  }
  if (const ValueMap* m = AsMap()) {
    const bool is_struct = m->kind == ValueMap::Kind::kStruct;
    for (const auto& [key, value] : m->entries) {
      if (!out.empty()) out += " ";
      out += is_struct ? value.ToString() : key + ":" + value.ToString();
    }
    return is_struct ? "{" + out + "}" : "map[" + out + "]";
  }
  return "<nil>";
}

Value StringMapValue(LabelsView labels, ValueMethod method) {
  ValueMap m{.kind = ValueMap::Kind::kStrings, .entries = {}, .method = method};
  for (const LabelRef& l : labels) m.entries.emplace(l.name, l.value);
  return m;
}

Value StringMapValue(const KeyValues& pairs, ValueMethod method) {
  ValueMap m{.kind = ValueMap::Kind::kStrings, .entries = {}, .method = method};
  for (const auto& [key, value] : pairs) m.entries.emplace(key, value);
  return m;
}

std::string FormatGoFloat(double v) {
  if (!std::isfinite(v)) return std::string(Special(v));
  char buf[40];
  const auto r = std::to_chars(buf, buf + sizeof buf, v, std::chars_format::scientific);
  const std::string scientific(buf, r.ptr);
  const int exponent = std::atoi(scientific.c_str() + scientific.find('e') + 1);
  if (exponent < -4 || exponent >= kExponentFrom) return scientific;
  char plain[400];
  return {plain, std::to_chars(plain, plain + sizeof plain, v, std::chars_format::fixed).ptr};
}

std::string FormatGo(std::string_view format, std::span<const Value> args) {
  std::string out;
  size_t next = 0;
  while (!format.empty()) {
    const size_t percent = format.find('%');
    out += format.substr(0, percent);
    if (percent == std::string_view::npos) break;
    format.remove_prefix(percent + 1);
    Spec spec;
    format.remove_prefix(ParseSpec(format, &spec));
    if (spec.verb == 0) {
      out += "%!(NOVERB)";
    } else if (spec.verb == '%') {
      out += '%';
    } else if (next == args.size()) {
      out += std::string("%!") + spec.verb + "(MISSING)";
    } else {
      out += FormatVerb(spec, args[next++]);
    }
  }
  if (next < args.size()) {
    out += "%!(EXTRA ";
    for (size_t i = next; i < args.size(); ++i) {
      if (i > next) out += ", ";
      out += std::string(args[i].TypeName()) + "=" + args[i].ToString();
    }
    out += ")";
  }
  return out;
}

std::string FormatGoDuration(int64_t ns) {
  if (ns == 0) return "0s";
  const std::string sign = ns < 0 ? "-" : "";
  uint64_t u = ns < 0 ? 0 - static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns);
  const auto fraction = [](uint64_t whole, uint64_t part, int digits) {
    std::string s = std::to_string(whole);
    if (part == 0) return s;
    std::string f = std::to_string(part);
    f.insert(0, digits - f.size(), '0');
    while (f.back() == '0') f.pop_back();
    return s + "." + f;
  };
  if (u < 1000) return sign + std::to_string(u) + "ns";
  if (u < 1'000'000) return sign + fraction(u / 1000, u % 1000, 3) + "µs";
  if (u < 1'000'000'000) return sign + fraction(u / 1'000'000, u % 1'000'000, 6) + "ms";
  const uint64_t seconds = u / kNsPerSecond;
  std::string out = fraction(seconds % 60, u % kNsPerSecond, 9) + "s";
  if (seconds >= 60) out = std::to_string(seconds / 60 % 60) + "m" + out;
  if (seconds >= 3600) out = std::to_string(seconds / 3600) + "h" + out;
  return sign + out;
}

std::string FormatGoTime(int64_t ns) {
  int64_t seconds = ns / kNsPerSecond, rest = ns % kNsPerSecond;
  if (rest < 0) rest += kNsPerSecond, --seconds;
  std::string text = FormatRfc3339Ms(seconds * 1000);  // 2026-11-20T15:04:05.000Z
  text = text.substr(0, 10) + " " + text.substr(11, 8);
  if (rest != 0) {
    std::string f = std::to_string(rest);
    f.insert(0, 9 - f.size(), '0');
    while (f.back() == '0') f.pop_back();
    text += "." + f;
  }
  return text + " +0000 UTC";
}

}  // namespace deckwatch::alerting
