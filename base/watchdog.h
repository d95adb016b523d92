// Calls a function at a deadline unless it is called off before. One thread for any number of
// deadlines, made with the first of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/mutex.h"

namespace deckwatch {

class Watchdog {
 public:
  using Ticket = std::pair<int64_t, uint64_t>;  // deadline, serial number

  // `on_deadline` runs on the watchdog's thread, holding no lock, once Clock::Real()'s monotonic
  // time reaches `deadline_ms`; it must be quick.
  Ticket Add(int64_t deadline_ms, std::function<void()> on_deadline);
  // Calls it off. A call that has begun already may still be running when this returns.
  void Remove(const Ticket& ticket);

 private:
  void Run(const std::stop_token& stop);

  Mutex mutex_;
  CondVar wake_;
  uint64_t next_serial_ GUARDED_BY(mutex_) = 0;
  std::map<Ticket, std::function<void()>> due_ GUARDED_BY(mutex_);
  std::jthread thread_ GUARDED_BY(mutex_);  // last: joined before the rest goes
};

}  // namespace deckwatch
