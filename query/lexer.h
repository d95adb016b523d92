// PromQL text -> tokens, one at a time. Hides the context that the token rules depend on: inside
// braces keywords are names, inside brackets durations and a few functions are allowed only.
// Comments and white space are skipped. Error texts are Prometheus's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "query/token.h"

namespace deckwatch::query {

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
