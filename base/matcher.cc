#include "base/matcher.h"

#include <algorithm>

namespace deckwatch {

std::string_view MatchTypeSymbol(MatchType type) {
  switch (type) {
    case MatchType::kEqual: return "=";
    case MatchType::kNotEqual: return "!=";
    case MatchType::kRegex: return "=~";
    case MatchType::kNotRegex: return "!~";
  }
  return "?";
}

Result<Matcher> Matcher::Create(MatchType type, std::string name, std::string value) {
  Matcher m;
  m.type_ = type;
  m.name_ = std::move(name);
  if (type == MatchType::kRegex || type == MatchType::kNotRegex) {
    TRY_ASSIGN(m.regex_, Regex::CompileMatcher(value));
  }
  m.value_ = std::move(value);
  return m;
}

Matcher Matcher::Equal(std::string name, std::string value) {
  Matcher m;
  m.name_ = std::move(name);
  m.value_ = std::move(value);
  return m;
}

bool Matcher::Matches(std::string_view label_value) const {
  switch (type_) {
    case MatchType::kEqual: return label_value == value_;
    case MatchType::kNotEqual: return label_value != value_;
    case MatchType::kRegex: return regex_->FullMatch(label_value);
    case MatchType::kNotRegex: return !regex_->FullMatch(label_value);
  }
  return false;
}

std::string Matcher::ToString() const {
  std::string out = IsLegacyLabelName(name_) ? name_ : QuoteGo(name_);
  out += MatchTypeSymbol(type_);
  return out + QuoteGo(value_);
}

bool MatchesAll(const std::vector<Matcher>& matchers, LabelsView labels) {
  return std::all_of(matchers.begin(), matchers.end(),
                     [&](const Matcher& m) { return m.Matches(labels); });
}

}  // namespace deckwatch
