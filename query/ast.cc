#include "query/ast.h"

#include "query/parser.h"

namespace deckwatch::query {

std::string_view BinaryOpSymbol(BinaryOp op) {
  static constexpr std::string_view kSymbols[] = {"+",     "-",  "*",  "/",   "%",  "^",
                                                  "atan2", "==", "!=", ">",   "<",  ">=",
                                                  "<=",    "</", ">/", "and", "or", "unless"};
  return kSymbols[static_cast<int>(op)];
}

std::string_view AggregateOpName(AggregateOp op) {
  static constexpr std::string_view kNames[] = {
      "sum",    "avg",  "count",   "min",          "max",      "group",  "stddev",
      "stdvar", "topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"};
  return kNames[static_cast<int>(op)];
}

std::string_view ValueTypeName(ValueType type) {
  switch (type) {
    case ValueType::kScalar: return "scalar";
    case ValueType::kString: return "string";
    case ValueType::kVector: return "instant vector";
    case ValueType::kMatrix: return "range vector";
    case ValueType::kNone: break;
  }
  return "none";
}

std::string_view ValueTypeApiName(ValueType type) {
  if (type == ValueType::kVector) return "vector";
  if (type == ValueType::kMatrix) return "matrix";
  return ValueTypeName(type);
}

std::unique_ptr<Expr> Clone(const Expr& e) {
  const auto copy = [](const std::unique_ptr<Expr>& child) {
    return child ? Clone(*child) : nullptr;
  };
  auto out = std::make_unique<Expr>();
  out->kind = e.kind;
  out->type = e.type;
  out->pos = e.pos;
  out->height = e.height;
  out->number = e.number;
  out->number_is_duration = e.number_is_duration;
  out->string = e.string;
  out->metric_name = e.metric_name;
  out->matchers = e.matchers;
  out->range_mode = e.range_mode;
  out->offset_ms = e.offset_ms;
  out->offset_expr = copy(e.offset_expr);
  out->at = e.at;
  out->at_ms = e.at_ms;
  out->range_ms = e.range_ms;
  out->range_expr = copy(e.range_expr);
  out->step_ms = e.step_ms;
  out->step_expr = copy(e.step_expr);
  out->lhs = copy(e.lhs);
  out->rhs = copy(e.rhs);
  out->param = copy(e.param);
  out->negative = e.negative;
  out->op = e.op;
  out->return_bool = e.return_bool;
  out->matching = e.matching;
  out->aggregate = e.aggregate;
  out->without = e.without;
  out->grouping = e.grouping;
  out->function = e.function;
  for (const auto& arg : e.args) out->args.push_back(Clone(*arg));
  out->duration_op = e.duration_op;
  return out;
}

}  // namespace deckwatch::query
