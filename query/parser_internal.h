// The recursive-descent parser behind query/parser.h: expressions in parser.cc, selectors and label
// lists in parser_selector.cc, durations and time modifiers in parser_duration.cc.
//
// The first error ends the parse: a function that meets one records it and returns null (or false),
// and so do its callers. Tokens are read only when looked at, so that a complaint about what was
// read comes before one about what follows.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/status.h"
#include "query/ast.h"
#include "query/lexer.h"

namespace deckwatch::query {

// "line:col: parse error: message".
Status ParseError(std::string_view text, int offset, std::string_view message);

// Type rules and whatever else needs the whole tree: query/type_check.cc.
Status CheckTypes(std::string_view text, Expr* root);

class Parser {
 public:
  // Texts longer and trees higher than this are refused, so that no recursion over a tree can
  // exhaust a stack.
  static constexpr size_t kMaxTextBytes = 1 << 20;
  static constexpr int kMaxDepth = 1000;

  explicit Parser(std::string_view text) : text_(text), lexer_(text) {}

  std::unique_ptr<Expr> Expression();  // the whole text
  std::unique_ptr<Expr> Selector();
  std::optional<Labels> Metric();

  const Status& error() const { return error_; }

 private:
  using Node = std::unique_ptr<Expr>;

  // What an error names as the place and the expectation, when nothing closer does.
  struct Context {
    std::string_view place;
    std::string_view expected;
  };
  class InContext {
   public:
    InContext(Parser* p, Context c) : p_(p), saved_(p->context_) { p->context_ = c; }
    ~InContext() { p_->context_ = saved_; }

   private:
    Parser* p_;
    Context saved_;
  };
  // One level of recursion; false when there are too many.
  class Level {
   public:
    explicit Level(Parser* p) : p_(p) { ++p->depth_; }
    ~Level() { --p_->depth_; }
    bool ok() const { return p_->depth_ <= kMaxDepth || p_->TooDeep(); }

   private:
    Parser* p_;
  };

  const Token& Peek();
  TokenKind PeekKind() { return Peek().kind; }
  Token Take();
  bool TakeIf(TokenKind kind);
  bool Expect(TokenKind kind);  // else Unexpected()

  std::nullptr_t Fail(int offset, std::string_view message);
  std::nullptr_t Unexpected() { return Unexpected(context_.place, context_.expected); }
  std::nullptr_t Unexpected(std::string_view place, std::string_view expected);
  bool TooDeep();
  // The node with its children in place; null when the tree has become too high.
  Node Done(Node e);
  bool AtEnd();

  // parser.cc
  static bool StartsExpression(TokenKind kind);
  Node Binary(int min_precedence);
  bool BinaryModifiers(Expr* binary);
  bool FillValue(std::optional<double>* value);
  Node Unary();
  Node Primary();
  Node Paren();
  Node Aggregate(const Token& op);
  Node Call(const Token& name);
  bool Arguments(std::vector<Node>* args);
  Node Number();
  bool NumberValue(const Token& token, double* value);

  // parser_selector.cc
  static bool IsMetricName(TokenKind kind);  // where an expression is expected
  Node VectorSelector();
  Node NamedSelector(const Token& name);
  bool Matchers(Expr* selector);
  bool OneMatcher(Expr* selector);
  bool GroupingLabels(std::vector<std::string>* labels);
  bool LabelSet(LabelsBuilder* labels);
  bool OneLabel(LabelsBuilder* labels);

  // parser_duration.cc
  Node Postfix(Node e);
  Node Bracket(Node e);
  Node Subquery(Node e, Node range);
  Node Offset(Node e);
  Node At(Node e);
  bool AtTimestamp(const Expr& e, double seconds, int64_t* at_ms);
  Node SetRangeMode(Node e, RangeMode mode, std::string_view name);
  Expr* Modified(Expr* e, std::string_view modifier);
  Node PositiveDuration();
  Node Duration(int min_precedence);
  Node DurationOperators(Node lhs, int min_precedence);
  Node OffsetDuration();
  Node DurationPrimary();
  Node DurationLiteral();
  Node Signed(const Token& sign, Node operand);

  std::string_view text_;
  Lexer lexer_;
  std::optional<Token> peeked_;
  int last_closing_ = 0;  // end of the last bracket, number or duration taken
  int depth_ = 0;
  Context context_;
  Status error_;
};

}  // namespace deckwatch::query
