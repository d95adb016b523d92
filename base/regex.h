// Regular expressions with Prometheus's meaning: fully anchored, '.' matches newline, linear time.
// RE2 stays in regex.cc.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace deckwatch {

// A compiled, immutable, thread-safe expression. Copies share the program.
class Regex {
 public:
  // InvalidArgument with the parser's reason when `pattern` is not valid; patterns needing over 8
  // MB are refused.
  static Result<Regex> Compile(std::string_view pattern);

  // As Compile, but takes an alternation of plain literals whatever its bytes, as Prometheus's
  // matchers do: it is compared, not parsed.
  static Result<Regex> CompileMatcher(std::string_view pattern);

  bool FullMatch(std::string_view text) const;

  // Replaces the whole match of `text` by `replacement` ($1, ${1}, ${name}, $$), or returns false
  // when it does not match.
  bool Expand(std::string_view text, std::string_view replacement, std::string* out) const;

  // Every non-overlapping match of the expression, unanchored, replaced: the `reReplaceAll` of
  // templates.
  std::string ReplaceAll(std::string_view text, std::string_view replacement) const;

  const std::string& pattern() const;

  // When the expression is nothing but an alternation of literals ("a|b|c", "abc", also with one
  // level of grouping such as "(a|b)c"), all of them; else empty. At most 256.
  const std::vector<std::string>& literals() const;
  // A literal that every match begins with; may be empty.
  const std::string& prefix() const;
  // True for ".*" (matches everything) and ".+" (everything but the empty string).
  bool matches_all() const;
  bool matches_nonempty() const;

 private:
  struct Program;
  static Result<Regex> Compile(std::string_view pattern, bool as_bytes);

  std::shared_ptr<const Program> program_;
};

}  // namespace deckwatch
