// What can be known of a database's log beyond what RocksDB tells: whether all of it is there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <rocksdb/wal_filter.h>

namespace deckwatch::tsdb {

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
