#include "query/token.h"

#include <algorithm>
#include <iterator>

#include "base/labels.h"
#include "query/runes.h"

namespace deckwatch::query {

namespace {

std::string Lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

struct Keyword {
  std::string_view word;
  TokenKind kind;
};
constexpr Keyword kKeywords[] = {
    {"and", TokenKind::kAnd},
    {"or", TokenKind::kOr},
    {"unless", TokenKind::kUnless},
    {"atan2", TokenKind::kAtan2},
    {"sum", TokenKind::kSum},
    {"avg", TokenKind::kAvg},
    {"count", TokenKind::kCount},
    {"min", TokenKind::kMin},
    {"max", TokenKind::kMax},
    {"group", TokenKind::kGroup},
    {"stddev", TokenKind::kStddev},
    {"stdvar", TokenKind::kStdvar},
    {"topk", TokenKind::kTopk},
    {"bottomk", TokenKind::kBottomk},
    {"count_values", TokenKind::kCountValues},
    {"quantile", TokenKind::kQuantile},
    {"limitk", TokenKind::kLimitk},
    {"limit_ratio", TokenKind::kLimitRatio},
    {"offset", TokenKind::kOffset},
    {"smoothed", TokenKind::kSmoothed},
    {"anchored", TokenKind::kAnchored},
    {"by", TokenKind::kBy},
    {"without", TokenKind::kWithout},
    {"on", TokenKind::kOn},
    {"ignoring", TokenKind::kIgnoring},
    {"group_left", TokenKind::kGroupLeft},
    {"group_right", TokenKind::kGroupRight},
    {"fill", TokenKind::kFill},
    {"fill_left", TokenKind::kFillLeft},
    {"fill_right", TokenKind::kFillRight},
    {"bool", TokenKind::kBool},
    {"start", TokenKind::kStart},
    {"end", TokenKind::kEnd},
    {"step", TokenKind::kStep},
    {"range", TokenKind::kRange},
    {"min_of", TokenKind::kMinOf},
    {"max_of", TokenKind::kMaxOf},
    {"inf", TokenKind::kNumber},
    {"nan", TokenKind::kNumber},
};

}  // namespace

TokenKind KeywordKind(std::string_view word, TokenKind otherwise) {
  const std::string lower = Lower(word);
  const auto* it = std::ranges::find(kKeywords, lower, &Keyword::word);
  return it == std::end(kKeywords) ? otherwise : it->kind;
}

std::string Describe(const Token& token) {
  const std::string quoted = QuoteGo(token.text);
  switch (token.kind) {
    case TokenKind::kEof: return "end of input";
    case TokenKind::kIdentifier: return "identifier " + quoted;
    case TokenKind::kMetricIdentifier: return "metric identifier " + quoted;
    default: break;
  }
  if (IsKeyword(token.kind)) return "<" + std::string(token.text) + ">";
  if (IsOperator(token.kind)) return "<op:" + std::string(token.text) + ">";
  if (IsAggregator(token.kind)) return "<aggr:" + std::string(token.text) + ">";

  std::string shown = quoted;
  if (token.text.size() > 10) {
    size_t end = 0;  // of the tenth code point
    for (int runes = 0; runes < 10 && end < token.text.size(); ++runes) {
      do ++end;
      while (end < token.text.size() && (token.text[end] & 0xc0) == 0x80);
    }
    shown = QuoteGo(token.text.substr(0, end)) + "...";
  }
  if (token.kind == TokenKind::kNumber) return "number " + shown;
  if (token.kind == TokenKind::kDuration) return "duration " + shown;
  if (token.kind == TokenKind::kString) return "string " + shown;
  return shown;
}

std::string Unquote(std::string_view token) {
  const char quote = token.front();
  token = token.substr(1, token.size() - 2);
  if (quote == '`') return std::string(token);
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '\\') {
      out += token[i];
      continue;
    }
    const char c = token[++i];
    static constexpr std::string_view kShort = "abfnrtv", kMeaning = "\a\b\f\n\r\t\v";
    if (const size_t k = kShort.find(c); k != std::string_view::npos) {
      out += kMeaning[k];
      continue;
    }
    const bool octal = c >= '0' && c <= '7';
    const int digits = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) {
      out += c;  // a quote or a backslash
      continue;
    }
    if (!octal) ++i;
    int32_t value = 0;
    for (int n = 0; n < digits; ++n) value = value * (octal ? 8 : 16) + DigitValue(token[i++]);
    --i;
    if (digits > 3) {
      out += EncodeUtf8(value);
    } else {
      out += static_cast<char>(value);
    }
  }
  return out;
}

}  // namespace deckwatch::query
