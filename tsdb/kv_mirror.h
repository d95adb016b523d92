// The MANIFEST of a database names its families and files; without it nothing else can be read. So
// it is kept twice: what RocksDB writes to MANIFEST-n is written to MIRROR-n as well, each write as
//
//   length (4)   FNV-1a of the bytes (8)   the bytes
//
// which finds its own damage. CURRENT only names the MANIFEST, and is written anew when damaged.
#pragma once

#include <string>

#include <rocksdb/env.h>

#include "base/status.h"
#include "tsdb/quarantine.h"

namespace deckwatch::tsdb {

// The file system of all our databases; lives for ever.
rocksdb::Env* MirroringEnv();

// To be called before the database at `path` is opened: makes CURRENT and MANIFEST sound again.
// Corruption when there is a database, but neither a MANIFEST nor a mirror.
Status MendManifest(const std::string& path, Quarantine* quarantine);

}  // namespace deckwatch::tsdb
