// A cache by name that holds up to so many bytes; what was used least recently goes first.
// Thread-safe.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
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
    const auto it = by_key_.find(key);
    if (it == by_key_.end()) return nullptr;
    by_use_.splice(by_use_.begin(), by_use_, it->second);
    return it->second->value;
  }

  void Put(const std::string& key, Ptr value) {
    const size_t bytes = key.size() + value->bytes();
    if (bytes > max_bytes_) return;
    MutexLock lock(mutex_);
    if (by_key_.contains(key)) return;
    by_use_.push_front({key, std::move(value), bytes});
    by_key_.emplace(by_use_.front().key, by_use_.begin());
    for (bytes_ += bytes; bytes_ > max_bytes_;) {
      const Slot& oldest = by_use_.back();
      bytes_ -= oldest.bytes;
      by_key_.erase(oldest.key);
      by_use_.pop_back();
    }
  }

  size_t bytes() const {
    MutexLock lock(mutex_);
    return bytes_;
  }

 private:
  struct Slot {
    std::string key;
    Ptr value;
    size_t bytes = 0;
  };
  using Slots = std::list<Slot>;
  const size_t max_bytes_;
  mutable Mutex mutex_;
  mutable Slots by_use_ GUARDED_BY(mutex_);  // what was used last comes first
  std::unordered_map<std::string_view, typename Slots::iterator> by_key_ GUARDED_BY(mutex_);
  size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace deckwatch::tsdb
