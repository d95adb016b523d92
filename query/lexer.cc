// Token rules and error texts of Prometheus (promql/parser/lex.go).
#include "query/lexer.h"

#include <utility>

#include "base/labels.h"
#include "query/runes.h"

namespace deckwatch::query {

// ---- characters

int32_t Lexer::NextRune() {
  width_ = 0;
  if (pos_ >= static_cast<int>(text_.size())) return kEndOfInput;
  const auto byte = static_cast<uint8_t>(text_[pos_]);
  if (byte < 0x80) {
    width_ = 1;
    ++pos_;
    return byte;
  }
  const int length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
  const std::string_view encoded = text_.substr(pos_, length);
  if (!IsValidUtf8(encoded)) {
    width_ = 1;
    ++pos_;
    return kRuneError;
  }
  int32_t rune = byte & (0xff >> (length + 1));
  for (char c : encoded.substr(1)) rune = (rune << 6) | (c & 0x3f);
  width_ = length;
  pos_ += length;
  return rune;
}

int32_t Lexer::Peek() {
  const int32_t r = NextRune();
  Backup();
  return r;
}

bool Lexer::PeekIs(std::string_view set) {
  const int32_t r = Peek();
  return r >= 0 && r < 0x80 && set.find(static_cast<char>(r)) != std::string_view::npos;
}

bool Lexer::Accept(std::string_view set) {
  if (!PeekIs(set)) return false;
  NextRune();
  return true;
}

void Lexer::SkipSpaceAndComments(bool comments) {
  for (;;) {
    while (IsSpace(Peek())) NextRune();
    if (!comments || Peek() != '#') break;
    for (int32_t r = NextRune(); r != '\n' && r != '\r' && r != kEndOfInput;) r = NextRune();
  }
  start_ = pos_;
}

Token Lexer::Emit(TokenKind kind) {
  last_ = {kind, start_, text_.substr(start_, pos_ - start_)};
  start_ = pos_;
  return last_;
}

Token Lexer::Error(std::string message) {
  error_ = std::move(message);
  done_ = true;
  last_ = {TokenKind::kError, start_, {}};
  return last_;
}

bool Lexer::FollowedByParen() const {
  const size_t next = text_.find_first_not_of(" \t\r\n", pos_);
  return next != std::string_view::npos && text_[next] == '(';
}

// ---- tokens

Token Lexer::Next() {
  if (done_) return last_;
  SkipSpaceAndComments(!before_duration_);
  if (before_duration_) return InDuration();
  return in_braces_ ? InBraces() : InStatement();
}

Token Lexer::InStatement() {
  const int32_t r = NextRune();
  switch (r) {
    case kEndOfInput:
      if (paren_depth_ != 0) return Error("unclosed left parenthesis");
      if (in_brackets_) return Error("unclosed left bracket");
      done_ = true;
      return Emit(TokenKind::kEof);
    case '"':
    case '\'': return String(r);
    case '`': return RawString();
    case '(':
    case ')': return Paren(r);
    case '{': in_braces_ = true; return Emit(TokenKind::kLeftBrace);
    case '[':
    case ']': return Bracket(r);
    case ',': return Emit(TokenKind::kComma);
    case '@': return Emit(TokenKind::kAt);
    default: break;
  }
  if (IsDigit(r) || (r == '.' && IsDigit(Peek()))) {
    Backup();
    return NumberOrDuration();
  }
  if (!IsAlpha(r) && r != ':') return Operator(r);
  if (!in_brackets_) return Word();
  return r == ':' ? Colon() : DurationWord("unexpected character: %, expected ':'", r);
}

Token Lexer::Paren(int32_t rune) {
  if (rune == '(') {
    ++paren_depth_;
    return Emit(TokenKind::kLeftParen);
  }
  if (--paren_depth_ >= 0) return Emit(TokenKind::kRightParen);
  start_ = pos_;  // the complaint stands behind the parenthesis
  return Error("unexpected right parenthesis ')'");
}

Token Lexer::Bracket(int32_t rune) {
  if (rune == '[') {
    if (in_brackets_) return Error("unexpected left bracket '['");
    in_brackets_ = before_duration_ = true;
    got_colon_ = got_duration_ = false;
    return Emit(TokenKind::kLeftBracket);
  }
  if (!in_brackets_) return Error("unexpected right bracket ']'");
  in_brackets_ = before_duration_ = false;
  return Emit(TokenKind::kRightBracket);
}

Token Lexer::Colon() {
  if (got_colon_ && !before_duration_) return Error("unexpected colon ':'");
  if (before_duration_ && (!got_duration_ || got_colon_)) {
    start_ = pos_;  // the complaint stands behind the colon
    return Error(got_colon_ ? "unexpected repeated colon in duration expression"
                            : "unexpected colon before duration in duration expression");
  }
  got_colon_ = true;
  return Emit(TokenKind::kColon);
}

Token Lexer::Operator(int32_t rune) {
  const auto either = [&](char second, TokenKind both, TokenKind alone) {
    if (Peek() != second) return Emit(alone);
    NextRune();
    return Emit(both);
  };
  switch (rune) {
    case '+': return Emit(TokenKind::kAdd);
    case '-': return Emit(TokenKind::kSub);
    case '*': return Emit(TokenKind::kMul);
    case '/': return Emit(TokenKind::kDiv);
    case '%': return Emit(TokenKind::kMod);
    case '^': return Emit(TokenKind::kPow);
    case '=':
      if (Peek() == '~') return Error("unexpected character after '=': '~'");
      return either('=', TokenKind::kEqualEqual, TokenKind::kEqual);
    case '!': {
      const int32_t next = NextRune();
      if (next == '=') return Emit(TokenKind::kNotEqual);
      return Error("unexpected character after '!': " + QuoteRune(next));
    }
    case '<':
      if (Peek() == '/') return either('/', TokenKind::kTrimUpper, TokenKind::kLess);
      return either('=', TokenKind::kLessEqual, TokenKind::kLess);
    case '>':
      if (Peek() == '/') return either('/', TokenKind::kTrimLower, TokenKind::kGreater);
      return either('=', TokenKind::kGreaterEqual, TokenKind::kGreater);
    default: return Error("unexpected character: " + QuoteRune(rune));
  }
}

Token Lexer::InBraces() {
  const int32_t r = NextRune();
  if (IsAlpha(r)) {
    while (IsAlphaNumeric(Peek())) NextRune();
    return Emit(TokenKind::kIdentifier);
  }
  switch (r) {
    case kEndOfInput: return Error("unexpected end of input inside braces");
    case ',': return Emit(TokenKind::kComma);
    case '"':
    case '\'': return String(r);
    case '`': return RawString();
    case '=': return Emit(Accept("~") ? TokenKind::kEqualRegex : TokenKind::kEqual);
    case '!': {
      const int32_t next = NextRune();
      if (next == '~') return Emit(TokenKind::kNotEqualRegex);
      if (next == '=') return Emit(TokenKind::kNotEqual);
      return Error("unexpected character after '!' inside braces: " + QuoteRune(next));
    }
    case '{': return Error("unexpected left brace '{'");
    case '}': in_braces_ = false; return Emit(TokenKind::kRightBrace);
    default: return Error("unexpected character inside braces: " + QuoteRune(r));
  }
}

// Between '[' and the first number: only what a duration expression is made of.
Token Lexer::InDuration() {
  const int32_t r = NextRune();
  if (IsDigit(r) || (r == '.' && IsDigit(Peek()))) {
    Backup();
    before_duration_ = false;
    got_duration_ = true;
    return NumberOrDuration();
  }
  switch (r) {
    case kEndOfInput: return Error("unexpected end of input in duration expression");
    case ']': return Bracket(r);
    case ':': return Colon();
    case '(':
    case ')': return Paren(r);
    case ',': return Emit(TokenKind::kComma);
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
    case '^': return Operator(r);
    default: return DurationWord("unexpected character in duration expression: %", r);
  }
}

// A word in brackets; `expected` is the error text, with the first character for '%'.
Token Lexer::DurationWord(std::string_view expected, int32_t first) {
  while (IsAlpha(Peek())) NextRune();
  const TokenKind kind = IsAlpha(first)
                             ? KeywordKind(text_.substr(start_, pos_ - start_), TokenKind::kError)
                             : TokenKind::kError;
  if (kind >= TokenKind::kStep && kind <= TokenKind::kMaxOf) {
    got_duration_ = true;
    return Emit(kind);
  }
  const size_t mark = expected.find('%');
  return Error(std::string(expected.substr(0, mark)) + QuoteRune(first) +
               std::string(expected.substr(mark + 1)));
}

Token Lexer::Word() {
  while (IsAlphaNumeric(Peek()) || Peek() == ':') NextRune();
  const std::string_view word = text_.substr(start_, pos_ - start_);
  const bool colon = word.find(':') != std::string_view::npos;
  const TokenKind kind =
      KeywordKind(word, colon ? TokenKind::kMetricIdentifier : TokenKind::kIdentifier);
  const bool fill = kind >= TokenKind::kFill && kind <= TokenKind::kFillRight;
  return Emit(fill && !FollowedByParen() ? TokenKind::kIdentifier : kind);
}

Token Lexer::NumberOrDuration() {
  if (ScanNumber()) return Emit(TokenKind::kNumber);
  if (ScanDurationTail()) return Emit(TokenKind::kDuration);
  return Error("bad number or duration syntax: " + QuoteGo(text_.substr(start_, pos_ - start_)));
}

// Consumes what may be a number; whether it is one the parser finds out. False leaves the position
// behind the first character that cannot belong to it.
bool Lexer::ScanNumber() {
  const int begin = pos_;
  std::string_view digits = "0123456789";
  if (Accept("0") && Accept("xX")) {
    Accept("_");
    digits = "0123456789abcdefABCDEF";
  }
  const std::string more = std::string(digits) + "._eE";
  Accept(".");
  Accept(digits);
  bool dot = false, exponent = false;
  while (PeekIs(more)) {
    if (Accept(".")) {
      if (dot || Accept("_.") || digits.size() > 10) return false;
      dot = true;
    } else if (PeekIs("eE") && exponent) {
      NextRune();
      return false;
    } else if (Accept("eE")) {
      exponent = true;
      Accept("+-");
      if (Accept("._eE") || Peek() == kEndOfInput) return false;
    } else if (Accept("_")) {
      if (Accept("._eE") || Peek() == kEndOfInput) return false;
    } else {
      while (Accept(digits)) {
      }
    }
  }
  return pos_ != begin && !IsAlphaNumeric(Peek());
}

// The rest of a duration whose first number was consumed: a unit, then numbers with units. Wrong
// combinations are left to the parser.
bool Lexer::ScanDurationTail() {
  if (!Accept("smhdwy")) return false;
  Accept("s");
  while (Accept("0123456789")) {
    while (Accept("0123456789")) {
    }
    if (!Accept("smhdw")) return false;
    Accept("s");
  }
  if (!IsAlphaNumeric(Peek())) return true;
  NextRune();
  return false;
}

Token Lexer::String(int32_t quote) {
  for (;;) {
    const int32_t r = NextRune();
    if (r == quote) return Emit(TokenKind::kString);
    if (r == '\\') {
      if (!Escape(quote)) return last_;
    } else if (r == kRuneError) {
      return Error("invalid UTF-8 rune");
    } else if (r == kEndOfInput || r == '\n') {
      return Error("unterminated quoted string");
    }
  }
}

Token Lexer::RawString() {
  for (;;) {
    const int32_t r = NextRune();
    if (r == '`') return Emit(TokenKind::kString);
    if (r == kRuneError) return Error("invalid UTF-8 rune");
    if (r == kEndOfInput) return Error("unterminated raw string");
  }
}

// What follows a backslash; false after setting the error.
bool Lexer::Escape(int32_t quote) {
  const auto fail = [&](std::string message) {
    Error(std::move(message));
    return false;
  };
  int32_t r = NextRune();
  if (r == quote ||
      (r > 0 && r < 0x80 &&
       std::string_view("abfnrtv\\").find(static_cast<char>(r)) != std::string_view::npos)) {
    return true;
  }
  int digits = 0, base = 16;
  uint32_t max = 0x10ffff;
  if (r >= '0' && r <= '7') {
    digits = 3, base = 8, max = 255;
  } else if (r == 'x' || r == 'u' || r == 'U') {
    digits = r == 'x' ? 2 : r == 'u' ? 4 : 8;
    if (r == 'x') max = 255;
    r = NextRune();
  } else if (r == kEndOfInput) {
    return fail("escape sequence not terminated");
  } else {
    return fail("unknown escape sequence " + RuneName(r));
  }
  uint32_t x = 0;
  for (;; r = NextRune()) {
    const int d = DigitValue(r);
    if (r == kEndOfInput) return fail("escape sequence not terminated");
    if (d >= base) return fail("illegal character " + RuneName(r) + " in escape sequence");
    x = x * base + d;
    if (--digits == 0) break;
  }
  if (x > max || (x >= 0xd800 && x < 0xe000)) {
    return fail("escape sequence is an invalid Unicode code point");
  }
  return true;
}

}  // namespace deckwatch::query
