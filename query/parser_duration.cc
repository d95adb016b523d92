// What stands behind an expression: [range], [range:step], offset, @, anchored and smoothed; and
// the arithmetic on durations inside of them.
#include <cmath>
#include <cstdio>
#include <utility>

#include "query/parser_internal.h"

namespace deckwatch::query {

namespace {

constexpr std::string_view kDurationExpected = "number, duration, step(), or range()";

enum Precedence { kAdditive = 1, kMultiplicative, kPower };

// 0: not an operator on durations.
int PrecedenceOf(TokenKind k) {
  switch (k) {
    case TokenKind::kAdd:
    case TokenKind::kSub: return kAdditive;
    case TokenKind::kMul:
    case TokenKind::kDiv:
    case TokenKind::kMod: return kMultiplicative;
    case TokenKind::kPow: return kPower;
    default: return 0;
  }
}

// Prometheus counts durations in int64 nanoseconds.
bool OutOfRange(double seconds) {
  constexpr double kMaxSeconds = 9223372036854775808.0 / 1e9;
  return seconds > kMaxSeconds || seconds < -kMaxSeconds;
}

int64_t ToMs(double seconds) {
  const double ns = std::round(seconds * 1e9);
  if (ns >= 9223372036854775808.0) return INT64_MAX / 1'000'000;
  if (ns <= -9223372036854775808.0) return INT64_MIN / 1'000'000;
  return static_cast<int64_t>(ns) / 1'000'000;
}

std::unique_ptr<Expr> MakeDuration(char op, Position pos) {
  auto e = std::make_unique<Expr>();
  e->kind = NodeKind::kDuration;
  e->type = ValueType::kScalar;
  e->duration_op = op;
  e->pos = pos;
  return e;
}

bool IsLiteral(const Expr& duration) {
  return duration.duration_op == 'n';
}

// A literal is kept as its milliseconds, anything else as the tree.
void SetDuration(std::unique_ptr<Expr> duration, int64_t* ms, std::unique_ptr<Expr>* expr) {
  if (IsLiteral(*duration)) {
    *ms = ToMs(duration->number);
  } else {
    *expr = std::move(duration);
  }
}

bool HasOffset(const Expr& e) {
  return e.offset_ms != 0 || e.offset_expr;
}

}  // namespace

Parser::Node Parser::Postfix(Node e) {
  while (e) {
    switch (PeekKind()) {
      case TokenKind::kLeftBracket: e = Bracket(std::move(e)); break;
      case TokenKind::kOffset: e = Offset(std::move(e)); break;
      case TokenKind::kAt: e = At(std::move(e)); break;
      case TokenKind::kAnchored:
        e = SetRangeMode(std::move(e), RangeMode::kAnchored, "anchored");
        break;
      case TokenKind::kSmoothed:
        e = SetRangeMode(std::move(e), RangeMode::kSmoothed, "smoothed");
        break;
      default: return e;
    }
  }
  return nullptr;
}

Parser::Node Parser::Bracket(Node e) {
  const int open = Take().begin;
  const InContext context(this, {"subquery or range selector", kDurationExpected});
  Node range = PositiveDuration();
  if (!range) return nullptr;
  if (TakeIf(TokenKind::kColon)) return Subquery(std::move(e), std::move(range));
  if (!TakeIf(TokenKind::kRightBracket)) {
    return Unexpected("subquery or range", "\":\" or \"]\"");
  }
  if (e->kind != NodeKind::kVectorSelector) {
    return Fail(open, "ranges only allowed for vector selectors");
  }
  if (HasOffset(*e)) return Fail(open, "no offset modifiers allowed before range");
  if (e->at != AtModifier::kNone) return Fail(open, "no @ modifiers allowed before range");
  auto matrix = std::make_unique<Expr>();
  matrix->kind = NodeKind::kMatrixSelector;
  matrix->type = ValueType::kMatrix;
  matrix->pos = {e->pos.begin, last_closing_};
  SetDuration(std::move(range), &matrix->range_ms, &matrix->range_expr);
  matrix->lhs = std::move(e);
  return Done(std::move(matrix));
}

Parser::Node Parser::Subquery(Node e, Node range) {
  constexpr std::string_view kPlace = "subquery selector";
  auto subquery = std::make_unique<Expr>();
  subquery->kind = NodeKind::kSubquery;
  subquery->type = ValueType::kMatrix;
  SetDuration(std::move(range), &subquery->range_ms, &subquery->range_expr);
  if (PeekKind() != TokenKind::kRightBracket) {
    const InContext context(this, {kPlace, "number, duration, step(), range(), or \"]\""});
    Node step = PositiveDuration();
    if (!step) return nullptr;
    SetDuration(std::move(step), &subquery->step_ms, &subquery->step_expr);
  }
  if (!TakeIf(TokenKind::kRightBracket)) return Unexpected(kPlace, "\"]\"");
  subquery->pos = {e->pos.begin, last_closing_};
  subquery->lhs = std::move(e);
  return Done(std::move(subquery));
}

// The node that holds the modifiers of `e`; null after an error when it takes none.
Expr* Parser::Modified(Expr* e, std::string_view modifier) {
  switch (e->kind) {
    case NodeKind::kVectorSelector:
    case NodeKind::kSubquery: return e;
    case NodeKind::kMatrixSelector: return e->lhs.get();
    default:
      Fail(e->pos.begin,
           std::string(modifier) +
               " modifier must be preceded by an instant vector selector or range vector "
               "selector or a subquery");
      return nullptr;
  }
}

Parser::Node Parser::Offset(Node e) {
  Take();
  Node offset = OffsetDuration();
  if (!offset) return nullptr;
  Expr* target = Modified(e.get(), "offset");
  if (!target) return nullptr;
  if (HasOffset(*target)) return Fail(e->pos.begin, "offset may not be set multiple times");
  SetDuration(std::move(offset), &target->offset_ms, &target->offset_expr);
  e->pos.end = last_closing_;
  if (target != e.get()) e->lhs = Done(std::move(e->lhs));
  return error_.ok() ? Done(std::move(e)) : nullptr;
}

Parser::Node Parser::At(Node e) {
  Take();
  const InContext context(this, {"@", "timestamp"});
  AtModifier at = AtModifier::kTimestamp;
  int64_t at_ms = 0;
  if (PeekKind() == TokenKind::kStart || PeekKind() == TokenKind::kEnd) {
    at = Take().kind == TokenKind::kStart ? AtModifier::kStart : AtModifier::kEnd;
    if (!Expect(TokenKind::kLeftParen) || !Expect(TokenKind::kRightParen)) return nullptr;
  } else {
    const bool negative = PeekKind() == TokenKind::kSub;
    if (negative || PeekKind() == TokenKind::kAdd) Take();
    Node number = Number();
    if (!number) return nullptr;
    const double seconds = negative ? -number->number : number->number;
    if (!AtTimestamp(*e, seconds, &at_ms)) return nullptr;
  }
  Expr* target = Modified(e.get(), "@");
  if (!target) return nullptr;
  if (target->at != AtModifier::kNone) {
    return Fail(e->pos.begin, "@ <timestamp> may not be set multiple times");
  }
  target->at = at;
  target->at_ms = at_ms;
  e->pos.end = last_closing_;
  return e;
}

bool Parser::AtTimestamp(const Expr& e, double seconds, int64_t* at_ms) {
  constexpr double kMax = 9223372036854775808.0;
  if (std::isfinite(seconds) && std::fabs(seconds) < kMax) {
    const double ms = std::round(seconds * 1000);
    *at_ms = ms >= kMax ? INT64_MAX : ms <= -kMax ? INT64_MIN : static_cast<int64_t>(ms);
    return true;
  }
  char text[400];
  std::snprintf(text, sizeof text, "%f", seconds);
  Fail(e.pos.begin,
       "timestamp out of bounds for @ modifier: " + std::string(std::isnan(seconds)    ? "NaN"
                                                                : !std::isinf(seconds) ? text
                                                                : seconds > 0          ? "+Inf"
                                                                                       : "-Inf"));
  return false;
}

Parser::Node Parser::SetRangeMode(Node e, RangeMode mode, std::string_view name) {
  Take();
  const std::string modifier = std::string(name) + " modifier";
  if (e->kind == NodeKind::kSubquery) {
    return Fail(e->pos.begin, modifier + " is not supported for subqueries");
  }
  Expr* target = e->kind == NodeKind::kMatrixSelector ? e->lhs.get() : e.get();
  if (target->kind != NodeKind::kVectorSelector) {
    return Fail(e->pos.begin, modifier + " not implemented");
  }
  if (target->range_mode != RangeMode::kPlain && target->range_mode != mode) {
    return Fail(e->pos.begin, "anchored and smoothed modifiers cannot be used together");
  }
  target->range_mode = mode;
  return e;
}

// ---- durations

Parser::Node Parser::PositiveDuration() {
  Node e = Duration(kAdditive);
  if (e && IsLiteral(*e) && e->number <= 0) {
    return Fail(e->pos.begin, "duration must be greater than 0");
  }
  return e;
}

Parser::Node Parser::Duration(int min_precedence) {
  Level level(this);
  if (!level.ok()) return nullptr;
  Node lhs;
  if (PeekKind() == TokenKind::kAdd || PeekKind() == TokenKind::kSub) {
    const Token sign = Take();
    Node operand = Duration(kPower);
    lhs = operand ? Signed(sign, std::move(operand)) : nullptr;
  } else {
    lhs = DurationPrimary();
  }
  return DurationOperators(std::move(lhs), min_precedence);
}

Parser::Node Parser::DurationOperators(Node lhs, int min_precedence) {
  while (lhs && error_.ok()) {
    const int precedence = PrecedenceOf(PeekKind());
    if (precedence == 0 || precedence < min_precedence) break;
    const Token op = Take();
    Node rhs = Duration(precedence == kPower ? kPower : precedence + 1);
    if (!rhs) return nullptr;
    if (IsLiteral(*rhs) && rhs->number == 0) {
      if (op.kind == TokenKind::kDiv) return Fail(op.begin, "division by zero");
      if (op.kind == TokenKind::kMod) return Fail(op.begin, "modulo by zero");
    }
    Node e = MakeDuration(op.text.front(), {lhs->pos.begin, rhs->pos.end});
    e->lhs = std::move(lhs);
    e->rhs = std::move(rhs);
    lhs = Done(std::move(e));
  }
  return lhs;
}

// Behind `offset` a literal or a call stands alone: `foo offset 1m + 1m` adds to foo. But an
// operator behind parentheses belongs to the duration, as Prometheus's grammar has it.
Parser::Node Parser::OffsetDuration() {
  const InContext context(this, {"offset", kDurationExpected});
  if (PeekKind() == TokenKind::kLeftParen) return Duration(kAdditive);
  if (PeekKind() != TokenKind::kAdd && PeekKind() != TokenKind::kSub) return DurationPrimary();
  const Token sign = Take();
  const bool signs = PeekKind() == TokenKind::kAdd || PeekKind() == TokenKind::kSub;
  Node operand = signs ? Duration(kPower) : DurationPrimary();
  if (!operand) return nullptr;
  Node e = Signed(sign, std::move(operand));
  return signs ? DurationOperators(std::move(e), kAdditive) : std::move(e);
}

Parser::Node Parser::DurationPrimary() {
  const TokenKind kind = PeekKind();
  if (kind == TokenKind::kNumber || kind == TokenKind::kDuration) return DurationLiteral();
  if (kind == TokenKind::kLeftParen) {
    const int open = Take().begin;
    Node inner = Duration(kAdditive);
    if (!inner || !Expect(TokenKind::kRightParen)) return nullptr;
    const Position outer{open, last_closing_};
    Node e = MakeDuration('(', IsLiteral(*inner) ? outer : inner->pos);
    e->lhs = std::move(inner);
    return Done(std::move(e));
  }
  if (kind < TokenKind::kStep || kind > TokenKind::kMaxOf) return Unexpected();

  static constexpr char kOps[] = {'s', 'r', 'm', 'M'};  // step, range, min_of, max_of
  const Token name = Take();
  Node e = MakeDuration(kOps[static_cast<int>(kind) - static_cast<int>(TokenKind::kStep)],
                        {name.begin, 0});
  if (!Expect(TokenKind::kLeftParen)) return nullptr;
  if (kind == TokenKind::kMinOf || kind == TokenKind::kMaxOf) {
    e->lhs = Duration(kAdditive);
    if (!e->lhs || !Expect(TokenKind::kComma)) return nullptr;
    e->rhs = Duration(kAdditive);
    if (!e->rhs) return nullptr;
  }
  if (!Expect(TokenKind::kRightParen)) return nullptr;
  e->pos.end = last_closing_;
  return Done(std::move(e));
}

Parser::Node Parser::DurationLiteral() {
  Node number = Number();
  if (!number) return nullptr;
  if (OutOfRange(number->number)) return Fail(number->pos.begin, "duration out of range");
  number->kind = NodeKind::kDuration;
  number->duration_op = 'n';
  return number;
}

// A sign is made part of a literal.
Parser::Node Parser::Signed(const Token& sign, Node operand) {
  const bool negative = sign.kind == TokenKind::kSub;
  if (IsLiteral(*operand)) {
    if (negative) operand->number = -operand->number;
    operand->pos.begin = sign.begin;
    return operand;
  }
  if (!negative) return operand;
  Node e = MakeDuration('u', {sign.begin, operand->pos.end});
  e->lhs = std::move(operand);
  return Done(std::move(e));
}

}  // namespace deckwatch::query
