// The syntax tree of templates; private to template_parse.cc and template_exec.cc.
//
//   list   = (text | "{{" action "}}")*
//   pipe   = [ $v { "," $v } (":=" | "=") ] command { "|" command }
//   command = operand { operand }          the first may be a function or a method
//   operand = "." | .Field | $v | literal | function | "(" pipe ")", each with .Field… after it
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/template.h"

namespace deckwatch::alerting {

struct TemplatePipe;

struct TemplateOperand {
  enum class Kind { kDot, kNil, kLiteral, kVariable, kFunction, kPipe };
  Kind kind = Kind::kDot;
  std::string name;                    // kVariable ("$x"), kFunction
  Value literal;                       // kLiteral
  std::shared_ptr<TemplatePipe> pipe;  // kPipe
  std::vector<std::string> fields;     // .A.B after it; a lone .A is kDot with one field
  int offset = 0;                      // byte in the text
};

struct TemplateCommand {
  std::vector<TemplateOperand> operands;  // at least one
};

struct TemplatePipe {
  std::vector<std::string> variables;  // declared or assigned, at most two (range)
  bool declares = false;
  std::vector<TemplateCommand> commands;
};

struct TemplateNode {
  enum class Kind { kList, kText, kAction, kIf, kWith, kRange, kTemplate, kBreak, kContinue };
  Kind kind = Kind::kList;
  std::string text;                                           // kText; kTemplate: the name called
  TemplatePipe pipe;                                          // empty for `{{template "x"}}`
  std::vector<std::shared_ptr<const TemplateNode>> children;  // kList, and the branch taken
  std::vector<std::shared_ptr<const TemplateNode>> otherwise;
  std::shared_ptr<const std::string> source;  // kList at the top: the whole text, for positions
};

struct ParsedTemplate {
  std::string name;
  std::shared_ptr<const TemplateNode> body;
};

// The template itself last, its definitions before it.
Result<std::vector<ParsedTemplate>> ParseTemplate(const std::string& name, std::string_view text,
                                                  TemplateDialect dialect,
                                                  std::span<const std::string_view> variables);

}  // namespace deckwatch::alerting
