#include "tsdb/kv.h"

#include <algorithm>
#include <atomic>
#include <filesystem>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/transaction_log.h>
#include <rocksdb/utilities/checkpoint.h>

#include "base/mutex.h"
#include "tsdb/kv_log.h"
#include "tsdb/kv_mirror.h"
#include "tsdb/kv_options.h"

namespace deckwatch::tsdb {

namespace {

rocksdb::Slice Slice(std::string_view s) {
  return {s.data(), s.size()};
}
std::string_view View(const rocksdb::Slice& s) {
  return {s.data(), s.size()};
}

}  // namespace

struct BlockCache::Impl {
  std::shared_ptr<rocksdb::Cache> cache;
};
BlockCache::BlockCache(size_t capacity_bytes) : impl_(std::make_unique<Impl>()) {
  impl_->cache = rocksdb::NewLRUCache(capacity_bytes, /*num_shard_bits=*/2,
                                      /*strict_capacity_limit=*/false, /*high_pri_pool_ratio=*/0.3);
}
BlockCache::~BlockCache() = default;
size_t BlockCache::UsedBytes() const {
  return impl_->cache->GetUsage();
}

// The open database, shared by all that point into it, which keep it open. Whoever uses `db` or a
// handle is inside meanwhile; Reopen replaces them while nobody is.
struct Database {
  std::unique_ptr<rocksdb::WalFilter> filter;
  std::unique_ptr<rocksdb::DB> db;  // null: could not be opened again
  std::atomic<bool> failed{false};

  // May be entered again by the same thread: only a Reopen that is under way keeps one out.
  void Enter() {
    int n = inside_.load(std::memory_order_relaxed);
    while (n < 0 || !inside_.compare_exchange_weak(n, n + 1, std::memory_order_acquire,
                                                   std::memory_order_relaxed)) {
      if (n < 0) inside_.wait(n);
      n = inside_.load(std::memory_order_relaxed);
    }
  }
  void Leave() {
    if (inside_.fetch_sub(1, std::memory_order_release) == 1) inside_.notify_all();
  }
  void Lock() {
    for (int n = 0; !inside_.compare_exchange_weak(n, -1, std::memory_order_acquire,
                                                   std::memory_order_relaxed);
         n = 0) {
      if (n != 0) inside_.wait(n);
    }
  }
  void Unlock() {
    inside_.store(0, std::memory_order_release);
    inside_.notify_all();
  }
  // An error of the disk: nothing more is written until the database is opened anew.
  Status Written(const rocksdb::Status& s) {
    if (!s.ok() && !s.IsNotFound() && !s.IsInvalidArgument()) failed = true;
    return FromRocks(s);
  }

 private:
  std::atomic<int> inside_{0};  // -1: being reopened
};

namespace {

class Inside {
 public:
  explicit Inside(std::shared_ptr<Database> database) : database_(std::move(database)) {
    database_->Enter();
  }
  ~Inside() {
    if (database_ != nullptr) database_->Leave();
  }
  Inside(Inside&&) = default;
  Inside& operator=(Inside&&) = delete;

  rocksdb::DB* db() const { return database_->db.get(); }

 private:
  std::shared_ptr<Database> database_;
};

Status Closed(const std::string& what) {
  return Status::Unavailable(what + ": closed after an error of the disk");
}

}  // namespace

class Family {
 public:
  Family(std::shared_ptr<Database> database, rocksdb::ColumnFamilyHandle* handle)
      : database(std::move(database)), name(handle->GetName()), handle(handle) {}
  ~Family() {
    const Inside inside(database);
    if (handle != nullptr) (void)inside.db()->DestroyColumnFamilyHandle(handle);
  }
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;

