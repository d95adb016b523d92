// PromQL text -> tokens, one at a time. Hides the context that the token rules depend on: inside
// braces keywords are names, inside brackets durations and a few functions are allowed only.
// Comments and white space are skipped. Error texts are Prometheus's.
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

// The value of a kString token.
std::string Unquote(std::string_view token);

class Lexer {
 public:
  // `text` must outlive the lexer and its tokens.
  explicit Lexer(std::string_view text) : text_(text) {}

  // After kEof or kError: the same again.
  Token Next();
  const std::string& error() const { return error_; }

 private:
  // Runes are code points; kEndOfInput and the replacement character (for bytes that are not UTF-8)
  // too.
  int32_t NextRune();
  int32_t Peek();
  void Backup() { pos_ -= width_; }
  bool Accept(std::string_view set);
  bool PeekIs(std::string_view set);
  void SkipSpaceAndComments(bool comments);

  Token Emit(TokenKind kind);
  Token Error(std::string message);

  Token InStatement();
  Token InBraces();
  Token InDuration();
  Token Colon();
  Token Paren(int32_t rune);
  Token Bracket(int32_t rune);
  Token Operator(int32_t rune);
  Token DurationWord(std::string_view expected, int32_t first);
  Token Word();
  Token NumberOrDuration();
  bool ScanNumber();
  bool ScanDurationTail();
  Token String(int32_t quote);
  Token RawString();
  bool Escape(int32_t quote);
  bool FollowedByParen() const;

  std::string_view text_;
  int pos_ = 0;
  int start_ = 0;
  int width_ = 0;
  int paren_depth_ = 0;
  bool in_braces_ = false;
  bool in_brackets_ = false;
  bool before_duration_ = false;  // in brackets, up to the first number
  bool got_duration_ = false;
  bool got_colon_ = false;
  bool done_ = false;
  Token last_;
  std::string error_;
};

}  // namespace deckwatch::query
