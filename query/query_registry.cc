#include "query/query_registry.h"

#include <algorithm>

namespace deckwatch::query {

namespace {

Status TimedOut() {
  return Status::DeadlineExceeded("query timed out in query queue");
}

}  // namespace

template <typename Place>
Status QueryRegistry::Wait(const std::stop_token& stop, int64_t timeout_ms, Place place) {
  if (freed_.WaitFor(mutex_, stop, timeout_ms, place)) return {};
  return stop.stop_requested() ? Status::Cancelled("query was canceled in query queue")
                               : TimedOut();
}

Result<QueryRegistry::Ticket> QueryRegistry::Enter(std::string_view text, Kind kind, Budget* budget,
                                                   const std::stop_token& stop,
                                                   int64_t timeout_ms) {
  Ticket ticket;
  {
    MutexLock lock(mutex_);
    TRY(Wait(stop, timeout_ms, [this, kind]() REQUIRES(mutex_) {
      return kind == Kind::kRule || users_ < limits_.concurrent;
    }));
    ticket.registry_ = this;
    ticket.id_ = next_id_++;
    users_ += kind == Kind::kUser;
    running_[ticket.id_] = {std::string(text),     kind,   clock_->WallMs(),
                            clock_->MonotonicMs(), budget, false};
  }
  budget->OnGrowth([this] { Relieve(); });
  return ticket;
}

Status QueryRegistry::EnterLarge(uint64_t id, const std::stop_token& stop) {
  MutexLock lock(mutex_);
  Running& query = running_.at(id);
  if (query.kind == Kind::kRule || query.large) return {};
  TRY(Wait(stop, query.budget->left_ms(), [&]() REQUIRES(mutex_) {
    return large_ < limits_.concurrent_large || !query.budget->Check().ok();
  }));
  if (const Status s = query.budget->Check(); !s.ok()) {
    return s.code() == StatusCode::kDeadlineExceeded ? TimedOut() : s;  // here, not evaluating
  }
  query.large = true;
  ++large_;
  return {};
}

void QueryRegistry::Leave(uint64_t id) {
  {
    MutexLock lock(mutex_);
    const auto it = running_.find(id);
    users_ -= it->second.kind == Kind::kUser;
    large_ -= it->second.large;
    running_.erase(it);
  }
  freed_.NotifyAll();
}

std::vector<ActiveQuery> QueryRegistry::List() const {
  MutexLock lock(mutex_);
  std::vector<ActiveQuery> out;
  for (const auto& [id, q] : running_) {
    out.push_back({id, q.text, q.start_wall_ms, clock_->MonotonicMs() - q.start_ms,
                   q.budget->samples_read(), q.budget->bytes()});
  }
  return out;
}

bool QueryRegistry::Cancel(uint64_t id) {
  MutexLock lock(mutex_);
  const auto it = running_.find(id);
  if (it == running_.end()) return false;
  it->second.budget->End(Status::Cancelled("query was canceled in expression evaluation"));
  freed_.NotifyAll();
  return true;
}

void QueryRegistry::Relieve() {
  const uint64_t users_share = limits_.bytes - limits_.bytes / 4;
  MutexLock lock(mutex_);
  uint64_t bytes[2] = {0, 0};
  Budget* largest[2] = {nullptr, nullptr};
  for (const auto& [id, q] : running_) {
    const auto kind = static_cast<size_t>(q.kind);
    bytes[kind] += q.budget->bytes();
    Budget*& most = largest[kind];
    if (most == nullptr || q.budget->bytes() > most->bytes()) most = q.budget;
  }
  const uint64_t all = bytes[0] + bytes[1];
  if (bytes[0] <= users_share && all <= limits_.bytes) return;
  Budget* victim = largest[0] != nullptr ? largest[0] : largest[1];
  victim->End(Status::ResourceExhausted(
      "query was given up: it is the largest of those running, which use " + std::to_string(all) +
      " bytes of memory of " +
      std::to_string(largest[0] != nullptr ? users_share : limits_.bytes)));
  freed_.NotifyAll();
}

}  // namespace deckwatch::query
