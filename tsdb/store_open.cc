// Start and recovery: the meta family of head is the one truth about which windows and parts exist.
// Families it does not name are left-overs of a crash and are dropped.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <numeric>
#include <system_error>

#include <unistd.h>

#include "base/bytes.h"
#include "base/executor.h"
#include "base/log.h"
#include "tsdb/store.h"

namespace deckwatch::tsdb {

namespace {

constexpr int64_t kMaintainEveryMs = 5'000;
constexpr int64_t kCheckDiskEveryMs = 1'000;

FamilyKind PartsKind(std::string_view family) {
  return family.starts_with("part.") ? FamilyKind::kPart : FamilyKind::kSmall;
}

// Asked before anything is opened: then the error names the directory, not a file in it.
Status CheckTakesFiles(const std::string& path) {
  std::error_code ec;
  for (const char* database : {"/head", "/parts"}) {
    std::filesystem::create_directories(path + database, ec);
    if (ec) return Status::Io("create directory " + path + database + ": " + ec.message());
    if (access((path + database).c_str(), W_OK | X_OK) == 0) continue;
    return Status::Io("the directory " + path + database +
                      " cannot be written: " + std::generic_category().message(errno));
  }
  return {};
}

}  // namespace

FamilyKind HeadKind(std::string_view family) {
  return family.starts_with("rows.") ? FamilyKind::kRows : FamilyKind::kSmall;
}

std::string NumberedName(std::string_view prefix, uint64_t number) {
  return std::string(prefix) + std::to_string(number);
}

bool ParseNumberedName(std::string_view name, std::string_view prefix, uint64_t* number) {
  if (!name.starts_with(prefix)) return false;
  const char* end = name.data() + name.size();
  const auto r = std::from_chars(name.data() + prefix.size(), end, *number);
  return r.ec == std::errc() && r.ptr == end;
}

std::string MetaKey(char kind, uint64_t number) {
  std::string key(1, kind);
  PutBig64(&key, number);
  return key;
}

// Those of any time hold what is older than all others.
bool WindowBefore(const WindowPtr& a, const WindowPtr& b) {
  const Window::Info &x = a->info(), &y = b->info();
  const int64_t from = x.any_time() ? INT64_MIN : x.start_ms;
  const int64_t other = y.any_time() ? INT64_MIN : y.start_ms;
  return from != other ? from < other : x.id < y.id;
}

std::string WindowValue(const Window::Info& info) {
  std::string value;
  PutSignedVarint(&value, info.start_ms);
  PutSignedVarint(&value, info.end_ms);
  return value;
}

std::string MetadataValue(const MetricMetadata& m) {
  std::string value(1, static_cast<char>(m.type));
  PutString(&value, m.help);
  PutString(&value, m.unit);
  return value;
}

Result<std::unique_ptr<Db>> Db::Open(const DbOptions& options) {
  auto store = std::make_unique<Store>(options);
  TRY(store->Start().Annotate("store " + options.path));
  return std::unique_ptr<Db>(std::move(store));
}

Store::Store(const DbOptions& options)
    : options_(options),
      budget_{.total = static_cast<uint64_t>(std::max<int64_t>(0, options.memory_bytes))},
      disk_(options.path,
            options.ballast_bytes < 0 && !options.background ? 0 : options.ballast_bytes,
            options.measure_disk),
      quarantine_(options.path, options.clock),
      index_(options.max_series, budget_.index()),
      selections_(budget_.selections()),
      texts_(budget_.texts()),
      pages_(budget_.pages()),
      exemplars_(kMaxExemplars, budget_.exemplars()) {}

Store::~Store() {
  stopping_ = true;
  maintainer_ = {};  // asks it to stop and waits
  log_ = {};
  loader_ = {};
  if (head_ != nullptr) SyncLog();
}

Status Store::Start() {
  const int64_t started_ms = options_.clock->MonotonicMs();
  TRY(OpenDatabases());
  {
    MutexLock lock(mutex_);
    view_ = std::make_shared<const View>();
  }
  TRY(LoadMeta());
  TRY(DropOrphans());
  PrepareWindows();
  oldest_unflushed_ms_ = head_->oldest_in_log_ms();  // what was so before is still in the log
  head_->TellOldestInLog([this] { return OldestInLogMs(); });
  if (head_->lost_writes() > 0) TRY(LoseEndOfLog());
  {
    MutexLock turn(maintenance_turn_);
    idle_removed_ms_ = started_ms;
  }
  MarkGrowth();
  if (head_is_damaged_ || head_is_new_ || registry_is_damaged_ || meta_.damaged()) TRY(HealHead());
  TRY(head_->AllowCompaction());
  const ViewPtr v = view();
  LogInfo("store is open", {{"path", options_.path},
                            {"series", index_.size()},
                            {"windows", v->windows.size()},
                            {"parts", v->parts.size()},
                            {"ms", options_.clock->MonotonicMs() - started_ms}});
  if (options_.background) {
    const auto load = [this](std::stop_token stop) {
      const ViewPtr v = view();  // held: others replace it while the windows are read
      for (auto w = v->windows.rbegin(); w != v->windows.rend() && !stop.stop_requested(); ++w) {
        (*w)->LoadAll();
      }
    };
    loader_ = StartThread("tsdb-load", load, Priority::kUpkeep);
    log_ = StartThread("tsdb-log", [this](std::stop_token stop) { RunLog(stop); });
    maintainer_ = StartThread(
        "tsdb", [this](std::stop_token stop) { RunMaintenance(stop); }, Priority::kUpkeep);
  }
  return {};
}

Status Store::OpenDatabases() {
  TRY(CheckTakesFiles(options_.path));
  TRY(lock_.Take(options_.path));
  cache_ = std::make_shared<BlockCache>(budget_.blocks());
  Result<std::unique_ptr<Kv>> parts = Status::Internal("not opened");
  // Beside the head: each waits for the disk and has a processor to itself.
  std::jthread opening = StartThread("tsdb-open", [&](std::stop_token) {
    parts = Kv::Open(options_.path + "/parts", cache_, PartsKind, OnDamage::kOpen, &quarantine_);
  });
  TRY(OpenHead());
  TRY(LoadRegistry());
  index_.EndRestore();
  opening.join();
  if (parts.status().code() == StatusCode::kCorruption) {
    TRY(quarantine_.Move(options_.path + "/parts", parts.status().message()));
    lost_parts_ = quarantine_.folder() + "/parts";
    parts = Kv::Open(options_.path + "/parts", cache_, PartsKind, OnDamage::kOpen, &quarantine_);
  }
  TRY_ASSIGN(parts_, std::move(parts));
  std::error_code ignored;
  std::filesystem::remove_all(options_.path + "/scratch", ignored);
  return {};
}

Status Store::LoadMeta() {
  std::map<std::string, FamilyPtr> families;
  const auto take = [&families](const Kv& kv, std::string_view prefix) {
    for (const FamilyPtr& f : kv.Families()) {
      if (FamilyName(f).starts_with(prefix)) families[FamilyName(f)] = f;
    }
  };
  take(*head_, "rows.");
  take(*parts_, "part.");
  View loaded;
  MutexLock lock(mutex_);
  bool whole = !head_is_new_;
  Status row;
  Status s = meta_.Scan("", [&](std::string_view key, std::string_view value) REQUIRES(mutex_) {
    row = LoadMetaRow(key, value, families, &loaded);
    whole &= row.ok();
    return row.ok() || row.code() == StatusCode::kCorruption;
  });
  for (const Status* each : {&s, &row}) {
    if (!each->ok() && each->code() != StatusCode::kCorruption) return *each;
  }
  if (!s.ok() || !whole) TRY(AdoptFamilies(&loaded));
  std::sort(loaded.windows.begin(), loaded.windows.end(), WindowBefore);
  view_ = std::make_shared<const View>(std::move(loaded));
  return {};
}

// Corruption when the row is not what was written.
Status Store::LoadMetaRow(std::string_view row_key, std::string_view row_value,
                          const std::map<std::string, FamilyPtr>& families, View* loaded) {
  const char kind = row_key[0];
  Reader key(row_key.substr(1)), value(row_value);
  uint64_t number = 0;
  const Status damaged = Status::Corruption("a row of meta is damaged");
  if (kind != 'N' && !key.GetBig64(&number)) return damaged;
  if (kind == 'W') {
    Window::Info info{.id = number};
    next_window_ = number + 1;
    if (!value.GetSignedVarint(&info.start_ms) || !value.GetSignedVarint(&info.end_ms)) {
      return damaged;
    }
    const auto f = families.find(NumberedName("rows.", number));
    if (f == families.end()) {
      AddLoss(info.any_time() ? INT64_MIN : info.start_ms,
              info.any_time() ? options_.clock->WallMs() : info.end_ms - 1,
              "window " + std::to_string(number));
      return {};
    }
    loaded->windows.push_back(std::make_shared<Window>(info, f->second));
  } else if (kind == 'P') {
    next_part_ = std::max(next_part_, number + 1);
    const auto meta = PartMeta::Decode(row_value);
    const auto f = families.find(NumberedName("part.", number));
    TRY(meta.status().Annotate("part " + std::to_string(number)));
    FamilyPtr family;
    if (f != families.end()) {
      family = f->second;
    } else {
      TRY_ASSIGN(family, FindLostPart(number, *meta));
    }
    if (family == nullptr) {
      AddLoss(meta->min_ms, meta->max_ms, "part " + std::to_string(number) + ": no files");
      return {};
    }
    loaded->parts.push_back(
        std::make_shared<PartReader>(parts_.get(), &pages_, family, number, *meta));
  } else if (kind == 'T') {
    next_tombstone_ = number + 1;
    TRY_ASSIGN(Tombstone t, Tombstone::Decode(number, row_value));
    next_part_ = std::max(next_part_, t.last_part + 1);
    loaded->tombstones.push_back(std::make_shared<const Tombstone>(std::move(t)));
  } else if (kind == 'L') {
    TRY_ASSIGN(Loss loss, Loss::Decode(row_value));
    losses_.Restore(number, std::move(loss));
  } else if (kind == 'N') {
    MetricMetadata m;
    uint8_t type = 0;
    std::string_view help, unit;
    m.name = row_key.substr(1);
    if (!value.GetByte(&type) || !value.GetString(&help) || !value.GetString(&unit)) return damaged;
    m.type = static_cast<MetricType>(std::min<uint8_t>(type, 7));
    m.help = help, m.unit = unit;
    metadata_[m.name] = m;
  } else if (kind == 'E' && !exemplars_.Restore(number, row_value)) {
    counters_.corruptions++;
  }
  return {};
}

Status Store::DropOrphans() {
  const ViewPtr v = view();
  const auto drop_unknown = [](Kv* kv, std::string_view prefix, auto known) -> Status {
    for (const FamilyPtr& f : kv->Families()) {
      uint64_t number;
      if (!ParseNumberedName(FamilyName(f), prefix, &number) || known(number)) continue;
      TRY(kv->Drop(f));
    }
    return {};
  };
  TRY(drop_unknown(head_.get(), "rows.", [&](uint64_t n) {
    return std::any_of(v->windows.begin(), v->windows.end(),
                       [n](const auto& w) { return w->info().id == n; });
  }));
  TRY(drop_unknown(parts_.get(), "part.", [&](uint64_t n) {
    MutexLock lock(mutex_);
    next_part_ = std::max(next_part_, n + 1);
    return std::any_of(v->parts.begin(), v->parts.end(),
                       [n](const auto& p) { return p->id() == n; });
  }));
  return {};
}

// The rows are left where they are: a group is read when it is first written, queried or sealed.
void Store::PrepareWindows() {
  std::vector<uint32_t> groups(index_.GroupCount());
  std::iota(groups.begin(), groups.end(), 0);
  const ViewPtr v = view();
  for (const WindowPtr& w : v->windows) {
    w->last_append_ms = options_.clock->MonotonicMs();
    w->LoadLater(groups, [this, window = w.get()](uint32_t group, GroupWindow* out) {
      return ReadRows(window, index_.GroupKey(group), out);
    });
    MutexLock lock(mutex_);
    open_.push_back(w);
  }
}

// False when the disk gives no answer: that may pass.
bool Store::ReadRows(Window* window, uint64_t group_key, GroupWindow* out) const {
  const auto it = head_->NewIterator(window->rows());
  std::string prefix;
  PutBig64(&prefix, group_key);
  uint64_t damaged = 0;
  uint32_t next = 0;
  for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
    Reader key(it->key().substr(prefix.size()));
    uint32_t number;
    // What follows a row that is damaged or missing would be added to the wrong values.
    if (!key.GetBig32(&number) || number != next || !out->Replay(it->value())) {
      ++damaged;
      break;
    }
    out->ReserveRecords(++next);
  }
  if (it->status().ok() && damaged == 0) return true;
  if (!it->status().ok() && it->status().code() != StatusCode::kCorruption) {
    LogWarn("rows of a window cannot be read", {{"error", it->status()}});
    return false;
  }
  window->damaged = true;
  LoseRows(*window, it->status().ok() ? std::to_string(damaged) + " of a group do not fit"
                                      : it->status().message());
  return true;
}

