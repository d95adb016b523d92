// How much of its samples the expression around a selector looks at, told before evaluation so that
// less has to be read.
#pragma once

#include <unordered_set>

#include "query/ast.h"

namespace deckwatch::query {

struct SelectorNeeds {
  // Of histograms only count and sum.
  std::unordered_set<const Expr*> statistics_only;
  // Whether there is a sample, and when: its value does not matter (SelectHints::any_value).
  std::unordered_set<const Expr*> any_value;

  static SelectorNeeds Of(const Expr& root);
};

}  // namespace deckwatch::query
