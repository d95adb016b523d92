#include "base/executor.h"

#include <atomic>
#include <cerrno>
#include <deque>
#include <vector>

#include <pthread.h>
#include <semaphore.h>
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

namespace {

// Waking through one costs a single call to the kernel; a condition variable that heeds stop tokens
// takes a lock of its own on both sides, which the thread that is woken then has to wait for.
class Semaphore {
 public:
  Semaphore() { sem_init(&sem_, 0, 0); }
  ~Semaphore() { sem_destroy(&sem_); }
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  void Post() { sem_post(&sem_); }
  void Wait() {
    while (sem_wait(&sem_) != 0 && errno == EINTR) {
    }
  }

 private:
  sem_t sem_;
};

}  // namespace

// Idle threads wait in a stack, so that the one that worked last works next: its stack, its arena
// of the allocator and its part of the caches are warm, and the others stay out of memory until
// there is work for them.
struct ThreadPool::Impl {
  struct Worker {
    Semaphore wake;
    std::jthread thread;
  };
  Mutex mutex;
  std::deque<std::function<void()>> queue GUARDED_BY(mutex);
  std::vector<Worker*> idle GUARDED_BY(mutex);  // the last one waits for the shortest time
  size_t max_queue = 0;
  std::vector<std::unique_ptr<Worker>> workers;

  // A task, or nothing: then `self` is among the idle ones, or `*over` tells that the pool ends and
  // nothing is left to be done.
  std::function<void()> Take(const std::stop_token& stop, Worker* self, bool* over) {
    MutexLock lock(mutex);
    std::erase(idle, self);  // it may be woken by the end of the pool, or before it went to sleep
    if (queue.empty()) {
      *over = stop.stop_requested();
      if (!*over) idle.push_back(self);
      return nullptr;
    }
    std::function<void()> task = std::move(queue.front());
    queue.pop_front();
    return task;
  }
  void Run(const std::stop_token& stop, Worker* self) {
    for (bool over = false; !over;) {
      if (const auto task = Take(stop, self, &over)) {
        task();
      } else if (!over) {
        self->wake.Wait();
      }
    }
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
  for (auto& worker : impl_->workers) worker->wake.Post();
  for (auto& worker : impl_->workers) worker->thread.join();
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
  }
  worker->wake.Post();
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
