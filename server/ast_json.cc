#include "server/ast_json.h"

#include "base/sample.h"
#include "query/functions.h"

namespace deckwatch::server {

namespace {

using query::AtModifier;
using query::Cardinality;
using query::Expr;
using query::NodeKind;
using query::RangeMode;

void WriteList(JsonWriter* w, const std::vector<std::string>& values) {
  w->BeginArray();
  for (const std::string& v : values) w->String(v);
  w->EndArray();
}

void WriteAt(JsonWriter* w, const Expr& e) {
  w->Key("timestamp");
  e.at == AtModifier::kTimestamp ? w->Int(e.at_ms) : w->Null();
  w->Key("startOrEnd");
  switch (e.at) {
    case AtModifier::kStart: w->String("start"); break;
    case AtModifier::kEnd: w->String("end"); break;
    default: w->Null();
  }
}

void WriteSelector(JsonWriter* w, const Expr& e) {
  w->Key("name").String(e.metric_name).Key("offset").Int(e.offset_ms);
  w->Key("matchers").BeginArray();
  for (const Matcher& m : e.matchers) {
    w->BeginObject().Key("name").String(m.name()).Key("value").String(m.value());
    w->Key("type").String(MatchTypeSymbol(m.type())).EndObject();
  }
  w->EndArray();
  WriteAt(w, e);
  w->Key("anchored").Bool(e.range_mode == RangeMode::kAnchored);
  w->Key("smoothed").Bool(e.range_mode == RangeMode::kSmoothed);
}

std::string_view CardinalityName(Cardinality card) {
  switch (card) {
    case Cardinality::kOneToOne: return "one-to-one";
    case Cardinality::kManyToOne: return "many-to-one";
    case Cardinality::kOneToMany: return "one-to-many";
    case Cardinality::kManyToMany: return "many-to-many";
  }
  return "";
}

void WriteOptional(JsonWriter* w, const std::optional<double>& v) {
  v ? w->Double(*v) : w->Null();
}

void WriteBinary(JsonWriter* w, const Expr& e) {
  w->Key("op").String(query::BinaryOpSymbol(e.op));
  WriteAst(&w->Key("lhs"), e.lhs.get());
  WriteAst(&w->Key("rhs"), e.rhs.get());
  w->Key("matching");
  if (const auto& m = e.matching) {
    w->BeginObject().Key("card").String(CardinalityName(m->card));
    WriteList(&w->Key("labels"), m->labels);
    w->Key("on").Bool(m->on);
    WriteList(&w->Key("include"), m->include);
    WriteOptional(&w->Key("fillValues").BeginObject().Key("lhs"), m->fill_left);
    WriteOptional(&w->Key("rhs"), m->fill_right);
    w->EndObject().EndObject();
  } else {
    w->Null();
  }
  w->Key("bool").Bool(e.return_bool);
}

void WriteCall(JsonWriter* w, const Expr& e) {
  w->Key("func").BeginObject().Key("name").String(e.function->name);
  w->Key("argTypes").BeginArray();
  for (const query::ValueType t : e.function->args) w->String(query::ValueTypeApiName(t));
  w->EndArray().Key("variadic").Int(e.function->variadic);
  w->Key("returnType").String(query::ValueTypeApiName(e.function->returns)).EndObject();
  w->Key("args").BeginArray();
  for (const auto& arg : e.args) WriteAst(w, arg.get());
  w->EndArray();
}

void WriteAggregation(JsonWriter* w, const Expr& e) {
  w->Key("op").String(query::AggregateOpName(e.aggregate));
  WriteAst(&w->Key("expr"), e.lhs.get());
  WriteAst(&w->Key("param"), e.param.get());
  WriteList(&w->Key("grouping"), e.grouping);
  w->Key("without").Bool(e.without);
}

void WriteSubquery(JsonWriter* w, const Expr& e) {
  WriteAst(&w->Key("expr"), e.lhs.get());
  w->Key("range").Int(e.range_ms).Key("offset").Int(e.offset_ms).Key("step").Int(e.step_ms);
  WriteAt(w, e);
}

std::string_view TypeName(NodeKind kind) {
  switch (kind) {
    case NodeKind::kDuration:
    case NodeKind::kNumber: return "numberLiteral";
    case NodeKind::kString: return "stringLiteral";
    case NodeKind::kVectorSelector: return "vectorSelector";
    case NodeKind::kMatrixSelector: return "matrixSelector";
    case NodeKind::kSubquery: return "subquery";
    case NodeKind::kParen: return "parenExpr";
    case NodeKind::kUnary: return "unaryExpr";
    case NodeKind::kBinary: return "binaryExpr";
    case NodeKind::kAggregate: return "aggregation";
    case NodeKind::kCall: return "call";
  }
  return "";
}

}  // namespace

void WriteAst(JsonWriter* w, const Expr* expr) {
  if (expr == nullptr) {
    w->Null();
    return;
  }
  const Expr& e = *expr;
  w->BeginObject().Key("type").String(TypeName(e.kind));
  switch (e.kind) {
    case NodeKind::kDuration:
    case NodeKind::kNumber: w->Key("val").String(FormatFloatPlain(e.number)); break;
    case NodeKind::kString: w->Key("val").String(e.string); break;
    case NodeKind::kVectorSelector: WriteSelector(w, e); break;
    case NodeKind::kMatrixSelector:
      w->Key("range").Int(e.range_ms);
      WriteSelector(w, *e.lhs);
      break;
    case NodeKind::kSubquery: WriteSubquery(w, e); break;
    case NodeKind::kParen: WriteAst(&w->Key("expr"), e.lhs.get()); break;
    case NodeKind::kUnary:
      w->Key("op").String(e.negative ? "-" : "+");
      WriteAst(&w->Key("expr"), e.lhs.get());
      break;
    case NodeKind::kBinary: WriteBinary(w, e); break;
    case NodeKind::kAggregate: WriteAggregation(w, e); break;
    case NodeKind::kCall: WriteCall(w, e); break;
  }
  w->EndObject();
}

}  // namespace deckwatch::server
