#include "scraper/collectors/cgroup.h"

#include <algorithm>

#include <dirent.h>
#include <sys/stat.h>

namespace deckwatch::scraper {
namespace {

constexpr size_t kMaxGroups = 4096;
constexpr size_t kContainerIdLength = 64;
// Version 1 shows "no limit" as the largest multiple of a page below 2^63.
constexpr double kNoLimit = 4.6e18;
constexpr const char* kV1Controllers[] = {"memory", "cpuacct", "cpu", "blkio", "pids"};

bool IsFolder(const std::string& path) {
  struct stat s {};
  return ::stat(path.c_str(), &s) == 0 && S_ISDIR(s.st_mode);
}

bool IsHex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

std::vector<std::string> SubFolders(const std::string& folder) {
  std::vector<std::string> out;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (entry->d_type == DT_DIR || (entry->d_type == DT_UNKNOWN && IsFolder(folder + "/" + name))) {
      out.push_back(name);
    }
  }
  ::closedir(dir);
  return out;
}

// kubepods, kubepods.slice, kubepods-burstable-pod….slice
bool IsPodGroup(std::string_view id) {
  return id.substr(0, 9) == "/kubepods" || id.find("/kubepods.slice") != std::string_view::npos;
}

void Walk(const std::string& root, const std::string& id, int depth, std::vector<Cgroup>* out) {
  for (const std::string& name : SubFolders(root + id)) {
    if (out->size() >= kMaxGroups) return;
    const std::string child = (id == "/" ? "" : id) + "/" + name;
    std::string container = ContainerIdOf(child);
    const bool descend = container.empty();
    if (!container.empty() || depth < 2 || IsPodGroup(child)) {
      out->push_back({child, std::move(container)});
    }
    if (descend) Walk(root, child, depth + 1, out);
  }
}

void ReadProcesses(const std::string& folder, CgroupStats* out) {
  const auto text = ReadSmallFile(folder + "/cgroup.procs");
  if (!text.ok()) return;
  double count = 0;
  std::string_view rest = *text;
  for (std::string_view line; NextLine(&rest, &line);) {
    const auto pid = ParseNumber(line);
    if (!pid) continue;
    ++count;
    if (const int id = static_cast<int>(*pid); id > 0) out->pids.push_back(id);
  }
  out->processes = count;
}

void ReadPids(const std::string& folder, CgroupStats* out) {
  out->threads = ReadNumber(folder + "/pids.current");
  const auto max = ReadSmallFile(folder + "/pids.max");
  if (max.ok()) out->threads_max = ParseNumber(*max).value_or(0);  // "max"
}

std::optional<double> Scaled(std::optional<double> v, double scale) {
  return v ? std::optional<double>(*v * scale) : std::nullopt;
}

// Usage without the file cache that can be dropped at once.
std::optional<double> WorkingSet(std::optional<double> usage, std::optional<double> inactive) {
  if (!usage) return std::nullopt;
  return std::max(0.0, *usage - inactive.value_or(0));
}

// "254:0 Read 4096", "254:0 Write 0", …, "Total 4096".
void AddBlkio(const std::string& path, double DeviceIo::*reads, double DeviceIo::*writes,
              CgroupStats* out) {
  const auto text = ReadSmallFile(path);
  if (!text.ok()) return;
  std::string_view rest = *text;
  for (std::string_view line; NextLine(&rest, &line);) {
    const auto words = Words(line);
    const auto v = words.size() == 3 ? ParseNumber(words[2]) : std::nullopt;
    if (!v) continue;
    if (words[1] == "Read") out->io[std::string(words[0])].*reads = *v;
    if (words[1] == "Write") out->io[std::string(words[0])].*writes = *v;
  }
}

// "254:0 rbytes=4096 wbytes=0 rios=1 wios=0 …"
void AddIoStat(const std::string& text, CgroupStats* out) {
  std::string_view rest = text;
  for (std::string_view line; NextLine(&rest, &line);) {
    const auto words = Words(line);
    if (words.size() < 2) continue;
    DeviceIo& io = out->io[std::string(words[0])];
    for (size_t i = 1; i < words.size(); ++i) {
      const size_t equal = words[i].find('=');
      if (equal == std::string_view::npos) continue;
      const std::string_view key = words[i].substr(0, equal);
      const double v = ParseNumber(words[i].substr(equal + 1)).value_or(0);
      if (key == "rbytes") io.read_bytes = v;
      if (key == "wbytes") io.write_bytes = v;
      if (key == "rios") io.reads = v;
      if (key == "wios") io.writes = v;
    }
  }
}

void ReadMemoryV1(const std::string& folder, CgroupStats* out) {
  out->memory_usage = ReadNumber(folder + "/memory.usage_in_bytes");
  out->memory_max_usage = ReadNumber(folder + "/memory.max_usage_in_bytes");
  out->memory_failcnt = ReadNumber(folder + "/memory.failcnt");
  if (const auto limit = ReadNumber(folder + "/memory.limit_in_bytes")) {
    out->memory_limit = *limit > kNoLimit ? 0 : *limit;
  }
  if (const auto oom = ReadSmallFile(folder + "/memory.oom_control"); oom.ok()) {
    out->oom_events = ValueOf(*oom, "oom_kill");
  }
  if (const auto stat = ReadSmallFile(folder + "/memory.stat"); stat.ok()) {
    out->memory_rss = ValueOf(*stat, "total_rss");
    out->memory_cache = ValueOf(*stat, "total_cache");
    out->memory_swap = ValueOf(*stat, "total_swap");
    out->memory_mapped_file = ValueOf(*stat, "total_mapped_file");
    out->memory_working_set = WorkingSet(out->memory_usage, ValueOf(*stat, "total_inactive_file"));
  }
}

void ReadCpuV1(const std::string& cpuacct, const std::string& cpu, CgroupStats* out) {
  constexpr double kTickSeconds = 0.01;  // USER_HZ, part of the kernel's interface
  out->cpu_seconds = Scaled(ReadNumber(cpuacct + "/cpuacct.usage"), 1e-9);
  if (const auto stat = ReadSmallFile(cpuacct + "/cpuacct.stat"); stat.ok()) {
    out->cpu_user_seconds = Scaled(ValueOf(*stat, "user"), kTickSeconds);
    out->cpu_system_seconds = Scaled(ValueOf(*stat, "system"), kTickSeconds);
  }
  out->cpu_shares = ReadNumber(cpu + "/cpu.shares");
  out->cpu_period_us = ReadNumber(cpu + "/cpu.cfs_period_us");
  const auto quota = ReadNumber(cpu + "/cpu.cfs_quota_us");
  if (quota && *quota > 0) out->cpu_quota_us = quota;
  if (const auto stat = ReadSmallFile(cpu + "/cpu.stat"); stat.ok()) {
    out->cfs_periods = ValueOf(*stat, "nr_periods");
    out->cfs_throttled_periods = ValueOf(*stat, "nr_throttled");
    out->cfs_throttled_seconds = Scaled(ValueOf(*stat, "throttled_time"), 1e-9);
  }
}

void ReadCpuV2(const std::string& folder, CgroupStats* out) {
  if (const auto stat = ReadSmallFile(folder + "/cpu.stat"); stat.ok()) {
    out->cpu_seconds = Scaled(ValueOf(*stat, "usage_usec"), 1e-6);
    out->cpu_user_seconds = Scaled(ValueOf(*stat, "user_usec"), 1e-6);
    out->cpu_system_seconds = Scaled(ValueOf(*stat, "system_usec"), 1e-6);
    out->cfs_periods = ValueOf(*stat, "nr_periods");
    out->cfs_throttled_periods = ValueOf(*stat, "nr_throttled");
    out->cfs_throttled_seconds = Scaled(ValueOf(*stat, "throttled_usec"), 1e-6);
  }
  if (const auto max = ReadSmallFile(folder + "/cpu.max"); max.ok()) {
    std::string_view rest = *max, line;
    NextLine(&rest, &line);
    const auto words = Words(line);  // "15000 100000" or "max 100000"
    if (words.size() == 2) {
      out->cpu_quota_us = ParseNumber(words[0]);
      out->cpu_period_us = ParseNumber(words[1]);
    }
  }
  // The runtimes' mapping of shares 2…262144 to weight 1…10000, backwards, as cAdvisor shows it.
  if (const auto weight = ReadNumber(folder + "/cpu.weight")) {
    out->cpu_shares = 2 + static_cast<double>((static_cast<int64_t>(*weight) - 1) * 262142 / 9999);
  }
}

void ReadMemoryV2(const std::string& folder, CgroupStats* out) {
  out->memory_usage = ReadNumber(folder + "/memory.current");
  out->memory_max_usage = ReadNumber(folder + "/memory.peak");
  out->memory_swap = ReadNumber(folder + "/memory.swap.current");
  if (const auto max = ReadSmallFile(folder + "/memory.max"); max.ok()) {
    out->memory_limit = ParseNumber(*max).value_or(0);  // "max"
  }
  if (const auto events = ReadSmallFile(folder + "/memory.events"); events.ok()) {
    out->oom_events = ValueOf(*events, "oom_kill");
    out->memory_failcnt = ValueOf(*events, "max");
  }
  if (const auto stat = ReadSmallFile(folder + "/memory.stat"); stat.ok()) {
    out->memory_rss = ValueOf(*stat, "anon");
    out->memory_cache = ValueOf(*stat, "file");
    out->memory_mapped_file = ValueOf(*stat, "file_mapped");
    out->memory_working_set = WorkingSet(out->memory_usage, ValueOf(*stat, "inactive_file"));
  }
}

void ReadPressure(const std::string& folder, CgroupStats* out) {
  const auto read = [&](const char* file) {
    const auto text = ReadSmallFile(folder + "/" + file);
    return text.ok() ? ParsePressure(*text) : Pressure();
  };
  out->cpu_pressure = read("cpu.pressure");
  out->io_pressure = read("io.pressure");
  out->memory_pressure = read("memory.pressure");
}

}  // namespace

