// What can be known of a database's log beyond what RocksDB tells: whether all of it is there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <rocksdb/file_system.h>
#include <rocksdb/wal_filter.h>

#include "base/status.h"
#include "tsdb/quarantine.h"

namespace deckwatch::tsdb {

uint64_t Fnv1a(std::string_view bytes);

// The number up to which the writes of a log were synced, in a small file (SYNCED) of its own: a
// log that is opened and ends before it has lost its end. Not synced itself, so it may lag behind,
// and never runs ahead.
class LogMark {
 public:
  explicit LogMark(const std::string& folder);
  ~LogMark();
  LogMark(const LogMark&) = delete;
  LogMark& operator=(const LogMark&) = delete;

  std::optional<uint64_t> Read() const;  // nullopt: none, or damaged
  void Write(uint64_t sequence) const;   // what fails is not repeated: the next one says more

 private:
  int fd_ = -1;
};

// RocksDB replays the logs that it finds. So that a missing one is noticed, BEGIN-n holds the
// number of the first write of n.log, for as long as that exists.
//
// Returns `log`, the new and empty file `path`, such that it notes where it begins.
std::unique_ptr<rocksdb::FSWritableFile> NotingBegin(const std::string& path,
                                                     std::unique_ptr<rocksdb::FSWritableFile> log);
// To be called before the log `path` is deleted; synced on return.
void ForgetBegin(const std::string& path);
// To be called before the database in `folder` is opened for the first time: where a log is
// missing, or holds something else, it and those behind it are set aside. Returns the number of the
// first write that is gone; nullopt when all logs are there.
Result<std::optional<uint64_t>> SetAsideBehindHole(const std::string& folder,
                                                   Quarantine* quarantine);

// Keeps what follows a hole in a log from being applied. RocksDB does so itself when it opens
// strictly; a database with damaged files cannot be opened that way.
class StopAtHole : public rocksdb::WalFilter {
 public:
  WalProcessingOption LogRecordFound(unsigned long long log, const std::string& file,
                                     const rocksdb::WriteBatch& batch,
                                     rocksdb::WriteBatch* new_batch, bool* batch_changed) override;
  const char* Name() const override { return "DeckwatchStopAtHole"; }

 private:
  uint64_t next_ = 0;  // the number that the next write must have; 0: any
};

}  // namespace deckwatch::tsdb
