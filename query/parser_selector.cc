// Vector selectors, label matchers, grouping labels and label sets.
#include <utility>

#include "query/parser_internal.h"

namespace deckwatch::query {

namespace {

std::optional<MatchType> MatchTypeOf(TokenKind k) {
  switch (k) {
    case TokenKind::kEqual: return MatchType::kEqual;
    case TokenKind::kNotEqual: return MatchType::kNotEqual;
    case TokenKind::kEqualRegex: return MatchType::kRegex;
    case TokenKind::kNotEqualRegex: return MatchType::kNotRegex;
    default: return std::nullopt;
  }
}

}  // namespace

bool Parser::IsMetricName(TokenKind k) {
  if (k >= TokenKind::kStart && k <= TokenKind::kMaxOf) return true;
  switch (k) {
    case TokenKind::kIdentifier:
    case TokenKind::kMetricIdentifier:
    case TokenKind::kAnd:
    case TokenKind::kOr:
    case TokenKind::kUnless:
    case TokenKind::kBy:
    case TokenKind::kWithout:
    case TokenKind::kOffset:
    case TokenKind::kAnchored:
    case TokenKind::kSmoothed:
    case TokenKind::kFill:
    case TokenKind::kFillLeft:
    case TokenKind::kFillRight: return true;
    default: return IsAggregator(k);
  }
}

std::unique_ptr<Expr> Parser::Selector() {
  if (text_.size() > kMaxTextBytes) return Fail(0, "selector is too long");
  Node e = VectorSelector();
  return e && AtEnd() ? std::move(e) : nullptr;
}

Parser::Node Parser::VectorSelector() {
  if (IsMetricName(PeekKind())) return NamedSelector(Take());
  if (PeekKind() != TokenKind::kLeftBrace) return Unexpected();
  auto e = std::make_unique<Expr>();
  e->kind = NodeKind::kVectorSelector;
  e->type = ValueType::kVector;
  e->pos.begin = Peek().begin;
  if (!Matchers(e.get())) return nullptr;
  e->pos.end = last_closing_;
  return e;
}

Parser::Node Parser::NamedSelector(const Token& name) {
  auto e = std::make_unique<Expr>();
  e->kind = NodeKind::kVectorSelector;
  e->type = ValueType::kVector;
  e->pos = {name.begin, name.end()};
  e->metric_name = std::string(name.text);
  if (PeekKind() == TokenKind::kLeftBrace) {
    if (!Matchers(e.get())) return nullptr;
    e->pos.end = last_closing_;
  }
  e->matchers.push_back(Matcher::Equal(std::string(kMetricName), e->metric_name));
  return e;
}

bool Parser::Matchers(Expr* selector) {
  Take();  // '{'
  if (TakeIf(TokenKind::kRightBrace)) return true;
  for (;;) {
    if (!OneMatcher(selector)) return false;
    const bool comma = TakeIf(TokenKind::kComma);
    if (TakeIf(TokenKind::kRightBrace)) return true;
    if (!comma) {
      Unexpected("label matching", "\",\" or \"}\"");
      return false;
    }
  }
}

// name="value", "quoted name"="value" or "quoted metric name".
bool Parser::OneMatcher(Expr* selector) {
  constexpr std::string_view kPlace = "label matching";
  const bool quoted = PeekKind() == TokenKind::kString;
  if (!quoted && PeekKind() != TokenKind::kIdentifier) {
    Unexpected(kPlace, "identifier or \"}\"");
    return false;
  }
  const Token label = Take();
  std::string name = quoted ? Unquote(label.text) : std::string(label.text);
  const std::optional<MatchType> type = MatchTypeOf(PeekKind());
  if (!type) {
    if (quoted) {
      selector->matchers.push_back(Matcher::Equal(std::string(kMetricName), std::move(name)));
      return error_.ok();
    }
    Unexpected(kPlace, "label matching operator");
    return false;
  }
  Take();
  if (PeekKind() != TokenKind::kString) {
    Unexpected(kPlace, "string");
    return false;
  }
  Result<Matcher> matcher = Matcher::Create(*type, std::move(name), Unquote(Take().text));
  if (!matcher.ok()) {
    Fail(label.begin, matcher.status().message());
    return false;
  }
  selector->matchers.push_back(std::move(*matcher));
  return true;
}

bool Parser::GroupingLabels(std::vector<std::string>* labels) {
  constexpr std::string_view kPlace = "grouping opts";
  const auto refuse = [&](std::string_view expected) {
    Unexpected(kPlace, expected);
    return false;
  };
  if (!TakeIf(TokenKind::kLeftParen)) return refuse("\"(\"");
  if (TakeIf(TokenKind::kRightParen)) return true;
  for (;;) {
    const bool quoted = PeekKind() == TokenKind::kString;
    const bool is_name =
        IsMetricName(PeekKind()) || IsKeyword(PeekKind()) || PeekKind() == TokenKind::kAtan2;
    if (!quoted && !is_name) return refuse("label");
    const Token token = Take();
    std::string name = quoted ? Unquote(token.text) : std::string(token.text);
    if (name.empty() || !IsValidUtf8(name)) {
      Fail(token.begin, "invalid label name for grouping: " + QuoteGo(name));
      return false;
    }
    labels->push_back(std::move(name));
    const bool comma = TakeIf(TokenKind::kComma);
    if (TakeIf(TokenKind::kRightParen)) return true;
    if (!comma) return refuse("\",\" or \")\"");
  }
}

std::optional<Labels> Parser::Metric() {
  LabelsBuilder labels;
  std::string name;
  if (IsMetricName(PeekKind())) name = std::string(Take().text);
  if (PeekKind() == TokenKind::kLeftBrace && !LabelSet(&labels)) return std::nullopt;
  if (!AtEnd()) return std::nullopt;
  if (!name.empty()) labels.Set(kMetricName, name);
  return labels.Build();
}

bool Parser::LabelSet(LabelsBuilder* labels) {
  Take();  // '{'
  if (TakeIf(TokenKind::kRightBrace)) return true;
  for (;;) {
    if (!OneLabel(labels)) return false;
    const bool comma = TakeIf(TokenKind::kComma);
    if (TakeIf(TokenKind::kRightBrace)) return true;
    if (!comma) {
      Unexpected("label set", "\",\" or \"}\"");
      return false;
    }
  }
}

bool Parser::OneLabel(LabelsBuilder* labels) {
  constexpr std::string_view kPlace = "label set";
  const bool quoted = PeekKind() == TokenKind::kString;
  if (!quoted && PeekKind() != TokenKind::kIdentifier) {
    Unexpected(kPlace, "identifier or \"}\"");
    return false;
  }
  const Token label = Take();
  const std::string name = quoted ? Unquote(label.text) : std::string(label.text);
  if (!TakeIf(TokenKind::kEqual)) {
    if (quoted) {
      labels->Set(kMetricName, name);
      return error_.ok();
    }
    Unexpected(kPlace, "\"=\"");
    return false;
  }
  if (PeekKind() != TokenKind::kString) {
    Unexpected(kPlace, "string");
    return false;
  }
  labels->Set(name, Unquote(Take().text));
  return true;
}

}  // namespace deckwatch::query
