// What is in the store, in numbers.
#include <algorithm>
#include <filesystem>

#include "tsdb/cardinality.h"
#include "tsdb/store.h"

namespace deckwatch::tsdb {

uint64_t Store::PartBytes(const View& view) const {
  uint64_t n = 0;
  for (const PartPtr& p : view.parts) n += p->meta().value_bytes + p->meta().index_bytes;
  return n;
}

DbStats Store::Stats() const {
  const ViewPtr v = view();
  DbStats s;
  const Counters& c = counters_;
  s.counters = {.samples_appended = c.appended,
                .samples_late = c.late,
                .samples_duplicate = c.duplicate,
                .samples_conflicting = c.conflicting,
                .samples_too_old = c.too_old,
                .samples_too_far_ahead = c.too_far_ahead,
                .exemplars_appended = exemplars_.added(),
                .series_created = index_.created(),
                .series_removed = c.removed,
                .series_refused = index_.refused(),
                .commits = c.commits,
                .log_bytes = c.log_bytes,
                .log_syncs = c.log_syncs,
                .log_sync_ns = c.log_sync_ns,
                .reopens = c.reopens,
                .seals = c.seals,
                .seals_failed = c.seals_failed,
                .merges = c.merges,
                .merges_failed = c.merges_failed,
                .parts_dropped_by_time = c.dropped_by_time,
                .parts_dropped_by_size = c.dropped_by_size,
                .corruptions = c.corruptions};
  s.head_series = index_.size();
  s.head_groups = index_.GroupCount();
  s.memory = {.limit = budget_.total,
              .index = index_.MemoryBytes(),
              .windows = WindowBytes(),
              .blocks = cache_->UsedBytes() + pages_.bytes(),
              .selections = selections_.bytes() + texts_.bytes(),
              .exemplars = exemplars_.bytes(),
              .write_buffers = head_->MemoryBytes() + parts_->MemoryBytes()};
  s.head_bytes = s.memory.index + s.memory.windows;
  for (const WindowPtr& w : v->windows) {
    s.head_samples += w->samples();
    s.head_min_ms = std::min(s.head_min_ms, w->min_ms());
    s.head_max_ms = std::max(s.head_max_ms, w->max_ms());
  }
  s.min_ms = s.head_min_ms;
  s.parts = v->parts.size();
  for (const PartPtr& p : v->parts) {
    s.part_samples += p->meta().samples;
    s.min_ms = std::min(s.min_ms, p->meta().min_ms);
  }
  s.part_bytes = PartBytes(*v);
  s.cache_bytes = cache_->UsedBytes();
  s.takes_samples = CheckTakesSamples().ok();
  s.disk_is_low = disk_.level() != DiskGuard::Level::kPlenty;
  s.disk_free_bytes = disk_.free_bytes();
  s.losses = losses_.All().size();
  s.scrub_bytes = scrub_bytes_;
  s.scrub_rounds = scrub_rounds_;
  s.scrub_finished_ms = scrub_finished_ms_;
  return s;
}

// Numbers of series ascend: to know what is new it is enough to note the next one now and then.
void Store::MarkGrowth() {
  constexpr int64_t kEveryMs = 600'000, kKeptMs = 86'400'000;
  const int64_t now_ms = options_.clock->WallMs();
  const uint32_t next = index_.next_id();
  MutexLock lock(mutex_);
  // A clock that went back leaves marks of the future.
  while (!growth_.empty() && growth_.back().at_ms > now_ms) growth_.pop_back();
  if (!growth_.empty() && now_ms - growth_.back().at_ms < kEveryMs) return;
  growth_.push_back({now_ms, next});
  while (now_ms - growth_.front().at_ms > kKeptMs) growth_.pop_front();
}

Cardinality Store::TopCardinality(size_t limit, int64_t since_ms) const {
  GrowthMark mark{.at_ms = options_.clock->WallMs(), .next_series = index_.next_id()};
  {
    MutexLock lock(mutex_);
    if (!growth_.empty()) mark = growth_.front();
    for (const GrowthMark& m : growth_) {
      if (m.at_ms <= since_ms) mark = m;
    }
  }
  CardinalityCounter counter(limit);
  index_.ForEachPair([&](std::string_view name, std::string_view value, const PostingRuns& series) {
    counter.Add(name, value, series.size(), series.CountFrom(mark.next_series));
  });
  Cardinality c = counter.Take();
  c.series = index_.size();
  c.new_since_ms = mark.at_ms;
  return c;
}

Result<Cardinality> Store::StoredCardinality(size_t limit) const {
  std::map<std::pair<std::string, std::string>, uint64_t, std::less<>> most;
  const auto add = [&](std::string_view name, std::string_view value, uint64_t series) {
    uint64_t& n = most[{std::string(name), std::string(value)}];
    n = std::max(n, series);
  };
  index_.ForEachPair([&](std::string_view name, std::string_view value, const PostingRuns& series) {
    add(name, value, series.size());
  });
  uint64_t series = index_.size();
  const ViewPtr v = view();
  for (const PartPtr& p : v->parts) {
    TRY(p->ForEachPair(add));
    series = std::max(series, p->meta().series);
  }
  CardinalityCounter counter(limit);
  for (const auto& [pair, n] : most) counter.Add(pair.first, pair.second, n, 0);
  Cardinality c = counter.Take();
  c.series = series;
  return c;
}

std::vector<MetricMetadata> Store::Metadata(std::string_view name) const {
  MutexLock lock(mutex_);
  std::vector<MetricMetadata> out;
  if (!name.empty()) {
    if (const auto it = metadata_.find(name); it != metadata_.end()) out.push_back(it->second);
    return out;
  }
  for (const auto& [key, m] : metadata_) out.push_back(m);
  return out;
}

std::vector<Db::PartInfo> Store::Parts() const {
  std::vector<PartInfo> out;
  const ViewPtr v = view();
  for (const PartPtr& p : v->parts) {
    const PartMeta& m = p->meta();
    out.push_back({p->id(), m.min_ms, m.max_ms, m.series, m.samples, m.value_bytes + m.index_bytes,
                   std::string(PartLevelName(m.level))});
  }
  return out;
}

// The classes inside index.sst share compressed blocks; its size is split by what each class takes
// before compression.
Result<BytesByClass> Store::Bytes() const {
  const ViewPtr v = view();
  BytesByClass b;
  for (const PartPtr& p : v->parts) {
    const PartMeta& m = p->meta();
    const uint64_t raw =
        std::max<uint64_t>(1, m.label_raw_bytes + m.postings_raw_bytes + m.clock_raw_bytes);
    b.values += m.value_bytes;
    const auto share = [&](uint64_t part) {
      return static_cast<uint64_t>(static_cast<double>(m.index_bytes) * static_cast<double>(part) /
                                   static_cast<double>(raw));
    };
    b.labels += share(m.label_raw_bytes);
    b.postings += share(m.postings_raw_bytes);
    b.clocks += share(m.clock_raw_bytes);
  }
  for (const WindowPtr& w : v->windows) b.rows += head_->FileBytes(w->rows());
  b.registry = head_->FileBytes(series_);
  b.state = state_.FileBytes() + meta_.FileBytes();
  b.log = head_->LogBytes();
  std::error_code ec;
  for (const char* database : {"/head", "/parts"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(options_.path + database, ec)) {
      if (entry.is_regular_file(ec)) b.total += entry.file_size(ec);
    }
  }
  const uint64_t named =
      b.values + b.clocks + b.labels + b.postings + b.rows + b.registry + b.state + b.log;
  b.other = b.total - std::min(b.total, named);
  return b;
}

}  // namespace deckwatch::tsdb
