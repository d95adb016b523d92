// How we ask RocksDB to work, and what its answers mean: shared by the kv files only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/status.h>
#include <rocksdb/table.h>
#include <rocksdb/wal_filter.h>

#include "base/status.h"
#include "tsdb/kv.h"

namespace deckwatch::tsdb {

// To be asked by the thread that got the answer. Io, and not Corruption, when a read failed before
// it: what could not be read need not be damaged.
Status FromRocks(const rocksdb::Status& s);
// Whether a read of this thread failed since FromRocks or this was asked last.
bool TakeReadFailure();

// Hands what RocksDB has to say to our log, in place of its own log file.
std::shared_ptr<rocksdb::Logger> NewRocksLog();
rocksdb::ColumnFamilyOptions FamilyOptions(FamilyKind kind,
                                           const std::shared_ptr<rocksdb::Cache>& cache);
rocksdb::BlockBasedTableOptions TableOptions(size_t block_bytes);

struct OpenedDatabase {
  std::unique_ptr<rocksdb::WalFilter> filter;  // the database refers to it
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
};
// Opens or creates the database; see Kv::Open.
Result<OpenedDatabase> OpenRocks(const std::string& path,
                                 const std::shared_ptr<rocksdb::Cache>& cache,
                                 FamilyKind (*kind_of)(std::string_view), OnDamage on_damage);

}  // namespace deckwatch::tsdb
