#include "server/series_cache.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace deckwatch::server {

namespace {

constexpr size_t kFirstSize = 256;

size_t ShardOf(SeriesCache::Key key, size_t shards) {
  return key.high >> 32 & (shards - 1);
}

}  // namespace

SeriesCache::Key SeriesCache::KeyOf(std::string_view wire_labels) {
  const XXH128_hash_t h = XXH3_128bits(wire_labels.data(), wire_labels.size());
  // A zero key marks a free slot.
  return {h.low64 == 0 ? 1 : h.low64, h.high64};
}

SeriesCache::SeriesCache(size_t max_entries_per_shard) : max_entries_(max_entries_per_shard) {
  for (Shard& s : shards_) {
    MutexLock lock(s.mutex);
    s.table.resize(kFirstSize);
  }
}

// The slot of `key`, or the free one where it belongs.
size_t SeriesCache::Probe(const std::vector<Entry>& table, Key key) {
  const size_t mask = table.size() - 1;
  for (size_t i = key.low & mask;; i = (i + 1) & mask) {
    const Key& k = table[i].key;
    if (k.low == 0 || (k.low == key.low && k.high == key.high)) return i;
  }
}

SeriesRef SeriesCache::Find(Key key) const {
  const Shard& s = shards_[ShardOf(key, kShards)];
  MutexLock lock(s.mutex);
  return s.table[Probe(s.table, key)].ref;
}

void SeriesCache::Insert(Key key, SeriesRef ref) {
  Shard& s = shards_[ShardOf(key, kShards)];
  MutexLock lock(s.mutex);
  if ((s.used + 1) * 4 > s.table.size() * 3) Grow(&s);
  Entry& e = s.table[Probe(s.table, key)];
  if (e.key.low == 0) ++s.used;
  e = {key, ref};
}

void SeriesCache::Grow(Shard* shard) {
  std::vector<Entry> old;
  old.swap(shard->table);
  shard->used = 0;
  if (old.size() * 3 / 4 >= max_entries_) {
    shard->table.resize(kFirstSize);
    return;
  }
  shard->table.resize(old.size() * 2);
  for (const Entry& e : old) {
    if (e.ref == kNoSeries) continue;
    shard->table[Probe(shard->table, e.key)] = e;
    ++shard->used;
  }
}

void SeriesCache::Erase(Key key) {
  Shard& s = shards_[ShardOf(key, kShards)];
  MutexLock lock(s.mutex);
  s.table[Probe(s.table, key)].ref = kNoSeries;
}

size_t SeriesCache::size() const {
  size_t n = 0;
  for (const Shard& s : shards_) {
    MutexLock lock(s.mutex);
    n += s.used;
  }
  return n;
}

}  // namespace deckwatch::server
