// The rules that need types, in the order in which Prometheus checks them (promql/parser/parse.go,
// checkAST), since the first broken one is reported.
#include <algorithm>

#include "query/function_id.h"
#include "query/functions.h"
#include "query/parser_internal.h"
#include "query/runes.h"

namespace deckwatch::query {

namespace {

std::string Name(ValueType type) {
  return std::string(ValueTypeName(type));
}

bool IsNumeric(ValueType type) {
  return type == ValueType::kScalar || type == ValueType::kVector;
}

class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  Status Check(Expr* e) {
    switch (e->kind) {
      case NodeKind::kAggregate: return CheckAggregate(e);
      case NodeKind::kBinary: return CheckBinary(e);
      case NodeKind::kCall: return CheckCall(e);
      case NodeKind::kParen:
      case NodeKind::kMatrixSelector: return Check(e->lhs.get());
      case NodeKind::kUnary:
        TRY(Check(e->lhs.get()));
        if (IsNumeric(e->lhs->type)) return Status::Ok();
        return Fail(*e,
                    "unary expression only allowed on expressions of type scalar or instant "
                    "vector, got " +
                        QuoteGo(Name(e->lhs->type)));
      case NodeKind::kSubquery:
        TRY(Check(e->lhs.get()));
        if (e->lhs->type == ValueType::kVector) return Status::Ok();
        return Fail(*e, "subquery is only allowed on instant vector, got " +
                            std::string(ValueTypeApiName(e->lhs->type)) + " instead");
      case NodeKind::kVectorSelector: return CheckSelector(*e);
      case NodeKind::kNumber:
      case NodeKind::kString:
      case NodeKind::kDuration: break;
    }
    return Status::Ok();
  }

 private:
  Status Fail(const Expr& e, std::string_view message) const {
    return ParseError(text_, e.pos.begin, message);
  }

  Status Expect(Expr* e, ValueType wanted, std::string_view context) {
    TRY(Check(e));
    if (e->type == wanted) return Status::Ok();
    return Fail(*e, "expected type " + Name(wanted) + " in " + std::string(context) + ", got " +
                        Name(e->type));
  }

  Status CheckAggregate(Expr* e) {
    TRY(Expect(e->lhs.get(), ValueType::kVector, "aggregation expression"));
    if (!e->param) return Status::Ok();
    const bool string = e->aggregate == AggregateOp::kCountValues;
    return Expect(e->param.get(), string ? ValueType::kString : ValueType::kScalar,
                  "aggregation parameter");
  }

  Status CheckBinary(Expr* e) {
    TRY(Check(e->lhs.get()));
    TRY(Check(e->rhs.get()));
    const ValueType left = e->lhs->type, right = e->rhs->type;
    VectorMatching& matching = *e->matching;
    const auto fail_at_operator = [&](std::string_view message) {
      size_t at = static_cast<size_t>(e->lhs->pos.end);
      while (at < text_.size() && IsSpace(text_[at])) ++at;
      return ParseError(text_, static_cast<int>(at), message);
    };
    if (e->return_bool && !IsComparison(e->op)) {
      return fail_at_operator("bool modifier can only be used on comparison operators");
    }
    const bool scalars = left == ValueType::kScalar && right == ValueType::kScalar;
    if (IsComparison(e->op) && !e->return_bool && scalars) {
      return fail_at_operator("comparisons between scalars must use BOOL modifier");
    }
    for (const std::string& label : matching.labels) {
      if (matching.on && std::ranges::find(matching.include, label) != matching.include.end()) {
        return fail_at_operator("label " + QuoteGo(label) +
                                " must not occur in ON and GROUP clause at once");
      }
    }
    for (const Expr* side : {e->lhs.get(), e->rhs.get()}) {
      if (!IsNumeric(side->type)) {
        return Fail(*side, "binary expression must contain only scalar and instant vector types");
      }
    }
    const std::string op = QuoteGo(BinaryOpSymbol(e->op));
    const bool filled = matching.fill_left || matching.fill_right;
    if (left != ValueType::kVector || right != ValueType::kVector) {
      if (!matching.labels.empty()) {
        return Fail(*e, "vector matching only allowed between instant vectors");
      }
      if (filled) {
        return Fail(*e, "filling in missing series only allowed between instant vectors");
      }
      if (IsSetOperator(e->op)) {
        return Fail(*e, "set operator " + op + " not allowed in binary scalar expression");
      }
      e->matching.reset();
      return Status::Ok();
    }
    if (!IsSetOperator(e->op)) return Status::Ok();
    if (matching.card != Cardinality::kOneToOne) {
      return Fail(*e, "no grouping allowed for " + op + " operation");
    }
    matching.card = Cardinality::kManyToMany;
    if (filled) return Fail(*e, "filling in missing series not allowed for set operators");
    return Status::Ok();
  }

  Status CheckCall(Expr* e) {
    const Function& f = *e->function;
    const size_t got = e->args.size();
    const auto wrong_count = [&](std::string_view how, size_t wanted) {
      return Fail(*e, "expected " + std::string(how) + std::to_string(wanted) +
                          " argument(s) in call to " + QuoteGo(f.name) + ", got " +
                          std::to_string(got));
    };
    const size_t listed = f.args.size();
    if (f.variadic == 0) {
      if (got != listed) return wrong_count("", listed);
    } else {
      const size_t least = listed - 1;
      if (got < least) return wrong_count("at least ", least);
      const size_t most = least + static_cast<size_t>(std::max(f.variadic, 0));
      if (f.variadic > 0 && got > most) return wrong_count("at most ", most);
    }
    const std::string context = "call to function " + QuoteGo(f.name);
    if (f.id == FunctionId::kInfo && got > 1) TRY(CheckInfoSelector(*e, context));
    for (size_t i = 0; i < got; ++i) {
      Expr* arg = e->args[i].get();
      const ValueType wanted = f.args[std::min(i, listed - 1)];
      if (f.id == FunctionId::kInfo && i == 1) continue;  // may match everything
      TRY(Expect(arg, wanted, context));
    }
    return Status::Ok();
  }

  // The second argument of info() is a bare set of label matchers.
  Status CheckInfoSelector(const Expr& call, const std::string& context) {
    const Expr& arg = *call.args[1];
    if (arg.type != ValueType::kVector) {
      return Fail(call, "expected type instant vector in " + context + ", got " + Name(arg.type));
    }
    if (arg.kind != NodeKind::kVectorSelector) {
      return Fail(arg, "expected label selectors only");
    }
    if (!arg.metric_name.empty()) {
      return Fail(arg, "expected label selectors only, got vector selector instead");
    }
    return Status::Ok();
  }

  Status CheckSelector(const Expr& e) {
    if (e.metric_name.empty()) {
      if (!std::ranges::all_of(e.matchers, &Matcher::MatchesEmpty)) return Status::Ok();
      return Fail(e, "vector selector must contain at least one non-empty matcher");
    }
    for (size_t i = 0; i + 1 < e.matchers.size(); ++i) {  // the last one is the name itself
      if (e.matchers[i].name() == kMetricName) {
        return Fail(e, "metric name must not be set twice: " + QuoteGo(e.metric_name) + " or " +
                           QuoteGo(e.matchers[i].value()));
      }
    }
    return Status::Ok();
  }

  std::string_view text_;
};

}  // namespace

Status CheckTypes(std::string_view text, Expr* root) {
  return Checker(text).Check(root);
}

}  // namespace deckwatch::query
