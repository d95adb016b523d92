// The queries that an engine is running: at most so many of users at once, listed, cancelled one by
// one, and the largest of them given up when together they take too much memory. Rules have a share
// of the memory that users do not get.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "query/budget.h"
#include "query/engine.h"

namespace deckwatch::query {

// Thread-safe.
class QueryRegistry {
 public:
  // Its query is registered for as long as it lives.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& o) noexcept : registry_(std::exchange(o.registry_, nullptr)), id_(o.id_) {}
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket() {
      if (registry_ != nullptr) registry_->Leave(id_);
    }

   private:
    friend class QueryRegistry;
    QueryRegistry* registry_ = nullptr;
    uint64_t id_ = 0;
  };

  // `max_bytes` of all queries together; `clock` must outlive the registry.
  QueryRegistry(int max_concurrent, uint64_t max_bytes, const Clock* clock)
      : max_concurrent_(max_concurrent), max_bytes_(max_bytes), clock_(clock) {}

  enum class Kind { kUser, kRule };
  // Waits for a place, unless it is a rule's. `budget` must outlive the ticket. Cancelled or
  // DeadlineExceeded, in Prometheus's words, when `stop` or the timeout comes first.
  Result<Ticket> Enter(std::string_view text, Kind kind, Budget* budget,
                       const std::stop_token& stop, int64_t timeout_ms);

  std::vector<ActiveQuery> List() const;
  // False when no such query is running.
  bool Cancel(uint64_t id);

 private:
  struct Running {
    std::string text;
    Kind kind;
    int64_t start_wall_ms;
    int64_t start_ms;
    Budget* budget;
  };
  void Leave(uint64_t id);
  // Called by budgets when they grow: ends the largest query of users when these use more than
  // their share, or the largest of rules when nothing else is left to end.
  void Relieve();

  const int max_concurrent_;
  const uint64_t max_bytes_;
  const Clock* const clock_;
  mutable Mutex mutex_;
  CondVar left_;
  uint64_t next_id_ GUARDED_BY(mutex_) = 1;
  int users_ GUARDED_BY(mutex_) = 0;  // of running_
  std::map<uint64_t, Running> running_ GUARDED_BY(mutex_);
};

}  // namespace deckwatch::query
