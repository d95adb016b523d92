// A library that is loaded before the C library (LD_PRELOAD) and stands between the store and the
// system: it counts the calls that change files below one folder and makes one of them go wrong
// (plan.h). Real fsyncs are left out: nothing here cuts the real power.
#include <array>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <mutex>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/simulation/plan.h"
#include "tests/simulation/unsynced.h"

namespace deckwatch::simulation {
namespace {

enum class CallKind { kRead, kWrite, kSync, kAdd, kRemove };

struct World {
  FaultPlan plan = FaultPlan::FromEnvironment();
  Unsynced unsynced{plan.dir, plan.shadow, plan.seed};
  std::mutex mutex;               // one call at a time: a cut finds all others standing still
  uint64_t calls = 0, syncs = 0;  // the latter of files
  std::array<std::atomic<bool>, 65536> watched{};  // by file descriptor
};

World* world = nullptr;          // null until the library is set up
thread_local bool ours = false;  // a call from inside this library

template <typename F>
F Real(F, const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}
#define REAL(name)                              \
  ([] {                                         \
    static const auto f = Real(&::name, #name); \
    return f;                                   \
  }())

bool Below(const char* path) {
  return world != nullptr && !ours && path != nullptr &&
         std::string_view(path).starts_with(world->plan.dir);
}
bool Watched(int fd) {
  return world != nullptr && !ours && fd >= 0 && fd < 65536 && world->watched[fd];
}
void Watch(int fd, bool on) {
  if (world != nullptr && fd >= 0 && fd < 65536) world->watched[fd] = on;
}

void Report(uint64_t number) {
  const int fd = open(world->plan.report.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const std::string text = std::to_string(number) + "\n";
  if (fd < 0 || REAL(write)(fd, text.data(), text.size()) < 0) _exit(23);
  close(fd);
}

[[noreturn]] void End() {
  ours = true;
  if (world->plan.mode == FaultMode::kCut) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    Report(static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec));
    world->unsynced.Lose();
  } else if (!world->plan.unsynced.empty()) {
    world->unsynced.Save(world->plan.unsynced);
  }
  raise(SIGKILL);
  _exit(23);
}

// One call from outside, from the moment it is let in until it returns.
class Call {
 public:
  explicit Call(CallKind kind) : lock_(world->mutex) {
    ours = true;
    const FaultPlan& p = world->plan;
    if ((kind == CallKind::kRead) != p.reads) return;
    const uint64_t number = ++world->calls;
    const bool due =
        p.mode == FaultMode::kError ? number >= p.at && number - p.at < p.span : number == p.at;
    if (!due) return;
    // A full disk does not keep anyone from deleting.
    if (p.mode == FaultMode::kError && !(p.error == ENOSPC && kind == CallKind::kRemove)) {
      error_ = p.error;
      half_ = p.span > 1 && number == p.at && p.seed % 2 == 0;
    }
    if (p.mode != FaultMode::kKill && p.mode != FaultMode::kCut) return;
    switch (p.seed % 3) {
      case 0: End();
      case 1: half_ = true; [[fallthrough]];
      default: end_ = true;
    }
  }
  ~Call() {
    if (end_) End();
    ours = false;
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  bool Fails() const {
    if (error_ != 0) errno = error_;
    return error_ != 0;
  }
  bool half() const { return half_; }  // of a write, only the first half happens

 private:
  std::lock_guard<std::mutex> lock_;
  int error_ = 0;
  bool half_ = false, end_ = false;
};

template <typename F>
ssize_t Write(int fd, size_t n, const F& real) {
  if (!Watched(fd)) return real(n);
  Call call(CallKind::kWrite);
  if (call.half() && n > 1) return real(n / 2);
  return call.Fails() ? -1 : real(n);
}

int Sync(int fd, int (*real)(int)) {
  if (world == nullptr || ours) return real(fd);
  struct stat s;
  const bool folder = fstat(fd, &s) == 0 && S_ISDIR(s.st_mode);
  if (!folder && !Watched(fd)) return real(fd);
  Call call(CallKind::kSync);
  if (call.Fails()) return -1;
  if (world->plan.lie_sync) return 0;
  if (!folder && ++world->syncs == world->plan.fail_sync) {
    world->unsynced.FileGivenUp(fd);
    errno = EIO;
    return -1;
  }
  if (!folder) {
    world->unsynced.FileSynced(fd);
    return 0;
  }
  std::array<char, PATH_MAX> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  if (readlink(link.c_str(), path.data(), path.size() - 1) > 0) {
    world->unsynced.FolderSynced(path.data());
  }
  return 0;
}

// Paths as the kernel would print them: without double slashes.
std::string Clean(const char* path) {
  std::string out;
  for (; *path != '\0'; ++path) {
    if (*path != '/' || !out.ends_with('/')) out += *path;
  }
  return out;
}

int Open(const char* path, int flags, mode_t mode) {
  if (!Below(path)) {
    const int fd = REAL(open)(path, flags, mode);
    Watch(fd, false);
    return fd;
  }
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  if (!writes) {
    const int fd = REAL(open)(path, flags, mode);
    Watch(fd, true);
    return fd;
  }
  Call call(CallKind::kAdd);
  if (call.Fails()) return -1;
  const bool is_new = access(path, F_OK) != 0;
  const int fd = REAL(open)(path, flags, mode);
  if (fd < 0) return fd;
  Watch(fd, true);
  if (is_new) {
    world->unsynced.Created(Clean(path), fd);
  } else if ((flags & O_TRUNC) != 0) {
    world->unsynced.Emptied(fd);
  }
  return fd;
}

__attribute__((constructor)) void SetUp() {
  static World the_world;
  if (the_world.plan.mode == FaultMode::kOff) return;
  if (!the_world.plan.unsynced.empty()) the_world.unsynced.Load(the_world.plan.unsynced);
  world = &the_world;
}
__attribute__((destructor)) void TearDown() {
  if (world == nullptr) return;
  ours = true;
  if (world->plan.mode == FaultMode::kCount) Report(world->calls);
  world = nullptr;
}

}  // namespace
}  // namespace deckwatch::simulation

using namespace deckwatch::simulation;

extern "C" {

int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list args;
    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
  }
  return Open(path, flags, mode);
}

