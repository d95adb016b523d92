#include "tsdb/disk_guard.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"

namespace deckwatch::tsdb {

namespace {

constexpr uint64_t kMaxBallast = 256 << 20;
constexpr size_t kProbeBytes = 1 << 20;

const char* LevelName(DiskGuard::Level level) {
  switch (level) {
    case DiskGuard::Level::kPlenty: return "plenty";
    case DiskGuard::Level::kLow: return "low";
    case DiskGuard::Level::kFull: return "full";
  }
  return "";
}

uint64_t FileSize(const std::string& path) {
  std::error_code ec;
  const auto n = std::filesystem::file_size(path, ec);
  return ec ? 0 : n;
}

Status WriteAll(int fd, const std::vector<char>& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Status::Io(std::strerror(n < 0 ? errno : EIO));
    done += static_cast<size_t>(n);
  }
  return fsync(fd) == 0 ? Status() : Status::Io(std::strerror(errno));
}

}  // namespace

Result<DiskSpace> MeasureDisk(const std::string& path) {
  struct statvfs s = {};
  if (statvfs(path.c_str(), &s) != 0) {
    return Status::Io("measure the disk of " + path + ": " + std::strerror(errno));
  }
  return DiskSpace{.free_bytes = uint64_t{s.f_bavail} * s.f_frsize,
                   .size_bytes = uint64_t{s.f_blocks} * s.f_frsize};
}

DiskGuard::DiskGuard(std::string directory, int64_t ballast_bytes, Measure measure)
    : directory_(std::move(directory)),
      ballast_bytes_(ballast_bytes),
      measure_(std::move(measure)) {}

uint64_t DiskGuard::BallastBytes(const DiskSpace& space) const {
  if (ballast_bytes_ >= 0) return static_cast<uint64_t>(ballast_bytes_);
  return std::min(kMaxBallast, space.size_bytes / 100);
}

// What is free besides the ballast, whether that stands or not, decides: so removing it changes
// nothing.
DiskGuard::Level DiskGuard::Check() {
  if (ballast_bytes_ == 0) return Level::kPlenty;
  MutexLock lock(turn_);
  const auto space = measure_(directory_);
  if (!space.ok()) return level_;
  free_bytes_ = space->free_bytes;
  const uint64_t ballast = BallastBytes(*space);
  const uint64_t standing = std::min(ballast, FileSize(BallastPath()));
  const uint64_t missing = ballast - standing;
  const uint64_t room = space->free_bytes - std::min(space->free_bytes, missing);
  const Level before = level_;
  Level now = Level::kPlenty;
  if (room < ballast || (before == Level::kFull && room < 2 * ballast)) {
    now = Level::kFull;
  } else if (room < 2 * ballast) {
    now = Level::kLow;
  }
  if (now == Level::kFull && standing > 0) {
    std::error_code ignored;
    std::filesystem::remove(BallastPath(), ignored);
  }
  if (now != before) {
    LogWarn("room on the disk of the store",
            {{"path", directory_}, {"level", LevelName(now)}, {"free_bytes", space->free_bytes}});
  }
  level_ = now;
  return now;
}

void DiskGuard::Refill() {
  if (ballast_bytes_ == 0 || level_ != Level::kPlenty) return;
  MutexLock lock(turn_);
  const auto space = measure_(directory_);
  if (!space.ok()) return;
  const uint64_t ballast = BallastBytes(*space);
  if (FileSize(BallastPath()) >= ballast || space->free_bytes < 3 * ballast) return;
  const int fd = open(BallastPath().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
  const int error = fd < 0 ? errno : posix_fallocate(fd, 0, static_cast<off_t>(ballast));
  if (fd >= 0) close(fd);
  if (error == 0) return;
  LogWarn("cannot keep room back on the disk", {{"error", std::string(std::strerror(error))}});
  std::error_code ignored;
  std::filesystem::remove(BallastPath(), ignored);
}

Status DiskGuard::Probe() const {
  const std::string path = directory_ + "/probe";
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) return Status::Io("create " + path + ": " + std::strerror(errno));
  const Status s = WriteAll(fd, std::vector<char>(kProbeBytes));
  close(fd);
  unlink(path.c_str());
  return s.Annotate("write " + path);
}

}  // namespace deckwatch::tsdb
