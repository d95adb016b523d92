// What the value of an expression at one step depends on, as the result cache has to know it.
#pragma once

#include <cstdint>

#include "query/ast.h"

namespace deckwatch::query {

struct Reach {
  // A step t looks at samples of [t - behind_ms, t + ahead_ms] at most …
  int64_t behind_ms = 0;
  int64_t ahead_ms = 0;
  // … and of [fixed_first_ms, fixed_last_ms], which `@ time` names; empty without one.
  int64_t fixed_first_ms = INT64_MAX;
  int64_t fixed_last_ms = INT64_MIN;
  // The value at a step is the same in every range query with that step width that has the step.
  // False when it may depend on which other steps there are: start(), end() and range(); and where
  // rows of equal labels become one of which only some are to lose their name, or where an error at
  // one step comes from series that have samples at others.
  bool stepwise = true;
};

// `e` with its durations resolved.
Reach ReachOf(const Expr& e, int64_t lookback_ms);

// Whether the rows of `e` come in an order that does not depend on the steps asked for: that of the
// selected series, or of the labels. Elsewhere it is that of the first appearance at any step.
bool InFixedOrder(const Expr& e);

}  // namespace deckwatch::query
