// Where tests keep their stores: in memory when the system has a place for that, because RocksDB
// waits for several fsyncs whenever a family is made.
#pragma once

#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace deckwatch::tsdb {

// A path of this process that does not exist.
inline std::string FreshDirectory(const std::string& name) {
  const std::string base = access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : ::testing::TempDir();
  const std::string path = base + "deckwatch_tsdb_" + std::to_string(getpid()) + "_" + name;
  std::filesystem::remove_all(path);
  return path;
}

}  // namespace deckwatch::tsdb
