// The newest exemplars of the store, up to a fixed number and the retention, in memory and in the
// log.
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
  explicit ExemplarRing(size_t capacity) : capacity_(capacity) {}

  struct Stored {
    uint64_t number = 0;  // names the row in the log
    std::string row;
    std::vector<uint64_t> dropped;  // rows to delete: the oldest had to go
  };
  // False when the series has this exemplar, or a newer one, already.
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

 private:
  struct Row {
    std::string series;  // encoded labels
    Exemplar exemplar;
  };
  void Insert(uint64_t number, const Labels& series, const Exemplar& exemplar) REQUIRES(mutex_);

  const size_t capacity_;
  mutable Mutex mutex_;
  std::map<uint64_t, Row> rows_ GUARDED_BY(mutex_);
  std::map<std::string, std::deque<uint64_t>, std::less<>> by_series_ GUARDED_BY(mutex_);
  uint64_t next_ GUARDED_BY(mutex_) = 1;
  uint64_t added_ GUARDED_BY(mutex_) = 0;
  int64_t least_ms_ GUARDED_BY(mutex_) = INT64_MAX;  // none is older
};

}  // namespace deckwatch::tsdb
