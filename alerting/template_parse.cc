#include <algorithm>

#include "alerting/template_ast.h"
#include "alerting/template_lexer.h"

namespace deckwatch::alerting {
namespace {

using Kind = TemplateToken::Kind;
using Operand = TemplateOperand;
using Node = TemplateNode;
using NodePtr = std::shared_ptr<const TemplateNode>;

constexpr int kMaxNesting = 100;

class Parser {
 public:
  Parser(const std::string& name, std::string_view text, TemplateDialect dialect,
         std::span<const std::string_view> variables)
      : name_(name),
        source_(std::make_shared<const std::string>(text)),
        dialect_(dialect),
        variables_{"$"} {
    variables_.insert(variables_.end(), variables.begin(), variables.end());
  }

  Result<std::vector<ParsedTemplate>> Run() {
    Result<std::vector<TemplateToken>> tokens = LexTemplate(*source_);
    if (!tokens.ok()) return Located(tokens.status().message());
    tokens_ = std::move(*tokens);
    auto body = std::make_shared<Node>();
    body->source = source_;
    std::string end;
    TRY(List(&body->children, &end));
    if (!end.empty()) return Fail("unexpected {{" + end + "}}");
    parsed_.push_back({name_, std::move(body)});
    return std::move(parsed_);
  }

 private:
  Status Located(const std::string& line_and_reason) const {
    return Status::InvalidArgument("template: " + name_ + ":" + line_and_reason);
  }
  Status Fail(const std::string& reason) const {
    return Located(TemplateLine(*source_, Peek().offset) + ": " + reason);
  }
  Status Unexpected(std::string_view where) const {
    const TemplateToken& t = Peek();
    return Fail("unexpected " + (t.kind == Kind::kEof ? "EOF" : QuoteGo(t.text)) + " in " +
                std::string(where));
  }

  const TemplateToken& Peek(size_t ahead = 0) const {
    return tokens_[std::min(next_ + ahead, tokens_.size() - 1)];
  }
  TemplateToken Take() {
    TemplateToken t = Peek();
    if (next_ + 1 < tokens_.size()) ++next_;
    return t;
  }
  bool TakeIf(Kind kind) {
    if (Peek().kind != kind) return false;
    Take();
    return true;
  }
  Status Close(std::string_view where) {
    return TakeIf(Kind::kClose) ? Status::Ok() : Unexpected(where);
  }

  // Nodes up to {{end}}, {{else …}} or the end of the text; `end` is "end", "else" or "". After
  // "else" the tokens that follow the word are still to be read.
  Status List(std::vector<NodePtr>* out, std::string* end) {
    if (++depth_ > kMaxNesting) return Fail("nested too deeply");
    while (true) {
      if (Peek().kind == Kind::kEof) break;
      if (Peek().kind == Kind::kText) {
        auto text = std::make_shared<Node>();
        text->kind = Node::Kind::kText;
        text->text = Take().text;
        out->push_back(std::move(text));
        continue;
      }
      Take();  // kOpen
      if (Peek().kind == Kind::kWord && (Peek().text == "end" || Peek().text == "else")) {
        *end = Take().text;
        if (*end == "end") TRY(Close("end"));
        break;
      }
      TRY(Action(out));
    }
    --depth_;
    return Status::Ok();
  }

  Status Action(std::vector<NodePtr>* out) {
    if (Peek().kind == Kind::kWord) {
      const std::string word = Peek().text;
      if (word == "if") return Control(Node::Kind::kIf, word, out);
      if (word == "with") return Control(Node::Kind::kWith, word, out);
      if (word == "range") return Control(Node::Kind::kRange, word, out);
      if (word == "break" || word == "continue") return LoopExit(word, out);
      if (word == "define" || word == "block") return Definition(word, out);
      if (word == "template") return Call(out);
    }
    auto node = std::make_shared<Node>();
    node->kind = Node::Kind::kAction;
    TRY(Pipe(&node->pipe, "command", 1));
    TRY(Close("command"));
    out->push_back(std::move(node));
    return Status::Ok();
  }

