// Which series some bytes mean: 128-bit hash of a series' wire labels -> SeriesRef.
//
// Sized for millions of series: flat tables of 16 bytes an entry, in shards so that writers do not
// wait for each other. Of the hash, 102 bits are compared: 96 kept, 6 by the choice of the shard.
// Two label sets that agree in them would be taken for one; at ten million series the odds are
// 1e-17.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/storage.h"

namespace deckwatch::server {

// Thread-safe.
class SeriesCache {
 public:
  struct Key {
    uint64_t low = 0;
    uint64_t high = 0;
  };
  static Key KeyOf(std::string_view wire_labels);

  // A shard holds at most `max_entries_per_shard`; a full one starts anew, as series that are
  // gone would otherwise fill it.
  explicit SeriesCache(size_t max_entries_per_shard = 1 << 18);

  // kNoSeries for what is unknown. Of many keys at once: a look-up is a miss of the processor's
  // cache, and those of a shard are waited for together.
  void Find(std::span<const Key> keys, std::span<SeriesRef> refs) const;
  void Insert(Key key, SeriesRef ref);  // refs of more than 32 bits are not kept
  void Erase(Key key);
  size_t size() const;
  size_t bytes() const;

 private:
  static constexpr size_t kShards = 64;
  struct Entry {
    uint64_t low = 0;  // 0: free
    uint32_t high = 0;
    uint32_t ref = 0;  // kNoSeries with a key: erased
  };
  // Open addressing, linear probing, at most 4/5 full.
  struct Shard {
    mutable Mutex mutex;
    std::vector<Entry> table GUARDED_BY(mutex);
    size_t used GUARDED_BY(mutex) = 0;
  };

  static size_t Home(const std::vector<Entry>& table, uint64_t low) {
    return (low >> 32) * table.size() >> 32;
  }
  static size_t Probe(const std::vector<Entry>& table, uint64_t low, uint32_t high);
  void Grow(Shard* shard) REQUIRES(shard->mutex);

  size_t max_entries_;
  std::array<Shard, kShards> shards_;
};

}  // namespace deckwatch::server
