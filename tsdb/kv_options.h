// How we ask RocksDB to work, and what its answers mean: shared by nobody but kv.cc.
#pragma once

#include <memory>

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/status.h>
#include <rocksdb/table.h>

#include "base/status.h"
#include "tsdb/kv.h"

namespace deckwatch::tsdb {

Status FromRocks(const rocksdb::Status& s);

// Hands what RocksDB has to say to our log, in place of its own log file.
std::shared_ptr<rocksdb::Logger> NewRocksLog();
rocksdb::DBOptions DatabaseOptions();
rocksdb::ColumnFamilyOptions FamilyOptions(FamilyKind kind,
                                           const std::shared_ptr<rocksdb::Cache>& cache);
rocksdb::BlockBasedTableOptions TableOptions(size_t block_bytes);

}  // namespace deckwatch::tsdb
