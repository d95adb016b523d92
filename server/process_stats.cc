#include "server/process_stats.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace deckwatch::server {

namespace {

std::string ReadAll(const char* path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Boot time from /proc/stat, as process start times count from it.
double BootSeconds() {
  const std::string stat = ReadAll("/proc/stat");
  const size_t at = stat.find("\nbtime ");
  return at == std::string::npos ? 0 : std::strtod(stat.c_str() + at + 7, nullptr);
}

}  // namespace

int64_t MachineMemoryBytes() {
  const int64_t physical = int64_t{sysconf(_SC_PHYS_PAGES)} * getpagesize();
  int64_t least = physical > 0 ? physical : int64_t{4} << 30;
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const int64_t limit = std::strtoll(ReadAll(path).c_str(), nullptr, 10);  // "max": 0
    if (limit > 0) least = std::min(least, limit);
  }
  return least;
}

ProcessStats ReadProcessStats() {
  ProcessStats out;
  // Fields after the command name, which is in parentheses and may hold anything.
  const std::string stat = ReadAll("/proc/self/stat");
  std::istringstream fields(stat.substr(std::min(stat.rfind(')') + 2, stat.size())));
  std::string value;
  const double tick = static_cast<double>(sysconf(_SC_CLK_TCK));
  for (int i = 3; fields >> value; ++i) {  // numbered as in proc(5)
    const double v = std::strtod(value.c_str(), nullptr);
    if (i == 14 || i == 15) out.cpu_seconds += v / tick;
    if (i == 22) out.start_seconds = BootSeconds() + v / tick;
    if (i == 23) out.virtual_bytes = static_cast<uint64_t>(v);
    if (i == 24)
      out.resident_bytes = static_cast<uint64_t>(v) * static_cast<uint64_t>(getpagesize());
  }
  std::error_code ec;
  const std::filesystem::directory_iterator fds("/proc/self/fd", ec);
  if (!ec) out.open_fds = static_cast<uint64_t>(std::distance(begin(fds), end(fds)));
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) out.max_fds = limit.rlim_cur;
  return out;
}

}  // namespace deckwatch::server
