#include "query/parser.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "base/clock.h"
#include "base/sample.h"
#include "query/functions.h"
#include "query/parser_internal.h"

namespace deckwatch::query {

namespace {

// Loosest first. Unary signs bind like kMultiplicative, but take a power as their operand.
enum Precedence { kOr = 1, kAnd, kComparison, kAdditive, kMultiplicative, kPower };

Precedence PrecedenceOf(TokenKind op) {
  switch (op) {
    case TokenKind::kOr: return kOr;
    case TokenKind::kAnd:
    case TokenKind::kUnless: return kAnd;
    case TokenKind::kAdd:
    case TokenKind::kSub: return kAdditive;
    case TokenKind::kMul:
    case TokenKind::kDiv:
    case TokenKind::kMod:
    case TokenKind::kAtan2: return kMultiplicative;
    case TokenKind::kPow: return kPower;
    default: return kComparison;
  }
}

template <typename Enum>
Enum Counterpart(TokenKind kind, TokenKind first) {
  return static_cast<Enum>(static_cast<int>(kind) - static_cast<int>(first));
}

bool WithParameter(AggregateOp op) {
  return op >= AggregateOp::kTopk;
}

// Go's strconv.ParseInt with base 0 for the two spellings that are not decimal: 0x1f and 0755.
bool ParsePrefixedInteger(std::string_view digits, double* value) {
  if (digits.size() < 2 || digits[0] != '0') return false;
  const bool hex = (digits[1] | 0x20) == 'x';
  digits.remove_prefix(hex ? 2 : 1);
  int64_t n = 0;
  const char* end = digits.data() + digits.size();
  const auto r = std::from_chars(digits.data(), end, n, hex ? 16 : 8);
  if (r.ec != std::errc() || r.ptr != end) return false;
  *value = static_cast<double>(n);
  return true;
}

}  // namespace

// ---- tokens and errors

const Token& Parser::Peek() {
  if (!peeked_) {
    peeked_ = lexer_.Next();
    if (peeked_->kind == TokenKind::kError) Fail(peeked_->begin, lexer_.error());
  }
  return *peeked_;
}

Token Parser::Take() {
  const Token token = Peek();
  switch (token.kind) {
    case TokenKind::kRightBrace:
    case TokenKind::kRightParen:
    case TokenKind::kRightBracket:
    case TokenKind::kDuration:
    case TokenKind::kNumber: last_closing_ = token.end(); break;
    default: break;
  }
  peeked_.reset();
  return token;
}

bool Parser::TakeIf(TokenKind kind) {
  if (PeekKind() != kind) return false;
  Take();
  return true;
}

bool Parser::Expect(TokenKind kind) {
  if (TakeIf(kind)) return true;
  Unexpected();
  return false;
}

std::nullptr_t Parser::Fail(int offset, std::string_view message) {
  if (error_.ok()) error_ = ParseError(text_, offset, message);
  return nullptr;
}

std::nullptr_t Parser::Unexpected(std::string_view place, std::string_view expected) {
  const Token& token = Peek();
  std::string message = "unexpected " + Describe(token);
  if (!place.empty()) message += " in " + std::string(place);
  if (!expected.empty()) message += ", expected " + std::string(expected);
  return Fail(token.begin, message);
}

bool Parser::TooDeep() {
  Fail(Peek().begin, "expression is nested too deeply");
  return false;
}

Parser::Node Parser::Done(Node e) {
  int below = 0;
  const auto see = [&](const Node& child) {
    if (child) below = std::max(below, child->height);
  };
  see(e->lhs), see(e->rhs), see(e->param), see(e->offset_expr), see(e->range_expr);
  see(e->step_expr);
  for (const Node& arg : e->args) see(arg);
  e->height = below + 1;
  if (e->height > kMaxDepth) {
    TooDeep();
    return nullptr;
  }
  return e;
}

bool Parser::AtEnd() {
  if (PeekKind() != TokenKind::kEof) Unexpected("", "");
  return error_.ok();
}

// ---- expressions

Parser::Node Parser::Expression() {
  if (text_.size() > kMaxTextBytes) return Fail(0, "expression is too long");
  if (PeekKind() == TokenKind::kEof) return Fail(0, "no expression found in input");
  Node e = Binary(kOr);
  return e && AtEnd() ? std::move(e) : nullptr;
}

Parser::Node Parser::Binary(int min_precedence) {
  Level level(this);
  if (!level.ok()) return nullptr;
  Node lhs = Unary();
  while (lhs && IsBinaryOperator(PeekKind())) {
    const int precedence = PrecedenceOf(PeekKind());
    if (precedence < min_precedence) break;
    auto e = std::make_unique<Expr>();
    e->kind = NodeKind::kBinary;
    e->op = Counterpart<BinaryOp>(Take().kind, TokenKind::kAdd);
    e->matching.emplace();
    if (!BinaryModifiers(e.get())) return nullptr;
    e->rhs = Binary(precedence == kPower ? kPower : precedence + 1);
    if (!e->rhs) return nullptr;
    const bool scalars = lhs->type == ValueType::kScalar && e->rhs->type == ValueType::kScalar;
    e->type = scalars ? ValueType::kScalar : ValueType::kVector;
    e->pos = {lhs->pos.begin, e->rhs->pos.end};
    e->lhs = std::move(lhs);
    lhs = Done(std::move(e));
  }
  return lhs;
}

// bool, on|ignoring with group_left|group_right, fill.
bool Parser::BinaryModifiers(Expr* binary) {
  VectorMatching& matching = *binary->matching;
  binary->return_bool = TakeIf(TokenKind::kBool);
  if (PeekKind() == TokenKind::kOn || PeekKind() == TokenKind::kIgnoring) {
    matching.on = Take().kind == TokenKind::kOn;
    if (!GroupingLabels(&matching.labels)) return false;
    if (PeekKind() == TokenKind::kGroupLeft || PeekKind() == TokenKind::kGroupRight) {
      const bool left = Take().kind == TokenKind::kGroupLeft;
      matching.card = left ? Cardinality::kManyToOne : Cardinality::kOneToMany;
      const bool labels = PeekKind() == TokenKind::kLeftParen || !StartsExpression(PeekKind());
      if (labels && !GroupingLabels(&matching.include)) return false;
    }
  }
  if (TakeIf(TokenKind::kFill)) {
    if (!FillValue(&matching.fill_left)) return false;
    matching.fill_right = matching.fill_left;
    return true;
  }
  const bool left_first = PeekKind() == TokenKind::kFillLeft;
  if (TakeIf(TokenKind::kFillLeft) && !FillValue(&matching.fill_left)) return false;
  if (TakeIf(TokenKind::kFillRight) && !FillValue(&matching.fill_right)) return false;
  if (!left_first && matching.fill_right && TakeIf(TokenKind::kFillLeft)) {
    return FillValue(&matching.fill_left);
  }
  return true;
}

bool Parser::FillValue(std::optional<double>* value) {
  if (!Expect(TokenKind::kLeftParen)) return false;
  const bool negative = PeekKind() == TokenKind::kSub;
  if (negative || PeekKind() == TokenKind::kAdd) Take();
  Node number = Number();
  if (!number || !Expect(TokenKind::kRightParen)) return false;
  *value = negative ? -number->number : number->number;
  return true;
}

Parser::Node Parser::Unary() {
  if (PeekKind() != TokenKind::kAdd && PeekKind() != TokenKind::kSub) {
    Node e = Primary();
    return e ? Postfix(std::move(e)) : nullptr;
  }
  const Token sign = Take();
  const bool negative = sign.kind == TokenKind::kSub;
  Node operand = Binary(kPower);
  if (!operand) return nullptr;
  if (operand->kind == NodeKind::kNumber) {
    if (negative) operand->number = -operand->number;
    operand->pos.begin = sign.begin;
    return operand;
  }
  auto e = std::make_unique<Expr>();
  e->kind = NodeKind::kUnary;
  e->type = operand->type;
  e->pos = {sign.begin, operand->pos.end};
  e->negative = negative;
  e->lhs = std::move(operand);
  return Done(std::move(e));
}

bool Parser::StartsExpression(TokenKind kind) {
  switch (kind) {
    case TokenKind::kNumber:
    case TokenKind::kDuration:
    case TokenKind::kString:
    case TokenKind::kLeftParen:
    case TokenKind::kLeftBrace:
    case TokenKind::kAdd:
    case TokenKind::kSub: return true;
    default: return IsMetricName(kind);
  }
}

Parser::Node Parser::Primary() {
  const TokenKind kind = PeekKind();
  switch (kind) {
    case TokenKind::kNumber:
    case TokenKind::kDuration: return Number();
    case TokenKind::kLeftParen: return Paren();
    case TokenKind::kString: {
      const Token token = Take();
      auto e = std::make_unique<Expr>();
      e->kind = NodeKind::kString;
      e->type = ValueType::kString;
      e->pos = {token.begin, token.end()};
      e->string = Unquote(token.text);
      return e;
    }
    default: break;
  }
  if (IsAggregator(kind)) {
    const Token name = Take();
    const TokenKind next = PeekKind();
    const bool aggregates =
        next == TokenKind::kLeftParen || next == TokenKind::kBy || next == TokenKind::kWithout;
    return aggregates ? Aggregate(name) : NamedSelector(name);
  }
  if (kind == TokenKind::kIdentifier || (kind >= TokenKind::kStart && kind <= TokenKind::kMaxOf)) {
    const Token name = Take();
    return PeekKind() == TokenKind::kLeftParen ? Call(name) : NamedSelector(name);
  }
  return VectorSelector();
}

Parser::Node Parser::Paren() {
  const Token open = Take();
  auto e = std::make_unique<Expr>();
  e->kind = NodeKind::kParen;
  e->lhs = Binary(kOr);
  if (!e->lhs || !Expect(TokenKind::kRightParen)) return nullptr;
  e->type = e->lhs->type;
  e->pos = {open.begin, last_closing_};
  return Done(std::move(e));
}

Parser::Node Parser::Aggregate(const Token& op) {
  auto e = std::make_unique<Expr>();
  e->kind = NodeKind::kAggregate;
  e->type = ValueType::kVector;
  e->aggregate = Counterpart<AggregateOp>(op.kind, TokenKind::kSum);
  const InContext context(this, {"aggregation", ""});
  const auto modifier = [&] {
    if (PeekKind() != TokenKind::kBy && PeekKind() != TokenKind::kWithout) return false;
    e->without = Take().kind == TokenKind::kWithout;
    GroupingLabels(&e->grouping);
    return true;
  };
  const bool modified = modifier();
  std::vector<Node> args;
  if (!error_.ok() || !Arguments(&args)) return nullptr;
  if (!modified) modifier();
  if (!error_.ok()) return nullptr;
  e->pos = {op.begin, last_closing_};
  if (args.empty()) return Fail(op.begin, "no arguments for aggregate expression provided");
  const size_t wanted = WithParameter(e->aggregate) ? 2 : 1;
  if (args.size() != wanted) {
    return Fail(op.begin, "wrong number of arguments for aggregate expression provided, expected " +
                              std::to_string(wanted) + ", got " + std::to_string(args.size()));
  }
  if (wanted == 2) e->param = std::move(args.front());
  e->lhs = std::move(args.back());
  return Done(std::move(e));
}

Parser::Node Parser::Call(const Token& name) {
  auto e = std::make_unique<Expr>();
  e->kind = NodeKind::kCall;
  if (!Arguments(&e->args)) return nullptr;
  e->function = FindFunction(name.text);
  if (!e->function) {
    return Fail(name.begin, "unknown function with name " + QuoteGo(name.text));
  }
  e->type = e->function->returns;
  e->pos = {name.begin, last_closing_};
  return Done(std::move(e));
}

bool Parser::Arguments(std::vector<Node>* args) {
  if (!Expect(TokenKind::kLeftParen)) return false;
  if (TakeIf(TokenKind::kRightParen)) return true;
  for (;;) {
    Node arg = Binary(kOr);
    if (!arg) return false;
    args->push_back(std::move(arg));
    if (PeekKind() != TokenKind::kComma) return Expect(TokenKind::kRightParen);
    const int comma = Take().begin;
    if (!StartsExpression(PeekKind())) {
      Fail(comma, "trailing commas not allowed in function call args");
      return false;
    }
  }
}

// ---- numbers

Parser::Node Parser::Number() {
  if (PeekKind() != TokenKind::kNumber && PeekKind() != TokenKind::kDuration) return Unexpected();
  const Token token = Take();
  auto e = std::make_unique<Expr>();
  e->kind = NodeKind::kNumber;
  e->type = ValueType::kScalar;
  e->pos = {token.begin, token.end()};
  e->number_is_duration = token.kind == TokenKind::kDuration;
  return NumberValue(token, &e->number) ? std::move(e) : nullptr;
}

// A duration counts in seconds.
bool Parser::NumberValue(const Token& token, double* value) {
  if (token.kind == TokenKind::kDuration) {
    const Result<int64_t> ms = ParseDurationMs(token.text);
    constexpr int64_t kMaxMs = INT64_MAX / 1'000'000;  // Prometheus counts in nanoseconds
    if (!ms.ok() || *ms > kMaxMs) {
      Fail(token.begin, ms.ok() ? "duration out of range" : ms.status().message());
      return false;
    }
    *value = static_cast<double>(*ms) / 1000;
    return true;
  }
  std::string digits(token.text);
  std::erase(digits, '_');
  const bool complete = !token.text.ends_with('_');
  if (complete && (ParsePrefixedInteger(digits, value) || ParseFloat(digits, value))) return true;
  // Too large, too small (which is zero) or not a number.
  char* end = nullptr;
  *value = std::strtod(digits.c_str(), &end);
  const bool is_number = complete && *end == '\0';
  if (is_number && std::isfinite(*value) && digits.find_first_of("xX") == std::string::npos) {
    return true;
  }
  Fail(token.begin, "error parsing number: strconv.ParseFloat: parsing " + QuoteGo(token.text) +
                        (is_number ? ": value out of range" : ": invalid syntax"));
  return false;
}

// ---- the public functions

Status ParseError(std::string_view text, int offset, std::string_view message) {
  const std::string at = text.empty() ? "unknown position" : LineColumn(text, offset);
  return Status::InvalidArgument(at + ": parse error: " + std::string(message));
}

std::string LineColumn(std::string_view text, int offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = std::ranges::count(before, '\n') + 1;
  const size_t last_break = before.rfind('\n');
  const size_t column =
      last_break == std::string_view::npos ? before.size() + 1 : before.size() - last_break;
  return std::to_string(line) + ":" + std::to_string(column);
}

Result<std::unique_ptr<Expr>> ParseExpr(std::string_view text) {
  Parser parser(text);
  std::unique_ptr<Expr> expr = parser.Expression();
  TRY(parser.error());
  TRY(CheckTypes(text, expr.get()));
  return expr;
}

Result<std::vector<Matcher>> ParseAnySelector(std::string_view text) {
  Parser parser(text);
  std::unique_ptr<Expr> selector = parser.Selector();
  TRY(parser.error());
  return std::move(selector->matchers);
}

Result<std::vector<Matcher>> ParseSelector(std::string_view text) {
  TRY_ASSIGN(std::vector<Matcher> matchers, ParseAnySelector(text));
  if (std::ranges::all_of(matchers, &Matcher::MatchesEmpty)) {
    return Status::InvalidArgument("match[] must contain at least one non-empty matcher");
  }
  return matchers;
}

Result<Labels> ParseMetric(std::string_view text) {
  Parser parser(text);
  std::optional<Labels> labels = parser.Metric();
  TRY(parser.error());
  return *std::move(labels);
}

}  // namespace deckwatch::query
