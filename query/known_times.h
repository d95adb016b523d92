// What was worked out for a sequence of sample times, found again for the next series that has the
// same one: those that are scraped together do.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

namespace deckwatch::query {

// How many sequences are worth keeping when each takes that many steps.
inline size_t RoomForTimes(size_t steps) {
  constexpr size_t kMaxSteps = size_t{1} << 16, kMostTimes = 256;
  return std::clamp<size_t>(kMaxSteps / steps, 1, kMostTimes);
}

template <typename T>
class KnownTimes {
 public:
  struct Found {
    T* value;     // stays until as many other sequences were looked for as there is room
    size_t slot;  // < capacity
    bool known;   // else `value` is to be worked out anew
  };

  explicit KnownTimes(size_t capacity)
      : capacity_(capacity), index_(std::bit_ceil(2 * capacity), kFree) {}

  Found Find(const int64_t* t_ms, size_t size) {
    if (size == last_size_ && last_ < entries_.size() && Same(entries_[last_], t_ms, size)) {
      return {&entries_[last_].value, last_, true};
    }
    last_size_ = size;
    size_t at = Hash(t_ms, size) & (index_.size() - 1);
    for (; index_[at] != kFree; at = (at + 1) & (index_.size() - 1)) {
      last_ = index_[at];
      if (Same(entries_[last_], t_ms, size)) return {&entries_[last_].value, last_, true};
    }
    if (used_ == capacity_) {  // all begin anew, in the memory of those before
      index_.assign(index_.size(), kFree);
      used_ = 0;
      at = Hash(t_ms, size) & (index_.size() - 1);
    }
    last_ = used_++;
    index_[at] = static_cast<uint32_t>(last_);
    if (entries_.size() < used_) entries_.emplace_back();
    entries_[last_].t_ms.assign(t_ms, t_ms + size);
    return {&entries_[last_].value, last_, false};
  }

 private:
  struct Entry {
    std::vector<int64_t> t_ms;
    T value;
  };
  static constexpr uint32_t kFree = UINT32_MAX;

  static bool Same(const Entry& e, const int64_t* t_ms, size_t size) {
    return e.t_ms.size() == size &&
           (size == 0 || std::memcmp(e.t_ms.data(), t_ms, size * sizeof *t_ms) == 0);
  }
  static size_t Hash(const int64_t* t_ms, size_t size) {
    if (size == 0) return 0;
    uint64_t h = size;
    for (const int64_t t : {t_ms[0], t_ms[size / 2], t_ms[size - 1]}) {
      h = (h ^ static_cast<uint64_t>(t)) * 0x9e3779b97f4a7c15u;
      h ^= h >> 32;
    }
    return h;
  }

  const size_t capacity_;
  std::vector<uint32_t> index_;  // open addressing: entry or kFree
  std::vector<Entry> entries_;
  size_t used_ = 0;
  size_t last_ = 0;
  size_t last_size_ = 0;
};

}  // namespace deckwatch::query
