// The newest exemplars of the store, in memory and in the log: up to a fixed number, a share of the
// memory, and the retention.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/storage.h"

namespace deckwatch::tsdb {

inline constexpr size_t kMaxExemplars = 100'000;  // in one store

// Thread-safe.
class ExemplarRing {
 public:
  ExemplarRing(size_t capacity, size_t max_bytes) : capacity_(capacity), max_bytes_(max_bytes) {}

  struct Stored {
    uint64_t number = 0;  // names the row in the log
    std::string row;
    std::vector<uint64_t> dropped;  // rows to delete: the oldest had to go
  };
  // False when the series has this exemplar, or a newer one, already. One without a time of its own
  // is the same at any time.
  bool Add(const Labels& series, const Exemplar& exemplar, Stored* stored);
  // All of them, as they are to be stored.
  std::vector<std::pair<uint64_t, std::string>> Rows() const;
  // Puts back a row; false when it is damaged.
  bool Restore(uint64_t number, std::string_view row);

  // Forgets those before `oldest_ms`, up to an hour late; the rows to delete.
  std::vector<uint64_t> DropBefore(int64_t oldest_ms);

  // Those of the chosen series in the range, series sorted, each in time order.
  std::vector<Querier::SeriesExemplars> Find(const LabelQuery& query) const;
  uint64_t added() const;
  size_t bytes() const;

 private:
  using Numbers = std::deque<uint64_t>;  // in time order
  using BySeries = std::map<std::string, Numbers, std::less<>>;
  struct Row {
    const std::string* series = nullptr;  // encoded labels: key of by_series_
    Exemplar exemplar;
  };
  void Insert(uint64_t number, const Labels& series, const Exemplar& exemplar) REQUIRES(mutex_);
  // Takes out the first one of the series; true when that was the last, and the series is gone.
  bool RemoveFirst(BySeries::iterator series) REQUIRES(mutex_);

  const size_t capacity_, max_bytes_;
  mutable Mutex mutex_;
  std::map<uint64_t, Row> rows_ GUARDED_BY(mutex_);
  BySeries by_series_ GUARDED_BY(mutex_);
  size_t bytes_ GUARDED_BY(mutex_) = 0;
  uint64_t next_ GUARDED_BY(mutex_) = 1;
  uint64_t added_ GUARDED_BY(mutex_) = 0;
  int64_t least_ms_ GUARDED_BY(mutex_) = INT64_MAX;  // none is older
};

}  // namespace deckwatch::tsdb
