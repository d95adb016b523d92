// Groups of series and the places in them: who has which, and which are free.
#include "tsdb/series_index.h"

namespace deckwatch::tsdb {

void SeriesIndex::EndRestore() {
  MutexLock lock(mutex_);
  std::vector<std::vector<bool>> taken(groups_.size());
  for (size_t g = 0; g < groups_.size(); ++g) taken[g].resize(groups_[g].columns);
  for (const auto& page : pages_) {
    if (page == nullptr) continue;
    for (const Series& s : *page) {
      if (s.alive()) taken[s.group][s.column] = true;
    }
  }
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (uint32_t column = 0; column < groups_[g].columns; ++column) {
      if (!taken[g][column]) groups_[g].free_columns.push_back(column);
    }
  }
}

uint32_t SeriesIndex::GroupOf(uint64_t key) {
  const auto [it, added] = group_of_key_.try_emplace(key);
  if (!added) return it->second;
  if (free_groups_.empty()) {
    it->second = static_cast<uint32_t>(groups_.size());
    groups_.emplace_back();
  } else {
    it->second = free_groups_.back();
    free_groups_.pop_back();
    groups_[it->second] = Group();
  }
  groups_[it->second].key = key;
  return it->second;
}

void SeriesIndex::GiveBack(std::span<const SeriesPlace> places) {
  MutexLock lock(mutex_);
  for (const SeriesPlace& p : places) groups_[p.group].free_columns.push_back(p.column);
}

std::vector<uint32_t> SeriesIndex::EmptyGroups() const {
  MutexLock lock(mutex_);
  std::vector<uint32_t> out;
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].IsEmpty()) out.push_back(g);
  }
  return out;
}

void SeriesIndex::RemoveGroup(uint32_t group) {
  MutexLock lock(mutex_);
  Group& g = groups_[group];
  if (!g.IsEmpty()) return;
  group_of_key_.erase(g.key);
  g = Group{.key = 0, .columns = 0, .free_columns = {}, .in_use = false};
  free_groups_.push_back(group);
}

uint64_t SeriesIndex::GroupKey(uint32_t group) const {
  MutexLock lock(mutex_);
  return groups_[group].key;
}
uint32_t SeriesIndex::GroupCount() const {
  MutexLock lock(mutex_);
  return static_cast<uint32_t>(groups_.size());
}

}  // namespace deckwatch::tsdb
