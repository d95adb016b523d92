#include "tsdb/kv_options.h"

#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>

#include <rocksdb/file_system.h>
#include <rocksdb/slice_transform.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/mutex.h"
#include "tsdb/kv_log.h"
#include "tsdb/kv_mirror.h"

namespace deckwatch::tsdb {

namespace {

constexpr std::string_view kNoOptionsFile = "families say their options when they are opened";

// A read of this thread failed since it last asked what an answer means. RocksDB 7.8 goes on where
// some of its reads fail, and then calls the file corrupt for what it does not know of it.
thread_local bool read_failed = false;
thread_local bool log_read_failed = false;  // of the log or MANIFEST, since a database was opened

rocksdb::IOStatus Noted(rocksdb::IOStatus s) {
  read_failed |= !s.ok();
  return s;
}

class NotingReads : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  using FSRandomAccessFileOwnerWrapper::FSRandomAccessFileOwnerWrapper;
  rocksdb::IOStatus Read(uint64_t at, size_t n, const rocksdb::IOOptions& o, rocksdb::Slice* result,
                         char* buffer, rocksdb::IODebugContext* d) const override {
    return Noted(target()->Read(at, n, o, result, buffer, d));
  }
  rocksdb::IOStatus MultiRead(rocksdb::FSReadRequest* reads, size_t n, const rocksdb::IOOptions& o,
                              rocksdb::IODebugContext* d) override {
    rocksdb::IOStatus s = target()->MultiRead(reads, n, o, d);
    for (size_t i = 0; i < n; ++i) read_failed |= !reads[i].status.ok();
    return Noted(std::move(s));
  }
};

class NotingSequentialReads : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  using FSSequentialFileOwnerWrapper::FSSequentialFileOwnerWrapper;
  rocksdb::IOStatus Read(size_t n, const rocksdb::IOOptions& o, rocksdb::Slice* result,
                         char* buffer, rocksdb::IODebugContext* d) override {
    rocksdb::IOStatus s = target()->Read(n, o, result, buffer, d);
    log_read_failed |= !s.ok();
    return Noted(std::move(s));
  }
};

// RocksDB reads the block of properties of a table before it checks that block's checksum, and
// Debian's ends the process, being built with assertions, when the highest bit of the last number
// in it is set. The block stands right before that of the meta index, whose place the footer names:
//   checksum type (1), varint offset and size of the meta index, …    53 bytes in all, at the end
rocksdb::IOStatus CheckProperties(const rocksdb::FSRandomAccessFile& table, uint64_t size) {
  constexpr uint64_t kFooter = 53, kTrailer = 5;  // behind each block: compression and checksum
  const auto read = [&table](uint64_t at, size_t n, std::string* out) {
    out->resize(n);
    rocksdb::Slice found;
    const rocksdb::IOStatus s = table.Read(at, n, {}, &found, out->data(), nullptr);
    if (s.ok()) *out = found.ToString();
    return s;
  };
  std::string footer, last;
  if (size < kFooter) return rocksdb::IOStatus::OK();  // no table, as others will find
  if (rocksdb::IOStatus s = read(size - kFooter, kFooter, &footer); !s.ok()) return s;
  Reader in(footer);
  uint8_t type;
  uint64_t meta_index;
  if (!in.GetByte(&type) || !in.GetVarint(&meta_index)) return rocksdb::IOStatus::OK();
  if (meta_index <= kTrailer || meta_index > size) return rocksdb::IOStatus::OK();
  if (rocksdb::IOStatus s = read(meta_index - kTrailer - 1, 1, &last); !s.ok()) return s;
  if (last.empty() || (last[0] & 0x80) == 0) return rocksdb::IOStatus::OK();
  return rocksdb::IOStatus::Corruption("the properties of a table are damaged");
}

// A folder that several share; closed when the last one lets go of it.
class SharedFolder : public rocksdb::FSDirectoryWrapper {
 public:
  explicit SharedFolder(std::shared_ptr<rocksdb::FSDirectory> folder)
      : FSDirectoryWrapper(folder.get()), folder_(std::move(folder)) {}
  rocksdb::IOStatus Close(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }

 private:
  const std::shared_ptr<rocksdb::FSDirectory> folder_;
};

