// One process at a time has a store: <store>/LOCK, locked from before the first look at its
// databases, as opening them mends what seems damaged in them, until they are closed.
#pragma once

#include <string>

#include "base/status.h"

namespace deckwatch::tsdb {

class StoreLock {
 public:
  StoreLock() = default;
  ~StoreLock();
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;

  // Once. Unavailable when another holder has it, Io when it cannot be locked at all.
  Status Take(const std::string& store_path);

 private:
  int fd_ = -1;
};

}  // namespace deckwatch::tsdb
