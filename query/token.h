// The tokens of PromQL and the words that name them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace deckwatch::query {

// Grouped: operators (in the order of BinaryOp), aggregators (of AggregateOp), keywords, and words
// that act as functions in some places.
enum class TokenKind : uint8_t {
  kEof,
  kError,  // Lexer::error() says what
  kIdentifier,
  kMetricIdentifier,  // with a colon
  kNumber,
  kDuration,
  kString,  // with its quotes, escapes checked
  kLeftParen,
  kRightParen,
  kLeftBrace,
  kRightBrace,
  kLeftBracket,
  kRightBracket,
  kComma,
  kColon,
  kEqual,
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kAtan2,
  kEqualEqual,
  kNotEqual,
  kGreater,
  kLess,
  kGreaterEqual,
  kLessEqual,
  kTrimUpper,
  kTrimLower,
  kAnd,
  kOr,
  kUnless,
  kEqualRegex,
  kNotEqualRegex,
  kAt,
  kSum,
  kAvg,
  kCount,
  kMin,
  kMax,
  kGroup,
  kStddev,
  kStdvar,
  kTopk,
  kBottomk,
  kCountValues,
  kQuantile,
  kLimitk,
  kLimitRatio,
  kBool,
  kBy,
  kGroupLeft,
  kGroupRight,
  kFill,
  kFillLeft,
  kFillRight,
  kIgnoring,
  kOffset,
  kSmoothed,
  kAnchored,
  kOn,
  kWithout,
  kStart,
  kEnd,
  kStep,
  kRange,
  kMinOf,
  kMaxOf,
};

constexpr bool IsOperator(TokenKind k) {
  return k >= TokenKind::kAdd && k <= TokenKind::kAt;
}
constexpr bool IsBinaryOperator(TokenKind k) {
  return k >= TokenKind::kAdd && k <= TokenKind::kUnless;
}
constexpr bool IsAggregator(TokenKind k) {
  return k >= TokenKind::kSum && k <= TokenKind::kLimitRatio;
}
constexpr bool IsKeyword(TokenKind k) {
  return k >= TokenKind::kBool && k <= TokenKind::kWithout;
}

struct Token {
  TokenKind kind = TokenKind::kEof;
  int begin = 0;
  std::string_view text;  // of the query

  int end() const { return begin + static_cast<int>(text.size()); }
};

// As an error message names it: `identifier "foo"`, `<op:+>`, `end of input`.
std::string Describe(const Token& token);

// The kind of a word that is a keyword in any case, or `otherwise`.
TokenKind KeywordKind(std::string_view word, TokenKind otherwise);

// The value of a kString token.
std::string Unquote(std::string_view token);

}  // namespace deckwatch::query
