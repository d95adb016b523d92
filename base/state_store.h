// Small durable state beside the samples: alert states, groups, notification log, outbox, silences.
// Rows in the same RocksDB and the same log as the samples, so that a restart forgets nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace deckwatch {

struct StateChange {
  std::string key;
  std::optional<std::string> value;  // absent: delete
};

class StateStore {
 public:
  virtual ~StateStore() = default;
  // All changes or none; durable (kill -9) when it returns OK. Thread-safe.
  virtual Status Apply(const std::vector<StateChange>& changes) = 0;
  // NotFound when there is no such key.
  virtual Result<std::string> Get(std::string_view key) const = 0;
  // Every row whose key begins with `prefix`, in key order; `visit` returns false to stop.
  virtual Status Scan(
      std::string_view prefix,
      const std::function<bool(std::string_view key, std::string_view value)>& visit) const = 0;
};

}  // namespace deckwatch
