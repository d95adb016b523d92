// Tokens of a template: text outside of {{ }}, and the words inside. Private to the parser.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alerting/template_value.h"
#include "base/status.h"

namespace deckwatch::alerting {

struct TemplateToken {
  enum class Kind {
    kText,
    kOpen,      // {{
    kClose,     // }}
    kWord,      // identifier or keyword
    kField,     // .Name; text without the dot
    kDot,       // .
    kVariable,  // $name or $
    kLiteral,   // number, character or string
    kPipe,
    kDeclare,  // :=
    kAssign,   // =
    kComma,
    kLeftParen,
    kRightParen,
    kEof,
  };
  Kind kind = Kind::kEof;
  std::string text;  // kText: trimmed; else as written (kField without its dot)
  Value literal;
  int offset = 0;
  bool after_space = false;  // blanks stand before it; `.A .B` is two operands, `.A.B` one
};

// Whole text to tokens, kEof last. InvalidArgument "<line>: <reason>".
Result<std::vector<TemplateToken>> LexTemplate(std::string_view text);

// "12" for the line and "12:5" for line and column (from 1 / from 0, as Go prints) of a byte.
std::string TemplateLine(std::string_view text, int offset);
std::string TemplateLineColumn(std::string_view text, int offset);

}  // namespace deckwatch::alerting
