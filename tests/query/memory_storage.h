// A store in memory for tests of queries: every sample of every series, nothing else. Counter reset
// hints come back as Prometheus's store gives them back.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/storage.h"

namespace deckwatch::query {

// Thread-safe. A Querier sees what was committed before it was made.
class MemoryStorage : public Appender, public Queryable {
 public:
  Status Resolve(std::span<const LabelsView> labels, uint64_t group,
                 std::span<SeriesRef> refs) override;
  Result<AppendResult> Commit(const WriteBatch& batch) override;
  Result<std::unique_ptr<Querier>> NewQuerier() const override;

  // Appends floats `values` of one series at t = start_ms, start_ms + step_ms, …
  void Add(const Labels& labels, int64_t start_ms, int64_t step_ms,
           const std::vector<double>& values);

 private:
  struct Series {
    Labels labels;
    Columns columns;
    std::vector<Exemplar> exemplars;
  };
  using SeriesPtr = std::shared_ptr<const Series>;
  class View;
  class Selection;

  static void Insert(Columns* columns, int64_t t_ms, double value, HistogramPtr histogram,
                     int64_t start_ms, AppendResult* result);
  // The series to write to, copied once per commit; null when there is none.
  Series* Writable(SeriesRef ref, std::map<SeriesRef, Series*>* touched) REQUIRES(mutex_);

  mutable Mutex mutex_;
  // ref - 1 is the index. Replaced, never changed, once a view may have it.
  std::vector<SeriesPtr> series_ GUARDED_BY(mutex_);
  std::map<std::string, SeriesRef, std::less<>> refs_ GUARDED_BY(mutex_);  // by encoded labels
};

}  // namespace deckwatch::query
