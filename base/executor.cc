#include "base/executor.h"

#include <atomic>
#include <deque>
#include <vector>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mutex.h"

namespace deckwatch {

namespace {

// Linux keeps niceness per thread, and needs no rights to raise it. It is added to that of the
// process; where the kernel refuses, the thread runs like any other.
void LowerTo(Priority priority) {
  if (priority == Priority::kNormal) return;
  const auto self = static_cast<id_t>(gettid());
  const int more = priority == Priority::kUpkeep ? 5 : 10;
  setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + more);
}

}  // namespace

std::jthread StartThread(const std::string& name, std::function<void(std::stop_token)> body,
                         Priority priority) {
  return std::jthread(
      [name = name.substr(0, 15), body = std::move(body), priority](std::stop_token stop) {
        pthread_setname_np(pthread_self(), name.c_str());
        LowerTo(priority);
        body(std::move(stop));
      });
}

// Idle threads wait in a stack, so that the one that worked last works next: its stack, its arena
// of the allocator and its part of the caches are warm, and the others stay out of memory until
// there is work for them.
struct ThreadPool::Impl {
  struct Worker {
    CondVar wake;
    bool called = false;  // guarded by the mutex of the pool
    std::jthread thread;
  };
  Mutex mutex;
  std::deque<std::function<void()>> queue GUARDED_BY(mutex);
  std::vector<Worker*> idle GUARDED_BY(mutex);  // the last one waits for the shortest time
  size_t max_queue = 0;
  std::vector<std::unique_ptr<Worker>> workers;

  // False: the pool ends, and nothing is left to be done.
  bool Next(std::stop_token stop, Worker* self, std::function<void()>* task) {
    MutexLock lock(mutex);
    while (queue.empty()) {
      if (stop.stop_requested()) return false;
      self->called = false;
      idle.push_back(self);
      self->wake.WaitFor(mutex, stop, 3'600'000,
                         [this, self]() REQUIRES(mutex) { return self->called; });
      if (!self->called) std::erase(idle, self);
    }
    *task = std::move(queue.front());
    queue.pop_front();
    return true;
  }
  void Run(std::stop_token stop, Worker* self) {
    for (std::function<void()> task; Next(stop, self, &task); task = nullptr) task();
  }
};

ThreadPool::ThreadPool(const std::string& name, int threads, size_t max_queue, Priority priority)
    : impl_(std::make_unique<Impl>()) {
  impl_->max_queue = max_queue;
  for (int i = 0; i < threads; ++i) {
    impl_->workers.push_back(std::make_unique<Impl::Worker>());
    Impl::Worker* const worker = impl_->workers.back().get();
    worker->thread = StartThread(
        name, [impl = impl_.get(), worker](std::stop_token stop) { impl->Run(stop, worker); },
        priority);
  }
}

ThreadPool::~ThreadPool() {
  for (auto& worker : impl_->workers) worker->thread.request_stop();
  impl_->workers.clear();
}

bool ThreadPool::TrySubmit(std::function<void()> task) {
  Impl::Worker* worker = nullptr;
  {
    MutexLock lock(impl_->mutex);
    if (impl_->queue.size() >= impl_->max_queue) return false;
    impl_->queue.push_back(std::move(task));
    if (impl_->idle.empty()) return true;
    worker = impl_->idle.back();
    impl_->idle.pop_back();
    worker->called = true;
  }
  worker->wake.NotifyOne();
  return true;
}

void ThreadPool::ParallelFor(size_t n, const std::function<void(size_t)>& f) {
  // Helpers that start late find nothing left to do, so they may outlive this call: the state is
  // shared, `f` is not touched once `next` has passed n.
  struct Shared {
    std::atomic<size_t> next{0};
    std::atomic<size_t> done{0};
  };
  auto shared = std::make_shared<Shared>();
  const auto work = [n](Shared& s, const std::function<void(size_t)>& body) {
    for (size_t i; (i = s.next.fetch_add(1)) < n;) {
      body(i);
      if (s.done.fetch_add(1) + 1 == n) s.done.notify_all();
    }
  };
  const size_t helpers = std::min(n > 0 ? n - 1 : 0, impl_->workers.size());
  for (size_t h = 0; h < helpers; ++h) {
    if (!TrySubmit([shared, work, body = &f] { work(*shared, *body); })) break;
  }
  work(*shared, f);
  for (size_t d; (d = shared->done.load()) < n;) shared->done.wait(d);
}

int ThreadPool::threads() const {
  return static_cast<int>(impl_->workers.size());
}

}  // namespace deckwatch
