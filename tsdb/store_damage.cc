// Damage: what is done about files that cannot be read, so that the store always opens and what is
// lost is known (docs/decisions/0016-damage.md).
//
//   CURRENT, MANIFEST   kept twice: nothing is lost (kv_mirror.h)
//   meta, state         kept twice: nothing is lost (twin.h)
//   the log             what is before the damage stays; the rest is reported
//   rows, registry      all windows become parts with what can be read; the rest is reported
//   all of the head     parts know themselves; open windows are lost, and reported
//   a part              written anew without the series that cannot be read, which are reported
#include <algorithm>
#include <filesystem>

#include "base/bytes.h"
#include "base/log.h"
#include "tsdb/salvage.h"
#include "tsdb/store.h"

namespace deckwatch::tsdb {

namespace {

bool IsDamage(const Status& s) {
  return s.code() == StatusCode::kCorruption;
}

}  // namespace

void Store::AddLoss(int64_t min_ms, int64_t max_ms, std::string what) const {
  AddLoss({.min_ms = std::max(min_ms, OldestAllowedMs()),
           .max_ms = max_ms,
           .found_ms = options_.clock->WallMs(),
           .what = std::move(what),
           .first_metric = {},
           .last_metric = {}});
}

void Store::AddLoss(Loss loss) const {
  const std::string text = loss.ToString();
  if (!losses_.Add(std::move(loss))) return;
  counters_.corruptions++;
  LogError("stored samples are lost", {{"loss", text}});
}

void Store::SaveLosses(KvBatch* batch) {
  for (const auto& [number, loss] : losses_.TakeUnsaved()) {
    std::string value;
    loss.EncodeTo(&value);
    meta_.Put(batch, MetaKey('L', number), value);
  }
  for (const uint64_t number : losses_.DropBefore(OldestAllowedMs())) {
    meta_.Delete(batch, MetaKey('L', number));
  }
}

// ---- opening

// A database that opens strictly may still have damaged blocks; those are met when they are read.
Status Store::OpenHead() {
  const std::string path = options_.path + "/head";
  auto head = Kv::Open(path, cache_, HeadKind, OnDamage::kRefuse, &quarantine_);
  if (IsDamage(head.status())) {
    LogError("the head is damaged", {{"error", head.status()}});
    head_is_damaged_ = true;
    head = Kv::Open(path, cache_, HeadKind, OnDamage::kOpen, &quarantine_);
  }
  if (IsDamage(head.status())) {
    TRY(quarantine_.Move(path, head.status().message()));
    head_is_new_ = true;
    head = Kv::Open(path, cache_, HeadKind, OnDamage::kRefuse, &quarantine_);
  }
  TRY_ASSIGN(head_, std::move(head));
  TRY(meta_.Open(head_.get(), "meta"));
  TRY(state_.Open(head_.get(), "state"));
  TRY_ASSIGN(series_, head_->GetOrCreate("series"));
  return {};
}

// Without a whole meta, the families themselves say what there is. Parts know their own meta, but
// not the sizes of their files. Windows do not know their time; they are sealed at once.
Status Store::AdoptFamilies(View* loaded) {
  head_is_damaged_ = true;
  for (const FamilyPtr& f : parts_->Families()) {
    uint64_t number;
    if (!ParseNumberedName(FamilyName(f), "part.", &number)) continue;
    if (std::any_of(loaded->parts.begin(), loaded->parts.end(),
                    [&](const PartPtr& p) { return p->id() == number; })) {
      continue;
    }
    next_part_ = std::max(next_part_, number + 1);
    const auto row = parts_->Get(f, "M");
    auto meta = row.ok() ? PartMeta::Decode(row->view()) : Result<PartMeta>(row.status());
    if (!meta.ok()) {
      AddLoss(OldestAllowedMs(), options_.clock->WallMs(),
              "part " + std::to_string(number) + ": " + meta.status().message());
      for (const std::string& file : parts_->Files(f)) {
        TRY(quarantine_.Keep(file, "a part that says nothing of itself"));
      }
      continue;
    }
    meta->value_bytes = parts_->FileBytes(f);
    loaded->parts.push_back(std::make_shared<PartReader>(parts_.get(), &pages_, f, number, *meta));
  }
  std::sort(loaded->parts.begin(), loaded->parts.end(),
            [](const PartPtr& a, const PartPtr& b) { return a->id() < b->id(); });
  for (const FamilyPtr& f : head_->Families()) {
    uint64_t number;
    if (!ParseNumberedName(FamilyName(f), "rows.", &number)) continue;
    if (std::any_of(loaded->windows.begin(), loaded->windows.end(),
                    [&](const WindowPtr& w) { return w->info().id == number; })) {
      continue;
    }
    next_window_ = std::max(next_window_, number + 1);
    loaded->windows.push_back(std::make_shared<Window>(Window::Info{.id = number}, f));
  }
  return {};
}

// The files of a part in a database whose MANIFEST is gone: two that were ingested together, of the
// sizes and with the meta that head/meta knows. Null when there are none.
Result<FamilyPtr> Store::FindLostPart(uint64_t number, const PartMeta& meta) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  std::error_code ec;
  if (!lost_parts_.empty()) {
    for (const auto& entry : fs::directory_iterator(lost_parts_, ec)) {
      if (entry.path().extension() == ".sst") files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  for (size_t i = 0; i + 1 < files.size(); ++i) {
    if (fs::file_size(files[i], ec) != meta.index_bytes ||
        fs::file_size(files[i + 1], ec) != meta.value_bytes) {
      continue;
    }
    std::vector<std::string> links;
    fs::create_directories(ScratchDirectory(number), ec);
    for (const fs::path& file : {files[i], files[i + 1]}) {
      links.push_back(ScratchDirectory(number) + "/" + file.filename().string());
      fs::create_hard_link(file, links.back(), ec);
      if (ec) return Status::Io("link " + file.string() + ": " + ec.message());
    }
    TRY_ASSIGN(const FamilyPtr family, parts_->GetOrCreate(NumberedName("part.", number)));
    const Status ingested = parts_->Ingest(family, links);
    fs::remove_all(ScratchDirectory(number), ec);
    const auto row = ingested.ok() ? parts_->Get(family, "M") : Result<KvValue>(ingested);
    const auto own = row.ok() ? PartMeta::Decode(row->view()) : Result<PartMeta>(row.status());
    if (own.ok() && own->min_ms == meta.min_ms && own->max_ms == meta.max_ms &&
        own->series == meta.series && own->samples == meta.samples) {
      return family;
    }
    if (parts_->failed()) TRY(parts_->Reopen(OnDamage::kOpen));
    TRY(parts_->Drop(family));
  }
  return FamilyPtr();
}

// Entries behind a damaged place are found by trying keys, ever further ahead: a block holds up to
// some hundred.
Status Store::LoadRegistry() {
  constexpr uint64_t kLeastStep = 16;
  uint64_t from = 0, skipped = 0;
  for (;;) {
    const auto it = head_->NewIterator(series_, true);
    std::string start;
    PutBig32(&start, static_cast<uint32_t>(from));
    for (it->Seek(start); it->Valid(); it->Next()) {
      Reader key(it->key()), value(it->value());
      uint32_t id;
      uint64_t group, column;
      skipped = 0;
      if (!key.GetBig32(&id)) continue;
      from = uint64_t{id} + 1;
      auto labels = Result<Labels>(Status::Corruption("too short"));
      if (value.GetFixed64(&group) && value.GetVarint(&column)) {
        labels = Labels::FromEncoded(value.rest());
      }
      // Two entries of one label set: one of the two is not what was written.
      if (!labels.ok() || !index_.Restore(id, group, static_cast<uint32_t>(column), *labels)) {
        registry_is_damaged_ = true;
      }
    }
    const Status s = it->status();
    if (!IsDamage(s)) return s;
    registry_is_damaged_ = true;
    const uint64_t step = std::max(skipped / 4, kLeastStep);
    skipped += step;
    from += step;
    if (from > UINT32_MAX) return {};
  }
}

// Rows of a window cannot be read beyond a damaged one: they are differences. What comes next goes
// to another window, whose numbers do not collide with those of the rows that are lost.
void Store::LoseRows(const Window& window, const std::string& why) const {
  const bool any_time = window.info().any_time();
  AddLoss(any_time ? INT64_MIN : window.info().start_ms,
          any_time ? options_.clock->WallMs() : window.info().end_ms - 1,
          "rows of window " + std::to_string(window.info().id) + ": " + why);
  MutexLock lock(mutex_);
  const auto found = std::find_if(open_.begin(), open_.end(),
                                  [&](const WindowPtr& w) { return w.get() == &window; });
  if (found == open_.end()) return;
  (*found)->Stop();
  open_.erase(found);
}

// Of the samples of windows, and of parts whose rows in meta were not flushed yet.
int64_t Store::OldestInLogMs() const {
  int64_t oldest_ms = oldest_unflushed_ms_;
  const ViewPtr v = view();
  for (const WindowPtr& w : v->windows) oldest_ms = std::min(oldest_ms, w->min_ms());
  return oldest_ms;
}

// Until FlushHead: the row of a part, or what says that a window is one.
void Store::WillBeInLogOnly(int64_t oldest_ms) {
  oldest_unflushed_ms_ = std::min(oldest_unflushed_ms_.load(), oldest_ms);
}

Status Store::FlushHead() {
  TRY(head_->Flush());
  oldest_unflushed_ms_ = INT64_MAX;
  return {};
}

// The log ended earlier than it did when it was last synced. What was written from then on is lost:
// states of alerts since the newest sample that is left, and samples of any age that were in the
// log only.
Status Store::LoseEndOfLog() {
  MutexLock turn(maintenance_turn_);
  const int64_t now_ms = options_.clock->WallMs();
  const ViewPtr v = view();
  int64_t newest_ms = INT64_MIN;
  for (const WindowPtr& w : v->windows) {
    w->LoadAll();
    newest_ms = std::max(newest_ms, w->max_ms());
  }
  for (const PartPtr& p : v->parts) newest_ms = std::max(newest_ms, p->meta().max_ms);
  newest_ms = std::min(newest_ms, now_ms);
  const int64_t since_ms = newest_ms == INT64_MIN ? newest_ms : newest_ms - WindowGraceMs();
  AddLoss(std::min(head_->oldest_in_log_ms(), since_ms), now_ms,
          "the end of the log, " + std::to_string(head_->lost_writes()) + " writes");
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(options_.path + "/head", ignored)) {
    if (entry.path().extension() != ".log") continue;
    TRY(quarantine_.Keep(entry.path().string(), "the log, or what is left of it"));
  }
  KvBatch batch;
  SaveLosses(&batch);
  TRY(head_->Write(&batch, /*sync=*/true));  // until then, each start finds the loss again
  return FlushHead();                        // lets the damaged log go
}

// Before anybody writes. All windows become parts, so that nothing refers to what the registry has
// lost, and the damaged files of the head can go.
Status Store::HealHead() {
  MutexLock turn(maintenance_turn_);
  const ViewPtr v = view();
  int64_t min_ms = INT64_MAX, max_ms = INT64_MIN;
  for (const WindowPtr& w : v->windows) {
    min_ms = std::min(min_ms, w->info().any_time() ? INT64_MIN : w->info().start_ms);
    max_ms =
        std::max(max_ms, w->info().any_time() ? options_.clock->WallMs() : w->info().end_ms - 1);
  }
  if (head_is_new_) {
    for (const PartPtr& p : v->parts) min_ms = std::max(min_ms, p->meta().max_ms);
    AddLoss(min_ms == INT64_MAX ? INT64_MIN : min_ms - 2 * options_.window_ms,
            options_.clock->WallMs(), "the head: open windows and states of alerts");
  } else if (registry_is_damaged_ && min_ms <= max_ms) {
    AddLoss(min_ms, max_ms, "the registry: some series of the open windows");
  }
  {
    MutexLock lock(mutex_);
    open_.clear();
  }
  TRY(SealWindows(SealMode::kAll));
  if (registry_is_damaged_) TRY(RebuildRegistry());
  TRY(HealTwins());
  TRY(FlushHead());
  TRY(head_->Reopen(OnDamage::kRefuse));
  LogInfo("the head is healed", {{"path", options_.path}, {"lost", quarantine_.folder()}});
  return {};
}

// Entries come back with the next sample of each series.
Status Store::RebuildRegistry() {
  for (const std::string& file : head_->Files(series_)) {
    TRY(quarantine_.Keep(file, "the registry of series has damaged entries"));
  }
  TRY(head_->Drop(series_));
  TRY_ASSIGN(series_, head_->GetOrCreate("series"));
  index_.SetDurable({});
  registry_is_damaged_ = false;
  return {};
}

Status Store::HealTwins() {
  for (Twin* twin : {&meta_, &state_}) {
    const Status s = twin->Heal(&quarantine_);
    if (!s.ok() && !IsDamage(s)) return s;
    if (s.ok()) continue;
    AddLoss(options_.clock->WallMs(), options_.clock->WallMs(), "no samples, but " + s.message());
  }
  return {};
}

// ---- parts

void Store::Suspect(const PartReader& part, const Status& status) const {
  ReportCorruption(status);
  if (!IsDamage(status)) return;
  MutexLock lock(mutex_);
  suspects_.insert(part.id());
}

Status Store::MendSuspects() {
  std::set<uint64_t> suspects;
  {
    MutexLock lock(mutex_);
    suspects.swap(suspects_);
  }
  const ViewPtr v = view();
  for (const PartPtr& part : v->parts) {
    if (!suspects.contains(part->id())) continue;
    Status s = part->Verify();
    if (s.ok()) continue;
    // Only what a fresh look confirms is given up.
    TRY(parts_->Reopen(OnDamage::kOpen));
    s = part->Verify();
    if (s.ok()) continue;
    if (!IsDamage(s)) return s;
    TRY(Salvage(part, s.message()));
  }
  return {};
}

// Writes the part anew with what can be read. What cannot is reported, and the damaged files are
// kept for who wants to look into them. What a delete hides is left out, as in a merge.
Status Store::Salvage(const PartPtr& part, const std::string& why) {
  uint64_t id;
  ViewPtr v;
  {
    MutexLock lock(mutex_);
    id = next_part_++;
    v = view_;
  }
  std::vector<SalvageSource::Gap> gaps;
  std::vector<std::unique_ptr<SeriesSource>> sources;
  TRY_ASSIGN(auto source, SalvageSource::Create(part, v->tombstones, &gaps));
  sources.push_back(std::move(source));
  TRY_ASSIGN(const PartPtr added, MakePart(id, part->meta().level, std::move(sources), INT64_MIN,
                                           INT64_MAX, [this] { return !stopping_; }));
  const PartMeta& meta = part->meta();
  const std::string name = "part " + std::to_string(part->id()) + ": ";
  constexpr size_t kMostGaps = 16;
  if (gaps.size() > kMostGaps) {
    uint64_t series = 0;
    for (const auto& gap : gaps) series += gap.series;
    gaps.assign(1, {series, "", ""});
  }
  for (const auto& gap : gaps) {
    AddLoss({.min_ms = meta.min_ms,
             .max_ms = meta.max_ms,
             .found_ms = options_.clock->WallMs(),
             .what = name + std::to_string(gap.series) + " series",
             .first_metric = gap.first_metric,
             .last_metric = gap.last_metric});
  }
  for (const std::string& file : parts_->Files(part->family())) {
    TRY(quarantine_.Keep(file, why));
  }
  TRY(ReplaceParts({part}, added));
  changes_.Note(meta.min_ms);
  return parts_->Drop(part->family());
}

}  // namespace deckwatch::tsdb
