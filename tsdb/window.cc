#include "tsdb/window.h"

#include <algorithm>

namespace deckwatch::tsdb {

GroupWindow& Window::Group(uint32_t group) {
  Load(group);
  MutexLock lock(mutex_);
  if (group >= groups_.size()) groups_.resize(group + 1);
  if (groups_[group] == nullptr) {
    groups_[group] = std::make_unique<GroupWindow>();
    Grew(groups_[group]->bytes());
  }
  return *groups_[group];
}

const GroupWindow* Window::FindGroup(uint32_t group) const {
  Load(group);
  MutexLock lock(mutex_);
  return group < groups_.size() ? groups_[group].get() : nullptr;
}

void Window::LoadLater(std::vector<uint32_t> groups,
                       std::function<bool(uint32_t, GroupWindow*)> read) {
  read_ = std::move(read);
  if (groups.empty()) return;
  unread_min_ms_ = info_.any_time() ? INT64_MIN : info_.start_ms;
  unread_max_ms_ = info_.any_time() ? INT64_MAX : info_.end_ms - 1;
  MutexLock lock(mutex_);
  unread_.insert(groups.begin(), groups.end());
  any_unread_ = true;
}

void Window::Load(uint32_t group) const {
  if (!any_unread_.load(std::memory_order_acquire)) return;
  {
    MutexLock lock(mutex_);
    if (!unread_.contains(group)) return;
    if (!being_read_.insert(group).second) {  // by another thread: wait for it
      const auto is_read = [&]() REQUIRES(mutex_) { return !being_read_.contains(group); };
      while (!was_read_.WaitFor(mutex_, {}, 60'000, is_read)) {
      }
      return;
    }
  }
  auto loaded = std::make_unique<GroupWindow>();
  const bool read = read_(group, loaded.get());
  if (read && loaded->samples() > 0) {
    Cover(loaded->min_ms());
    Cover(loaded->max_ms());
    Grew(loaded->bytes());
  }
  {
    MutexLock lock(mutex_);
    if (group >= groups_.size()) groups_.resize(group + 1);
    if (read && loaded->samples() > 0) groups_[group] = std::move(loaded);
    being_read_.erase(group);
    if (read) unread_.erase(group);
    if (unread_.empty()) {
      unread_min_ms_ = INT64_MAX;
      unread_max_ms_ = INT64_MIN;
      any_unread_.store(false, std::memory_order_release);
    }
  }
  was_read_.NotifyAll();
}

bool Window::IsUnread(uint32_t group) const {
  if (!any_unread_.load(std::memory_order_acquire)) return false;
  MutexLock lock(mutex_);
  return unread_.contains(group);
}

void Window::LoadAll() const {
  std::set<uint32_t> unread;
  {
    MutexLock lock(mutex_);
    unread = unread_;
  }
  // Backwards: a query that asks for every group from the first on meets this in the middle.
  for (auto it = unread.rbegin(); it != unread.rend(); ++it) Load(*it);
}

std::vector<std::pair<uint32_t, const GroupWindow*>> Window::Groups() const {
  LoadAll();
  MutexLock lock(mutex_);
  std::vector<std::pair<uint32_t, const GroupWindow*>> out;
  for (uint32_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g] != nullptr) out.emplace_back(g, groups_[g].get());
  }
  return out;
}

bool Window::Enter() {
  MutexLock lock(mutex_);
  if (closed_) return false;
  ++writers_;
  return true;
}

void Window::Leave() {
  {
    MutexLock lock(mutex_);
    --writers_;
  }
  left_.NotifyAll();
}

void Window::Stop() {
  MutexLock lock(mutex_);
  closed_ = true;
}

void Window::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
  while (!left_.WaitFor(mutex_, {}, 60'000, [this]() REQUIRES(mutex_) { return writers_ == 0; })) {
  }
}

uint64_t Window::samples() const {
  uint64_t n = 0;
  for (const auto& [id, g] : Groups()) n += g->samples();
  return n;
}
void Window::Cover(int64_t t_ms) const {
  for (int64_t t = min_ms_.load(); t_ms < t && !min_ms_.compare_exchange_weak(t, t_ms);) {
  }
  for (int64_t t = max_ms_.load(); t_ms > t && !max_ms_.compare_exchange_weak(t, t_ms);) {
  }
}

}  // namespace deckwatch::tsdb
