// What every part of one query's evaluation shares.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/storage.h"
#include "query/annotations.h"
#include "query/budget.h"
#include "query/engine.h"
#include "query/query_registry.h"
#include "query/sample_tally.h"
#include "query/selector_needs.h"
#include "query/shared_results.h"
#include "query/step_vector.h"

namespace deckwatch::query {

struct QueryContext {
  const EngineOptions& options;
  const Querier& querier;
  ThreadPool* pool;  // may be null
  Budget& budget;
  QueryRegistry::Ticket& ticket;
  const std::stop_token& stop;
  StepRange range;      // of the whole query
  int64_t step_ms = 0;  // of the whole query, 0 for an instant one
  int64_t lookback_ms = 0;
  AnnotationSet annotations;
  std::vector<TraceNode>* trace = nullptr;  // null: not asked for
  int trace_depth = 0;
  SelectorNeeds needs;
  // What was selected so far: rows look at its labels until the query ends.
  std::vector<std::unique_ptr<SeriesSet>> selected;
  std::vector<Charge> selected_charges;
  SharedResults shared;
  SampleTally tally;  // of the steps that are being evaluated

  // Accounts for `v` as it now is.
  Status Hold(StepVector* v) { return budget.Hold(v->SampleCount(), v->Bytes(), &v->charge); }
};

// Calls `evaluate` without counting what it looks at; returns how many samples that are.
template <typename F>
uint64_t TallyApart(QueryContext& ctx, F evaluate) {
  SampleTally outer = std::exchange(ctx.tally, SampleTally());
  evaluate();
  return std::exchange(ctx.tally, std::move(outer)).total();
}

// Marks a row as no longer being its metric: its name goes, at once or at the end of the query.
void DropName(const QueryContext& ctx, SeriesInfo* info);

// An error of evaluation itself, with Prometheus's text.
inline Status ExecutionError(std::string text) {
  return {StatusCode::kInternal, std::move(text)};
}

// Rows with equal label sets become one. An error when two of them hold a value at the same step.
Status MergeEqualSeries(StepVector* v);

}  // namespace deckwatch::query
