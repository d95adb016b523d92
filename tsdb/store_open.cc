// Start and recovery: the meta family of head is the one truth about which windows and parts exist.
// Families it does not name are left-overs of a crash and are dropped.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <numeric>

#include "base/bytes.h"
#include "base/executor.h"
#include "base/log.h"
#include "tsdb/store.h"

namespace deckwatch::tsdb {

namespace {

constexpr int64_t kMaintainEveryMs = 5'000;
constexpr int64_t kCheckDiskEveryMs = 1'000;

FamilyKind HeadKind(std::string_view family) {
  return family.starts_with("rows.") ? FamilyKind::kRows : FamilyKind::kSmall;
}
FamilyKind PartsKind(std::string_view family) {
  return family.starts_with("part.") ? FamilyKind::kPart : FamilyKind::kSmall;
}

}  // namespace

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
      index_(options.max_series, budget_.index()),
      selections_(budget_.selections()),
      texts_(budget_.texts()),
      pages_(budget_.pages()),
      exemplars_(kMaxExemplars) {}

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
  const ViewPtr v = view();
  LogInfo("store is open", {{"path", options_.path},
                            {"series", index_.size()},
                            {"windows", v->windows.size()},
                            {"parts", v->parts.size()},
                            {"ms", options_.clock->MonotonicMs() - started_ms}});
  if (options_.background) {
    loader_ = StartThread("tsdb-load", [this](std::stop_token stop) {
      const ViewPtr v = view();  // held: others replace it while the windows are read
      for (auto w = v->windows.rbegin(); w != v->windows.rend() && !stop.stop_requested(); ++w) {
        (*w)->LoadAll();
      }
    });
    log_ = StartThread("tsdb-log", [this](std::stop_token stop) { RunLog(stop); });
    maintainer_ = StartThread("tsdb", [this](std::stop_token stop) { RunMaintenance(stop); });
  }
  return {};
}

Status Store::OpenDatabases() {
  cache_ = std::make_shared<BlockCache>(budget_.blocks());
  Result<std::unique_ptr<Kv>> parts = Status::Internal("not opened");
  // Beside the head: each waits for the disk and has a processor to itself.
  std::jthread opening = StartThread("tsdb-open", [&](std::stop_token) {
    parts = Kv::Open(options_.path + "/parts", cache_, PartsKind, OnDamage::kOpen);
  });
  TRY(OpenHead());
  TRY(LoadRegistry());
  opening.join();
  TRY_ASSIGN(parts_, std::move(parts));
  std::error_code ignored;
  std::filesystem::remove_all(options_.path + "/scratch", ignored);
  return {};
}

Status Store::OpenHead() {
  auto head = Kv::Open(options_.path + "/head", cache_, HeadKind, OnDamage::kRefuse);
  if (head.status().code() == StatusCode::kCorruption) {
    counters_.corruptions++;
    LogError("the head is damaged: what cannot be read is lost", {{"error", head.status()}});
    head = Kv::Open(options_.path + "/head", cache_, HeadKind, OnDamage::kOpen);
  }
  TRY_ASSIGN(head_, std::move(head));
  TRY_ASSIGN(meta_, head_->GetOrCreate("meta"));
  TRY_ASSIGN(series_, head_->GetOrCreate("series"));
  TRY_ASSIGN(state_, head_->GetOrCreate("state"));
  return {};
}

