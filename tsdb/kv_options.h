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

Status FromRocks(const rocksdb::Status& s);

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