std::string ContainerIdOf(std::string_view path) {
  const std::string_view last = path.substr(path.rfind('/') + 1);
  size_t run = 0;
  for (size_t i = 0; i <= last.size(); ++i) {
    if (i < last.size() && IsHex(last[i])) {
      ++run;
      continue;
    }
    if (run == kContainerIdLength) return std::string(last.substr(i - run, run));
    run = 0;
  }
  return {};
}

Result<CgroupTree> CgroupTree::Open(const std::string& sys, const std::string& proc) {
  const std::string root = sys + "/fs/cgroup";
  CgroupTree tree;
  tree.proc_ = proc;
  if (ReadSmallFile(root + "/cgroup.controllers").ok()) {
    tree.v2_ = root;
    tree.v2_has_controllers_ = true;
    return tree;
  }
  for (const char* controller : kV1Controllers) {
    const std::string folder = root + "/" + controller;
    if (IsFolder(folder)) tree.v1_.emplace(controller, folder);
  }
  if (IsFolder(root + "/unified")) tree.v2_ = root + "/unified";
  if (tree.v1_.empty()) return Status::NotFound("no control groups in " + root);
  return tree;
}

std::vector<Cgroup> CgroupTree::List() const {
  std::vector<Cgroup> out = {{"/", ""}};
  std::string root = v2_;
  if (!v2_has_controllers_) {
    for (const char* controller : kV1Controllers) {
      const auto it = v1_.find(controller);
      if (it == v1_.end()) continue;
      root = it->second;
      break;
    }
  }
  Walk(root, "/", 0, &out);
  std::sort(out.begin(), out.end(), [](const Cgroup& a, const Cgroup& b) { return a.id < b.id; });
  return out;
}