  // {{if p}} … {{else if q}} … {{else}} … {{end}}, and the same with `with` and `range`.
  Status Control(Node::Kind kind, const std::string& word, std::vector<NodePtr>* out) {
    Take();
    const size_t scope = variables_.size();
    auto node = std::make_shared<Node>();
    node->kind = kind;
    TRY(Pipe(&node->pipe, word, kind == Node::Kind::kRange ? 2 : 1));
    TRY(Close(word));
    loops_ += kind == Node::Kind::kRange;
    std::string end;
    TRY(List(&node->children, &end));
    loops_ -= kind == Node::Kind::kRange;
    if (end == "else") TRY(Else(kind, word, node.get(), &end));
    if (end != "end") return Unexpected(word);
    variables_.resize(scope);
    out->push_back(std::move(node));
    return Status::Ok();
  }

  Status Else(Node::Kind kind, const std::string& word, Node* node, std::string* end) {
    if (kind != Node::Kind::kRange && Peek().kind == Kind::kWord && Peek().text == word) {
      if (++depth_ > kMaxNesting) return Fail("nested too deeply");
      *end = "end";  // that of the inner one closes both
      TRY(Control(kind, word, &node->otherwise));
      --depth_;
      return Status::Ok();
    }
    TRY(Close("else"));
    end->clear();
    TRY(List(&node->otherwise, end));
    return *end == "else" ? Fail("expected end; found {{else}}") : Status::Ok();
  }

  Status LoopExit(const std::string& word, std::vector<NodePtr>* out) {
    if (loops_ == 0) return Fail("{{" + word + "}} outside {{range}}");
    Take();
    auto node = std::make_shared<Node>();
    node->kind = word == "break" ? Node::Kind::kBreak : Node::Kind::kContinue;
    out->push_back(std::move(node));
    return Close(word);
  }

  Status Name(const std::string& word, std::string* name) {
    Take();
    const std::string* text = Peek().kind == Kind::kLiteral ? Peek().literal.AsString() : nullptr;
    if (text == nullptr) return Unexpected(word + " clause");
    *name = *text;
    Take();
    return Status::Ok();
  }

  // {{define "x"}} … {{end}}; {{block "x" p}} … {{end}} also calls it in place.
  Status Definition(const std::string& word, std::vector<NodePtr>* out) {
    if (word == "define" && depth_ > 1) return Unexpected("nested define");
    auto call = std::make_shared<Node>();
    call->kind = Node::Kind::kTemplate;
    TRY(Name(word, &call->text));
    if (word == "block") TRY(Pipe(&call->pipe, word, 0));
    TRY(Close(word + " clause"));
    auto body = std::make_shared<Node>();
    body->source = source_;
    std::vector<std::string> outer = std::exchange(variables_, {"$"});
    const int loops = std::exchange(loops_, 0);
    std::string end;
    TRY(List(&body->children, &end));
    if (end != "end") return Unexpected(word + " clause");
    variables_ = std::move(outer);
    loops_ = loops;
    parsed_.push_back({call->text, std::move(body)});
    if (word == "block") out->push_back(std::move(call));
    return Status::Ok();
  }

  Status Call(std::vector<NodePtr>* out) {
    auto node = std::make_shared<Node>();
    node->kind = Node::Kind::kTemplate;
    TRY(Name("template", &node->text));
    if (Peek().kind != Kind::kClose) TRY(Pipe(&node->pipe, "template clause", 0));
    out->push_back(std::move(node));
    return Close("template clause");
  }

  Status Pipe(TemplatePipe* pipe, std::string_view where, size_t max_variables) {
    TRY(Declaration(pipe, max_variables));
    do {
      TemplateCommand command;
      TRY(Command(&command, where));
      if (!pipe->commands.empty() && command.operands[0].kind != Operand::Kind::kFunction &&
          command.operands[0].fields.empty()) {
        return Fail("non executable command in pipeline stage " +
                    std::to_string(pipe->commands.size() + 1));
      }
      pipe->commands.push_back(std::move(command));
    } while (TakeIf(Kind::kPipe));
    if (pipe->declares) {
      variables_.insert(variables_.end(), pipe->variables.begin(), pipe->variables.end());
    }
    return Status::Ok();
  }

