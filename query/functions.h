// The table of PromQL functions: name, signature and, in functions_*.cc, implementation.
#pragma once

#include <string_view>
#include <vector>

#include "query/value.h"

namespace deckwatch::query {

enum class FunctionId;  // query/function_id.h

// Signature as the parser checks it. `variadic`: 0 = exactly args.size() arguments; n > 0 = the
// last n may be left out (args lists the longest form when n is bounded); -1 = the last argument
// may be repeated any number of times.
struct Function {
  std::string_view name;
  FunctionId id;
  std::vector<ValueType> args;
  int variadic = 0;
  ValueType returns = ValueType::kVector;
  bool experimental = false;
};

// Null when there is no such function.
const Function* FindFunction(std::string_view name);
const std::vector<Function>& AllFunctions();

}  // namespace deckwatch::query
