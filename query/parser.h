// PromQL text -> typed Expr, and back. Grammar and error texts of Prometheus 3.14 with every
// experimental part enabled.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/matcher.h"
#include "base/status.h"
#include "query/ast.h"

namespace deckwatch::query {

// InvalidArgument with Prometheus's text, e.g. `1:3: parse error: unexpected <EOF>`. Nesting is
// limited.
Result<std::unique_ptr<Expr>> ParseExpr(std::string_view text);

// `name{a="b"}` as in match[]: InvalidArgument when it matches nothing in particular (every matcher
// matches empty).
Result<std::vector<Matcher>> ParseSelector(std::string_view text);
// The same, even of everything: `{}`.
Result<std::vector<Matcher>> ParseAnySelector(std::string_view text);

// A series with optional name and equality labels only, as written in tests:
// `http_requests{job="a"}`.
Result<Labels> ParseMetric(std::string_view text);

// Text that parses to the same tree, in Prometheus's canonical spelling.
std::string ToString(const Expr& expr);
// Broken over lines as `promtool promql format` and /api/v1/format_query do.
std::string Pretty(const Expr& expr);

std::unique_ptr<Expr> Clone(const Expr& expr);

// Evaluates the duration expressions of the whole tree (offset_expr, range_expr, step_expr) into
// their *_ms fields, with step() = step_ms and range() = end - start. InvalidArgument with position
// when one is not finite or not positive where it must be.
Status ResolveDurations(Expr* expr, int64_t start_ms, int64_t end_ms, int64_t step_ms);

// "line:col" (1-based) of a byte offset.
std::string LineColumn(std::string_view text, int offset);

}  // namespace deckwatch::query
