// A PromQL syntax tree as /api/v1/parse_query shows it.
#pragma once

#include "base/json.h"
#include "query/ast.h"

namespace deckwatch::server {

// `expr` may be null: writes null.
void WriteAst(JsonWriter* w, const query::Expr* expr);

}  // namespace deckwatch::server
