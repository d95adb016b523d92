// Room on the disk: notices early when it runs out, and keeps some back for that time.
//
// A ballast file takes part of the disk while there is plenty. When the rest falls below its size
// the disk counts as full and the file is removed, so that what must go on being written (the state
// of alerts, the outbox, a log being closed) has its room. It comes back when there is plenty
// again.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "base/mutex.h"
#include "base/status.h"

namespace deckwatch::tsdb {

// Bytes left for us on the disk of `path`, and its size.
struct DiskSpace {
  uint64_t free_bytes = 0;
  uint64_t size_bytes = 0;
};
Result<DiskSpace> MeasureDisk(const std::string& path);

// Thread-safe.
class DiskGuard {
 public:
  enum class Level {
    kPlenty,
    kLow,   // less than two ballasts besides the ballast: merges wait
    kFull,  // less than one: samples are refused until there are two again
  };
  using Measure = std::function<Result<DiskSpace>(const std::string& path)>;

  // `ballast_bytes` -1: 256 MiB, or 1 % of a smaller disk. 0: no ballast, and always plenty.
  DiskGuard(std::string directory, int64_t ballast_bytes, Measure measure);

  // Measures; removes the ballast when the disk is full. Quick.
  Level Check();
  // Makes the ballast when there is plenty and none. May write all of it.
  void Refill();
  Level level() const { return level_; }
  uint64_t free_bytes() const { return free_bytes_; }  // as of the last Check
  // Whether the disk takes writes: writes, syncs and removes 1 MiB.
  Status Probe() const;

 private:
  std::string BallastPath() const { return directory_ + "/ballast"; }
  uint64_t BallastBytes(const DiskSpace& space) const;

  const std::string directory_;
  const int64_t ballast_bytes_;
  const Measure measure_;
  Mutex turn_;  // one of Check and Refill at a time
  std::atomic<Level> level_{Level::kPlenty};
  std::atomic<uint64_t> free_bytes_{0};
};

}  // namespace deckwatch::tsdb
