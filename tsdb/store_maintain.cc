// Sealing, merging, retention. Each step is made of: build files, install them in the
// parts database, one synced write to head.meta that makes them true, then clean-up. A crash before
// the write leaves an orphan family, one after it leaves clean-up undone; starting deals with both.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "tsdb/store.h"

namespace deckwatch::tsdb {

namespace {

constexpr int64_t kClockLeapMs = 3'600'000;
constexpr int64_t kClockTrialMs = 86'400'000;
constexpr int64_t kIdleSealMs = 600'000;  // a window of old samples that nobody adds to

template <typename T>
void EraseAll(const std::vector<T>& gone, std::vector<T>* from) {
  std::erase_if(*from,
                [&](const T& x) { return std::find(gone.begin(), gone.end(), x) != gone.end(); });
}

}  // namespace

std::string Store::ScratchDirectory(uint64_t part) const {
  return options_.path + "/scratch/" + std::to_string(part);
}

void Store::ReportCorruption(const Status& status) const {
  if (status.code() != StatusCode::kCorruption) return;
  // Each series of a lost block comes here: say it ever more rarely.
  if (const uint64_t n = ++counters_.corruptions; (n & (n - 1)) != 0) return;
  LogError("stored samples cannot be read", {{"error", status}});
}

// ---- sealing

uint64_t Store::WindowBytes() const {
  uint64_t n = 0;
  const ViewPtr v = view();
  for (const WindowPtr& w : v->windows) n += w->bytes();
  return n;
}

// The windows have used up their share of the memory.
bool Store::IsPressed() const {
  return WindowBytes() > budget_.windows(index_.MemoryBytes());
}

// Its time has passed: what it would still get is the exception.
bool Store::IsOver(const Window& window) const {
  if (!window.info().any_time()) {
    return window.info().end_ms + WindowGraceMs() <= options_.clock->WallMs();
  }
  return window.samples() > 0 &&
         options_.clock->MonotonicMs() - window.last_append_ms >= kIdleSealMs;
}

Status Store::SealWindows(SealMode mode) {
  std::vector<std::pair<uint64_t, WindowPtr>> windows;
  const ViewPtr v = view();
  for (const WindowPtr& w : v->windows) windows.emplace_back(w->bytes(), w);
  // The largest first: under pressure it is the one that helps.
  std::ranges::stable_sort(windows, std::greater<>(), [](const auto& w) { return w.first; });
  bool sealed = false;
  for (const auto& [bytes, w] : windows) {
    bool open;
    {
      MutexLock lock(mutex_);
      open = std::find(open_.begin(), open_.end(), w) != open_.end();
    }
    // One that is not open any more failed to seal before.
    const bool over = IsOver(*w);
    const bool due = over || (w->samples() > 0 && IsPressed());
    if (mode != SealMode::kAll && open && !due) continue;
    TRY(Seal(w));
    // After others, the series of a window are most likely still written to.
    idle_is_due_ = idle_is_due_ || over;
    sealed = true;
  }
  // The log keeps the rows of sealed windows for as long as it is the only place of anything else.
  return sealed ? FlushHead() : Status::Ok();
}

Status Store::BuildWindowParts(const Window& window, std::vector<PartPtr>* parts) {
  window.LoadAll();
  if (window.HasUnread()) return Status::Io("its rows cannot be read");
  std::vector<uint32_t> ids;
  for (const auto& [id, place] : index_.AllPlaces()) {
    const GroupWindow* group = window.FindGroup(place.group);
    if (group != nullptr && group->HasSamples(place.column)) ids.push_back(id);
  }
  if (ids.empty()) return {};
  const SeriesByMetric series = index_.ByMetric(ids);
  // A window of any time is cut into the largest buckets, so that retention and merging find them.
  const int64_t width = LargestBucketMs(options_.retention_ms);
  std::set<int64_t> buckets;
  for (const auto& entry : window.Groups()) entry.second->AddBuckets(width, &buckets);
  for (const int64_t from : buckets) {
    uint64_t id;
    {
      MutexLock lock(mutex_);
      id = next_part_++;
    }
    std::vector<std::unique_ptr<SeriesSource>> sources;
    sources.push_back(NewWindowSource(&window, &index_, &series));
    TRY_ASSIGN(PartPtr part, MakePart(id, PartLevel::kWindow, std::move(sources), from,
                                      from + width - 1, [] { return true; }));
    if (part != nullptr) parts->push_back(std::move(part));
  }
  return {};
}

// Null when the sources hold no sample of the range.
Result<PartPtr> Store::MakePart(uint64_t id, PartLevel level,
                                std::vector<std::unique_ptr<SeriesSource>> sources,
                                int64_t start_ms, int64_t end_ms,
                                const std::function<bool()>& keep_going) {
  const std::string scratch = ScratchDirectory(id);
  std::error_code ec;
  std::filesystem::create_directories(scratch, ec);
  if (ec) return Status::Io("create " + scratch + ": " + ec.message());
  TRY_ASSIGN(auto writer, PartWriter::Create(scratch, level));
  TRY_ASSIGN(const auto finished,
             BuildPart(std::move(sources), start_ms, end_ms, writer.get(), keep_going));
  PartPtr part;
  if (finished.meta.series > 0) {
    TRY_ASSIGN(part, InstallPart(id, finished));
  }
  writer.reset();
  std::filesystem::remove_all(scratch, ec);
  return part;
}

Result<PartPtr> Store::InstallPart(uint64_t id, const PartWriter::Finished& finished) {
  TRY_ASSIGN(FamilyPtr family, parts_->GetOrCreate(NumberedName("part.", id)));
  TRY(parts_->Ingest(family, finished.files));
  return PartPtr(
      std::make_shared<PartReader>(parts_.get(), &pages_, std::move(family), id, finished.meta));
}

Status Store::Seal(const WindowPtr& window) {
  {
    MutexLock lock(mutex_);
    std::erase(open_, window);  // from now on, samples of its time go to another
  }
  window->Close();
  std::vector<PartPtr> added;
  if (const Status s = BuildWindowParts(*window, &added); !s.ok()) {
    counters_.seals_failed++;
    return s.Annotate("seal window " + std::to_string(window->info().id));
  }
  KvBatch batch;
  for (const PartPtr& p : added) {
    std::string meta;
    p->meta().EncodeTo(&meta);
    meta_.Put(&batch, MetaKey('P', p->id()), meta);
  }
  meta_.Delete(&batch, MetaKey('W', window->info().id));
  SaveLosses(&batch);
  if (window->damaged) {
    for (const std::string& file : head_->Files(window->rows())) {
      TRY(quarantine_.Keep(file, "rows of a window that is a part now"));
    }
  }
  WillBeInLogOnly(window->min_ms());
  TRY(WriteHead(&batch));
  TRY(head_->SyncLog());
  {
    MutexLock lock(mutex_);
    View next = *view_;
    std::erase(next.windows, window);
    sealed_.push_back(window);
    next.parts.insert(next.parts.end(), added.begin(), added.end());
    view_ = std::make_shared<const View>(std::move(next));
  }
  counters_.seals++;
  return head_->Drop(window->rows());
}

// ---- merging

Status Store::ReplaceParts(const std::vector<PartPtr>& gone, const PartPtr& added) {
  KvBatch batch;
  if (added != nullptr) WillBeInLogOnly(added->meta().min_ms);
  SaveLosses(&batch);
  for (const PartPtr& p : gone) meta_.Delete(&batch, MetaKey('P', p->id()));
  if (added != nullptr) {
    std::string meta;
    added->meta().EncodeTo(&meta);
    meta_.Put(&batch, MetaKey('P', added->id()), meta);
  }
  TRY(WriteHead(&batch));
  TRY(head_->SyncLog());
  {
    MutexLock lock(mutex_);
    View next = *view_;
    EraseAll(gone, &next.parts);
    if (added != nullptr) next.parts.push_back(added);
    std::sort(next.parts.begin(), next.parts.end(),
              [](const PartPtr& a, const PartPtr& b) { return a->id() < b->id(); });
    view_ = std::make_shared<const View>(std::move(next));
  }
  // Before they go: else the end of the log, when it is lost, would take both with it.
  return gone.empty() ? Status::Ok() : FlushHead();
}

Status Store::MergeOnce(const MergePlan& plan, const std::function<bool()>& keep_going) {
  uint64_t id;
  ViewPtr v;
  {
    // Number first, view second: a tombstone made later covers the new part as well.
    MutexLock lock(mutex_);
    id = next_part_++;
    v = view_;
  }
  std::vector<PartPtr> gone;
  std::vector<std::unique_ptr<SeriesSource>> sources;
  for (const PartPtr& p : v->parts) {
    if (std::find(plan.parts.begin(), plan.parts.end(), p->id()) == plan.parts.end()) continue;
    gone.push_back(p);
    TRY_ASSIGN(auto source, NewPartSource(p, v->tombstones));
    sources.push_back(std::move(source));
  }
  const int64_t oldest_ms = clock_.leapt_ms.has_value() ? INT64_MIN : OldestAllowedMs();
  TRY_ASSIGN(const PartPtr added,
             MakePart(id, plan.level, std::move(sources), oldest_ms, INT64_MAX, keep_going));
  TRY(ReplaceParts(gone, added));
  counters_.merges++;
  for (const PartPtr& p : gone) TRY(parts_->Drop(p->family()));
  return {};
}

Status Store::MergeParts(MergeMode mode, const std::function<bool()>& keep_going) {
  for (;;) {
    std::vector<PlannedPart> planned;
    const ViewPtr v = view();
    for (const PartPtr& p : v->parts) {
      const PartMeta& m = p->meta();
      if (unmergeable_.contains(p->id()) || IsKeptForUndo(*v, *p)) continue;
      planned.push_back({p->id(), m.level, m.min_ms, m.max_ms, m.value_bytes + m.index_bytes});
    }
    const int64_t settled_ms = options_.clock->WallMs() - WindowGraceMs() - options_.window_ms;
    const MergePlan plan = PlanMerge(planned, settled_ms, options_.retention_ms, mode);
    if (plan.parts.empty()) return {};
    const Status s = MergeOnce(plan, keep_going);
    if (s.ok()) continue;
    if (s.code() == StatusCode::kCancelled) return s.Annotate("merge");
    counters_.merges_failed++;
    if (s.code() != StatusCode::kCorruption && s.code() != StatusCode::kIo) {
      return s.Annotate("merge");
    }
    LogError("parts cannot be merged", {{"error", s}});
    if (s.code() == StatusCode::kCorruption) {
      MutexLock lock(mutex_);
      suspects_.insert(plan.parts.begin(), plan.parts.end());
    }
    TRY(MendSuspects());
    // One that was mended is another part now, and those beside it can be merged with that. A disk
    // that does not answer must not hold up the merges of other parts.
    const ViewPtr after = view();
    const auto left = std::count_if(after->parts.begin(), after->parts.end(), [&](const auto& p) {
      return std::find(plan.parts.begin(), plan.parts.end(), p->id()) != plan.parts.end();
    });
    if (static_cast<size_t>(left) < plan.parts.size()) continue;
    unmergeable_.insert(plan.parts.begin(), plan.parts.end());
  }
}

// ---- retention

Status Store::DropParts(const std::vector<PartPtr>& gone) {
  if (gone.empty()) return {};
  TRY(ReplaceParts(gone, nullptr));
  for (const PartPtr& p : gone) TRY(parts_->Drop(p->family()));
  return {};
}

// A clock that leaps ahead, or by which all there is is too old at the start, may be wrong, and
// what it makes too old would be gone for ever. A day is time to put it right.
bool Store::ClockIsTrusted() {
  const int64_t now_ms = options_.clock->MonotonicMs();
  const int64_t offset_ms = options_.clock->WallMs() - now_ms;
  if (!clock_.offset_ms.has_value()) {
    int64_t newest_ms = INT64_MIN;
    const ViewPtr v = view();
    for (const PartPtr& p : v->parts) newest_ms = std::max(newest_ms, p->meta().max_ms);
    const bool all_too_old = newest_ms > INT64_MIN && newest_ms < OldestAllowedMs();
    clock_.offset_ms = all_too_old ? newest_ms - now_ms : offset_ms;
  }
  if (offset_ms - *clock_.offset_ms > kClockLeapMs) {
    clock_.leapt_ms = now_ms;
    clock_.before_ms = *clock_.offset_ms;
    LogWarn("the clock leapt ahead: nothing is dropped for its age for a day",
            {{"by_ms", offset_ms - *clock_.offset_ms}});
  }
  clock_.offset_ms = offset_ms;
  if (!clock_.leapt_ms.has_value()) return true;
  if (now_ms - *clock_.leapt_ms >= kClockTrialMs || offset_ms - clock_.before_ms <= kClockLeapMs) {
    clock_.leapt_ms.reset();
  }
  return !clock_.leapt_ms.has_value();
}

Status Store::ApplyRetention() {
  const bool by_age = ClockIsTrusted();
  const ViewPtr v = view();
  std::vector<PartPtr> old, large;
  uint64_t bytes = head_->LogBytes();
  for (const WindowPtr& w : v->windows) bytes += head_->FileBytes(w->rows());
  std::vector<PartPtr> oldest_first = v->parts;
  std::sort(oldest_first.begin(), oldest_first.end(),
            [](const PartPtr& a, const PartPtr& b) { return a->meta().max_ms < b->meta().max_ms; });
  for (const PartPtr& p : oldest_first) {
    if (by_age && p->meta().max_ms < OldestAllowedMs()) {
      old.push_back(p);
    } else {
      bytes += p->meta().value_bytes + p->meta().index_bytes;
    }
  }
  for (const PartPtr& p : oldest_first) {
    if (options_.retention_bytes <= 0 || bytes <= static_cast<uint64_t>(options_.retention_bytes)) {
      break;
    }
    if (by_age && p->meta().max_ms < OldestAllowedMs()) continue;
    large.push_back(p);
    bytes -= std::min(bytes, p->meta().value_bytes + p->meta().index_bytes);
  }
  counters_.dropped_by_time += old.size();
  counters_.dropped_by_size += large.size();
  TRY(DropParts(old));
  const Status dropped = DropParts(large);
  for (const PartPtr& p : large) changes_.Note(p->meta().min_ms);
  TRY(dropped);
  return AgeBesides(by_age, !old.empty() || !large.empty());
}

// What goes with samples: exemplars past the retention and, when parts went, the metadata of
// families that no series is left of.
Status Store::AgeBesides(bool by_age, bool parts_went) {
  KvBatch batch;
  if (by_age && options_.retention_ms > 0) {
    for (const uint64_t n : exemplars_.DropBefore(OldestAllowedMs())) {
      meta_.Delete(&batch, MetaKey('E', n));
    }
  }
  if (parts_went) {
    std::set<std::string, std::less<>> families;
    // A damaged index hides names: better to keep too much.
    if (FamiliesInUse(&families)) {
      MutexLock lock(mutex_);
      std::erase_if(metadata_, [&](const auto& entry) {
        if (families.contains(entry.first)) return false;
        meta_.Delete(&batch, "N" + entry.first);
        return true;
      });
    }
  }
  return WriteHead(&batch);
}

// The names of all metrics, and what they may be called as families.
bool Store::FamiliesInUse(std::set<std::string, std::less<>>* out) const {
  const auto add = [out](std::string_view name) {
    out->emplace(name);
    for (const std::string_view suffix :
         {"_total", "_created", "_bucket", "_count", "_sum", "_gcount", "_gsum", "_info"}) {
      if (name.ends_with(suffix)) out->emplace(name.substr(0, name.size() - suffix.size()));
    }
  };
  for (const std::string& name : index_.Values(kMetricName)) add(name);
  const ViewPtr v = view();
  return std::all_of(v->parts.begin(), v->parts.end(),
                     [&](const PartPtr& p) { return p->LabelValues(kMetricName, add).ok(); });
}

// ---- entry points

// A merge needs room for what it writes before what it replaces is gone.
bool Store::MayMerge() const {
  return !stopping_ && !failed_ && disk_.level() == DiskGuard::Level::kPlenty;
}

// Asked now and then by merges, which may take long: memory does not wait for them.
bool Store::KeepMerging() {
  if (IsPressed()) {
    if (const Status s = SealWindows(SealMode::kDue); !s.ok()) {
      LogError("windows cannot be sealed", {{"error", s}});
      return false;
    }
  }
  return MayMerge();
}

Status Store::Maintain() {
  MutexLock turn(maintenance_turn_);
  const DiskGuard::Level room = disk_.Check();
  // Opening it anew heals it; what RocksDB would do with a damaged file is to fail at a worse time.
  if (meta_.damaged() || state_.damaged()) {
    Fail("a file of the head is damaged", Status::Corruption("meta or state, one of two copies"));
  }
  TRY(Recover());
  KvBatch losses;
  SaveLosses(&losses);
  TRY(WriteHead(&losses));
  TRY(ApplyRetention());
  if (room == DiskGuard::Level::kFull) return {};  // sealing gives room back, but takes it first
  TRY(SealWindows(SealMode::kDue));
  MarkGrowth();
  GiveBackPlaces();
  if (IdleSeriesAreDue()) RemoveIdleSeries();
  const ViewPtr v = view();
  for (const PartPtr& p : v->parts) p->ForgetUnused();
  if (!MayMerge()) return {};
  disk_.Refill();
  TRY(MendSuspects());
  TRY(ScrubDue());
  TRY(MergeParts(MergeMode::kDue, [this]() REQUIRES(maintenance_turn_) { return KeepMerging(); }));
  return DropStaleTombstones();
}

Status Store::Compact() {
  MutexLock turn(maintenance_turn_);
  TRY(CheckUsable());
  TRY(SealWindows(SealMode::kAll));
  TRY(ApplyRetention());
  TRY(MergeParts(MergeMode::kAll, [this]() REQUIRES(maintenance_turn_) { return KeepMerging(); }));
  return DropStaleTombstones();
}

// Made under a name that no snapshot has: one with its name is whole.
Status Store::Snapshot(const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos || name[0] == '.') {
    return Status::InvalidArgument("snapshot name " + name);
  }
  const std::string path = options_.path + "/snapshots/" + name;
  const std::string unfinished = options_.path + "/snapshots/.unfinished";
  MutexLock turn(maintenance_turn_);  // no part comes or goes between the two databases
  std::error_code ec;
  if (std::filesystem::exists(path, ec)) return {StatusCode::kAlreadyExists, path + " exists"};
  std::filesystem::remove_all(unfinished, ec);
  std::filesystem::create_directories(unfinished, ec);
  if (ec) return Status::Io("create " + unfinished + ": " + ec.message());
  Status s = parts_->Checkpoint(unfinished + "/parts");
  if (s.ok()) s = head_->Checkpoint(unfinished + "/head");
  if (s.ok()) {
    std::filesystem::rename(unfinished, path, ec);
    if (ec) s = Status::Io("create " + path + ": " + ec.message());
  }
  if (!s.ok()) std::filesystem::remove_all(unfinished, ec);
  return s;
}

Status Store::Verify(const std::function<void(double)>& progress) const {
  TRY(head_->VerifyChecksums());
  const ViewPtr v = view();
  Status worst;
  for (size_t i = 0; i < v->parts.size(); ++i) {
    progress(static_cast<double>(i) / static_cast<double>(v->parts.size()));
    if (const Status s = v->parts[i]->Verify(); !s.ok() && worst.ok()) worst = s;
  }
  progress(1);
  if (!worst.ok()) return worst;
  return parts_->VerifyChecksums();
}

}  // namespace deckwatch::tsdb
