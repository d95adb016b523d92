#include <algorithm>

#include "alerting/template_ast.h"
#include "alerting/template_lexer.h"

namespace deckwatch::alerting {
namespace {

using Node = TemplateNode;
using Operand = TemplateOperand;

constexpr size_t kMaxOutputBytes = 1 << 20;
constexpr int64_t kMaxSteps = 100'000;
constexpr int kMaxDepth = 100;

constexpr size_t kBytesPerStep = 64;  // what handling large values costs in steps
constexpr int kMaxValueDepth = 100;   // lists within lists

enum class Flow { kNext, kBreak, kContinue };

// Takes the size of `v` from `budget`; false when that or the depth is used up.
bool Fits(const Value& v, size_t* budget, int depth = 0) {
  const std::string* s = v.AsString();
  const size_t own = s != nullptr ? s->size() + 1 : 1;
  if (own > *budget || depth > kMaxValueDepth) return false;
  *budget -= own;
  if (const ValueList* l = v.AsList()) {
    for (const Value& item : l->items) {
      if (!Fits(item, budget, depth + 1)) return false;
    }
  } else if (const ValueMap* m = v.AsMap()) {
    for (const auto& [key, item] : m->entries) {
      if (!Fits(item, budget, depth + 1)) return false;
    }
  }
  return true;
}

class Execution {
 public:
  Execution(TemplateDialect dialect,
            const std::map<std::string, std::shared_ptr<const Node>, std::less<>>& templates,
            const TemplateContext& context)
      : dialect_(dialect), templates_(templates), context_(context) {}

  Status Run(const std::string& name, const Value& dot, std::vector<TemplateVariable> variables) {
    const auto it = templates_.find(name);
    if (it == templates_.end()) return Fail("template " + QuoteGo(name) + " not defined");
    if (++depth_ > kMaxDepth) return Status::ResourceExhausted("exceeded maximum template depth");
    variables.insert(variables.begin(), {"$", dot});
    std::swap(variables, variables_);
    const std::string* outer_name = std::exchange(name_, &it->first);
    const std::string* outer_source = std::exchange(source_, it->second->source.get());
    const Result<Flow> flow = List(it->second->children, dot);
    name_ = outer_name;
    source_ = outer_source;
    std::swap(variables, variables_);
    --depth_;
    return flow.status();
  }

  std::string TakeOutput() { return std::move(out_); }

 private:
  Status Fail(const std::string& reason) const { return Status::InvalidArgument(reason); }

  Status FailAt(const Operand& at, const std::string& reason) const {
    std::string what = at.kind == Operand::Kind::kPipe ? "(...)" : at.name;
    for (const std::string& f : at.fields) what += "." + f;
    if (what.empty()) what = at.kind == Operand::Kind::kLiteral ? at.literal.ToString() : ".";
    return Status::InvalidArgument("template: " + *name_ + ":" +
                                   TemplateLineColumn(*source_, at.offset) + ": executing " +
                                   QuoteGo(*name_) + " at <" + what + ">: " + reason);
  }

  Status Spend(int64_t steps) {
    steps_left_ -= std::min(steps, steps_left_ + 1);
    if (steps_left_ >= 0) return Status::Ok();
    return Status::ResourceExhausted("template takes too many steps");
  }

  Status Emit(std::string_view text) {
    if (out_.size() + text.size() > kMaxOutputBytes) {
      return Status::ResourceExhausted("template output is larger than 1 MB");
    }
    out_ += text;
    return Status::Ok();
  }

  Result<Flow> List(const std::vector<std::shared_ptr<const Node>>& nodes, const Value& dot) {
    for (const auto& node : nodes) {
      TRY(Spend(1));
      TRY_ASSIGN(const Flow flow, Step(*node, dot));
      if (flow != Flow::kNext) return flow;
    }
    return Flow::kNext;
  }

  Result<Flow> Step(const Node& node, const Value& dot) {
    switch (node.kind) {
      case Node::Kind::kList: return List(node.children, dot);
      case Node::Kind::kText: TRY(Emit(node.text)); return Flow::kNext;
      case Node::Kind::kBreak: return Flow::kBreak;
      case Node::Kind::kContinue: return Flow::kContinue;
      case Node::Kind::kAction: {
        TRY_ASSIGN(const Value value, Pipe(node.pipe, dot));
        if (node.pipe.variables.empty()) {
          TRY(Emit(value.IsNil() ? "<no value>" : value.ToString()));
        }
        return Flow::kNext;
      }
      case Node::Kind::kTemplate: {
        Value argument;
        if (!node.pipe.commands.empty()) {
          TRY_ASSIGN(argument, Pipe(node.pipe, dot));
        }
        TRY(Run(node.text, argument, {}));
        return Flow::kNext;
      }
      default: break;
    }
    const size_t scope = variables_.size();
    Result<Flow> flow = node.kind == Node::Kind::kRange ? Range(node, dot) : Conditional(node, dot);
    if (flow.ok()) variables_.resize(scope);
    return flow;
  }