Status Store::LoadMeta() {
  std::map<std::string, FamilyPtr> families;
  for (const FamilyPtr& f : head_->Families()) families[FamilyName(f)] = f;
  for (const FamilyPtr& f : parts_->Families()) families[FamilyName(f)] = f;
  View loaded;
  const auto it = head_->NewIterator(meta_);
  MutexLock lock(mutex_);
  for (it->Seek(""); it->Valid(); it->Next()) {
    const char kind = it->key()[0];
    Reader key(it->key().substr(1)), value(it->value());
    uint64_t number = 0;
    if (kind != 'N' && !key.GetBig64(&number)) return Status::Corruption("meta key is damaged");
    if (kind == 'W') {
      Window::Info info{.id = number};
      value.GetSignedVarint(&info.start_ms);
      if (!value.GetSignedVarint(&info.end_ms)) return Status::Corruption("window meta is damaged");
      const auto f = families.find(NumberedName("rows.", number));
      next_window_ = number + 1;
      if (f == families.end()) {
        counters_.corruptions++;
        LogError("the rows of an open window are lost", {{"window", number}});
        continue;
      }
      loaded.windows.push_back(std::make_shared<Window>(info, f->second));
    } else if (kind == 'P') {
      next_part_ = std::max(next_part_, number + 1);
      const auto meta = PartMeta::Decode(it->value());
      const auto f = families.find(NumberedName("part.", number));
      if (!meta.ok() || f == families.end()) {
        counters_.corruptions++;
        LogError("a part is lost",
                 {{"part", number},
                  {"error", meta.ok() ? Status::NotFound("no family") : meta.status()}});
        continue;
      }
      loaded.parts.push_back(
          std::make_shared<PartReader>(parts_.get(), &pages_, f->second, number, *meta));
    } else if (kind == 'T') {
      next_tombstone_ = number + 1;
      TRY_ASSIGN(Tombstone t, Tombstone::Decode(number, it->value()));
      next_part_ = std::max(next_part_, t.last_part + 1);
      loaded.tombstones.push_back(std::make_shared<const Tombstone>(std::move(t)));
    } else if (kind == 'N') {
      MetricMetadata m;
      uint8_t type = 0;
      std::string_view help, unit;
      m.name = it->key().substr(1);
      if (!value.GetByte(&type) || !value.GetString(&help) || !value.GetString(&unit)) continue;
      m.type = static_cast<MetricType>(std::min<uint8_t>(type, 7));
      m.help = help, m.unit = unit;
      metadata_[m.name] = m;
    } else if (kind == 'E' && !exemplars_.Restore(number, it->value())) {
      counters_.corruptions++;
    }
  }
  TRY(it->status());
  std::sort(loaded.windows.begin(), loaded.windows.end(), WindowBefore);
  view_ = std::make_shared<const View>(std::move(loaded));
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

Status Store::LoadRegistry() {
  const auto it = head_->NewIterator(series_, true);
  for (it->Seek(""); it->Valid(); it->Next()) {
    Reader key(it->key()), value(it->value());
    uint32_t id;
    uint64_t group, column;
    if (!key.GetBig32(&id) || !value.GetFixed64(&group) || !value.GetVarint(&column)) {
      return Status::Corruption("series registry is damaged");
    }
    TRY_ASSIGN(const Labels labels, Labels::FromEncoded(value.rest()));
    if (!index_.Restore(id, group, static_cast<uint32_t>(column), labels)) {
      return Status::Corruption("series registry holds " + labels.ToString() + " twice");
    }
  }
  return it->status();
}

// The rows are left where they are: a group is read when it is first written, queried or sealed.
void Store::PrepareWindows() {
  std::vector<uint32_t> groups(index_.GroupCount());
  std::iota(groups.begin(), groups.end(), 0);
  const ViewPtr v = view();
  for (const WindowPtr& w : v->windows) {
    w->last_append_ms = options_.clock->MonotonicMs();
    w->LoadLater(groups, [this, window = w.get()](uint32_t group, GroupWindow* out) {
      ReadRows(*window, index_.GroupKey(group), out);
    });
    MutexLock lock(mutex_);
    open_.push_back(w);
  }
}

void Store::ReadRows(const Window& window, uint64_t group_key, GroupWindow* out) const {
  const auto it = head_->NewIterator(window.rows());
  std::string prefix;
  PutBig64(&prefix, group_key);
  uint64_t damaged = 0;
  for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
    Reader key(it->key().substr(prefix.size()));
    uint32_t number;
    if (!key.GetBig32(&number)) {
      ++damaged;
      continue;
    }
    out->ReserveRecords(number + 1);
    if (!out->Replay(it->value())) ++damaged;
  }
  // A damaged row costs what it holds; refusing to start would cost everything.
  if (!it->status().ok() || damaged > 0) {
    counters_.corruptions++;
    LogError("rows of an open window are damaged: samples are lost",
             {{"window", window.info().id}, {"rows", damaged}, {"error", it->status()}});
  }
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
