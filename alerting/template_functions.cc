// Functions that Prometheus gives to rule templates (template/template.go) and Alertmanager to
// notifications (template/template.go there).
#include <algorithm>
#include <cmath>
#include <optional>

#include "alerting/template_builtins.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/regex.h"

namespace deckwatch::alerting {
namespace {

using Args = std::span<const Value>;
using Context = TemplateContext;

constexpr size_t kMaxReplaceWork = 16 << 20;  // bytes of text times bytes of replacement

Status Bad(std::string reason) {
  return Status::InvalidArgument(std::move(reason));
}

Result<double> ToDouble(const Value& v) {
  if (const double* d = v.AsDouble()) return *d;
  if (const int64_t* i = v.AsInt()) return static_cast<double>(*i);
  if (const ValueDuration* d = v.AsDuration()) return static_cast<double>(d->ns) / 1e9;
  if (const std::string* s = v.AsString()) {
    double d;
    if (ParseFloat(*s, &d)) return d;
    return Bad("strconv.ParseFloat: parsing " + QuoteGo(*s) + ": invalid syntax");
  }
  return Bad("can't convert " + std::string(v.TypeName()) + " to float");
}

// Go hands strings to string parameters and nothing else.
Result<std::string> ToText(const Value& v) {
  if (const std::string* s = v.AsString()) return *s;
  return Bad("wrong type for value; expected string; got " + std::string(v.TypeName()));
}

std::string Digits4(double v) {
  const Value arg(v);
  return FormatGo("%.4g", {&arg, 1});
}

std::string WithPrefix(double v, double base, std::span<const std::string_view> prefixes) {
  std::string_view prefix;
  for (std::string_view p : prefixes) {
    if (std::fabs(v) < base) break;
    prefix = p;
    v /= base;
  }
  return Digits4(v) + std::string(prefix);
}

std::string WithSmallPrefix(double v) {
  static constexpr std::string_view kPrefixes[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
  std::string_view prefix;
  for (std::string_view p : kPrefixes) {
    if (std::fabs(v) >= 1) break;
    prefix = p;
    v *= 1000;
  }
  return Digits4(v) + std::string(prefix);
}

Result<Value> Humanize(const Context&, Args a) {
  static constexpr std::string_view kPrefixes[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
  TRY_ASSIGN(const double v, ToDouble(a[0]));
  if (v == 0 || !std::isfinite(v)) return Value(Digits4(v));
  return Value(std::fabs(v) >= 1 ? WithPrefix(v, 1000, kPrefixes) : WithSmallPrefix(v));
}

Result<Value> Humanize1024(const Context&, Args a) {
  static constexpr std::string_view kPrefixes[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
  TRY_ASSIGN(const double v, ToDouble(a[0]));
  if (std::fabs(v) <= 1 || !std::isfinite(v)) return Value(Digits4(v));
  return Value(WithPrefix(v, 1024, kPrefixes));
}

Result<Value> HumanizeDuration(const Context&, Args a) {
  TRY_ASSIGN(double v, ToDouble(a[0]));
  if (!std::isfinite(v)) return Value(Digits4(v));
  if (v == 0) return Value("0s");
  if (std::fabs(v) < 1) return Value(WithSmallPrefix(v) + "s");
  std::string out = v < 0 ? "-" : "";
  v = std::fabs(v);
  const auto whole = static_cast<int64_t>(std::min(v, 9e18));
  const int64_t minutes = whole / 60 % 60, hours = whole / 3600 % 24, days = whole / 86400;
  if (whole < 60) return Value(out + Digits4(v) + "s");
  if (days != 0) out += std::to_string(days) + "d ";
  if (days != 0 || hours != 0) out += std::to_string(hours) + "h ";
  return Value(out + std::to_string(minutes) + "m " + std::to_string(whole % 60) + "s");
}

Result<Value> HumanizePercentage(const Context&, Args a) {
  TRY_ASSIGN(const double v, ToDouble(a[0]));
  return Value(Digits4(v * 100) + "%");
}

Result<int64_t> SecondsToNs(double seconds) {
  const double ns = seconds * 1e9;
  if (std::isnan(ns) || ns >= 9.223372036854775807e18 || ns <= -9.223372036854775808e18) {
    return Bad(FormatGoFloat(seconds) +
               " cannot be represented as a nanoseconds timestamp since it overflows int64");
  }
  return static_cast<int64_t>(ns);
}

Result<Value> HumanizeTimestamp(const Context&, Args a) {
  TRY_ASSIGN(const double v, ToDouble(a[0]));
  if (!std::isfinite(v)) return Value(Digits4(v));
  TRY_ASSIGN(const int64_t ns, SecondsToNs(v));
  return Value(FormatGoTime(ns / 1'000'000 * 1'000'000));
}

Result<Value> ToTime(const Context&, Args a) {
  TRY_ASSIGN(const double v, ToDouble(a[0]));
  TRY_ASSIGN(const int64_t ns, SecondsToNs(v));
  return Value(ValueTime{ns / 1'000'000 * 1'000'000});
}

Result<Value> ToDuration(const Context&, Args a) {
  TRY_ASSIGN(const double v, ToDouble(a[0]));
  TRY_ASSIGN(const int64_t ns, SecondsToNs(v));
  return Value(ValueDuration{ns});
}

Result<Value> ParseDuration(const Context&, Args a) {
  TRY_ASSIGN(const std::string text, ToText(a[0]));
  TRY_ASSIGN(const int64_t ms, ParseDurationMs(text));
  return Value(static_cast<double>(ms) / 1000);
}

Result<Value> NowSeconds(const Context& c, Args) {
  return Value(static_cast<double>(c.now_ms) / 1000);
}

Result<Value> NowTime(const Context& c, Args) {
  return Value(ValueTime{c.now_ms * 1'000'000});
}

Result<Value> Since(const Context& c, Args a) {
  const ValueTime* t = a[0].AsTime();
  if (t == nullptr) return Bad("expected time.Time; got " + std::string(a[0].TypeName()));
  return Value(ValueDuration{c.now_ms * 1'000'000 - t->ns});
}

Value SampleValue(LabelsView labels, double value) {
  return ValueMap{.kind = ValueMap::Kind::kStruct,
                  .entries = {{"Labels", StringMapValue(labels)}, {"Value", Value(value)}},
                  .method = nullptr};
}

Result<Value> Query(const Context& c, Args a) {
  TRY_ASSIGN(const std::string expr, ToText(a[0]));
  if (c.query == nullptr) return Bad("queries are not available here");
  TRY_ASSIGN(const query::QueryResult result, (*c.query)(expr, c.now_ms));
  ValueList out;
  if (result.type == query::ValueType::kScalar) {
    out.items.push_back(SampleValue({}, result.scalar));
  } else if (result.type == query::ValueType::kVector) {
    for (const query::ResultSeries& s : result.series) {
      if (!s.value.empty()) out.items.push_back(SampleValue(s.labels, s.value[0]));
    }
  } else {
    return Bad("rule result is not a vector or scalar");
  }
  return Value(std::move(out));
}

Result<Value> First(const Context&, Args a) {
  const ValueList* l = a[0].AsList();
  if (l == nullptr) return Bad("wrong type for value; expected a query result");
  if (l->items.empty()) return Bad("first() called on vector with no elements");
  return l->items[0];
}

const Value* SampleField(const Value& sample, std::string_view field) {
  const ValueMap* m = sample.AsMap();
  if (m == nullptr) return nullptr;
  const auto it = m->entries.find(field);
  return it == m->entries.end() ? nullptr : &it->second;
}

std::string SampleLabel(const Value& sample, std::string_view name) {
  const Value* labels = SampleField(sample, "Labels");
  const Value* value = labels == nullptr ? nullptr : SampleField(*labels, name);
  return value == nullptr ? "" : value->ToString();
}

Result<Value> Label(const Context&, Args a) {
  TRY_ASSIGN(const std::string name, ToText(a[0]));
  if (SampleField(a[1], "Labels") == nullptr) return Bad("wrong type for value; expected a sample");
  return Value(SampleLabel(a[1], name));
}

Result<Value> SampleNumber(const Context&, Args a) {
  const Value* value = SampleField(a[0], "Value");
  if (value == nullptr) return Bad("wrong type for value; expected a sample");
  return *value;
}

Result<Value> StrValue(const Context&, Args a) {
  return Value(SampleLabel(a[0], "__value__"));
}

Result<Value> SortByLabel(const Context&, Args a) {
  TRY_ASSIGN(const std::string name, ToText(a[0]));
  const ValueList* l = a[1].AsList();
  if (l == nullptr) return Bad("wrong type for value; expected a query result");
  ValueList sorted = *l;
  std::ranges::stable_sort(sorted.items, {}, [&](const Value& v) { return SampleLabel(v, name); });
  return Value(std::move(sorted));
}

Result<Value> ArgsMap(const Context&, Args a) {
  ValueMap m;
  for (size_t i = 0; i < a.size(); ++i) m.entries["arg" + std::to_string(i)] = a[i];
  return Value(std::move(m));
}

// Go's regexp: unanchored, '.' stops at a newline.
Result<Value> ReReplaceAll(const Context&, Args a) {
  TRY_ASSIGN(const std::string pattern, ToText(a[0]));
  TRY_ASSIGN(const std::string replacement, ToText(a[1]));
  TRY_ASSIGN(const std::string text, ToText(a[2]));
  if (text.size() * replacement.size() > kMaxReplaceWork) {
    return Status::ResourceExhausted("text and replacement are too large");
  }
  TRY_ASSIGN(const Regex regex, Regex::Compile("(?-s:" + pattern + ")"));
  return Value(regex.ReplaceAll(text, replacement));
}

Result<Value> Match(const Context&, Args a) {
  TRY_ASSIGN(const std::string pattern, ToText(a[0]));
  TRY_ASSIGN(const std::string text, ToText(a[1]));
  TRY_ASSIGN(const Regex regex, Regex::Compile("(?s:.*)(?-s:" + pattern + ")(?s:.*)"));
  return Value(regex.FullMatch(text));
}

template <int (*kConvert)(int)>
Result<Value> EachByte(const Context&, Args a) {
  TRY_ASSIGN(std::string s, ToText(a[0]));
  for (char& c : s) {
    if ((c & 0x80) == 0) c = static_cast<char>(kConvert(c));
  }
  return Value(std::move(s));
}
int Upper(int c) {
  return c >= 'a' && c <= 'z' ? c - 32 : c;
}
int Lower(int c) {
  return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

Result<Value> Title(const Context&, Args a) {
  TRY_ASSIGN(std::string s, ToText(a[0]));
  bool start = true;
  for (char& c : s) {
    if (start) c = static_cast<char>(Upper(c));
    start = !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '\'' || (c & 0x80) != 0);
  }
  return Value(std::move(s));
}

Result<Value> TrimSpace(const Context&, Args a) {
  TRY_ASSIGN(const std::string s, ToText(a[0]));
  const size_t first = s.find_first_not_of(" \t\r\n\v\f");
  if (first == std::string::npos) return Value("");
  return Value(s.substr(first, s.find_last_not_of(" \t\r\n\v\f") + 1 - first));
}

Result<Value> Same(const Context&, Args a) {
  TRY_ASSIGN(std::string s, ToText(a[0]));
  return Value(std::move(s));
}

Result<Value> UrlQueryEscape(const Context&, Args a) {
  TRY_ASSIGN(const std::string s, ToText(a[0]));
  return Value(QueryEscape(s));
}

Result<Value> UrlUnescape(const Context&, Args a) {
  TRY_ASSIGN(std::string s, ToText(a[0]));
  std::ranges::replace(s, '+', ' ');
  TRY_ASSIGN(std::string decoded, UrlDecode(s));
  return Value(std::move(decoded));
}

Result<Value> TableLinkOf(const Context&, Args a) {
  TRY_ASSIGN(const std::string s, ToText(a[0]));
  return Value(TableLink(s));
}

Result<Value> GraphLinkOf(const Context&, Args a) {
  TRY_ASSIGN(const std::string s, ToText(a[0]));
  return Value(GraphLink(s));
}

Result<Value> ExternalUrl(const Context& c, Args) {
  return Value(c.external_url);
}

Result<Value> PathPrefix(const Context& c, Args) {
  const size_t scheme = c.external_url.find("://");
  const size_t from = scheme == std::string_view::npos ? 0 : scheme + 3;
  const size_t slash = c.external_url.find('/', from);
  return Value(slash == std::string_view::npos ? "" : c.external_url.substr(slash));
}

// "host:port", "[v6]:port" -> host; nothing when there is no port.
std::optional<std::string> HostOfHostPort(const std::string& s) {
  const size_t colon = s.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  if (s[0] == '[') {
    return s[colon - 1] == ']' ? std::optional(s.substr(1, colon - 2)) : std::nullopt;
  }
  if (s.find(':') != colon) return std::nullopt;
  return s.substr(0, colon);
}

Result<Value> StripPort(const Context&, Args a) {
  TRY_ASSIGN(std::string s, ToText(a[0]));
  return Value(HostOfHostPort(s).value_or(s));
}

Result<Value> StripDomain(const Context&, Args a) {
  TRY_ASSIGN(std::string s, ToText(a[0]));
  const std::string host = HostOfHostPort(s).value_or(s);
  const std::string port = host.size() < s.size() && s[0] != '[' ? s.substr(host.size()) : "";
  const bool is_ip = host.find(':') != std::string::npos ||
                     host.find_first_not_of("0123456789.") == std::string::npos;
  if (is_ip) return Value(std::move(s));
  return Value(host.substr(0, host.find('.')) + port);
}

Result<Value> List(const Context&, Args a) {
  return Value(ValueList{.items = {a.begin(), a.end()}, .method = nullptr});
}

Result<Value> Append(const Context&, Args a) {
  const ValueList* l = a[0].AsList();
  if (l == nullptr) return Bad("wrong type for value; expected a list");
  ValueList longer{.items = l->items, .method = nullptr};
  longer.items.insert(longer.items.end(), a.begin() + 1, a.end());
  return Value(std::move(longer));
}

Result<Value> Dict(const Context&, Args a) {
  if (a.size() % 2 != 0) return Bad("dict needs an even number of arguments");
  ValueMap m;
  for (size_t i = 0; i < a.size(); i += 2) {
    TRY_ASSIGN(std::string key, ToText(a[i]));
    m.entries[std::move(key)] = a[i + 1];
  }
  return Value(std::move(m));
}

Result<Value> Join(const Context&, Args a) {
  TRY_ASSIGN(const std::string separator, ToText(a[0]));
  const ValueList* l = a[1].AsList();
  if (l == nullptr) return Bad("wrong type for value; expected a list of strings");
  std::string out;
  for (size_t i = 0; i < l->items.size(); ++i) {
    out += (i > 0 ? separator : "") + l->items[i].ToString();
  }
  return Value(std::move(out));
}

Json ToJson(const Value& v) {
  if (const bool* b = v.AsBool()) return *b;
  if (const int64_t* i = v.AsInt()) return *i;
  if (const double* d = v.AsDouble()) return *d;
  if (const ValueList* l = v.AsList()) {
    Json::Array array;
    for (const Value& item : l->items) array.push_back(ToJson(item));
    return array;
  }
  if (const ValueMap* m = v.AsMap()) {
    Json::Object object;
    for (const auto& [key, item] : m->entries) object[key] = ToJson(item);
    return object;
  }
  return v.IsNil() ? Json() : Json(v.ToString());
}

Result<Value> JsonText(const Context&, Args a) {
  return Value(ToJson(a[0]).Dump());
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

Result<Value> Base64Encode(const Context&, Args a) {
  TRY_ASSIGN(const std::string s, ToText(a[0]));
  std::string out;
  for (size_t i = 0; i < s.size(); i += 3) {
    uint32_t bits = 0;
    const size_t n = std::min<size_t>(3, s.size() - i);
    for (size_t k = 0; k < n; ++k) bits |= static_cast<uint8_t>(s[i + k]) << (16 - 8 * k);
    for (size_t k = 0; k < 4; ++k) out += k <= n ? kBase64[bits >> (18 - 6 * k) & 63] : '=';
  }
  return Value(std::move(out));
}

Result<Value> Base64Decode(const Context&, Args a) {
  TRY_ASSIGN(std::string s, ToText(a[0]));
  if (s.size() % 4 != 0) return Bad("illegal base64 data");
  while (!s.empty() && s.back() == '=') s.pop_back();
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (char c : s) {
    const size_t v = kBase64.find(c);
    if (v == std::string_view::npos) return Bad("illegal base64 data");
    bits = bits << 6 | static_cast<uint32_t>(v);
    count += 6;
    if (count >= 8) out += static_cast<char>(bits >> (count -= 8) & 255);
  }
  return Value(std::move(out));
}

constexpr TemplateFunctionEntry kRuleFunctions[] = {
    {"args", 0, -1, ArgsMap},
    {"externalURL", 0, 0, ExternalUrl},
    {"first", 1, 1, First},
    {"graphLink", 1, 1, GraphLinkOf},
    {"humanize", 1, 1, Humanize},
    {"humanize1024", 1, 1, Humanize1024},
    {"humanizeDuration", 1, 1, HumanizeDuration},
    {"humanizePercentage", 1, 1, HumanizePercentage},
    {"humanizeTimestamp", 1, 1, HumanizeTimestamp},
    {"label", 2, 2, Label},
    {"match", 2, 2, Match},
    {"now", 0, 0, NowSeconds},
    {"parseDuration", 1, 1, ParseDuration},
    {"pathPrefix", 0, 0, PathPrefix},
    {"query", 1, 1, Query},
    {"reReplaceAll", 3, 3, ReReplaceAll},
    {"safeHtml", 1, 1, Same},
    {"sortByLabel", 2, 2, SortByLabel},
    {"stripDomain", 1, 1, StripDomain},
    {"stripPort", 1, 1, StripPort},
    {"strvalue", 1, 1, StrValue},
    {"tableLink", 1, 1, TableLinkOf},
    {"title", 1, 1, Title},
    {"toDuration", 1, 1, ToDuration},
    {"toLower", 1, 1, EachByte<Lower>},
    {"toTime", 1, 1, ToTime},
    {"toUpper", 1, 1, EachByte<Upper>},
    {"urlQueryEscape", 1, 1, UrlQueryEscape},
    {"value", 1, 1, SampleNumber},
};

constexpr TemplateFunctionEntry kNotificationFunctions[] = {
    {"append", 1, -1, Append},
    {"base64decode", 1, 1, Base64Decode},
    {"base64encode", 1, 1, Base64Encode},
    {"dict", 0, -1, Dict},
    {"humanizeDuration", 1, 1, HumanizeDuration},
    {"join", 2, 2, Join},
    {"list", 0, -1, List},
    {"match", 2, 2, Match},
    {"now", 0, 0, NowTime},
    {"reReplaceAll", 3, 3, ReReplaceAll},
    {"safeHtml", 1, 1, Same},
    {"safeUrl", 1, 1, Same},
    {"since", 1, 1, Since},
    {"stringSlice", 0, -1, List},
    {"title", 1, 1, Title},
    {"toJson", 1, 1, JsonText},
    {"toLower", 1, 1, EachByte<Lower>},
    {"toUpper", 1, 1, EachByte<Upper>},
    {"trimSpace", 1, 1, TrimSpace},
    {"urlUnescape", 1, 1, UrlUnescape},
};

}  // namespace

std::span<const TemplateFunctionEntry> RuleTemplateFunctions() {
  return kRuleFunctions;
}

const TemplateFunctionEntry* FindTemplateFunction(TemplateDialect dialect, std::string_view name) {
  const auto find = [&](std::span<const TemplateFunctionEntry> table) {
    const auto it = std::ranges::find(table, name, &TemplateFunctionEntry::name);
    return it == table.end() ? nullptr : &*it;
  };
  const TemplateFunctionEntry* own =
      dialect == TemplateDialect::kRules ? find(kRuleFunctions) : find(kNotificationFunctions);
  return own != nullptr ? own : find(GoTemplateFunctions());
}

}  // namespace deckwatch::alerting
