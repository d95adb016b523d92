// RocksDB, as much of it as the store needs. RocksDB stays in the kv files.
//
// A database is a set of families (sorted key spaces of their own). Writes are atomic batches over
// any families of one database. A dropped family stays readable while a handle to it is held and
// frees its files with the last one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "tsdb/quarantine.h"

namespace deckwatch::tsdb {

// A cache of uncompressed blocks that several databases share.
class BlockCache {
 public:
  explicit BlockCache(size_t capacity_bytes);
  ~BlockCache();
  size_t UsedBytes() const;

 private:
  friend class Kv;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What a family is for decides its options.
enum class FamilyKind {
  kSmall,  // little data, rewritten now and then: compacted
  kRows,   // written once in order, read once at start, dropped whole
  kPart,   // filled by Ingest only
};

// Whether a database with damaged files opens; reads then meet the damage, and nothing is
// compacted.
enum class OnDamage { kRefuse, kOpen };

class Family;
using FamilyPtr = std::shared_ptr<Family>;

class KvBatch {
 public:
  KvBatch();
  ~KvBatch();
  KvBatch(KvBatch&&) noexcept;
  KvBatch& operator=(KvBatch&&) noexcept;
  void Put(const FamilyPtr& family, std::string_view key, std::string_view value);
  void Delete(const FamilyPtr& family, std::string_view key);
  bool empty() const;
  size_t bytes() const;

 private:
  friend class Kv;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Sees the family as it was when the iterator was made. key() and value() live until the next move.
class KvIterator {
 public:
  ~KvIterator();
  void Seek(std::string_view key);
  bool Valid() const;  // false at the end and on damage: then see status()
  void Next();
  std::string_view key() const;
  std::string_view value() const;
  Status status() const;

 private:
  friend class Kv;
  struct Impl;
  explicit KvIterator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A value inside the block cache or a buffer of its own; valid while this object lives.
class KvValue {
 public:
  ~KvValue();
  KvValue(KvValue&&) noexcept;
  KvValue& operator=(KvValue&&) noexcept;
  std::string_view view() const;

 private:
  friend class Kv;
  struct Impl;
  explicit KvValue(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Writes one sorted file to be ingested.
class SstWriter {
 public:
  struct Options {
    size_t block_bytes = 32 << 10;
    int zstd_level = 3;
  };
  static Result<std::unique_ptr<SstWriter>> Create(const std::string& path, Options options);
  ~SstWriter();
  // Keys strictly ascending.
  Status Put(std::string_view key, std::string_view value);
  // The size of the file; 0 when nothing was put, and then there is no file.
  Result<uint64_t> Finish();

 private:
  struct Impl;
  explicit SstWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Thread-safe.
class Kv {
 public:
  // Creates the directory when missing. `kind_of` names the kind of each family found. Damaged
  // copies of what is kept twice go to `quarantine`, which outlives this object: so the caller
  // holds the store's lock, as what a live process writes at the moment may look damaged.
  static Result<std::unique_ptr<Kv>> Open(const std::string& path,
                                          std::shared_ptr<BlockCache> cache,
                                          FamilyKind (*kind_of)(std::string_view family),
                                          OnDamage on_damage, Quarantine* quarantine);
  ~Kv();

  // Closes the database, whatever state an error left it in, and opens it again, reading its log.
  // Families stay valid; those that were dropped, or that the disk does not know, answer
  // Unavailable from then on. Waits for iterators and values to go, and others wait for it; on
  // error everything answers Unavailable until the next try.
  Status Reopen(OnDamage on_damage);
  // Lets RocksDB compact the small families that were there when the database was opened; new ones
  // it may. To be called when they are known to be sound: a compaction that meets damage makes all
  // writes fail. Holds until Reopen.
  Status AllowCompaction();
  // How many writes the log had safely and had no more at Open: puts and deletes, the last ones.
  uint64_t lost_writes() const;
  // The time of the oldest sample that only the log may have had then; INT64_MIN: not known,
  // INT64_MAX: none.
  int64_t oldest_in_log_ms() const;
  // `oldest_ms` says that time. To be set before others use this object, asked after each sync.
  void TellOldestInLog(std::function<int64_t()> oldest_ms);
  // A write, an fsync or a change of families failed: all of them answer Unavailable until Reopen.
  // Reading goes on.
  bool failed() const;

  std::vector<FamilyPtr> Families() const;  // as of Open and later creations, minus dropped ones
  // The existing one, or a new one.
  Result<FamilyPtr> GetOrCreate(const std::string& name);
  Status Drop(const FamilyPtr& family);

  // In the log, and so safe from kill -9, on return; `sync`: from a power cut as well.
  Status Write(KvBatch* batch, bool sync);
  Status SyncLog();
  // NotFound when there is no such key.
  Result<KvValue> Get(const FamilyPtr& family, std::string_view key) const;
  // `sequential`: reads ahead and leaves the cache as it is.
  std::unique_ptr<KvIterator> NewIterator(const FamilyPtr& family, bool sequential = false) const;
  // Moves finished files into `family`.
  Status Ingest(const FamilyPtr& family, const std::vector<std::string>& files);
  // Writes what memory holds of all families to files, all or none, and lets the log go.
  Status Flush();
  Status Checkpoint(const std::string& path);
  // Reads every block of every file.
  Status VerifyChecksums() const;

  uint64_t FileBytes(const FamilyPtr& family) const;
  std::vector<std::string> Files(const FamilyPtr& family) const;  // paths
  uint64_t LogBytes() const;
  uint64_t MemoryBytes() const;  // write buffers and table readers

 private:
  struct Impl;
  explicit Kv(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

const std::string& FamilyName(const FamilyPtr& family);

}  // namespace deckwatch::tsdb
