#include "tsdb/kv.h"

#include <algorithm>
#include <filesystem>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>

#include "base/mutex.h"

namespace deckwatch::tsdb {

namespace {

rocksdb::Slice Slice(std::string_view s) {
  return {s.data(), s.size()};
}
std::string_view View(const rocksdb::Slice& s) {
  return {s.data(), s.size()};
}

Status FromRocks(const rocksdb::Status& s) {
  if (s.ok()) return {};
  const std::string text = s.ToString();
  if (s.IsNotFound()) return Status::NotFound(text);
  if (s.IsCorruption()) return Status::Corruption(text);
  if (s.IsNoSpace()) return Status::Unavailable(text);
  if (s.IsInvalidArgument() || s.IsNotSupported()) return Status::Internal(text);
  return Status::Io(text);
}

rocksdb::BlockBasedTableOptions TableOptions(size_t block_bytes) {
  rocksdb::BlockBasedTableOptions t;
  t.block_size = block_bytes;
  t.format_version = 5;
  t.checksum = rocksdb::kXXH3;
  t.cache_index_and_filter_blocks = true;
  t.cache_index_and_filter_blocks_with_high_priority = true;
  return t;
}

rocksdb::ColumnFamilyOptions FamilyOptions(FamilyKind kind,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions o;
  auto table = TableOptions(kind == FamilyKind::kSmall ? 8 << 10 : 32 << 10);
  table.block_cache = cache;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  o.compression = rocksdb::kZSTD;
  o.compression_opts.level = kind == FamilyKind::kPart ? 3 : 1;
  switch (kind) {
    case FamilyKind::kSmall: o.write_buffer_size = 8 << 20; break;
    case FamilyKind::kRows:
      o.write_buffer_size = 16 << 20;
      o.disable_auto_compactions = true;
      o.level0_slowdown_writes_trigger = o.level0_stop_writes_trigger = 1 << 20;
      break;
    case FamilyKind::kPart:
      o.write_buffer_size = 64 << 10;
      o.disable_auto_compactions = true;
      break;
  }
  return o;
}

rocksdb::DBOptions DatabaseOptions() {
  rocksdb::DBOptions o;
  o.create_if_missing = true;
  o.max_total_wal_size = 64 << 20;  // a quiet family must not pin the log
  o.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  o.avoid_flush_during_recovery = true;  // what the log holds is read once more, but later
  o.max_background_jobs = 2;
  o.max_open_files = -1;
  o.skip_stats_update_on_db_open = true;
  o.skip_checking_sst_file_sizes_on_db_open = true;
  o.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  o.keep_log_file_num = 2;
  o.stats_dump_period_sec = 0;
  o.stats_persist_period_sec = 0;
  return o;
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

// Holds the database open as long as a handle is alive.
class Family {
 public:
  Family(std::shared_ptr<rocksdb::DB> db, rocksdb::ColumnFamilyHandle* handle)
      : db(std::move(db)), handle(handle), name(handle->GetName()) {}
  ~Family() { (void)db->DestroyColumnFamilyHandle(handle); }
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;

  const std::shared_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle* const handle;
  const std::string name;
};
const std::string& FamilyName(const FamilyPtr& family) {
  return family->name;
}

struct KvBatch::Impl {
  rocksdb::WriteBatch batch;
};
KvBatch::KvBatch() : impl_(std::make_unique<Impl>()) {}
KvBatch::~KvBatch() = default;
KvBatch::KvBatch(KvBatch&&) noexcept = default;
KvBatch& KvBatch::operator=(KvBatch&&) noexcept = default;
void KvBatch::Put(const FamilyPtr& family, std::string_view key, std::string_view value) {
  (void)impl_->batch.Put(family->handle, Slice(key), Slice(value));
}
void KvBatch::Delete(const FamilyPtr& family, std::string_view key) {
  (void)impl_->batch.Delete(family->handle, Slice(key));
}
bool KvBatch::empty() const {
  return impl_->batch.Count() == 0;
}
size_t KvBatch::bytes() const {
  return impl_->batch.GetDataSize();
}

struct KvIterator::Impl {
  FamilyPtr family;
  std::unique_ptr<rocksdb::Iterator> it;
};
KvIterator::KvIterator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KvIterator::~KvIterator() = default;
void KvIterator::Seek(std::string_view key) {
  impl_->it->Seek(Slice(key));
}
bool KvIterator::Valid() const {
  return impl_->it->Valid();
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
  return FromRocks(impl_->it->status());
}

struct KvValue::Impl {
  FamilyPtr family;
  rocksdb::PinnableSlice slice;
};
KvValue::KvValue() : impl_(std::make_unique<Impl>()) {}
KvValue::~KvValue() = default;
KvValue::KvValue(KvValue&&) noexcept = default;
KvValue& KvValue::operator=(KvValue&&) noexcept = default;
std::string_view KvValue::view() const {
  return View(impl_->slice);
}

struct SstWriter::Impl {
  Impl(const rocksdb::Options& options) : writer(rocksdb::EnvOptions(), options) {}
  rocksdb::SstFileWriter writer;
  std::string path;
  uint64_t entries = 0;
};
SstWriter::SstWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SstWriter::~SstWriter() = default;

Result<std::unique_ptr<SstWriter>> SstWriter::Create(const std::string& path, Options options) {
  rocksdb::Options o;
  auto table = TableOptions(options.block_bytes);
  table.no_block_cache = true;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  o.compression = rocksdb::kZSTD;
  o.compression_opts.level = options.zstd_level;
  auto impl = std::make_unique<Impl>(o);
  impl->path = path;
  TRY(FromRocks(impl->writer.Open(path)).Annotate("create " + path));
  return std::unique_ptr<SstWriter>(new SstWriter(std::move(impl)));
}

Status SstWriter::Put(std::string_view key, std::string_view value) {
  ++impl_->entries;
  return FromRocks(impl_->writer.Put(Slice(key), Slice(value)));
}

Result<uint64_t> SstWriter::Finish() {
  if (impl_->entries == 0) {
    std::error_code ignored;
    std::filesystem::remove(impl_->path, ignored);
    return uint64_t{0};
  }
  rocksdb::ExternalSstFileInfo info;
  TRY(FromRocks(impl_->writer.Finish(&info)).Annotate("finish " + impl_->path));
  return info.file_size;
}

struct Kv::Impl {
  std::shared_ptr<BlockCache> cache;
  FamilyKind (*kind_of)(std::string_view) = nullptr;
  std::shared_ptr<rocksdb::DB> db;
  mutable Mutex mutex;
  std::vector<FamilyPtr> families GUARDED_BY(mutex);
};

Kv::Kv(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Kv::~Kv() = default;

Result<std::unique_ptr<Kv>> Kv::Open(const std::string& path, std::shared_ptr<BlockCache> cache,
                                     FamilyKind (*kind_of)(std::string_view), OnDamage on_damage) {
  std::error_code ec;
  std::filesystem::create_directories(path, ec);
  if (ec) return Status::Io("create directory " + path + ": " + ec.message());

  rocksdb::DBOptions db_options = DatabaseOptions();
  db_options.paranoid_checks = on_damage == OnDamage::kRefuse;
  std::vector<std::string> names;
  if (std::filesystem::exists(path + "/CURRENT")) {
    TRY(FromRocks(rocksdb::DB::ListColumnFamilies(db_options, path, &names))
            .Annotate("open " + path));
  } else {
    names.push_back(rocksdb::kDefaultColumnFamilyName);
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) {
    descriptors.emplace_back(name, FamilyOptions(kind_of(name), cache->impl_->cache));
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  const auto s = rocksdb::DB::Open(db_options, path, descriptors, &handles, &raw);
  if (!s.ok()) {
    if (s.ToString().find("LOCK") != std::string::npos &&
        s.ToString().find("lock") != std::string::npos) {
      return Status::Unavailable("open " + path + ": another process holds it (" + s.ToString() +
                                 ")");
    }
    return FromRocks(s).Annotate("open " + path);
  }
  auto impl = std::make_unique<Impl>();
  impl->cache = std::move(cache);
  impl->kind_of = kind_of;
  impl->db.reset(raw);
  {
    MutexLock lock(impl->mutex);
    for (auto* h : handles) impl->families.push_back(std::make_shared<Family>(impl->db, h));
  }
  return std::unique_ptr<Kv>(new Kv(std::move(impl)));
}

std::vector<FamilyPtr> Kv::Families() const {
  MutexLock lock(impl_->mutex);
  return impl_->families;
}

Result<FamilyPtr> Kv::GetOrCreate(const std::string& name) {
  for (const FamilyPtr& f : Families()) {
    if (f->name == name) return f;
  }
  rocksdb::ColumnFamilyHandle* handle = nullptr;
  TRY(FromRocks(impl_->db->CreateColumnFamily(
                    FamilyOptions(impl_->kind_of(name), impl_->cache->impl_->cache), name, &handle))
          .Annotate("create family " + name));
  auto family = std::make_shared<Family>(impl_->db, handle);
  MutexLock lock(impl_->mutex);
  impl_->families.push_back(family);
  return family;
}

Status Kv::Drop(const FamilyPtr& family) {
  TRY(FromRocks(impl_->db->DropColumnFamily(family->handle)).Annotate("drop " + family->name));
  MutexLock lock(impl_->mutex);
  std::erase(impl_->families, family);
  return {};
}

Status Kv::Write(KvBatch* batch, bool sync) {
  rocksdb::WriteOptions o;
  o.sync = sync;
  return FromRocks(impl_->db->Write(o, &batch->impl_->batch));
}

Status Kv::SyncLog() {
  return FromRocks(impl_->db->SyncWAL());
}

Result<KvValue> Kv::Get(const FamilyPtr& family, std::string_view key) const {
  KvValue v;
  v.impl_->family = family;
  TRY(FromRocks(impl_->db->Get({}, family->handle, Slice(key), &v.impl_->slice)));
  return v;
}

std::unique_ptr<KvIterator> Kv::NewIterator(const FamilyPtr& family, bool sequential) const {
  rocksdb::ReadOptions o;
  if (sequential) {
    o.readahead_size = 1 << 20;
    o.fill_cache = false;
  }
  auto impl = std::make_unique<KvIterator::Impl>();
  impl->family = family;
  impl->it.reset(impl_->db->NewIterator(o, family->handle));
  return std::unique_ptr<KvIterator>(new KvIterator(std::move(impl)));
}

Status Kv::Ingest(const FamilyPtr& family, const std::vector<std::string>& files) {
  rocksdb::IngestExternalFileOptions o;
  o.move_files = true;
  o.write_global_seqno = false;
  return FromRocks(impl_->db->IngestExternalFile(family->handle, files, o))
      .Annotate("ingest into " + family->name);
}

Status Kv::Flush(const FamilyPtr& family) {
  return FromRocks(impl_->db->Flush({}, family->handle)).Annotate("flush " + family->name);
}

Status Kv::Checkpoint(const std::string& path) {
  rocksdb::Checkpoint* raw = nullptr;
  TRY(FromRocks(rocksdb::Checkpoint::Create(impl_->db.get(), &raw)));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  return FromRocks(checkpoint->CreateCheckpoint(path)).Annotate("checkpoint " + path);
}

Status Kv::VerifyChecksums() const {
  return FromRocks(impl_->db->VerifyChecksum());
}

uint64_t Kv::FileBytes(const FamilyPtr& family) const {
  uint64_t n = 0;
  impl_->db->GetIntProperty(family->handle, rocksdb::DB::Properties::kTotalSstFilesSize, &n);
  return n;
}

uint64_t Kv::LogBytes() const {
  rocksdb::VectorLogPtr files;
  if (!impl_->db->GetSortedWalFiles(files).ok()) return 0;
  uint64_t n = 0;
  for (const auto& f : files) n += f->SizeFileBytes();
  return n;
}

uint64_t Kv::MemoryBytes() const {
  uint64_t tables = 0, readers = 0;
  impl_->db->GetAggregatedIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &tables);
  impl_->db->GetAggregatedIntProperty(rocksdb::DB::Properties::kEstimateTableReadersMem, &readers);
  return tables + readers;
}

}  // namespace deckwatch::tsdb
