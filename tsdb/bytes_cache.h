// A cache by name that holds up to so many bytes; what was used least recently goes first.
// Thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"

namespace deckwatch::tsdb {

// T::bytes() is what a value takes.
template <typename T>
class BytesCache {
 public:
  using Ptr = std::shared_ptr<const T>;
  explicit BytesCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  Ptr Find(const std::string& key) const {  // null when there is none
    MutexLock lock(mutex_);
    const auto it = slots_.find(key);
    if (it == slots_.end()) return nullptr;
    it->second.used = ++turn_;
    return it->second.value;
  }

  void Put(const std::string& key, Ptr value) {
    const size_t bytes = key.size() + value->bytes();
    if (bytes > max_bytes_) return;
    MutexLock lock(mutex_);
    if (!slots_.try_emplace(key, Slot{std::move(value), ++turn_}).second) return;
    for (bytes_ += bytes; bytes_ > max_bytes_;) {
      const auto oldest = std::min_element(
          slots_.begin(), slots_.end(),
          [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
      bytes_ -= oldest->first.size() + oldest->second.value->bytes();
      slots_.erase(oldest);
    }
  }
  size_t bytes() const {
    MutexLock lock(mutex_);
    return bytes_;
  }

 private:
  struct Slot {
    Ptr value;
    uint64_t used = 0;  // the turn of its last use
  };
  const size_t max_bytes_;
  mutable Mutex mutex_;
  mutable std::unordered_map<std::string, Slot> slots_ GUARDED_BY(mutex_);
  mutable uint64_t turn_ GUARDED_BY(mutex_) = 0;
  size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace deckwatch::tsdb
