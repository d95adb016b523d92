// Functions of one float: mathematics and calendar.
#pragma once

#include "query/function_id.h"

namespace deckwatch::query {

using FloatFunction = double (*)(double);

// Null when `id` is no such function.
FloatFunction FindMathFunction(FunctionId id);  // abs, ceil, …, tanh
FloatFunction FindDateFunction(FunctionId id);  // of seconds since the epoch, UTC

// Go's math.Min and math.Max: NaN if either is.
double GoMin(double a, double b);
double GoMax(double a, double b);

}  // namespace deckwatch::query
