// A ScriptStorage in memory.
#pragma once

#include <memory>

#include "query/promqltest.h"
#include "tests/query/memory_storage.h"

namespace deckwatch::query {

class MemoryScriptStorage : public ScriptStorage {
 public:
  static Result<std::unique_ptr<ScriptStorage>> Create() {
    return std::unique_ptr<ScriptStorage>(std::make_unique<MemoryScriptStorage>());
  }

  Appender& appender() override { return storage_; }
  const Queryable& queryable() override { return storage_; }

 private:
  MemoryStorage storage_;
};

}  // namespace deckwatch::query
