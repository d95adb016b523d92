#include "query/shared_results.h"

#include <algorithm>

#include "query/function_id.h"
#include "query/functions.h"
#include "query/parser.h"

namespace deckwatch::query {

namespace {

// Printing every subexpression is quadratic: queries beyond this height are left alone.
constexpr int kMaxHeight = 64;

size_t CountSelectors(const Expr& e) {
  size_t n = e.kind == NodeKind::kVectorSelector ? 1 : 0;
  for (const auto* child : {&e.lhs, &e.rhs, &e.param}) {
    if (*child != nullptr) n += CountSelectors(**child);
  }
  for (const auto& arg : e.args) n += CountSelectors(*arg);
  return n;
}

// Functions that look at their argument's samples in a way of their own.
bool ReadsItself(const Expr& e) {
  return e.kind == NodeKind::kCall &&
         (e.function->id == FunctionId::kTimestamp ||
          e.function->id == FunctionId::kStartTimestamp || e.function->id == FunctionId::kInfo);
}

}  // namespace

void SharedResults::FindIn(const Expr& root) {
  if (root.height > kMaxHeight || CountSelectors(root) < 2) return;
  std::unordered_map<std::string, std::vector<const Expr*>> by_text;
  Visit(root, &by_text);
  for (const auto& [text, members] : by_text) {
    if (members.size() < 2) continue;
    for (const Expr* e : members) group_of_[e] = members_.size();
    members_.push_back(members.size());
  }
}

void SharedResults::Visit(const Expr& e,
                          std::unordered_map<std::string, std::vector<const Expr*>>* by_text) {
  if (e.kind == NodeKind::kMatrixSelector || ReadsItself(e)) return;
  if (e.type == ValueType::kVector && e.kind != NodeKind::kParen) {
    std::vector<const Expr*>& members = (*by_text)[ToString(e)];
    members.push_back(&e);
    if (members.size() > 1) return;  // what is below will not be evaluated
  }
  for (const auto* child : {&e.lhs, &e.rhs, &e.param}) {
    if (*child != nullptr) Visit(**child, by_text);
  }
  for (const auto& arg : e.args) Visit(*arg, by_text);
}

std::optional<StepVector> SharedResults::Take(const Expr& e, const StepRange& steps,
                                              SampleTally* tally) {
  const size_t group = group_of_.at(&e);
  const auto kept = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& k) {
    return k.group == group && k.steps == steps &&
           (k.tally.counts_steps() || !tally->counts_steps());
  });
  if (kept == kept_.end()) return std::nullopt;
  tally->Add(kept->tally);
  if (--kept->takers > 0) return CopyOf(kept->result);
  StepVector last = std::move(kept->result);
  kept_.erase(kept);
  return last;
}

void SharedResults::Keep(const Expr& e, const StepRange& steps, StepVector copy,
                         SampleTally tally) {
  const size_t group = group_of_.at(&e);
  kept_.push_back({group, steps, members_[group] - 1, std::move(copy), std::move(tally)});
}

}  // namespace deckwatch::query
