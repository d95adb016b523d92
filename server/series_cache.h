// Which series some bytes mean: 128-bit hash of a series' wire labels -> SeriesRef.
//
// Sized for millions of series: flat tables of 24 bytes an entry, in shards so that writers do not
// wait for each other. Two label sets with the same 128 bits would be taken for one; at ten million
// series the odds of that are 1e-25.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
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

  SeriesRef Find(Key key) const;  // kNoSeries when unknown
  void Insert(Key key, SeriesRef ref);
  void Erase(Key key);
  size_t size() const;

 private:
  static constexpr size_t kShards = 64;
  struct Entry {
    Key key;
    SeriesRef ref = kNoSeries;  // kNoSeries with a key: erased
  };
  // Open addressing, linear probing, power-of-two size, at most 3/4 full.
  struct Shard {
    mutable Mutex mutex;
    std::vector<Entry> table GUARDED_BY(mutex);
    size_t used GUARDED_BY(mutex) = 0;
  };

  static size_t Probe(const std::vector<Entry>& table, Key key);
  void Grow(Shard* shard) REQUIRES(shard->mutex);

  size_t max_entries_;
  std::array<Shard, kShards> shards_;
};

}  // namespace deckwatch::server
