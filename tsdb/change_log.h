// What changed in the store since a moment, as far as answers kept from then are concerned.
//
// Every change of what queries see (a commit, a delete, its undoing, an import, parts dropped for
// the size limit) is noted with the least time of a sample it touched, after queries can see it and
// before its caller hears of it. Then this holds: a reader takes v = Version(), makes a querier and
// keeps what it saw. Later, samples before UnchangedBefore(v) are still what it saw of them:
//   - A change noted up to v was visible before the querier was made: the querier saw it.
//   - A change noted after v counts, whether the querier saw it or not.
//   - A change that is visible but not noted yet is not acknowledged to anyone; an answer may be of
//     before or after it, and it counts as soon as it is.
// Retention by time notes nothing: it hides the same samples from every querier by the clock.
//
// Kept as suffix minima of the notes, times in whole seconds (rounded down): a stack in which both
// versions and times rise. A note drops what it undercuts, so that a store fed in the order of time
// has an entry per second. Beyond kMaxEntries the older half is thinned: of two neighbours one
// stays, with the lesser time and the greater version. Answers then say less than is true, never
// more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/mutex.h"

namespace deckwatch::tsdb {

// Thread-safe.
class ChangeLog {
 public:
  ChangeLog();

  // A change touched samples at `least_ms` and later.
  void Note(int64_t least_ms) EXCLUDES(mutex_);

  // Versions rise with every note, and those of different logs in one process differ.
  uint64_t Version() const EXCLUDES(mutex_);
  // INT64_MAX when nothing changed since; INT64_MIN for a version that is not of this log.
  int64_t UnchangedBefore(uint64_t version) const EXCLUDES(mutex_);

  static constexpr size_t kMaxEntries = 4096;
  size_t entries() const EXCLUDES(mutex_);

 private:
  struct Entry {
    uint64_t version;  // of the note
    int64_t least_ms;  // of all notes from it on, while it is here
  };
  void Thin() REQUIRES(mutex_);

  const uint64_t first_;
  mutable Mutex mutex_;
  uint64_t version_ GUARDED_BY(mutex_);
  std::vector<Entry> entries_ GUARDED_BY(mutex_);
};

}  // namespace deckwatch::tsdb
