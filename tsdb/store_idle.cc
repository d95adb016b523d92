// Series without a sample in any open window are forgotten by the head; their parts know them.
// Their places in groups, and groups that are left without series, are given again, but only when
// every querier is gone that may have been told of them: to it a place means what it was.
#include <algorithm>

#include "base/bytes.h"
#include "tsdb/store.h"

namespace deckwatch::tsdb {

namespace {

bool HasOpenSamples(const View& view, const SeriesPlace& place) {
  return std::any_of(view.windows.begin(), view.windows.end(), [&](const WindowPtr& w) {
    const GroupWindow* group = w->FindGroup(place.group);
    if (group == nullptr) return w->IsUnread(place.group);
    return group->HasSamples(place.column);
  });
}

bool HasOpenGroup(const View& view, uint32_t group) {
  return std::any_of(view.windows.begin(), view.windows.end(), [&](const WindowPtr& w) {
    return w->FindGroup(group) != nullptr || w->IsUnread(group);
  });
}

}  // namespace

// After a window was sealed because it was over, when most series have samples in the next one; and
// now and then for those that never got a sample.
bool Store::IdleSeriesAreDue() {
  if (idle_is_due_) return true;
  return options_.clock->MonotonicMs() - idle_removed_ms_ >= options_.window_ms;
}

void Store::RemoveIdleSeries() {
  // A querier finds the series of its windows in the index, also when they are parts by now.
  std::erase_if(sealed_, [](const auto& w) { return w.expired(); });
  if (!sealed_.empty()) return;
  const bool with_samples = std::exchange(idle_is_due_, false);
  idle_removed_ms_ = options_.clock->MonotonicMs();
  // Those made since the last time may have their first sample on the way.
  const uint32_t new_from = std::exchange(new_series_from_, index_.next_id());
  std::vector<std::pair<uint32_t, SeriesPlace>> all = index_.AllPlaces();
  std::ranges::sort(all, {}, [](const auto& entry) { return entry.second.group; });
  std::vector<SeriesPlace> gone;
  for (auto at = all.begin(); at != all.end();) {
    // Several groups at once: what takes long is the postings of labels that all series have. Fewer
    // than the 64 locks of one thread that ThreadSanitizer can follow.
    constexpr size_t kGroupsAtOnce = 48;
    std::vector<std::unique_lock<Mutex>> turns;  // in the order in which commits take them
    std::vector<uint32_t> idle;
    KvBatch batch;
    while (at != all.end() && turns.size() < kGroupsAtOnce) {
      const uint32_t group = at->second.group;
      turns.emplace_back(Turn(group));
      const ViewPtr v = view();
      const size_t before = idle.size();
      for (; at != all.end() && at->second.group == group; ++at) {
        const auto& [id, place] = *at;
        if (place.durable ? !with_samples : id >= new_from) continue;
        if (HasOpenSamples(*v, place)) continue;
        idle.push_back(id);
        if (!place.durable) continue;
        std::string key;
        PutBig32(&key, id);
        batch.Delete(series_, key);
      }
      if (idle.size() == before) turns.pop_back();
    }
    if (!WriteHead(&batch).ok()) break;
    const std::vector<SeriesPlace> places = index_.Remove(idle);
    counters_.removed += places.size();
    gone.insert(gone.end(), places.begin(), places.end());
  }
  if (gone.empty()) return;
  MutexLock lock(mutex_);
  departed_.push_back({view_->age, std::move(gone)});
  View next = *view_;
  next.age = std::make_shared<const char>();
  view_ = std::make_shared<const View>(std::move(next));
}

void Store::GiveBackPlaces() {
  while (!departed_.empty() && departed_.front().readers.expired()) {
    index_.GiveBack(departed_.front().places);
    departed_.pop_front();
  }
  for (const uint32_t group : index_.EmptyGroups()) {
    const MutexLock turn(Turn(group));
    if (!HasOpenGroup(*view(), group)) index_.RemoveGroup(group);
  }
}

}  // namespace deckwatch::tsdb