// RocksDB's files, kept as kv_mirror.h says, and with failed reads noted, but for its OPTIONS file.
// With every family made or dropped the library writes the options of all of them to a new one,
// syncs it, reads it back and compares: with 400 families a tenth of a second. Nobody reads it:
// Open gives all options. Each family keeps its folder open, and all have the same: with 400 parts
// those were 400 descriptors more.
class Files : public rocksdb::FileSystemWrapper {
 public:
  Files() : rocksdb::FileSystemWrapper(MirroringEnv()->GetFileSystem()) {}
  const char* Name() const override { return "DeckwatchFiles"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override {
    if (path.find("/OPTIONS-", path.rfind('/')) != std::string::npos) {
      return rocksdb::IOStatus::NotSupported(std::string(kNoOptionsFile));
    }
    return rocksdb::FileSystemWrapper::NewWritableFile(path, options, file, context);
  }
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* context) override {
    rocksdb::IOStatus s = target()->NewRandomAccessFile(path, options, file, context);
    uint64_t size = 0;
    if (s.ok()) s = target()->GetFileSize(path, options.io_options, &size, context);
    if (!s.ok()) return s;
    *file = std::make_unique<NotingReads>(std::move(*file));
    return CheckProperties(**file, size);
  }
  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* context) override {
    rocksdb::IOStatus s = target()->NewSequentialFile(path, options, file, context);
    if (s.ok()) *file = std::make_unique<NotingSequentialReads>(std::move(*file));
    return s;
  }
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* folder,
                                 rocksdb::IODebugContext* context) override {
    struct stat now = {};
    if (stat(path.c_str(), &now) != 0)
      return target()->NewDirectory(path, options, folder, context);
    const std::pair identity(now.st_dev, now.st_ino);
    MutexLock lock(mutex_);
    std::erase_if(folders_, [](const auto& entry) { return entry.second.expired(); });
    std::shared_ptr<rocksdb::FSDirectory> shared = folders_[identity].lock();
    if (shared == nullptr) {
      std::unique_ptr<rocksdb::FSDirectory> made;
      rocksdb::IOStatus s = target()->NewDirectory(path, options, &made, context);
      if (!s.ok()) return s;
      folders_[identity] = shared = std::move(made);
    }
    *folder = std::make_unique<SharedFolder>(std::move(shared));
    return rocksdb::IOStatus::OK();
  }

 private:
  Mutex mutex_;
  std::map<std::pair<dev_t, ino_t>, std::weak_ptr<rocksdb::FSDirectory>> folders_
      GUARDED_BY(mutex_);
};

rocksdb::Env* FilesEnv() {
  static const std::unique_ptr<rocksdb::Env> env =
      rocksdb::NewCompositeEnv(std::make_shared<Files>());
  return env.get();
}

// What RocksDB has to say goes to our log. Its own log file would end the process: the library is
// built with assertions, and asserts that it never writes to a file that had an error. What it
// warns of is no news to a user: parts are files that it did not write itself, a snapshot keeps it
// from deleting files, and what it cannot do it also answers, to us.
class RocksLog : public rocksdb::Logger {
 public:
  RocksLog() : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}
  void Logv(const char* format, va_list arguments) override {
    Logv(rocksdb::InfoLogLevel::INFO_LEVEL, format, arguments);
  }
  void Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    char text[512];
    if (level < GetInfoLogLevel()) return;
    if (std::vsnprintf(text, sizeof text, format, arguments) < 0) return;
    if (std::string_view(text).find(kNoOptionsFile) != std::string_view::npos) return;
    const bool error = level >= rocksdb::InfoLogLevel::ERROR_LEVEL;
    Log(error ? LogLevel::kWarn : LogLevel::kDebug, "rocksdb", {{"message", std::string(text)}});
  }
};

}  // namespace

std::shared_ptr<rocksdb::Logger> NewRocksLog() {
  return std::make_shared<RocksLog>();
}

bool TakeReadFailure() {
  return std::exchange(read_failed, false);
}

