// The queries that an engine is running: at most so many of users at once, and fewer of those that
// choose very many series; listed, cancelled one by one, and the largest of them given up when
// together they take too much memory. Rules wait for nothing and have a share of the memory that
// users do not get.
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
    // Waits until the query may be one of the large. Once it is, that is at once true again.
    // Thread-safe. Errors as of Enter, or that with which the query was ended meanwhile.
    Status EnterLarge(const std::stop_token& stop) { return registry_->EnterLarge(id_, stop); }

   private:
    friend class QueryRegistry;
    QueryRegistry* registry_ = nullptr;
    uint64_t id_ = 0;
  };

  struct Limits {
    int concurrent = 1;
    int concurrent_large = 1;
    uint64_t bytes = 0;  // of all queries together
  };
  // `clock` must outlive the registry.
  QueryRegistry(Limits limits, const Clock* clock) : limits_(limits), clock_(clock) {}

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
    bool large = false;
  };
  // Waits for `place`, within `timeout_ms`.
  template <typename Place>
  Status Wait(const std::stop_token& stop, int64_t timeout_ms, Place place) REQUIRES(mutex_);
  Status EnterLarge(uint64_t id, const std::stop_token& stop);
  void Leave(uint64_t id);
  // Called by budgets when they grow: ends the largest query of users when these use more than
  // their share, or the largest of rules when nothing else is left to end.
  void Relieve();

  const Limits limits_;
  const Clock* const clock_;
  mutable Mutex mutex_;
  CondVar freed_;  // a place, or somebody who waits for one was ended
  uint64_t next_id_ GUARDED_BY(mutex_) = 1;
  int users_ GUARDED_BY(mutex_) = 0;  // of running_
  int large_ GUARDED_BY(mutex_) = 0;  // of running_
  std::map<uint64_t, Running> running_ GUARDED_BY(mutex_);
};

}  // namespace deckwatch::query
