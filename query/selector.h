// From the store to columns over steps: selectors, and functions over the ranges they select.
//
// A selector is selected once for the whole time it covers; each series is decoded once, and all
// steps slide over it in one pass. Series are worked through in blocks, several at a time when
// there are threads, and handed on in order: a consumer that folds (an aggregation) never needs
// all of them in memory.
#pragma once

#include <functional>

#include "query/query_context.h"
#include "query/range_functions.h"

namespace deckwatch::query {

// Consecutive rows of a result, in order.
using BlockSink = std::function<Status(StepVector&& block)>;

// What an instant selector gives for the sample it picks. kInfoTimestamp is the timestamp, and an
// error for histograms.
enum class Pick { kValue, kTimestamp, kStartTimestamp, kInfoTimestamp };

// `hint_function`: the innermost function or aggregation around the selector, or "".
Status SelectInstant(QueryContext& ctx, const Expr& selector, const StepRange& steps, Pick pick,
                     std::string_view hint_function, const BlockSink& sink);

// A call of a range function, its scalar arguments evaluated.
struct RangeFunctionCall {
  const Expr* call = nullptr;
  const Expr* range = nullptr;  // its argument, a kMatrixSelector or kSubquery
  RangeFunction function = nullptr;
  std::vector<std::vector<double>> scalars;  // one value per step each
  Position scalar_pos;                       // of the first of them
};
Status ApplyToSelector(QueryContext& ctx, const RangeFunctionCall& f, const StepRange& steps,
                       const BlockSink& sink);
// The same over the points of a subquery: `inner` evaluated at `inner_steps`.
Status ApplyToSubquery(QueryContext& ctx, const RangeFunctionCall& f, const StepRange& steps,
                       const StepVector& inner, const StepRange& inner_steps,
                       const BlockSink& sink);

// Errors of the arguments themselves: a range mode that the function cannot use, a smoothing factor
// out of bounds.
Status CheckRangeFunction(const RangeFunctionCall& f);

// The raw samples of a range selector at one time, as an instant query of it shows them.
Status SelectRaw(QueryContext& ctx, const Expr& selector, int64_t t_ms,
                 std::vector<ResultSeries>* out);

// The time that `@` fixes for a selector or subquery, or `t_ms` without one; offset not applied.
int64_t AtTime(const QueryContext& ctx, const Expr& e, int64_t t_ms);

}  // namespace deckwatch::query
