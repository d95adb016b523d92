#include "tsdb/selection.h"

#include <algorithm>

#include "base/bytes.h"

namespace deckwatch::tsdb {

std::string SelectionCache::Key(char place, uint64_t version,
                                const std::vector<Matcher>& matchers) {
  std::string key(1, place);
  PutFixed64(&key, version);
  for (const Matcher& m : matchers) {
    PutString(&key, m.name());
    key.push_back(static_cast<char>(m.type()));
    PutString(&key, m.value());
  }
  return key;
}

SelectionPtr SelectionCache::Find(const std::string& key) const {
  MutexLock lock(mutex_);
  const auto it = slots_.find(key);
  if (it == slots_.end()) return nullptr;
  it->second.used = ++turn_;
  return it->second.selection;
}

size_t SelectionCache::bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

void SelectionCache::Put(const std::string& key, SelectionPtr selection) {
  const size_t bytes = key.size() + selection->bytes();
  if (bytes > max_bytes_) return;
  MutexLock lock(mutex_);
  if (!slots_.try_emplace(key, Slot{std::move(selection), ++turn_}).second) return;
  for (bytes_ += bytes; bytes_ > max_bytes_;) {
    const auto oldest = std::min_element(
        slots_.begin(), slots_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
    bytes_ -= oldest->first.size() + oldest->second.selection->bytes();
    slots_.erase(oldest);
  }
}

}  // namespace deckwatch::tsdb
