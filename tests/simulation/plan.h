// What the fault library shall do, given in the environment as SIM_FAULTS="key=value …":
//
//   dir=PATH      only files below it count
//   mode=kill     SIGKILL at call number `at`
//        cut      a power cut at call number `at`: what was not fsynced is lost
//        error    calls `at` … `at` + `span` − 1 fail with `errno`
//        count    nothing happens
//   calls=write   changes of files and folders (default); or `read`
//   seed=N        decides what is left to chance: before or after the call, torn writes, what of
//   the
//                 unsynced bytes survives
//   report=FILE   where the moment of a cut, or the number of calls of a whole run, is written
//   shadow=PATH   a folder of the same file system for files that were deleted but not for good
//   fail_sync=N   the N-th fsync of a file fails, and what it should have written never is: later
//                 ones do not repeat it, as on Linux
//   unsynced=FILE what is unsynced at the kill is written there, and read from there at the start
//   lie=sync      fsync returns OK and does nothing
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace deckwatch::simulation {

enum class FaultMode { kOff, kCount, kKill, kCut, kError };

struct FaultPlan {
  FaultMode mode = FaultMode::kOff;
  std::string dir, report, shadow, unsynced;
  uint64_t at = 0, span = 1, seed = 0, fail_sync = 0;
  int error = EIO;
  bool reads = false;
  bool lie_sync = false;

  static FaultPlan FromEnvironment() {
    FaultPlan plan;
    const char* env = std::getenv("SIM_FAULTS");
    if (env == nullptr) return plan;
    const std::string text = std::string(env) + " ";
    for (size_t at = 0, end; (end = text.find(' ', at)) != std::string::npos; at = end + 1) {
      const size_t equal = text.find('=', at);
      if (equal >= end) continue;
      plan.Set(text.substr(at, equal - at), text.substr(equal + 1, end - equal - 1));
    }
    return plan;
  }

 private:
  void Set(const std::string& key, const std::string& value) {
    const auto number = [&] { return std::strtoull(value.c_str(), nullptr, 10); };
    if (key == "dir") dir = value;
    if (key == "report") report = value;
    if (key == "shadow") shadow = value;
    if (key == "at") at = number();
    if (key == "span") span = number();
    if (key == "unsynced") unsynced = value;
    if (key == "fail_sync") fail_sync = number();
    if (key == "seed") seed = number();
    if (key == "errno") error = static_cast<int>(number());
    if (key == "calls") reads = value == "read";
    if (key == "lie") lie_sync = value == "sync";
    if (key == "mode") {
      mode = value == "kill"    ? FaultMode::kKill
             : value == "cut"   ? FaultMode::kCut
             : value == "error" ? FaultMode::kError
                                : FaultMode::kCount;
    }
  }
};

}  // namespace deckwatch::simulation