Status FromRocks(const rocksdb::Status& s) {
  const bool unread = TakeReadFailure();
  if (s.ok()) return {};
  const std::string text = s.ToString();
  if (unread && s.IsCorruption()) return Status::Io("a read failed: " + text);
  if (s.IsPathNotFound()) return Status::Corruption(text);  // a file that should be there
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
  o.max_write_buffer_number = 6;  // they are small: writers need not wait for a flush
  o.compression = rocksdb::kZSTD;
  o.compression_opts.level = kind == FamilyKind::kPart ? 3 : 1;
  switch (kind) {
    case FamilyKind::kSmall: o.write_buffer_size = 4 << 20; break;
    case FamilyKind::kRows:
      o.write_buffer_size = 4 << 20;  // rows are in the columns as well: a copy in memory is waste
      // Each group appends at its own end: remembering where that is in the write buffer makes
      // commits, and above all reading the log at start, cheaper than a search from the top.
      o.memtable_insert_with_hint_prefix_extractor.reset(
          rocksdb::NewFixedPrefixTransform(sizeof(uint64_t)));
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

namespace {

rocksdb::DBOptions DatabaseOptions() {
  rocksdb::DBOptions o;
  o.env = FilesEnv();
  o.create_if_missing = true;
  o.max_total_wal_size = 32 << 20;  // read again at start; a quiet family must not pin it
  o.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  o.avoid_flush_during_recovery = true;  // what the log holds is read once more, but later
  // All families reach the disk together: rows must not outlive a damaged log that held the
  // registry entries and the rows before them, or columns would be read as another series'.
  o.atomic_flush = true;
  o.max_bgerror_resume_count = 0;  // 7.8 claims to have resumed when it has not: we reopen
  o.max_background_jobs = 2;
  o.max_file_opening_threads = 1;  // they are made anew for every family: dearer than our few files
  o.skip_stats_update_on_db_open = true;
  o.verify_sst_unique_id_in_manifest = true;  // a file under the name of another is damage
  o.skip_checking_sst_file_sizes_on_db_open = true;
  o.info_log = NewRocksLog();
  o.stats_dump_period_sec = 0;
  o.stats_persist_period_sec = 0;
  return o;
}

}  // namespace

Result<OpenedDatabase> OpenRocks(const std::string& path,
                                 const std::shared_ptr<rocksdb::Cache>& cache,
                                 FamilyKind (*kind_of)(std::string_view), OnDamage on_damage) {
  rocksdb::DBOptions db_options = DatabaseOptions();
  db_options.paranoid_checks = on_damage == OnDamage::kRefuse;
  // To refuse, all files are opened now. Otherwise when they are wanted, and so many of them stay
  // open: a store of years has more files than a process may commonly open (1,024).
  db_options.max_open_files = on_damage == OnDamage::kRefuse ? -1 : 512;
  OpenedDatabase opened;
  if (on_damage == OnDamage::kOpen) opened.filter = std::make_unique<StopAtHole>();
  db_options.wal_filter = opened.filter.get();
  std::vector<std::string> names;
  std::error_code ec;
  const bool exists = std::filesystem::exists(path + "/CURRENT", ec);
  if (ec) return Status::Io("open " + path + ": " + ec.message());
  if (exists) {
    TRY(FromRocks(rocksdb::DB::ListColumnFamilies(db_options, path, &names))
            .Annotate("open " + path));
  } else {
    names.push_back(rocksdb::kDefaultColumnFamilyName);
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) {
    descriptors.emplace_back(name, FamilyOptions(kind_of(name), cache));
    descriptors.back().options.disable_auto_compactions = true;  // Kv::AllowCompaction
  }
  rocksdb::DB* raw = nullptr;
  log_read_failed = false;
  const auto s = rocksdb::DB::Open(db_options, path, descriptors, &opened.handles, &raw);
  if (!s.ok()) {
    return FromRocks(s).Annotate("open " + path);
  }
  opened.db.reset(raw);
  // When it goes on in spite of damage, it does so in spite of this too, as if the log ended there.
  if (log_read_failed) {
    for (rocksdb::ColumnFamilyHandle* handle : opened.handles) {
      (void)raw->DestroyColumnFamilyHandle(handle);
    }
    return Status::Io("open " + path + ": its log cannot be read");
  }
  return opened;
}

}  // namespace deckwatch::tsdb
