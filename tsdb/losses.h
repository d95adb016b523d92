// What is known to be lost: ranges of time in which samples were stored that cannot be read any
// more. Kept in head/meta until retention has passed them, and told to every reader whom they
// concern, so that lost is never taken for absent.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/matcher.h"
#include "base/mutex.h"
#include "base/status.h"

namespace deckwatch::tsdb {

// Damage, or a disk that gives no answer: a reader does without, and is told.
inline bool IsUnreadable(const Status& s) {
  return s.code() == StatusCode::kCorruption || s.code() == StatusCode::kIo;
}

struct Loss {
  int64_t min_ms = 0, max_ms = 0;  // of the samples, both inclusive
  int64_t found_ms = 0;
  std::string what;                       // e.g. "part 12: 3 series", for people
  std::string first_metric, last_metric;  // only metrics between these; both empty: of any name

  // Whether a reader of that time and those series may miss something.
  bool Concerns(int64_t start_ms, int64_t end_ms, const std::vector<Matcher>& matchers) const;
  std::string ToString() const;
  void EncodeTo(std::string* out) const;
  static Result<Loss> Decode(std::string_view data);
};

// Thread-safe.
class LossBook {
 public:
  // False when it is in the book already: the same thing lost in the same range.
  bool Add(Loss loss);
  void Restore(uint64_t number, Loss loss);
  std::vector<Loss> All() const;
  std::vector<Loss> Concerning(int64_t start_ms, int64_t end_ms,
                               const std::vector<Matcher>& matchers) const;
  // Those that were added since the last call, by number, to be stored.
  std::map<uint64_t, Loss> TakeUnsaved();
  // Everything again, when what was stored is gone.
  void ForgetSaved();
  // Removes those whose samples were all older; their numbers.
  std::vector<uint64_t> DropBefore(int64_t oldest_ms);

 private:
  mutable Mutex mutex_;
  std::map<uint64_t, Loss> losses_ GUARDED_BY(mutex_);
  uint64_t saved_ GUARDED_BY(mutex_) = 0;  // up to this number
};

// What one reader has to be told: sentences, each once, and not too many. Thread-safe.
class LossNotes {
 public:
  void Add(std::string sentence);
  std::vector<std::string> All() const;

 private:
  mutable Mutex mutex_;
  std::set<std::string> sentences_ GUARDED_BY(mutex_);
};

}  // namespace deckwatch::tsdb