  const std::shared_ptr<Database> database;
  const std::string name;
  rocksdb::ColumnFamilyHandle* handle;  // null: gone with a Reopen
};
const std::string& FamilyName(const FamilyPtr& family) {
  return family->name;
}

struct KvBatch::Impl {
  rocksdb::WriteBatch batch;
  Status error;  // of a family that is gone; met by Write
};
KvBatch::KvBatch() : impl_(std::make_unique<Impl>()) {}
KvBatch::~KvBatch() = default;
KvBatch::KvBatch(KvBatch&&) noexcept = default;
KvBatch& KvBatch::operator=(KvBatch&&) noexcept = default;
void KvBatch::Put(const FamilyPtr& family, std::string_view key, std::string_view value) {
  const Inside inside(family->database);
  if (family->handle == nullptr) {
    impl_->error = Closed(family->name);
    return;
  }
  (void)impl_->batch.Put(family->handle, Slice(key), Slice(value));
}
void KvBatch::Delete(const FamilyPtr& family, std::string_view key) {
  const Inside inside(family->database);
  if (family->handle == nullptr) {
    impl_->error = Closed(family->name);
    return;
  }
  (void)impl_->batch.Delete(family->handle, Slice(key));
}
bool KvBatch::empty() const {
  return impl_->batch.Count() == 0 && impl_->error.ok();
}
size_t KvBatch::bytes() const {
  return impl_->batch.GetDataSize();
}

struct KvIterator::Impl {
  FamilyPtr family;
  Inside inside;
  std::unique_ptr<rocksdb::Iterator> it;  // null when the family is gone
};
KvIterator::KvIterator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KvIterator::~KvIterator() = default;
void KvIterator::Seek(std::string_view key) {
  if (impl_->it != nullptr) impl_->it->Seek(Slice(key));
}
bool KvIterator::Valid() const {
  return impl_->it != nullptr && impl_->it->Valid();
}
void KvIterator::Next() {
  impl_->it->Next();
}
std::string_view KvIterator::key() const {
  return View(impl_->it->key());
}
std::string_view KvIterator::value() const {
  return View(impl_->it->value());
}
Status KvIterator::status() const {
  if (impl_->it == nullptr) return Closed(impl_->family->name);
  return FromRocks(impl_->it->status());
}

struct KvValue::Impl {
  explicit Impl(const FamilyPtr& family) : family(family), inside(family->database) {}
  FamilyPtr family;
  Inside inside;
  rocksdb::PinnableSlice slice;
};
KvValue::KvValue(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KvValue::~KvValue() = default;
KvValue::KvValue(KvValue&&) noexcept = default;
KvValue& KvValue::operator=(KvValue&&) noexcept = default;
std::string_view KvValue::view() const {
  return View(impl_->slice);
}

struct Kv::Impl {
  std::string path;
  std::shared_ptr<BlockCache> cache;
  FamilyKind (*kind_of)(std::string_view) = nullptr;
  OnDamage on_damage = OnDamage::kRefuse;
  Quarantine* quarantine = nullptr;
  std::unique_ptr<LogMark> mark;
  uint64_t lost_writes = 0;
  std::function<int64_t()> oldest_ms;                // null: what it said last time
  std::atomic<int64_t> oldest_in_log_ms{INT64_MIN};  // as it was written last
  std::shared_ptr<Database> database = std::make_shared<Database>();
  Mutex marking;  // so that what is kept was said last
  mutable Mutex mutex;
  std::vector<FamilyPtr> families GUARDED_BY(mutex);
  std::vector<std::weak_ptr<Family>> dropped GUARDED_BY(mutex);  // perhaps still read

  Status Open();
  void Mark(uint64_t sequence);
};

// Alone in the database, or before anybody else knows it.
Status Kv::Impl::Open() {
  TRY(MendManifest(path, quarantine));
  std::optional<uint64_t> hole;  // the first write that is gone with a whole log
  if (mark == nullptr) {
    TRY_ASSIGN(hole, SetAsideBehindHole(path, quarantine));
  }
  TRY(SyncOldLogs(path));
  TRY_ASSIGN(OpenedDatabase opened, OpenRocks(path, cache->impl_->cache, kind_of, on_damage));
  database->filter = std::move(opened.filter);
  database->db = std::move(opened.db);
  const uint64_t sequence = database->db->GetLatestSequenceNumber();
  if (mark == nullptr) {  // opened for the first time: afterwards, memory knows what is lost
    mark = std::make_unique<LogMark>(path);
    const uint64_t end = std::min(sequence, hole.value_or(UINT64_MAX) - 1);
    const LogMark::Text none = {.sequence = 0, .oldest_ms = sequence == 0 ? INT64_MAX : INT64_MIN};
    const LogMark::Text text = mark->Read().value_or(none);
    lost_writes = std::max(text.sequence, end) - end;
    oldest_in_log_ms = text.oldest_ms;
    // Else with the next sync. So it is when the database is opened again: after an fsync that
    // failed, what the log holds may be in the memory of the kernel only.
    if (lost_writes == 0) mark->Write({sequence, text.oldest_ms});
  }
  MutexLock lock(mutex);
  std::vector<FamilyPtr> found;
  for (rocksdb::ColumnFamilyHandle* handle : opened.handles) {
    const auto known = std::find_if(families.begin(), families.end(), [&](const FamilyPtr& f) {
      return f->name == handle->GetName();
    });
    if (known == families.end()) {
      found.push_back(std::make_shared<Family>(database, handle));
    } else {
      (*known)->handle = handle;
      found.push_back(*known);
    }
  }
  families = std::move(found);
  return {};
}

void Kv::Impl::Mark(uint64_t sequence) {
  MutexLock lock(marking);
  if (oldest_ms != nullptr) oldest_in_log_ms = oldest_ms();
  mark->Write({sequence, oldest_in_log_ms});
}

Kv::Kv(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Kv::~Kv() = default;

Result<std::unique_ptr<Kv>> Kv::Open(const std::string& path, std::shared_ptr<BlockCache> cache,
                                     FamilyKind (*kind_of)(std::string_view), OnDamage on_damage,
                                     Quarantine* quarantine) {
  std::error_code ec;
  std::filesystem::create_directories(path, ec);
  if (ec) return Status::Io("create directory " + path + ": " + ec.message());
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->cache = std::move(cache);
  impl->kind_of = kind_of;
  impl->on_damage = on_damage;
  impl->quarantine = quarantine;
  TRY(impl->Open());
  return std::unique_ptr<Kv>(new Kv(std::move(impl)));
}

Status Kv::Reopen(OnDamage on_damage) {
  // Let go of after the database is unlocked: the last holder of a family enters it.
  std::vector<FamilyPtr> alive;
  {
    MutexLock lock(impl_->mutex);
    alive = impl_->families;
    for (const auto& weak : impl_->dropped) {
      if (FamilyPtr f = weak.lock(); f != nullptr) alive.push_back(std::move(f));
    }
    impl_->dropped.clear();
  }
  Database& d = *impl_->database;
  d.Lock();
  for (const FamilyPtr& f : alive) {
    if (f->handle != nullptr) (void)d.db->DestroyColumnFamilyHandle(f->handle);
    f->handle = nullptr;
  }
  d.db.reset();
  impl_->on_damage = on_damage;
  const Status s = impl_->Open();
  d.failed = !s.ok();
  d.Unlock();
  return s;
}

Status Kv::AllowCompaction() {
  const Inside inside(impl_->database);
  if (failed()) return Closed(impl_->path);
  std::vector<rocksdb::ColumnFamilyHandle*> small;
  for (const FamilyPtr& f : Families()) {
    const bool is_small = impl_->kind_of(f->name) == FamilyKind::kSmall;
    if (is_small && f->handle != nullptr) small.push_back(f->handle);
  }
  return FromRocks(inside.db()->EnableAutoCompaction(small)).Annotate("open " + impl_->path);
}

bool Kv::failed() const {
  return impl_->database->failed;
}

uint64_t Kv::lost_writes() const {
  return impl_->lost_writes;
}

int64_t Kv::oldest_in_log_ms() const {
  return impl_->oldest_in_log_ms;
}

void Kv::TellOldestInLog(std::function<int64_t()> oldest_ms) {
  impl_->oldest_ms = std::move(oldest_ms);
}

std::vector<FamilyPtr> Kv::Families() const {
  MutexLock lock(impl_->mutex);
  return impl_->families;
}

Result<FamilyPtr> Kv::GetOrCreate(const std::string& name) {
  for (const FamilyPtr& f : Families()) {
    if (f->name == name) return f;
  }
  const Inside inside(impl_->database);
  if (failed()) return Closed(impl_->path);
  rocksdb::ColumnFamilyHandle* handle = nullptr;
  TRY(impl_->database
          ->Written(inside.db()->CreateColumnFamily(
              FamilyOptions(impl_->kind_of(name), impl_->cache->impl_->cache), name, &handle))
          .Annotate("create family " + name));
  auto family = std::make_shared<Family>(impl_->database, handle);
  MutexLock lock(impl_->mutex);
  impl_->families.push_back(family);
  return family;
}

Status Kv::Drop(const FamilyPtr& family) {
  const Inside inside(impl_->database);
  if (failed()) return Closed(impl_->path);
  if (family->handle == nullptr) return {};  // gone already
  TRY(impl_->database->Written(inside.db()->DropColumnFamily(family->handle))
          .Annotate("drop " + family->name));
  MutexLock lock(impl_->mutex);
  std::erase(impl_->families, family);
  std::erase_if(impl_->dropped, [](const auto& weak) { return weak.expired(); });
  impl_->dropped.push_back(family);
  return {};
}

Status Kv::Write(KvBatch* batch, bool sync) {
  TRY(batch->impl_->error);
  const Inside inside(impl_->database);
  if (failed()) return Closed(impl_->path);
  rocksdb::WriteOptions o;
  o.sync = sync;
  TRY(impl_->database->Written(inside.db()->Write(o, &batch->impl_->batch)));
  if (sync) impl_->Mark(inside.db()->GetLatestSequenceNumber());
  return {};
}

Status Kv::SyncLog() {
  const Inside inside(impl_->database);
  if (failed()) return Closed(impl_->path);  // a second fsync would lie
  const uint64_t sequence = inside.db()->GetLatestSequenceNumber();
  TRY(impl_->database->Written(SyncLogs(impl_->path)));
  impl_->Mark(sequence);
  return {};
}

Result<KvValue> Kv::Get(const FamilyPtr& family, std::string_view key) const {
  KvValue v(std::make_unique<KvValue::Impl>(family));
  if (family->handle == nullptr) return Closed(family->name);
  TRY(FromRocks(v.impl_->inside.db()->Get({}, family->handle, Slice(key), &v.impl_->slice)));
  return v;
}

std::unique_ptr<KvIterator> Kv::NewIterator(const FamilyPtr& family, bool sequential) const {
  rocksdb::ReadOptions o;
  // There are none. And 7.8, looking for them where one file ends, forgets the error of the next
  // one: an iterator would end there as if nothing followed.
  o.ignore_range_deletions = true;
  if (sequential) {
    o.readahead_size = 1 << 20;
    o.fill_cache = false;
  }
  auto impl = std::unique_ptr<KvIterator::Impl>(
      new KvIterator::Impl{.family = family, .inside = Inside(family->database), .it = nullptr});
  if (family->handle != nullptr) impl->it.reset(impl->inside.db()->NewIterator(o, family->handle));
  return std::unique_ptr<KvIterator>(new KvIterator(std::move(impl)));
}

Status Kv::Ingest(const FamilyPtr& family, const std::vector<std::string>& files) {
  const Inside inside(impl_->database);
  if (failed() || family->handle == nullptr) return Closed(family->name);
  rocksdb::IngestExternalFileOptions o;
  o.move_files = true;
  o.write_global_seqno = false;
  (void)TakeReadFailure();
  const rocksdb::Status s = inside.db()->IngestExternalFile(family->handle, files, o);
  const bool unread = TakeReadFailure();
  TRY(impl_->database->Written(s).Annotate("ingest into " + family->name));
  if (!unread) return {};
  // 7.8 takes a file whose first key it could not read for one that holds no keys, and says OK.
  impl_->database->failed = true;
  return Status::Io("ingest into " + family->name + ": a file could not be read");
}

Status Kv::Flush() {
  const Inside inside(impl_->database);
  if (failed()) return Closed(impl_->path);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  for (const FamilyPtr& f : Families()) {
    if (f->handle != nullptr) handles.push_back(f->handle);
  }
  const auto current_log = [&] {
    std::unique_ptr<rocksdb::LogFile> log;
    return inside.db()->GetCurrentWalFile(&log).ok() && log != nullptr ? log->LogNumber() : 0;
  };
  const uint64_t before = current_log();
  TRY(impl_->database->Written(inside.db()->Flush({}, handles)).Annotate("flush " + impl_->path));
  // RocksDB deletes them at its leisure, and may not have synced them.
  ForgetBegins(impl_->path, std::min(before + 1, current_log()));
  return {};
}

Status Kv::Checkpoint(const std::string& path) {
  const Inside inside(impl_->database);
  if (failed()) return Closed(impl_->path);
  rocksdb::Checkpoint* raw = nullptr;
  TRY(FromRocks(rocksdb::Checkpoint::Create(inside.db(), &raw)));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  return FromRocks(checkpoint->CreateCheckpoint(path)).Annotate("checkpoint " + path);
}

Status Kv::VerifyChecksums() const {
  const Inside inside(impl_->database);
  if (inside.db() == nullptr) return Closed(impl_->path);
  return FromRocks(inside.db()->VerifyChecksum());
}

uint64_t Kv::FileBytes(const FamilyPtr& family) const {
  const Inside inside(impl_->database);
  uint64_t n = 0;
  if (family->handle == nullptr) return n;
  inside.db()->GetIntProperty(family->handle, rocksdb::DB::Properties::kTotalSstFilesSize, &n);
  return n;
}

std::vector<std::string> Kv::Files(const FamilyPtr& family) const {
  const Inside inside(impl_->database);
  std::vector<std::string> out;
  if (family->handle == nullptr) return out;
  rocksdb::ColumnFamilyMetaData meta;
  inside.db()->GetColumnFamilyMetaData(family->handle, &meta);
  for (const auto& level : meta.levels) {
    for (const auto& file : level.files) out.push_back(file.db_path + file.name);
  }
  return out;
}

uint64_t Kv::LogBytes() const {
  const Inside inside(impl_->database);
  rocksdb::VectorLogPtr files;
  if (inside.db() == nullptr || !inside.db()->GetSortedWalFiles(files).ok()) return 0;
  uint64_t n = 0;
  for (const auto& f : files) n += f->SizeFileBytes();
  return n;
}

uint64_t Kv::MemoryBytes() const {
  const Inside inside(impl_->database);
  if (inside.db() == nullptr) return 0;
  uint64_t tables = 0, readers = 0;
  inside.db()->GetAggregatedIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &tables);
  inside.db()->GetAggregatedIntProperty(rocksdb::DB::Properties::kEstimateTableReadersMem,
                                        &readers);
  return tables + readers;
}

}  // namespace deckwatch::tsdb
