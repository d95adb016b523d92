// Whether the outcome of a query is what a script expects.
#pragma once

#include "base/status.h"
#include "query/promqltest_script.h"
#include "query/value.h"

namespace deckwatch::query {

// Values agree when they differ by less than a millionth of their sum, histograms when they do so
// in every part. InvalidArgument says what was expected and what came.
Status CompareResult(const EvalCommand& eval, const QueryResult& result);
Status CompareAnnotations(const EvalCommand& eval, const Annotations& annotations);
Status CompareFailure(const EvalCommand& eval, const Status& failure);

}  // namespace deckwatch::query
