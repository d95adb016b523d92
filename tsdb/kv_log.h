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

inline constexpr uint64_t kFnv1aStart = 0xcbf29ce484222325;
uint64_t Fnv1a(std::string_view bytes, uint64_t start = kFnv1aStart);

// The number up to which the writes of a log were synced, in a small file (SYNCED) of its own: a
// log that is opened and ends before it has lost its end. Beside it, the time of the oldest sample
// that only the log may have: nothing older is lost with it. Not synced itself, so it may lag
// behind, and never runs ahead.
class LogMark {
 public:
  struct Text {
    uint64_t sequence = 0;
    int64_t oldest_ms = INT64_MIN;
  };
  explicit LogMark(const std::string& folder);
  ~LogMark();
  LogMark(const LogMark&) = delete;
  LogMark& operator=(const LogMark&) = delete;

  std::optional<Text> Read() const;  // nullopt: none, or damaged
  void Write(const Text& text);      // what fails is not repeated: the next one says more

 private:
  int fd_ = -1;
};

// RocksDB replays the logs that it finds. So that a missing one is noticed, BEGIN-n holds the
// number of the first write of n.log, for as long as that exists.
//
// Returns `log`, the new and empty file `path`, such that it notes where it begins, and can be
// synced by SyncLogs until it is closed.
std::unique_ptr<rocksdb::FSWritableFile> WatchLog(const std::string& path,
                                                  std::unique_ptr<rocksdb::FSWritableFile> log);
// Syncs what was appended so far to the logs of `folder`, beside threads that go on appending.
// RocksDB's own SyncWAL ends the process (7.8 is built with assertions) when an append fails at
// the same time.
rocksdb::IOStatus SyncLogs(const std::string& folder);
// To be called before a database is opened: what a process that was killed left unsynced in its
// logs is read now, and what is written behind it would be lost with it.
Status SyncOldLogs(const std::string& folder);
// To be called before the log `path` is deleted; synced on return.
void ForgetBegin(const std::string& path);
// The same for all logs of `folder` below a number: nobody needs them any more, whole or not.
void ForgetBegins(const std::string& folder, uint64_t below);
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