  Result<Flow> Conditional(const Node& node, const Value& dot) {
    TRY_ASSIGN(const Value value, Pipe(node.pipe, dot));
    if (!value.Truth()) return List(node.otherwise, dot);
    return List(node.children, node.kind == Node::Kind::kWith ? value : dot);
  }

  // Lists by index, maps in key order, whole numbers from 0 on.
  Result<Flow> Range(const Node& node, const Value& dot) {
    TRY_ASSIGN(const Value value, Pipe(node.pipe, dot));
    std::vector<std::pair<Value, Value>> items;
    if (const ValueList* list = value.AsList()) {
      for (const Value& item : list->items) items.emplace_back(int64_t(items.size()), item);
    } else if (const ValueMap* map = value.AsMap()) {
      for (const auto& [key, item] : map->entries) items.emplace_back(key, item);
    } else if (const int64_t* n = value.AsInt()) {
      TRY(Spend(std::max<int64_t>(*n, 0)));
      for (int64_t i = 0; i < *n; ++i) items.emplace_back(i, i);
    } else if (!value.IsNil()) {
      return FailAt(node.pipe.commands[0].operands[0],
                    "range can't iterate over " + value.ToString());
    }
    if (items.empty()) return List(node.otherwise, dot);
    TRY(Spend(static_cast<int64_t>(items.size())));
    const size_t scope = variables_.size();
    const std::vector<std::string>& names = node.pipe.variables;
    for (const auto& [key, item] : items) {
      variables_.resize(scope);
      if (names.size() == 1) TRY(Bind(node.pipe, names[0], item));
      if (names.size() == 2) {
        TRY(Bind(node.pipe, names[0], key));
        TRY(Bind(node.pipe, names[1], item));
      }
      TRY_ASSIGN(const Flow flow, List(node.children, item));
      if (flow == Flow::kBreak) break;
    }
    return Flow::kNext;
  }

  Status Bind(const TemplatePipe& pipe, const std::string& name, const Value& value) {
    if (pipe.declares) {
      variables_.push_back({name, value});
      return Status::Ok();
    }
    for (size_t i = variables_.size(); i-- > 0;) {
      if (variables_[i].name == name) {
        variables_[i].value = value;
        return Status::Ok();
      }
    }
    return Fail("undefined variable: " + name);
  }

  Result<Value> Pipe(const TemplatePipe& pipe, const Value& dot) {
    const size_t scope = variables_.size();
    Value value;
    for (size_t i = 0; i < pipe.commands.size(); ++i) {
      TRY_ASSIGN(value, Command(pipe.commands[i], dot, i == 0 ? nullptr : &value));
    }
    variables_.resize(scope);
    // `range` binds element by element; everything else binds the value itself.
    if (pipe.variables.size() == 1) TRY(Bind(pipe, pipe.variables[0], value));
    return value;
  }

  // `piped` (null for the first command) is the last argument.
  Result<Value> Command(const TemplateCommand& command, const Value& dot, const Value* piped) {
    TRY(Spend(1));
    const Operand& head = command.operands[0];
    if (head.kind == Operand::Kind::kFunction && head.fields.empty()) {
      if (head.name == "and" || head.name == "or") return Logic(command, dot, piped);
      TRY_ASSIGN(const std::vector<Value> args, Arguments(command, dot, piped));
      return Call(head, args);
    }
    TRY_ASSIGN(const std::vector<Value> args, Arguments(command, dot, piped));
    return Evaluate(head, dot, args);
  }

  Result<std::vector<Value>> Arguments(const TemplateCommand& command, const Value& dot,
                                       const Value* piped) {
    std::vector<Value> args;
    for (size_t i = 1; i < command.operands.size(); ++i) {
      TRY_ASSIGN(Value arg, Evaluate(command.operands[i], dot, {}));
      args.push_back(std::move(arg));
    }
    if (piped != nullptr) args.push_back(*piped);
    return args;
  }

  // `and` gives the first argument that is false, `or` the first that is true, else the last; what
  // follows is not evaluated.
  Result<Value> Logic(const TemplateCommand& command, const Value& dot, const Value* piped) {
    const bool stop_at = command.operands[0].name == "or";
    const size_t n = command.operands.size();
    if (n == 1 && piped == nullptr) {
      return FailAt(command.operands[0], "wrong number of args: want at least 1 got 0");
    }
    Value value;
    for (size_t i = 1; i < n; ++i) {
      TRY_ASSIGN(value, Evaluate(command.operands[i], dot, {}));
      if (value.Truth() == stop_at) return value;
    }
    return piped == nullptr ? value : *piped;
  }

