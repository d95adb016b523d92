// The functions of templates: Go's own here, those of Prometheus and Alertmanager in
// template_functions.cc.
#pragma once

#include <span>

#include "alerting/template.h"

namespace deckwatch::alerting {

std::span<const TemplateFunctionEntry> GoTemplateFunctions();  // `and` and `or` are syntax

// Go's url.QueryEscape.
std::string QueryEscape(std::string_view s);
// "/graph?g0.expr=…&g0.tab=1" (table) or tab 0 (graph), as Prometheus links to an expression.
std::string TableLink(std::string_view expr);
std::string GraphLink(std::string_view expr);

}  // namespace deckwatch::alerting
