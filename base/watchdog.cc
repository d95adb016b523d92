#include "base/watchdog.h"

#include "base/clock.h"
#include "base/executor.h"

namespace deckwatch {

Watchdog::Ticket Watchdog::Add(int64_t deadline_ms, std::function<void()> on_deadline) {
  MutexLock lock(mutex_);
  if (!thread_.joinable()) {
    thread_ = StartThread("watchdog", [this](std::stop_token stop) { Run(stop); });
  }
  const Ticket ticket(deadline_ms, next_serial_++);
  due_.emplace(ticket, std::move(on_deadline));
  if (due_.begin()->first == ticket) wake_.NotifyOne();
  return ticket;
}

void Watchdog::Remove(const Ticket& ticket) {
  MutexLock lock(mutex_);
  due_.erase(ticket);
}

void Watchdog::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::function<void()> call;
    {
      MutexLock lock(mutex_);
      const int64_t now = Clock::Real()->MonotonicMs();
      const int64_t first = due_.empty() ? now + 3'600'000 : due_.begin()->first.first;
      if (first > now) {
        wake_.WaitFor(mutex_, stop, first - now, [&]() REQUIRES(mutex_) {
          return !due_.empty() && due_.begin()->first.first < first;
        });
        continue;
      }
      call = std::move(due_.begin()->second);
      due_.erase(due_.begin());
    }
    call();
  }
}

}  // namespace deckwatch
