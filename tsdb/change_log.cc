#include "tsdb/change_log.h"

#include <algorithm>
#include <atomic>

namespace deckwatch::tsdb {

namespace {

uint64_t NextVersion() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

int64_t DownToSecond(int64_t t_ms) {
  constexpr int64_t kSecondMs = 1000;
  const int64_t past = ((t_ms % kSecondMs) + kSecondMs) % kSecondMs;
  return t_ms < INT64_MIN + past ? INT64_MIN : t_ms - past;
}

}  // namespace

ChangeLog::ChangeLog() : first_(NextVersion()), version_(first_) {}

void ChangeLog::Note(int64_t least_ms) {
  const int64_t t_ms = DownToSecond(least_ms);
  MutexLock lock(mutex_);
  version_ = NextVersion();
  while (!entries_.empty() && entries_.back().least_ms >= t_ms) entries_.pop_back();
  entries_.push_back({version_, t_ms});
  if (entries_.size() > kMaxEntries) Thin();
}

void ChangeLog::Thin() {
  const size_t half = entries_.size() / 2 / 2 * 2;
  size_t kept = 0;
  for (size_t i = 0; i < half; i += 2) {
    entries_[kept++] = {entries_[i + 1].version, entries_[i].least_ms};
  }
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(kept),
                 entries_.begin() + static_cast<std::ptrdiff_t>(half));
}

uint64_t ChangeLog::Version() const {
  MutexLock lock(mutex_);
  return version_;
}

int64_t ChangeLog::UnchangedBefore(uint64_t version) const {
  MutexLock lock(mutex_);
  if (version < first_ || version > version_) return INT64_MIN;
  const auto later =
      std::upper_bound(entries_.begin(), entries_.end(), version,
                       [](uint64_t v, const Entry& entry) { return v < entry.version; });
  return later == entries_.end() ? INT64_MAX : later->least_ms;
}

size_t ChangeLog::entries() const {
  MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace deckwatch::tsdb
