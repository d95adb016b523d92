#include "server/series_cache.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace deckwatch::server {

namespace {

constexpr size_t kFirstSize = 64;

// Bits that are not kept in the entry.
size_t ShardOf(SeriesCache::Key key, size_t shards) {
  return key.high >> 32 & (shards - 1);
}

uint32_t KeptHigh(SeriesCache::Key key) {
  return static_cast<uint32_t>(key.high);
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

// The slot of the key, or the free one where it belongs.
size_t SeriesCache::Probe(const std::vector<Entry>& table, uint64_t low, uint32_t high) {
  for (size_t i = Home(table, low);;) {
    const Entry& e = table[i];
    if (e.low == 0 || (e.low == low && e.high == high)) return i;
    if (++i == table.size()) i = 0;
  }
}

void SeriesCache::Find(std::span<const Key> keys, std::span<SeriesRef> refs) const {
  std::array<uint32_t, kShards + 1> begin{};  // of each shard's keys in `order`
  for (const Key key : keys) ++begin[ShardOf(key, kShards) + 1];
  for (size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
  std::vector<uint32_t> order(keys.size());
  for (uint32_t i = 0; i < keys.size(); ++i) order[begin[ShardOf(keys[i], kShards)]++] = i;
  size_t from = 0;  // `begin` now holds the ends
  for (size_t shard = 0; shard < kShards; from = begin[shard++]) {
    const std::span mine = std::span(order).subspan(from, begin[shard] - from);
    if (mine.empty()) continue;
    const Shard& s = shards_[shard];
    MutexLock lock(s.mutex);
    for (const uint32_t i : mine) __builtin_prefetch(&s.table[Home(s.table, keys[i].low)]);
    for (const uint32_t i : mine) {
      refs[i] = s.table[Probe(s.table, keys[i].low, KeptHigh(keys[i]))].ref;
    }
  }
}

void SeriesCache::Insert(Key key, SeriesRef ref) {
  if (ref > UINT32_MAX) return;
  Shard& s = shards_[ShardOf(key, kShards)];
  MutexLock lock(s.mutex);
  if ((s.used + 1) * 5 > s.table.size() * 4) Grow(&s);
  Entry& e = s.table[Probe(s.table, key.low, KeptHigh(key))];
  if (e.low == 0) ++s.used;
  e = {key.low, KeptHigh(key), static_cast<uint32_t>(ref)};
}

void SeriesCache::Grow(Shard* shard) {
  const size_t size = shard->used < max_entries_ ? shard->table.size() * 3 / 2 : kFirstSize;
  std::vector<Entry> old(size);
  old.swap(shard->table);
  shard->used = 0;
  if (size == kFirstSize) return;
  for (const Entry& e : old) {
    if (e.ref == kNoSeries) continue;
    shard->table[Probe(shard->table, e.low, e.high)] = e;
    ++shard->used;
  }
}

void SeriesCache::Erase(Key key) {
  Shard& s = shards_[ShardOf(key, kShards)];
  MutexLock lock(s.mutex);
  s.table[Probe(s.table, key.low, KeptHigh(key))].ref = kNoSeries;
}

size_t SeriesCache::size() const {
  size_t n = 0;
  for (const Shard& s : shards_) {
    MutexLock lock(s.mutex);
    n += s.used;
  }
  return n;
}

size_t SeriesCache::bytes() const {
  size_t n = 0;
  for (const Shard& s : shards_) {
    MutexLock lock(s.mutex);
    n += s.table.capacity() * sizeof(Entry);
  }
  return n;
}

}  // namespace deckwatch::server
