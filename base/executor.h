// The only place that makes threads.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

namespace deckwatch {

// Who gets a processor first when more threads want one than there are. Scraping, rules, writes and
// the connections are kNormal and need little; kUpkeep (the store's files) may fall behind for a
// while; kQuery takes all that is left.
enum class Priority { kNormal, kUpkeep, kQuery };

// A named thread that is asked to stop and joined when the handle goes. `body` returns soon after
// `stop` is requested.
std::jthread StartThread(const std::string& name, std::function<void(std::stop_token)> body,
                         Priority priority = Priority::kNormal);

// A fixed number of threads working through a bounded queue. Destruction finishes the queued tasks.
class ThreadPool {
 public:
  ThreadPool(const std::string& name, int threads, size_t max_queue,
             Priority priority = Priority::kNormal);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // False when the queue is full: the caller decides (run it itself, answer 503). Thread-safe.
  [[nodiscard]] bool TrySubmit(std::function<void()> task);

  // Runs f(0) … f(n-1) on the pool and on the calling thread, returns when all are done.
  // Thread-safe, may be nested.
  void ParallelFor(size_t n, const std::function<void(size_t)>& f);

  int threads() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace deckwatch
