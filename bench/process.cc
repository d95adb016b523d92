#include "bench/process.h"

#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

namespace deckwatch::bench {

double CpuSeconds() {
  timespec ts;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
  return static_cast<double>(ts.tv_sec) + static_cast<double>(ts.tv_nsec) * 1e-9;
}

double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

uint64_t ResidentBytes() {
  std::ifstream in("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  in >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t OpenFiles() {
  uint64_t n = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    n += entry.exists() ? 1 : 0;
  }
  return n;
}

WrittenBytes Written() {
  std::ifstream in("/proc/self/io");
  WrittenBytes written;
  std::string name;
  for (uint64_t n = 0; in >> name >> n;) {
    if (name == "wchar:") written.calls = n;
    if (name == "write_bytes:") written.disk = n;
  }
  return written;
}

}  // namespace deckwatch::bench
