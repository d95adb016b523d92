// Answers kept, so that a dashboard that asks again evaluates only what is new.
//
// Per query text, step and lookback there is one kept answer: its result, the steps it was
// evaluated at, and the version of the storage read before its querier was made. A range query
// takes from it the steps that its own grid shares with it and at which nothing can have changed
// (Queryable::UnchangedBefore and OldestMs, against what a step looks at: query/reach.h), evaluates
// the steps before and after, and joins the rows by their labels:
//
//   kept        [==========================~~~]        ~ may have changed since
//   asked for        [------------------------------]
//   answer           [kept=================|new-----]
//
// That is exact where the value at a step depends on that step alone (Reach::stepwise). Answers
// with annotations, which belong to the query as a whole, and those that saw native histograms,
// whose reset hints depend on samples before the query's range, are taken for the same steps only;
// so are instant queries and expressions that are not stepwise. Errors are not kept.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/storage.h"
#include "query/engine.h"
#include "query/reach.h"
#include "query/step_vector.h"
#include "query/value.h"

namespace deckwatch::query {

// One answer. Immutable once it is in the cache.
struct KeptAnswer {
  StepRange steps;
  bool stepwise = false;
  uint64_t version = 0;   // of the storage, from before its querier was made
  int64_t oldest_ms = 0;  // what is older was hidden from it
  QueryResult result;     // without stats and trace
};
using KeptAnswerPtr = std::shared_ptr<const KeptAnswer>;

// Thread-safe. What was used longest ago goes when there is more than `max_bytes`.
class ResultCache {
 public:
  explicit ResultCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  KeptAnswerPtr Find(const std::string& key);
  // In place of what the key had. An answer of more than a quarter of the cache is not kept.
  void Put(const std::string& key, KeptAnswerPtr answer);

  enum class Outcome { kMiss, kPartial, kHit };
  void Count(Outcome outcome, uint64_t steps_taken);
  CacheStats Stats() const;

 private:
  struct Item {
    std::string key;
    KeptAnswerPtr answer;
    size_t bytes = 0;
  };
  void Remove(std::list<Item>::iterator item) REQUIRES(mutex_);

  const size_t max_bytes_;
  mutable Mutex mutex_;
  std::list<Item> items_ GUARDED_BY(mutex_);  // the latest used first
  std::unordered_map<std::string_view, std::list<Item>::iterator> by_key_ GUARDED_BY(mutex_);
  CacheStats stats_ GUARDED_BY(mutex_);
};

// What one query has to do with the cache, from looking up to keeping. Not thread-safe.
class CachedQuery {
 public:
  // `cache` null: nothing is taken or kept. step_ms 0: an instant query.
  CachedQuery(ResultCache* cache, const Queryable& storage, std::string_view text, const Expr& expr,
              const StepRange& steps, int64_t step_ms, int64_t lookback_ms);

  // Decides anew what to take. Before the querier is made.
  void Look();
  // Nothing is left to evaluate.
  bool complete() const { return taken_.size() > 0 && missing_.empty(); }
  // The steps to evaluate, in order of time.
  const std::vector<StepRange>& missing() const { return missing_; }
  uint64_t steps_taken() const { return taken_.size(); }
  // Takes nothing after all.
  void Forget();

  // The answer, of what was taken and what evaluating each of missing() gave.
  QueryResult Join(std::vector<QueryResult> evaluated) const;
  // Keeps the joined answer, if anything of it is new, and counts the query. One that depends on
  // chunks (LayOutSelected) depends on samples beyond its reach, and is not kept.
  void Keep(const QueryResult& answer, bool saw_histograms, bool saw_chunks) const;

 private:
  bool MayTakeWhole(const KeptAnswer& kept) const;
  // The steps of `kept` that this query asks for and that are unchanged; may be of size 0.
  StepRange Unchanged(const KeptAnswer& kept) const;
  void Take(const StepRange& taken);

  ResultCache* const cache_;
  const Queryable& storage_;
  const StepRange steps_;
  const bool instant_;
  std::string key_;
  Reach reach_;
  uint64_t version_ = 0;  // as of Look
  int64_t oldest_ms_ = INT64_MIN;
  KeptAnswerPtr kept_;
  StepRange taken_;
  std::vector<StepRange> missing_;
};

}  // namespace deckwatch::query
