// The only place that makes threads.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

namespace deckwatch {

// A named thread that is asked to stop and joined when the handle goes. `body` returns soon after
// `stop` is requested.
std::jthread StartThread(const std::string& name, std::function<void(std::stop_token)> body);

// A fixed number of threads working through a bounded queue. Destruction finishes the queued tasks.
class ThreadPool {
 public:
  ThreadPool(const std::string& name, int threads, size_t max_queue);
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
