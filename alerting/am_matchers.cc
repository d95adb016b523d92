#include "alerting/am_matchers.h"

#include <algorithm>

#include "base/labels.h"

namespace deckwatch::alerting {
namespace {

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool IsReserved(char c) {
  return std::string_view("{}!=~,\\\"'`").find(c) != std::string_view::npos;
}

Status Bad(std::string_view text, const std::string& reason) {
  return Status::InvalidArgument(reason + " in matcher " + QuoteGo(text));
}

// matchers = [ "{" ] [ matcher { "," matcher } [ "," ] ] [ "}" ]
// matcher  = text ( "=" | "!=" | "=~" | "!~" ) text;  text = "quoted" | letters without reserved
// ones
class Utf8Parser {
 public:
  explicit Utf8Parser(std::string_view text) : text_(text) {}

  Result<std::vector<Matcher>> Run() {
    std::vector<Matcher> out;
    const bool braces = Take('{');
    while (!AtEnd(braces)) {
      TRY_ASSIGN(Matcher m, One());
      out.push_back(std::move(m));
      if (!Take(',') && !AtEnd(braces)) return Bad(text_, "expected a comma");
    }
    if (braces && !Take('}')) return Bad(text_, "expected a closing brace");
    Skip();
    if (i_ < text_.size()) return Bad(text_, "unexpected text at the end");
    return out;
  }

 private:
  void Skip() {
    while (i_ < text_.size() && IsBlank(text_[i_])) ++i_;
  }
  bool Take(char c) {
    Skip();
    if (i_ == text_.size() || text_[i_] != c) return false;
    ++i_;
    return true;
  }
  bool AtEnd(bool braces) {
    Skip();
    return i_ == text_.size() || (braces && text_[i_] == '}');
  }

  Result<Matcher> One() {
    TRY_ASSIGN(std::string name, Text("a label name"));
    TRY_ASSIGN(const MatchType type, Operator());
    TRY_ASSIGN(std::string value, Text("a value"));
    if (name.empty()) return Bad(text_, "empty label name");
    return Matcher::Create(type, std::move(name), std::move(value));
  }

  Result<MatchType> Operator() {
    Skip();
    const std::string_view two = text_.substr(i_, 2);
    i_ += 2;
    if (two == "=~") return MatchType::kRegex;
    if (two == "!~") return MatchType::kNotRegex;
    if (two == "!=") return MatchType::kNotEqual;
    --i_;
    if (two.starts_with('=')) return MatchType::kEqual;
    return Bad(text_, "expected an operator such as '=', '!=', '=~' or '!~'");
  }

  Result<std::string> Text(const char* what) {
    Skip();
    std::string out;
    if (i_ < text_.size() && text_[i_] == '"') return Quoted();
    while (i_ < text_.size() && !IsBlank(text_[i_]) && !IsReserved(text_[i_])) out += text_[i_++];
    if (out.empty()) return Bad(text_, std::string("expected ") + what);
    return out;
  }

  Result<std::string> Quoted() {
    std::string out;
    for (++i_; i_ < text_.size(); ++i_) {
      if (text_[i_] == '"') {
        ++i_;
        return out;
      }
      if (text_[i_] != '\\') {
        out += text_[i_];
        continue;
      }
      const char c = ++i_ < text_.size() ? text_[i_] : '\0';
      if (c != '"' && c != '\\' && c != 'n') return Bad(text_, "invalid escape");
      out += c == 'n' ? '\n' : c;
    }
    return Bad(text_, "missing closing quote");
  }

  std::string_view text_;
  size_t i_ = 0;
};

// The older rules: legacy names, values lax and cut at commas outside of quotes.
Result<Matcher> ParseClassicMatcher(std::string_view all, std::string_view text) {
  const auto trim = [](std::string_view s) {
    while (!s.empty() && IsBlank(s.front())) s.remove_prefix(1);
    while (!s.empty() && IsBlank(s.back())) s.remove_suffix(1);
    return s;
  };
  const size_t op = text.find_first_of("=!");
  if (op == std::string_view::npos) return Bad(all, "bad format");
  const std::string_view name = trim(text.substr(0, op));
  if (!IsLegacyMetricName(name)) return Bad(all, "bad label name");
  const std::string_view two = text.substr(op, 2);
  const MatchType type = two == "=~"   ? MatchType::kRegex
                         : two == "!~" ? MatchType::kNotRegex
                         : two == "!=" ? MatchType::kNotEqual
                                       : MatchType::kEqual;
  if (type == MatchType::kEqual && two[0] != '=') return Bad(all, "bad format");
  std::string_view raw = trim(text.substr(op + (type == MatchType::kEqual ? 1 : 2)));
  const bool quoted = raw.starts_with('"');
  if (quoted) raw.remove_prefix(1);
  std::string value;
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '"') {
      if (quoted && i + 1 == raw.size()) {
        return Matcher::Create(type, std::string(name), std::move(value));
      }
      return Bad(all, "matcher value contains unescaped double quote");
    }
    if (raw[i] == '\\' && i + 1 < raw.size() &&
        std::string_view("\"\\n").find(raw[i + 1]) != std::string_view::npos) {
      ++i;
      value += raw[i] == 'n' ? '\n' : raw[i];
    } else {
      value += raw[i];
    }
  }
  if (quoted) return Bad(all, "missing closing quote");
  return Matcher::Create(type, std::string(name), std::move(value));
}

Result<std::vector<Matcher>> ParseClassic(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty() && IsBlank(rest.front())) rest.remove_prefix(1);
  while (!rest.empty() && IsBlank(rest.back())) rest.remove_suffix(1);
  if (rest.starts_with('{')) rest.remove_prefix(1);
  if (rest.ends_with('}')) rest.remove_suffix(1);
  std::vector<Matcher> out;
  size_t start = 0;
  bool in_quotes = false;
  for (size_t i = 0; i <= rest.size(); ++i) {
    if (i < rest.size() && rest[i] == '\\' && in_quotes) {
      ++i;
      continue;
    }
    if (i < rest.size() && rest[i] == '"') in_quotes = !in_quotes;
    if (i < rest.size() && (rest[i] != ',' || in_quotes)) continue;
    const std::string_view part = rest.substr(start, std::min(i, rest.size()) - start);
    start = i + 1;
    if (i >= rest.size() && part.find_first_not_of(" \t") == std::string_view::npos) break;
    TRY_ASSIGN(Matcher m, ParseClassicMatcher(text, part));
    out.push_back(std::move(m));
  }
  return out;
}

}  // namespace

Result<std::vector<Matcher>> ParseAlertMatchers(std::string_view text) {
  if (!IsValidUtf8(text)) return Bad(text, "invalid UTF-8");
  Result<std::vector<Matcher>> utf8 = Utf8Parser(text).Run();
  if (utf8.ok()) return utf8;
  Result<std::vector<Matcher>> classic = ParseClassic(text);
  return classic.ok() ? classic : utf8;
}

std::string MatchersToString(const std::vector<Matcher>& matchers) {
  std::vector<std::string> parts;
  for (const Matcher& m : matchers) {
    const std::string name = IsLegacyMetricName(m.name()) ? m.name() : QuoteGo(m.name());
    parts.push_back(name + std::string(MatchTypeSymbol(m.type())) + QuoteGo(m.value()));
  }
  std::ranges::sort(parts);
  std::string out = "{";
  for (const std::string& p : parts) out += (out.size() > 1 ? "," : "") + p;
  return out + "}";
}

}  // namespace deckwatch::alerting