  Status Declaration(TemplatePipe* pipe, size_t max_variables) {
    if (Peek().kind != Kind::kVariable) return Status::Ok();
    const bool two = Peek(1).kind == Kind::kComma && Peek(2).kind == Kind::kVariable;
    const Kind sign = Peek(two ? 3 : 1).kind;
    if (sign != Kind::kDeclare && sign != Kind::kAssign) return Status::Ok();
    if (max_variables < (two ? 2u : 1u)) return Fail("too many declarations in command");
    pipe->declares = sign == Kind::kDeclare;
    pipe->variables.push_back(Take().text);
    if (two) {
      Take();
      pipe->variables.push_back(Take().text);
    }
    if (!pipe->declares) {
      for (const std::string& v : pipe->variables) TRY(CheckVariable(v));
    }
    Take();
    return Status::Ok();
  }

  Status CheckVariable(const std::string& name) const {
    if (std::ranges::find(variables_, name) != variables_.end()) return Status::Ok();
    return Fail("undefined variable " + QuoteGo(name));
  }

  Status Command(TemplateCommand* command, std::string_view where) {
    while (true) {
      const TemplateToken& t = Peek();
      if (t.kind == Kind::kPipe || t.kind == Kind::kClose || t.kind == Kind::kRightParen) break;
      if (!command->operands.empty() && !t.after_space) return Unexpected("operand");
      Operand operand;
      TRY(ParseOperand(&operand));
      command->operands.push_back(std::move(operand));
    }
    if (command->operands.empty()) return Fail("missing value for " + std::string(where));
    return Status::Ok();
  }

  Status ParseOperand(Operand* operand) {
    operand->offset = Peek().offset;
    switch (Peek().kind) {
      case Kind::kDot: Take(); break;
      case Kind::kField: operand->fields.push_back(Take().text); break;
      case Kind::kVariable:
        TRY(CheckVariable(Peek().text));
        operand->kind = Operand::Kind::kVariable;
        operand->name = Take().text;
        break;
      case Kind::kLiteral:
        operand->kind = Operand::Kind::kLiteral;
        operand->literal = Take().literal;
        break;
      case Kind::kWord: TRY(Word(operand)); break;
      case Kind::kLeftParen: TRY(Parenthesis(operand)); break;
      default: return Unexpected("operand");
    }
    while (Peek().kind == Kind::kField && !Peek().after_space) {
      if (operand->kind == Operand::Kind::kLiteral || operand->kind == Operand::Kind::kNil) {
        return Fail("unexpected . after term");
      }
      operand->fields.push_back(Take().text);
    }
    return Status::Ok();
  }

  Status Word(Operand* operand) {
    const std::string& word = Peek().text;
    if (word == "true" || word == "false") {
      operand->kind = Operand::Kind::kLiteral;
      operand->literal = word == "true";
    } else if (word == "nil") {
      operand->kind = Operand::Kind::kNil;
    } else if (word == "and" || word == "or" || FindTemplateFunction(dialect_, word) != nullptr) {
      operand->kind = Operand::Kind::kFunction;
      operand->name = word;
    } else {
      return Fail("function " + QuoteGo(word) + " not defined");
    }
    Take();
    return Status::Ok();
  }

  Status Parenthesis(Operand* operand) {
    Take();
    if (++depth_ > kMaxNesting) return Fail("nested too deeply");
    operand->kind = Operand::Kind::kPipe;
    operand->pipe = std::make_shared<TemplatePipe>();
    TRY(Pipe(operand->pipe.get(), "parenthesized pipeline", 1));
    --depth_;
    return TakeIf(Kind::kRightParen) ? Status::Ok() : Unexpected("unclosed left paren");
  }

  const std::string& name_;
  std::shared_ptr<const std::string> source_;
  TemplateDialect dialect_;
  std::vector<std::string> variables_;  // in scope, innermost last
  std::vector<TemplateToken> tokens_;
  size_t next_ = 0;
  int depth_ = 0;
  int loops_ = 0;
  std::vector<ParsedTemplate> parsed_;
};

}  // namespace

Result<std::vector<ParsedTemplate>> ParseTemplate(const std::string& name, std::string_view text,
                                                  TemplateDialect dialect,
                                                  std::span<const std::string_view> variables) {
  return Parser(name, text, dialect, variables).Run();
}

}  // namespace deckwatch::alerting
