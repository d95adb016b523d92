// The syntax tree of PromQL. Made by the parser, typed by it, immutable afterwards.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/matcher.h"
#include "query/value.h"

namespace deckwatch::query {

// Byte offsets into the query text, [begin, end).
struct Position {
  int begin = 0;
  int end = 0;
};

enum class BinaryOp {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kAtan2,
  kEq,
  kNe,
  kGt,
  kLt,
  kGe,
  kLe,
  kTrimUpper,
  kTrimLower,  // "</" and ">/" on histograms
  kAnd,
  kOr,
  kUnless
};
std::string_view BinaryOpSymbol(BinaryOp op);
inline bool IsComparison(BinaryOp op) {
  return op >= BinaryOp::kEq && op <= BinaryOp::kLe;
}
inline bool IsSetOperator(BinaryOp op) {
  return op >= BinaryOp::kAnd;
}

enum class AggregateOp {
  kSum,
  kAvg,
  kCount,
  kMin,
  kMax,
  kGroup,
  kStddev,
  kStdvar,
  kTopk,
  kBottomk,
  kCountValues,
  kQuantile,
  kLimitk,
  kLimitRatio
};
std::string_view AggregateOpName(AggregateOp op);

enum class Cardinality { kOneToOne, kManyToOne, kOneToMany, kManyToMany };

struct VectorMatching {
  Cardinality card = Cardinality::kOneToOne;
  bool on = false;  // labels are on(…); else ignoring(…)
  std::vector<std::string> labels;
  std::vector<std::string> include;  // group_left(…) / group_right(…)
  std::optional<double> fill_left, fill_right;
};

enum class AtModifier { kNone, kTimestamp, kStart, kEnd };
enum class RangeMode { kPlain, kAnchored, kSmoothed };

enum class NodeKind {
  kNumber,
  kString,
  kVectorSelector,
  kMatrixSelector,
  kSubquery,
  kParen,
  kUnary,
  kBinary,
  kAggregate,
  kCall,
  kDuration
};

struct Function;  // query/functions.h: signature and implementation of one PromQL function

// One node. A plain struct with the fields of its kind; the others keep their defaults. Children
// are owned.
struct Expr {
  NodeKind kind = NodeKind::kNumber;
  ValueType type = ValueType::kNone;
  Position pos;
  int height = 1;  // of the tree from here; the parser bounds it, so recursion over it is safe

  double number = 0;                // kNumber
  bool number_is_duration = false;  // kNumber: written as a duration ("5m"), prints as one
  std::string string;               // kString

  // kVectorSelector; kMatrixSelector has it as `lhs`
  std::string metric_name;  // also present in `matchers` as __name__
  std::vector<Matcher> matchers;
  RangeMode range_mode = RangeMode::kPlain;

  // Modifiers of kVectorSelector and kSubquery. Durations given as expressions stand in *_expr
  // until they are resolved against the query's start, end and step at the beginning of evaluation
  // (ResolveDurations in query/parser.h).
  int64_t offset_ms = 0;
  std::unique_ptr<Expr> offset_expr;
  AtModifier at = AtModifier::kNone;
  int64_t at_ms = 0;  // kTimestamp

  int64_t range_ms = 0;  // kMatrixSelector, kSubquery
  std::unique_ptr<Expr> range_expr;
  int64_t step_ms = 0;  // kSubquery; 0 = default step
  std::unique_ptr<Expr> step_expr;

  std::unique_ptr<Expr> lhs;  // kMatrixSelector (its selector), kSubquery, kParen, kUnary, kBinary,
                              // kAggregate (its body)
  std::unique_ptr<Expr> rhs;  // kBinary
  std::unique_ptr<Expr> param;  // kAggregate: k, q or label name

  bool negative = false;         // kUnary
  BinaryOp op = BinaryOp::kAdd;  // kBinary
  bool return_bool = false;
  std::optional<VectorMatching> matching;  // kBinary between two vectors

  AggregateOp aggregate = AggregateOp::kSum;
  bool without = false;
  std::vector<std::string> grouping;

  const Function* function = nullptr;  // kCall
  std::vector<std::unique_ptr<Expr>> args;

  // kDuration: the tree of a duration expression. duration_op is one of + - * / % ^, or 'm' min_of,
  // 'M' max_of, 's' step(), 'r' range(), 'n' number (seconds, in `number`), 'u' unary minus of lhs,
  // '(' parenthesis around lhs.
  char duration_op = 'n';
};

}  // namespace deckwatch::query
