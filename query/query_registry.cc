#include "query/query_registry.h"

#include <algorithm>

namespace deckwatch::query {

Result<QueryRegistry::Ticket> QueryRegistry::Enter(std::string_view text, Budget* budget,
                                                   const std::stop_token& stop,
                                                   int64_t timeout_ms) {
  Ticket ticket;
  {
    MutexLock lock(mutex_);
    const auto place = [this]() REQUIRES(mutex_) {
      return running_.size() < static_cast<size_t>(max_concurrent_);
    };
    if (!left_.WaitFor(mutex_, stop, timeout_ms, place)) {
      return stop.stop_requested() ? Status::Cancelled("query was canceled in query queue")
                                   : Status::DeadlineExceeded("query timed out in query queue");
    }
    ticket.registry_ = this;
    ticket.id_ = next_id_++;
    running_[ticket.id_] = {std::string(text), clock_->WallMs(), clock_->MonotonicMs(), budget};
  }
  budget->OnGrowth([this] { Relieve(); });
  return ticket;
}

void QueryRegistry::Leave(uint64_t id) {
  {
    MutexLock lock(mutex_);
    running_.erase(id);
  }
  left_.NotifyOne();
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
  return true;
}

void QueryRegistry::Relieve() {
  MutexLock lock(mutex_);
  uint64_t bytes = 0;
  Budget* largest = nullptr;
  for (const auto& [id, q] : running_) {
    bytes += q.budget->bytes();
    if (largest == nullptr || q.budget->bytes() > largest->bytes()) largest = q.budget;
  }
  if (bytes > max_bytes_ && largest != nullptr) {
    largest->End(Status::ResourceExhausted(
        "query was given up: it is the largest of those running, which use " +
        std::to_string(bytes) + " bytes of memory of " + std::to_string(max_bytes_)));
  }
}

}  // namespace deckwatch::query