  Result<Value> Call(const Operand& head, std::span<const Value> args) {
    const TemplateFunctionEntry* f = FindTemplateFunction(dialect_, head.name);
    const int n = static_cast<int>(args.size());
    if (n < f->min_args || (f->max_args >= 0 && n > f->max_args)) {
      return FailAt(head, "wrong number of args for " + head.name + ": want " +
                              (f->max_args < 0 ? "at least " : "") + std::to_string(f->min_args) +
                              " got " + std::to_string(n));
    }
    size_t budget = kMaxOutputBytes;
    for (const Value& arg : args) {
      if (!Fits(arg, &budget)) return Status::ResourceExhausted("template value is too large");
    }
    TRY(Spend(static_cast<int64_t>((kMaxOutputBytes - budget) / kBytesPerStep)));
    Result<Value> result = f->call(context_, args);
    if (result.ok()) return result;
    return FailAt(head, "error calling " + head.name + ": " + result.status().message());
  }

  // The value of an operand; `args` go to its last field, which must then be a method.
  Result<Value> Evaluate(const Operand& operand, const Value& dot, std::span<const Value> args) {
    Value value;
    switch (operand.kind) {
      case Operand::Kind::kDot: value = dot; break;
      case Operand::Kind::kNil: return FailAt(operand, "nil is not a command");
      case Operand::Kind::kLiteral: value = operand.literal; break;
      case Operand::Kind::kVariable: {
        const auto it = std::find_if(variables_.rbegin(), variables_.rend(),
                                     [&](const auto& v) { return v.name == operand.name; });
        if (it == variables_.rend()) return FailAt(operand, "undefined variable");
        value = it->value;
        break;
      }
      case Operand::Kind::kFunction: {
        if (operand.name == "and" || operand.name == "or") {
          return FailAt(operand, "wrong number of args for " + operand.name);
        }
        TRY_ASSIGN(value, Call(operand, {}));
        break;
      }
      case Operand::Kind::kPipe: {
        TRY_ASSIGN(value, Pipe(*operand.pipe, dot));
        break;
      }
    }
    if (operand.fields.empty() && !args.empty()) {
      return FailAt(operand, "can't give argument to non-function " + operand.name);
    }
    for (size_t i = 0; i < operand.fields.size(); ++i) {
      const bool last = i + 1 == operand.fields.size();
      TRY_ASSIGN(value,
                 Field(operand, value, operand.fields[i], last ? args : std::span<const Value>()));
    }
    return value;
  }

  Result<Value> Field(const Operand& at, const Value& value, const std::string& name,
                      std::span<const Value> args) {
    const ValueMap* map = value.AsMap();
    const ValueList* list = value.AsList();
    const ValueMethod method = map != nullptr    ? map->method
                               : list != nullptr ? list->method
                                                 : nullptr;
    if (method != nullptr) {
      Result<Value> result = method(value, name, args);
      if (result.ok()) return result;
      if (result.status().code() != StatusCode::kNotFound) {
        return FailAt(at, "error calling " + name + ": " + result.status().message());
      }
    }
    if (map == nullptr) {
      if (value.IsNil()) return FailAt(at, "nil pointer evaluating interface {}." + name);
      return FailAt(at,
                    "can't evaluate field " + name + " in type " + std::string(value.TypeName()));
    }
    if (!args.empty()) return FailAt(at, name + " is not a method but has arguments");
    if (const auto it = map->entries.find(name); it != map->entries.end()) return it->second;
    if (map->kind == ValueMap::Kind::kStruct) {
      return FailAt(at, "can't evaluate field " + name + " in type struct");
    }
    return map->kind == ValueMap::Kind::kStrings ? Value("") : Value();
  }

  const TemplateDialect dialect_;
  const std::map<std::string, std::shared_ptr<const Node>, std::less<>>& templates_;
  const TemplateContext& context_;
  std::vector<TemplateVariable> variables_;
  const std::string* name_ = nullptr;
  const std::string* source_ = nullptr;
  std::string out_;
  int64_t steps_left_ = kMaxSteps;
  int depth_ = 0;
};

}  // namespace

Status TemplateSet::Add(const std::string& name, std::string_view text,
                        std::span<const std::string_view> variables) {
  TRY_ASSIGN(std::vector<ParsedTemplate> parsed, ParseTemplate(name, text, dialect_, variables));
  for (ParsedTemplate& p : parsed) templates_[p.name] = std::move(p.body);
  return Status::Ok();
}

Result<std::string> TemplateSet::Execute(const std::string& name, const Value& dot,
                                         const TemplateContext& context,
                                         std::vector<TemplateVariable> variables) const {
  Execution execution(dialect_, templates_, context);
  TRY(execution.Run(name, dot, std::move(variables)));
  return execution.TakeOutput();
}

}  // namespace deckwatch::alerting
