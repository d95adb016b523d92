// A small family kept twice, `name` and `name.copy`, so that no single damaged file of a database
// loses what cannot be lost: which parts there are, what was deleted, the state of alerts.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "tsdb/kv.h"
#include "tsdb/quarantine.h"

namespace deckwatch::tsdb {

// Thread-safe, but for Open and Heal.
class Twin {
 public:
  // Finds or makes both. One that is empty while the other is not is filled from that.
  Status Open(Kv* kv, const std::string& name);

  void Put(KvBatch* batch, std::string_view key, std::string_view value) const;
  void Delete(KvBatch* batch, std::string_view key) const;
  // NotFound when there is no such key.
  Result<std::string> Get(std::string_view key) const;
  // In the order of keys, until `visit` says false. Corruption where both are damaged: it has then
  // visited what is before.
  Status Scan(std::string_view prefix,
              const std::function<bool(std::string_view, std::string_view)>& visit) const;
  // One of the two was found damaged since Open or Heal.
  bool damaged() const { return damaged_.load(std::memory_order_relaxed); }

  // Reads both whole. Corruption when one is damaged.
  Status Check() const;
  // Makes both whole again from what either has; nobody may write meanwhile. Damaged files go to
  // `quarantine`. Corruption when something was readable in neither; the rest is healed then.
  Status Heal(Quarantine* quarantine);
  uint64_t FileBytes() const;

 private:
  std::array<FamilyPtr, 2> families() const;
  Status Rebuild(size_t which, const std::string& why, Quarantine* quarantine);

  Kv* kv_ = nullptr;
  std::string name_;
  mutable Mutex mutex_;
  std::array<FamilyPtr, 2> families_ GUARDED_BY(mutex_);
  mutable std::atomic<bool> damaged_{false};
};

}  // namespace deckwatch::tsdb
