// One condition on a label: = != =~ !~. An absent label counts as the empty string.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/regex.h"
#include "base/status.h"

namespace deckwatch {

enum class MatchType { kEqual, kNotEqual, kRegex, kNotRegex };

std::string_view MatchTypeSymbol(MatchType type);  // "=", "!=", "=~", "!~"

class Matcher {
 public:
  // InvalidArgument when the value of a regex matcher does not parse.
  static Result<Matcher> Create(MatchType type, std::string name, std::string value);
  static Matcher Equal(std::string name, std::string value);

  MatchType type() const { return type_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }
  const Regex* regex() const { return regex_ ? &*regex_ : nullptr; }  // null for = and !=

  bool Matches(std::string_view label_value) const;
  bool Matches(LabelsView labels) const { return Matches(labels.Get(name_)); }
  bool MatchesEmpty() const { return Matches(std::string_view()); }

  std::string ToString() const;  // name=~"value"; a name outside the legacy set is quoted

 private:
  MatchType type_ = MatchType::kEqual;
  std::string name_;
  std::string value_;
  std::optional<Regex> regex_;
};

bool MatchesAll(const std::vector<Matcher>& matchers, LabelsView labels);

}  // namespace deckwatch
