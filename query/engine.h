// The PromQL engine: text in, QueryResult out, against any Queryable. Results equal
// Prometheus 3.14.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/status.h"
#include "base/storage.h"
#include "query/value.h"

namespace deckwatch::query {

struct Expr;  // query/ast.h
class QueryRegistry;
class ResultCache;

// Who asks, for the log of queries: a client, or the rules of a group.
struct QueryOrigin {
  std::string client, method, path;
  std::string rule_file, rule_group;
};

// A query that came to its end. What does not parse never began.
struct FinishedQuery {
  std::string_view text;
  int64_t start_ms = 0, end_ms = 0, step_ms = 0;  // step 0: an instant query
  const Status& status;
  const QueryStats& stats;
  const QueryOrigin& origin;
};

// A selector that chooses more series makes its query one of the large. These take much memory and
// all the processors, so that running many side by side ends none of them sooner.
inline constexpr size_t kLargeSelection = 50'000;

struct EngineOptions {
  int64_t lookback_delta_ms = 300'000;
  int64_t timeout_ms = 120'000;
  uint64_t max_samples = 50'000'000;  // held at once by one query
  uint64_t max_bytes_per_query = 0;   // 0: a quarter of the machine's memory
  // Of all queries together; 0: half of the machine's memory. A quarter of it is for rules alone.
  uint64_t max_bytes = 0;
  uint64_t cache_bytes = 0;  // for answers kept (query/result_cache.h); 0: none are
  int max_concurrent = 20;   // further queries wait, within their timeout; those of rules do not
  // Of these, at once, with more than kLargeSelection series; 0: as many as the pool has threads.
  int max_concurrent_large = 0;
  int64_t default_subquery_step_ms = 60'000;
  bool delayed_name_removal =
      true;  // off: names are dropped at each operation, as Prometheus without the flag
  bool use_start_timestamps =
      false;  // rate & co. look at start timestamps (Prometheus's use-start-timestamps flag)
  const Clock* clock = Clock::Real();  // for timeouts and timings
  // Told of every query, on its thread; may be empty.
  std::function<void(const FinishedQuery&)> on_finished;
};

struct QueryOptions {
  int64_t lookback_delta_ms = 0;  // 0: the engine's
  int64_t timeout_ms = 0;  // 0: the engine's, to which a larger one is cut; negative: over at once
  std::stop_token stop;    // the caller went away: Cancelled soon after
  bool trace = false;      // fill QueryResult::trace
  bool per_step_stats = false;  // fill QueryStats::queryable_per_step
  // Of rules: alerts must go on when users ask for too much. It waits for no place, and is given up
  // for want of memory after all others.
  bool for_rules = false;
  QueryOrigin origin;
  bool use_cache = false;  // take from answers kept, and keep this one
};

// Of the answers kept.
struct CacheStats {
  uint64_t hits = 0;          // queries of which nothing had to be evaluated
  uint64_t partial_hits = 0;  // … only some steps
  uint64_t misses = 0;
  uint64_t steps_taken = 0;  // that needed no evaluation
  uint64_t answers = 0;      // kept now
  uint64_t bytes = 0;        // of these
};

// A query that is running.
struct ActiveQuery {
  uint64_t id = 0;
  std::string text;
  int64_t start_wall_ms = 0;
  int64_t running_ms = 0;
  uint64_t samples_read = 0;
  uint64_t bytes = 0;  // held now
};

// Error codes: InvalidArgument = does not parse or type-check (API bad_data); kResourceExhausted,
// kInternal and all else from evaluation (API execution); DeadlineExceeded (API timeout); Cancelled
// (API canceled). Messages are Prometheus's texts, e.g. `1:5: parse error: unexpected <EOF>` or
// `query processing would load too many samples into memory in query execution`.
// Thread-safe.
class Engine {
 public:
  // `pool` may be null (single-threaded); it must outlive the engine.
  Engine(EngineOptions options, ThreadPool* pool);
  ~Engine();

  Result<QueryResult> Instant(const Queryable& storage, std::string_view text, int64_t t_ms,
                              const QueryOptions& options = {}) const;
  // start <= end, step > 0; points at start, start+step, … <= end. The expression must be a scalar
  // or instant vector.
  Result<QueryResult> Range(const Queryable& storage, std::string_view text, int64_t start_ms,
                            int64_t end_ms, int64_t step_ms,
                            const QueryOptions& options = {}) const;

  // Running queries, oldest first.
  std::vector<ActiveQuery> Active() const;
  // Ends a running query with Cancelled soon; false when there is none of that id.
  bool Cancel(uint64_t id) const;

  CacheStats Cached() const;

  const EngineOptions& options() const { return options_; }

 private:
  EngineOptions options_;
  ThreadPool* pool_;
  std::unique_ptr<QueryRegistry> registry_;
  std::unique_ptr<ResultCache> cache_;  // null: nothing is kept
};

}  // namespace deckwatch::query
