// Control groups of version 1, 2 and both at once, seen alike.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "scraper/collectors/procfs.h"

namespace deckwatch::scraper {

struct DeviceIo {
  double reads = 0, writes = 0, read_bytes = 0, write_bytes = 0;
};

// What one group says about itself. What is not there was not readable or does not exist in this
// version. Seconds, bytes and counts.
struct CgroupStats {
  std::optional<double> cpu_seconds, cpu_user_seconds, cpu_system_seconds;
  std::optional<double> cfs_periods, cfs_throttled_periods, cfs_throttled_seconds;
  std::optional<double> cpu_quota_us, cpu_period_us, cpu_shares;  // no quota: not there
  std::optional<double> memory_usage, memory_working_set, memory_rss, memory_cache, memory_swap;
  std::optional<double> memory_mapped_file, memory_max_usage, memory_failcnt, oom_events;
  std::optional<double> memory_limit;                     // 0 = none
  std::optional<double> processes, threads, threads_max;  // threads_max: 0 = none
  std::map<std::string, DeviceIo> io;                     // by "major:minor"
  Pressure cpu_pressure, io_pressure, memory_pressure;
  std::vector<int> pids;  // of the group's processes, as this side's /proc numbers them
};

struct Cgroup {
  std::string id;            // its path, "/docker/3f…"; "/" is the root
  std::string container_id;  // 64 hex digits when it is a container's, else ""
};

// The id in the last part of a group's path, in any of the runtimes' forms: the id alone,
// docker-ID.scope, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope,
// slice:cri-containerd:ID.
std::string ContainerIdOf(std::string_view path);

class CgroupTree {
 public:
  // Finds out which version is mounted below `sys`/fs/cgroup. NotFound when none is.
  static Result<CgroupTree> Open(const std::string& sys, const std::string& proc);

  // Containers wherever they are, the groups of pods above them, and the first two levels of the
  // rest (slices and services); nothing inside containers. Sorted by id, at most 4,096.
  std::vector<Cgroup> List() const;

  // Never fails as a whole: a group that vanished is empty.
  CgroupStats Read(const Cgroup& group) const;

  int version() const { return v2_.empty() ? 1 : v1_.empty() ? 2 : 12; }  // 12: hybrid

 private:
  std::string Folder(const std::string& controller, const Cgroup& group,
                     const std::map<std::string, std::string>& paths) const;
  std::map<std::string, std::string> PathsOfProcess(int pid) const;
  void ReadV1(const Cgroup& group, CgroupStats* out) const;
  void ReadV2(const std::string& folder, CgroupStats* out) const;

  std::string proc_;
  std::map<std::string, std::string> v1_;  // controller -> folder
  std::string v2_;                         // folder of the unified tree, "" when there is none
  bool v2_has_controllers_ = false;        // false in hybrid: the unified tree has only pressure
};

}  // namespace deckwatch::scraper