ssize_t write(int fd, const void* data, size_t n) {
  return Write(fd, n, [&](size_t m) { return REAL(write)(fd, data, m); });
}

ssize_t pwrite(int fd, const void* data, size_t n, off_t at) {
  return Write(fd, n, [&](size_t m) { return REAL(pwrite)(fd, data, m, at); });
}

ssize_t pread(int fd, void* data, size_t n, off_t at) {
  if (!Watched(fd)) return REAL(pread)(fd, data, n, at);
  Call call(CallKind::kRead);
  return call.Fails() ? -1 : REAL(pread)(fd, data, n, at);
}

ssize_t read(int fd, void* data, size_t n) {
  if (!Watched(fd)) return REAL(read)(fd, data, n);
  Call call(CallKind::kRead);
  return call.Fails() ? -1 : REAL(read)(fd, data, n);
}

int fsync(int fd) {
  return Sync(fd, REAL(fsync));
}

int fdatasync(int fd) {
  return Sync(fd, REAL(fdatasync));
}

// A hint that makes nothing durable.
int sync_file_range(int fd, off64_t at, off64_t n, unsigned flags) {
  return Watched(fd) ? 0 : REAL(sync_file_range)(fd, at, n, flags);
}

int ftruncate(int fd, off_t size) {
  if (!Watched(fd)) return REAL(ftruncate)(fd, size);
  Call call(CallKind::kRemove);
  return call.Fails() ? -1 : REAL(ftruncate)(fd, size);
}

int fallocate(int fd, int mode, off_t at, off_t n) {
  if (!Watched(fd)) return REAL(fallocate)(fd, mode, at, n);
  Call call(CallKind::kWrite);
  return call.Fails() ? -1 : REAL(fallocate)(fd, mode, at, n);
}

int rename(const char* from, const char* to) {
  if (!Below(to)) return REAL(rename)(from, to);
  Call call(CallKind::kAdd);
  if (call.Fails()) return -1;
  world->unsynced.BeforeRename(Clean(from), Clean(to));
  return REAL(rename)(from, to);
}

int unlink(const char* path) {
  if (!Below(path)) return REAL(unlink)(path);
  Call call(CallKind::kRemove);
  if (call.Fails()) return -1;
  world->unsynced.BeforeUnlink(Clean(path));
  return REAL(unlink)(path);
}

int link(const char* from, const char* to) {
  if (!Below(to)) return REAL(link)(from, to);
  Call call(CallKind::kAdd);
  if (call.Fails()) return -1;
  const int result = REAL(link)(from, to);
  if (result == 0) world->unsynced.Linked(Clean(to));
  return result;
}

int mkdir(const char* path, mode_t mode) {
  if (!Below(path)) return REAL(mkdir)(path, mode);
  Call call(CallKind::kAdd);
  return call.Fails() ? -1 : REAL(mkdir)(path, mode);
}

}  // extern "C"
