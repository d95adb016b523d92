// A mutex that clang's thread-safety analysis understands: members say GUARDED_BY(mutex_),
// functions REQUIRES(mutex_). No lock is held across I/O or callbacks.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

#if defined(__clang__)
#define DW_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define DW_THREAD_ANNOTATION(x)
#endif

#define GUARDED_BY(m) DW_THREAD_ANNOTATION(guarded_by(m))
#define REQUIRES(m) DW_THREAD_ANNOTATION(requires_capability(m))
#define EXCLUDES(m) DW_THREAD_ANNOTATION(locks_excluded(m))

namespace deckwatch {

class DW_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void lock() DW_THREAD_ANNOTATION(acquire_capability()) { m_.lock(); }
  void unlock() DW_THREAD_ANNOTATION(release_capability()) { m_.unlock(); }

 private:
  std::mutex m_;
};

class DW_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& m) DW_THREAD_ANNOTATION(acquire_capability(m)) : m_(m) { m_.lock(); }
  ~MutexLock() DW_THREAD_ANNOTATION(release_capability()) { m_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& m_;
};

// Waits always have a deadline or a stop_token.
class CondVar {
 public:
  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }
  // Returns pred(), after it became true, `stop` was requested or the time was over. `m` is held on
  // return.
  template <typename Pred>
  bool WaitFor(Mutex& m, std::stop_token stop, int64_t timeout_ms, Pred pred) REQUIRES(m) {
    return cv_.wait_for(m, stop, std::chrono::milliseconds(timeout_ms), pred);
  }

 private:
  std::condition_variable_any cv_;
};

}  // namespace deckwatch