void Store::SyncLog() {
  if (failed_ || !unsynced_.exchange(false)) return;
  const int64_t from_ns = options_.clock->MonotonicNs();
  if (const Status s = head_->SyncLog(); !s.ok()) Fail("cannot sync the log", s);
  counters_.log_syncs++;
  counters_.log_sync_ns += static_cast<uint64_t>(options_.clock->MonotonicNs() - from_ns);
}

// Nothing here may take long: the sync interval is a promise.
void Store::RunLog(std::stop_token stop) {
  Mutex idle;
  CondVar never;
  int64_t checked_ms = options_.clock->MonotonicMs();
  const int64_t tick_ms =
      options_.sync_interval_ms > 0 ? options_.sync_interval_ms : kCheckDiskEveryMs;
  while (!stop.stop_requested()) {
    {
      MutexLock lock(idle);
      never.WaitFor(idle, stop, tick_ms, [] { return false; });
    }
    SyncLog();
    const int64_t now_ms = options_.clock->MonotonicMs();
    if (now_ms - checked_ms < kCheckDiskEveryMs) continue;
    checked_ms = now_ms;
    disk_.Check();
  }
}

void Store::RunMaintenance(std::stop_token stop) {
  Mutex idle;
  CondVar never;
  int64_t maintained_ms = options_.clock->MonotonicMs();
  bool recovering = false;
  while (!stop.stop_requested()) {
    {
      MutexLock lock(idle);
      never.WaitFor(idle, stop, kCheckDiskEveryMs, [] { return false; });
    }
    const int64_t now_ms = options_.clock->MonotonicMs();
    if (!HasFailed() && !IsPressed() && now_ms - maintained_ms < kMaintainEveryMs) continue;
    maintained_ms = now_ms;
    const Status s = Maintain();
    if (!s.ok() && s.code() != StatusCode::kCancelled && !recovering) {
      LogError("maintenance of the store", {{"error", s}});
    }
    recovering = !s.ok() && HasFailed();  // said once
  }
}

}  // namespace deckwatch::tsdb