// Where a process is in each version 1 hierarchy; they need not agree. "" is version 2.
std::map<std::string, std::string> CgroupTree::PathsOfProcess(int pid) const {
  std::map<std::string, std::string> out;
  const auto text = ReadSmallFile(proc_ + "/" + std::to_string(pid) + "/cgroup");
  if (!text.ok()) return out;
  std::string_view rest = *text;
  for (std::string_view line; NextLine(&rest, &line);) {  // "4:cpu,cpuacct:/docker/3f…"
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    do {
      const size_t comma = controllers.find(',');
      out.emplace(controllers.substr(0, comma), path);
      controllers.remove_prefix(comma == std::string_view::npos ? controllers.size() : comma + 1);
    } while (!controllers.empty());
  }
  return out;
}

std::string CgroupTree::Folder(const std::string& controller, const Cgroup& group,
                               const std::map<std::string, std::string>& paths) const {
  const auto root = v1_.find(controller);
  if (root == v1_.end()) return "/nonexistent";
  const std::string same = root->second + group.id;
  const auto other = paths.find(controller);
  if (other != paths.end() && other->second != group.id && !IsFolder(same) &&
      ContainerIdOf(other->second) == group.container_id) {
    return root->second + other->second;
  }
  return same;
}

void CgroupTree::ReadV1(const Cgroup& group, CgroupStats* out) const {
  for (const auto& [controller, folder] : v1_) {
    if (!out->processes) ReadProcesses(folder + group.id, out);
  }
  std::map<std::string, std::string> paths;
  if (!group.container_id.empty() && !out->pids.empty()) paths = PathsOfProcess(out->pids.front());
  ReadMemoryV1(Folder("memory", group, paths), out);
  ReadCpuV1(Folder("cpuacct", group, paths), Folder("cpu", group, paths), out);
  ReadPids(Folder("pids", group, paths), out);
  const std::string blkio = Folder("blkio", group, paths) + "/blkio.throttle.io_";
  for (const char* suffix : {"_recursive", ""}) {
    if (!out->io.empty()) break;
    AddBlkio(blkio + "service_bytes" + suffix, &DeviceIo::read_bytes, &DeviceIo::write_bytes, out);
    AddBlkio(blkio + "serviced" + suffix, &DeviceIo::reads, &DeviceIo::writes, out);
  }
  if (v2_.empty()) return;
  const auto unified = paths.find("");
  ReadPressure(v2_ + (unified == paths.end() ? group.id : unified->second), out);
}

void CgroupTree::ReadV2(const std::string& folder, CgroupStats* out) const {
  ReadProcesses(folder, out);
  ReadCpuV2(folder, out);
  ReadMemoryV2(folder, out);
  ReadPids(folder, out);
  if (const auto io = ReadSmallFile(folder + "/io.stat"); io.ok()) AddIoStat(*io, out);
  ReadPressure(folder, out);
}

CgroupStats CgroupTree::Read(const Cgroup& group) const {
  CgroupStats out;
  if (v2_has_controllers_) {
    ReadV2(v2_ + (group.id == "/" ? "" : group.id), &out);
  } else {
    ReadV1(group, &out);
  }
  return out;
}

}  // namespace deckwatch::scraper
