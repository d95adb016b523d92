// The log of queries: a JSON line for each in the file of global.query_log_file, as Prometheus
// writes it, and a warning in our own log for each that took long.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"
#include "query/engine.h"

namespace deckwatch::server {

// Thread-safe.
class QueryLog {
 public:
  // Warns of queries of at least `slow_ms`; 0: of none.
  QueryLog(const Clock* clock, int64_t slow_ms) : clock_(clock), slow_ms_(slow_ms) {}

  // A file open for appending; it is closed when nobody has it any more.
  class File;
  using FilePtr = std::shared_ptr<const File>;
  // Null when `path` is empty.
  static Result<FilePtr> Open(const std::string& path);
  // From now on lines go there; null: nowhere.
  void Use(FilePtr file);

  void Write(const query::FinishedQuery& query);

  bool enabled() const;
  uint64_t failures() const { return failures_; }  // lines that could not be written

 private:
  const Clock* const clock_;
  const int64_t slow_ms_;
  mutable Mutex mutex_;
  FilePtr file_ GUARDED_BY(mutex_);
  std::atomic<uint64_t> failures_{0};
};

// {"timings":{…},"samples":{…}} as the API and the log show it.
void AppendQueryStats(const query::QueryStats& stats, std::string* out);

}  // namespace deckwatch::server
