// cpu, stat, loadavg, pressure.
#include <unistd.h>

#include "scraper/collectors/host_parts.h"
#include "scraper/collectors/procfs.h"

namespace deckwatch::scraper {
namespace {

// The columns of a "cpuN" line of /proc/stat.
constexpr std::string_view kModes[] = {"user",   "nice", "system",  "idle",
                                       "iowait", "irq",  "softirq", "steal"};
constexpr int kUserModes = 8;  // then guest and guest_nice
// A CPU that was taken out and put back starts near zero; a fall by less is a reading error.
constexpr double kReplugSeconds = 3;

}  // namespace

double CpuMemory::Monotonic(const std::string& cpu, int mode, double seconds) {
  double& last = last_[{cpu, mode}];
  if (seconds >= last || last - seconds > kReplugSeconds) last = seconds;
  return last;
}

Status CollectCpu(const HostContext& host, MetricPage* page) {
  TRY_ASSIGN(const std::string text, ReadSmallFile(host.options.proc + "/stat"));
  const double hertz = static_cast<double>(::sysconf(_SC_CLK_TCK));
  page->Family("node_cpu_seconds_total", "counter", "Seconds the CPUs spent in each mode.");
  std::vector<std::pair<std::string, std::vector<double>>> cpus;
  std::string_view rest = text;
  for (std::string_view line; NextLine(&rest, &line);) {
    if (line.substr(0, 3) != "cpu" || line.size() < 4 || line[3] == ' ') continue;
    const auto words = Words(line);
    std::vector<double> seconds;
    for (size_t i = 1; i < words.size(); ++i) {
      seconds.push_back(ParseNumber(words[i]).value_or(0) / hertz);
    }
    seconds.resize(kUserModes + 2);
    cpus.emplace_back(words[0].substr(3), std::move(seconds));
  }
  if (cpus.empty()) return Status::Corruption("no CPU in " + host.options.proc + "/stat");
  for (const auto& [cpu, seconds] : cpus) {
    for (int mode = 0; mode < kUserModes; ++mode) {
      page->Sample({{"cpu", cpu}, {"mode", kModes[mode]}},
                   host.cpus->Monotonic(cpu, mode, seconds[static_cast<size_t>(mode)]));
    }
  }
  page->Family("node_cpu_guest_seconds_total", "counter",
               "Seconds the CPUs spent in guests (VMs) for each mode.");
  for (const auto& [cpu, seconds] : cpus) {
    page->Sample({{"cpu", cpu}, {"mode", "user"}}, seconds[kUserModes]);
    page->Sample({{"cpu", cpu}, {"mode", "nice"}}, seconds[kUserModes + 1]);
  }
  return Status::Ok();
}

Status CollectStat(const HostContext& host, MetricPage* page) {
  TRY_ASSIGN(const std::string text, ReadSmallFile(host.options.proc + "/stat"));
  struct Row {
    std::string_view key, name, type, help;
  };
  constexpr Row kRows[] = {
      {"btime", "node_boot_time_seconds", "gauge", "Node boot time, in unixtime."},
      {"ctxt", "node_context_switches_total", "counter", "Total number of context switches."},
      {"processes", "node_forks_total", "counter", "Total number of forks."},
      {"procs_blocked", "node_procs_blocked", "gauge",
       "Number of processes blocked waiting for I/O to complete."},
      {"procs_running", "node_procs_running", "gauge", "Number of processes in runnable state."},
  };
  for (const Row& row : kRows) {
    if (const auto v = ValueOf(text, row.key)) {
      page->Family(row.name, row.type, row.help).Sample(*v);
    }
  }
  std::string_view rest = text;  // the first number of the "intr" line is the sum of the others
  for (std::string_view line; NextLine(&rest, &line);) {
    if (line.substr(0, 5) != "intr ") continue;
    const std::string_view sum = line.substr(5, line.find(' ', 5) - 5);
    if (const auto v = ParseNumber(sum)) {
      page->Family("node_intr_total", "counter", "Total number of interrupts serviced.").Sample(*v);
    }
  }
  return Status::Ok();
}

Status CollectLoadavg(const HostContext& host, MetricPage* page) {
  TRY_ASSIGN(const std::string text, ReadSmallFile(host.options.proc + "/loadavg"));
  const auto words = Words(text);
  constexpr std::pair<std::string_view, std::string_view> kRows[] = {
      {"node_load1", "1m load average."},
      {"node_load5", "5m load average."},
      {"node_load15", "15m load average."}};
  for (size_t i = 0; i < std::size(kRows); ++i) {
    const auto v = i < words.size() ? ParseNumber(words[i]) : std::nullopt;
    if (!v) return Status::Corruption("unexpected text in loadavg");
    page->Family(kRows[i].first, "gauge", kRows[i].second).Sample(*v);
  }
  return Status::Ok();
}

Status CollectPressure(const HostContext& host, MetricPage* page) {
  const auto read = [&](const char* what) {
    const auto text = ReadSmallFile(host.options.proc + "/pressure/" + what);
    return text.ok() ? ParsePressure(*text) : Pressure();
  };
  const Pressure cpu = read("cpu"), io = read("io"), memory = read("memory");
  if (!cpu.some_seconds) return Status::NotFound("no pressure information");
  const auto add = [&](std::string_view name, std::string_view help, std::optional<double> v) {
    if (v) page->Family(name, "counter", help).Sample(*v);
  };
  add("node_pressure_cpu_waiting_seconds_total",
      "Total time in seconds that processes have waited for CPU time", cpu.some_seconds);
  add("node_pressure_io_waiting_seconds_total",
      "Total time in seconds that processes have waited due to IO congestion", io.some_seconds);
  add("node_pressure_io_stalled_seconds_total",
      "Total time in seconds no process could make progress due to IO congestion", io.full_seconds);
  add("node_pressure_memory_waiting_seconds_total",
      "Total time in seconds that processes have waited for memory", memory.some_seconds);
  add("node_pressure_memory_stalled_seconds_total",
      "Total time in seconds no process could make progress due to memory congestion",
      memory.full_seconds);
  return Status::Ok();
}

}  // namespace deckwatch::scraper
