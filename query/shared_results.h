// Subexpressions that a query has several times are evaluated once: what they gave is kept, within
// the query's memory, until the last of them has taken it.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "query/ast.h"
#include "query/sample_tally.h"
#include "query/step_vector.h"

namespace deckwatch::query {

class SharedResults {
 public:
  // Looks for vectors below `root` that read alike. Expressions are told apart by address later.
  void FindIn(const Expr& root);
  bool Has(const Expr& e) const { return group_of_.contains(&e); }

  // What an equal expression gave at these steps. What it looked at is added to `tally`; nothing is
  // taken that did not count the steps apart where `tally` does.
  std::optional<StepVector> Take(const Expr& e, const StepRange& steps, SampleTally* tally);
  // `copy` of what `e` gave at these steps, for those that are equal.
  void Keep(const Expr& e, const StepRange& steps, StepVector copy, SampleTally tally);

 private:
  struct Kept {
    size_t group;
    StepRange steps;
    size_t takers;  // still to come
    StepVector result;
    SampleTally tally;
  };
  void Visit(const Expr& e, std::unordered_map<std::string, std::vector<const Expr*>>* by_text);

  std::unordered_map<const Expr*, size_t> group_of_;
  std::vector<size_t> members_;  // by group
  std::vector<Kept> kept_;
};

}  // namespace deckwatch::query
