// The containers collector: cAdvisor's names, labels, types and help texts.
#include <algorithm>
#include <map>
#include <set>

#include <sys/stat.h>
#include <unistd.h>

#include "scraper/collectors/cgroup.h"
#include "scraper/collectors/collector.h"
#include "scraper/collectors/container_names.h"
#include "scraper/collectors/metric_page.h"

namespace deckwatch::scraper {
namespace {

struct Interface {
  std::string name;
  std::vector<double> columns;  // of /proc/<pid>/net/dev
};

// One control group with everything that is to be told of it.
struct Row {
  std::string labels;
  CgroupStats stats;
  std::optional<double> start_seconds;
  int init_pid = 0;  // of a container: its oldest process; 0 when there is none
  std::vector<Interface> network;
};

// The oldest process of a container, found once: when it ends, the kernel ends the container.
struct Init {
  int pid = 0;
  double start_ticks = 0;    // after boot
  double start_seconds = 0;  // since the epoch; kept, as the machine's boot time may be restated
};

struct Metric {
  std::string_view name, type, help;
  std::optional<double> CgroupStats::*value;
};
using S = CgroupStats;
constexpr Metric kMetrics[] = {
    {"container_cpu_cfs_periods_total", "counter",
     "Number of elapsed enforcement period intervals.", &S::cfs_periods},
    {"container_cpu_cfs_throttled_periods_total", "counter",
     "Number of throttled period intervals.", &S::cfs_throttled_periods},
    {"container_cpu_cfs_throttled_seconds_total", "counter",
     "Total time duration the container has been throttled.", &S::cfs_throttled_seconds},
    {"container_cpu_system_seconds_total", "counter",
     "Cumulative system cpu time consumed in seconds.", &S::cpu_system_seconds},
    {"container_cpu_user_seconds_total", "counter", "Cumulative user cpu time consumed in seconds.",
     &S::cpu_user_seconds},
    {"container_memory_cache", "gauge", "Number of bytes of page cache memory.", &S::memory_cache},
    {"container_memory_failcnt", "counter", "Number of memory usage hits limits",
     &S::memory_failcnt},
    {"container_memory_mapped_file", "gauge", "Size of memory mapped files in bytes.",
     &S::memory_mapped_file},
    {"container_memory_max_usage_bytes", "gauge", "Maximum memory usage recorded in bytes",
     &S::memory_max_usage},
    {"container_memory_rss", "gauge", "Size of RSS in bytes.", &S::memory_rss},
    {"container_memory_swap", "gauge", "Container swap usage in bytes.", &S::memory_swap},
    {"container_memory_usage_bytes", "gauge",
     "Current memory usage in bytes, including all memory regardless of when it was accessed",
     &S::memory_usage},
    {"container_memory_working_set_bytes", "gauge", "Current working set in bytes.",
     &S::memory_working_set},
    {"container_oom_events_total", "counter",
     "Count of out of memory events observed for the container", &S::oom_events},
    {"container_processes", "gauge", "Number of processes running inside the container.",
     &S::processes},
    {"container_spec_cpu_period", "gauge", "CPU period of the container.", &S::cpu_period_us},
    {"container_spec_cpu_quota", "gauge", "CPU quota of the container.", &S::cpu_quota_us},
    {"container_spec_cpu_shares", "gauge", "CPU share of the container.", &S::cpu_shares},
    {"container_spec_memory_limit_bytes", "gauge", "Memory limit for the container.",
     &S::memory_limit},
    {"container_threads", "gauge", "Number of threads running inside the container", &S::threads},
    {"container_threads_max", "gauge",
     "Maximum number of threads allowed inside the container, infinity if value is zero",
     &S::threads_max},
};

struct IoMetric {
  std::string_view name, help;
  double DeviceIo::*value;
};
constexpr IoMetric kIoMetrics[] = {
    {"container_fs_reads_bytes_total", "Cumulative count of bytes read", &DeviceIo::read_bytes},
    {"container_fs_reads_total", "Cumulative count of reads completed", &DeviceIo::reads},
    {"container_fs_writes_bytes_total", "Cumulative count of bytes written",
     &DeviceIo::write_bytes},
    {"container_fs_writes_total", "Cumulative count of writes completed", &DeviceIo::writes},
};

struct NetworkMetric {
  std::string_view name, help;
  size_t column;
};
constexpr NetworkMetric kNetworkMetrics[] = {
    {"container_network_receive_bytes_total", "Cumulative count of bytes received", 0},
    {"container_network_receive_packets_total", "Cumulative count of packets received", 1},
    {"container_network_receive_errors_total",
     "Cumulative count of errors encountered while receiving", 2},
    {"container_network_receive_packets_dropped_total",
     "Cumulative count of packets dropped while receiving", 3},
    {"container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", 8},
    {"container_network_transmit_packets_total", "Cumulative count of packets transmitted", 9},
    {"container_network_transmit_errors_total",
     "Cumulative count of errors encountered while transmitting", 10},
    {"container_network_transmit_packets_dropped_total",
     "Cumulative count of packets dropped while transmitting", 11},
};

struct PressureMetric {
  std::string_view resource, resource_help;
  Pressure CgroupStats::*value;
};
constexpr PressureMetric kPressureMetrics[] = {
    {"cpu", "CPU", &S::cpu_pressure},
    {"io", "IO", &S::io_pressure},
    {"memory", "memory", &S::memory_pressure},
};

std::vector<Interface> ReadInterfaces(const std::string& path) {
  std::vector<Interface> out;
  const auto text = ReadSmallFile(path);
  if (!text.ok()) return out;
  std::string_view rest = *text;
  for (std::string_view line; NextLine(&rest, &line);) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const auto name = Words(line.substr(0, colon));
    const auto words = Words(line.substr(colon + 1));
    if (name.size() != 1 || name[0] == "lo" || words.size() < 16) continue;
    Interface interface {
      std::string(name[0]), {}
    };
    for (const auto word : words) interface.columns.push_back(ParseNumber(word).value_or(0));
    out.push_back(std::move(interface));
  }
  return out;
}

class ContainersCollector : public Collector {
 public:
  explicit ContainersCollector(const CollectorOptions& options)
      : options_(options), names_(options.docker_socket, options.rootfs, options.clock) {}
  std::string_view name() const override { return "containers"; }

  Result<std::string> Collect() override {
    TRY_ASSIGN(const CgroupTree tree, CgroupTree::Open(options_.sys, options_.proc));
    ReadMachine();
    const std::vector<Row> rows = ReadRows(tree);
    MetricPage page;
    for (const Metric& m : kMetrics) {
      page.Family(m.name, m.type, m.help);
      for (const Row& row : rows) {
        if (const auto v = row.stats.*m.value) page.SampleText(row.labels, *v);
      }
    }
    WriteCpuAndTimes(rows, &page);
    WriteIo(rows, &page);
    WriteNetwork(rows, &page);
    WritePressure(rows, &page);
    WriteMachine(&page);
    return page.Take();
  }

 private:
  // Of /proc/stat and /proc/meminfo.
  struct Machine {
    double cores = 0, boot_seconds = 0, memory = 0, memory_free = 0;
  };

  void ReadMachine() {
    machine_ = {};
    if (const auto stat = ReadSmallFile(options_.proc + "/stat"); stat.ok()) {
      machine_.boot_seconds = ValueOf(*stat, "btime").value_or(0);
      std::string_view rest = *stat;
      for (std::string_view line; NextLine(&rest, &line);) {
        machine_.cores += line.size() > 3 && line.substr(0, 3) == "cpu" && line[3] != ' ';
      }
    }
    if (const auto meminfo = ReadSmallFile(options_.proc + "/meminfo"); meminfo.ok()) {
      std::string_view rest = *meminfo;
      for (std::string_view line; NextLine(&rest, &line);) {
        const auto words = Words(line);
        if (words.size() < 2) continue;
        const double bytes = ParseNumber(words[1]).value_or(0) * 1024;
        if (words[0] == "MemTotal:") machine_.memory = bytes;
        if (words[0] == "MemFree:") machine_.memory_free = bytes;
      }
    }
  }

  std::vector<Row> ReadRows(const CgroupTree& tree) {
    const std::vector<Cgroup> groups = tree.List();
    std::vector<std::string> ids;
    for (const Cgroup& g : groups) {
      if (!g.container_id.empty()) ids.push_back(g.container_id);
    }
    names_.Refresh(ids);
    std::vector<Row> rows;
    std::map<std::string, Init> seen;
    for (const Cgroup& g : groups) {
      Row row;
      row.stats = tree.Read(g);
      if (g.id == "/") CompleteRoot(&row);
      if (!row.stats.cpu_quota_us) {  // as cAdvisor: no throttling to tell of without a quota
        row.stats.cfs_periods.reset();
        row.stats.cfs_throttled_periods.reset();
        row.stats.cfs_throttled_seconds.reset();
      }
      if (const auto init = InitOf(g.container_id, row.stats.pids)) {
        row.init_pid = init->pid;
        row.start_seconds = init->start_seconds;
        seen[g.container_id] = *init;
      }
      row.labels = LabelsOf(g, row.stats);
      rows.push_back(std::move(row));
    }
    inits_ = std::move(seen);
    ReadNetworks(&rows);
    return rows;
  }

  // A network namespace is told of once, by the container that was there first: the containers of
  // a pod share one, and a sidecar lives in another's.
  void ReadNetworks(std::vector<Row>* rows) const {
    std::vector<Row*> by_start;
    for (Row& row : *rows) {
      if (row.init_pid != 0) by_start.push_back(&row);
    }
    std::stable_sort(by_start.begin(), by_start.end(), [](const Row* a, const Row* b) {
      return *a->start_seconds < *b->start_seconds;
    });
    std::set<uint64_t> told;
    for (Row* row : by_start) row->network = NetworkOf(row->init_pid, &told);
  }

  // The root of version 2 has no memory files; the machine's figures are its figures.
  void CompleteRoot(Row* row) {
    CgroupStats& s = row->stats;
    row->start_seconds = machine_.boot_seconds;
    s.memory_limit = machine_.memory;
    if (s.memory_usage) return;
    s.memory_usage = machine_.memory - machine_.memory_free;
    const auto stat = ReadSmallFile(options_.sys + "/fs/cgroup/memory.stat");
    const double inactive = stat.ok() ? ValueOf(*stat, "inactive_file").value_or(0) : 0;
    s.memory_working_set = *s.memory_usage - inactive;
  }

  // A group without a thread is what an engine that was killed left behind: no container any more.
  std::string LabelsOf(const Cgroup& group, const CgroupStats& stats) const {
    const bool is_container = !group.container_id.empty() && stats.threads.value_or(1) > 0;
    const ContainerName n =
        is_container ? names_.Find(group.container_id, group.id) : names_.PodOf(group.id);
    std::string out = MetricPage::LabelText({{"container", n.container},
                                             {"id", group.id},
                                             {"image", n.image},
                                             {"name", n.name},
                                             {"namespace", n.ns},
                                             {"pod", n.pod}});
    for (const auto& [name, value] : n.labels) {
      out += "," + MetricPage::LabelText({{"container_label_" + name, value}});
    }
    return out;
  }

  // Field 22 of /proc/<pid>/stat: clock ticks after boot. The name in field 2 may hold anything, so
  // fields are counted from the last ')'.
  // Process numbers wrap around and processes come and go, so the lowest number says nothing.
  std::optional<Init> InitOf(const std::string& container, const std::vector<int>& pids) const {
    if (container.empty()) return std::nullopt;
    if (const auto known = inits_.find(container); known != inits_.end()) {
      if (StartTicksOf(known->second.pid) == known->second.start_ticks &&
          std::find(pids.begin(), pids.end(), known->second.pid) != pids.end()) {
        return known->second;
      }
    }
    std::optional<Init> oldest;
    for (const int pid : pids) {
      const auto ticks = StartTicksOf(pid);
      if (!ticks || (oldest && *ticks >= oldest->start_ticks)) continue;
      const double seconds =
          machine_.boot_seconds + *ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
      oldest = {.pid = pid, .start_ticks = *ticks, .start_seconds = seconds};
    }
    return oldest;
  }

  std::optional<double> StartTicksOf(int pid) const {
    const auto text = ReadSmallFile(options_.proc + "/" + std::to_string(pid) + "/stat");
    if (!text.ok()) return std::nullopt;
    const auto words = Words(std::string_view(*text).substr(text->rfind(')') + 1));
    return words.size() > 19 ? ParseNumber(words[19]) : std::nullopt;
  }

  // Empty when the namespace has been told of, or is the machine's own (the host collector's
  // business).
  std::vector<Interface> NetworkOf(int pid, std::set<uint64_t>* told) const {
    const std::string process = options_.proc + "/" + std::to_string(pid);
    struct stat own {
    }, host{};
    if (::stat((process + "/ns/net").c_str(), &own) != 0) return {};
    const bool known = ::stat((options_.proc + "/1/ns/net").c_str(), &host) == 0;
    if ((known && own.st_ino == host.st_ino) || !told->insert(own.st_ino).second) return {};
    return ReadInterfaces(process + "/net/dev");
  }

  void WriteCpuAndTimes(const std::vector<Row>& rows, MetricPage* page) const {
    page->Family("container_cpu_usage_seconds_total", "counter",
                 "Cumulative cpu time consumed in seconds.");
    for (const Row& row : rows) {
      if (const auto v = row.stats.cpu_seconds) {
        page->SampleText(row.labels, *v, R"(cpu="total")");
      }
    }
    page->Family("container_start_time_seconds", "gauge",
                 "Start time of the container since unix epoch in seconds.");
    for (const Row& row : rows) {
      if (row.start_seconds) page->SampleText(row.labels, *row.start_seconds);
    }
    page->Family("container_last_seen", "gauge", "Last time a container was seen by the exporter");
    const auto now = static_cast<double>(options_.clock->WallMs() / 1000);
    for (const Row& row : rows) page->SampleText(row.labels, now);
  }

  std::string DeviceName(const std::string& number) const {
    const auto text = ReadSmallFile(options_.sys + "/dev/block/" + number + "/uevent");
    if (!text.ok()) return number;
    std::string_view rest = *text;
    for (std::string_view line; NextLine(&rest, &line);) {
      if (line.substr(0, 8) == "DEVNAME=") return "/dev/" + std::string(line.substr(8));
    }
    return number;
  }

  void WriteIo(const std::vector<Row>& rows, MetricPage* page) const {
    std::map<std::string, std::string> device_labels;
    for (const Row& row : rows) {
      for (const auto& [number, io] : row.stats.io) {
        if (device_labels.count(number) > 0) continue;
        device_labels[number] = MetricPage::LabelText({{"device", DeviceName(number)}});
      }
    }
    for (const IoMetric& m : kIoMetrics) {
      page->Family(m.name, "counter", m.help);
      for (const Row& row : rows) {
        for (const auto& [number, io] : row.stats.io) {
          page->SampleText(row.labels, io.*m.value, device_labels[number]);
        }
      }
    }
  }

  void WriteNetwork(const std::vector<Row>& rows, MetricPage* page) const {
    for (const NetworkMetric& m : kNetworkMetrics) {
      page->Family(m.name, "counter", m.help);
      for (const Row& row : rows) {
        for (const Interface& i : row.network) {
          page->SampleText(row.labels, i.columns[m.column],
                           MetricPage::LabelText({{"interface", i.name}}));
        }
      }
    }
  }

  void WritePressure(const std::vector<Row>& rows, MetricPage* page) const {
    for (const PressureMetric& m : kPressureMetrics) {
      const std::string prefix = "container_pressure_" + std::string(m.resource);
      const std::string cause = " due to " + std::string(m.resource_help) + " congestion.";
      page->Family(prefix + "_stalled_seconds_total", "counter",
                   "Total time duration no tasks in the container could make progress" + cause);
      for (const Row& row : rows) {
        if (const auto v = (row.stats.*m.value).full_seconds) page->SampleText(row.labels, *v);
      }
      page->Family(prefix + "_waiting_seconds_total", "counter",
                   "Total time duration tasks in the container have waited" + cause);
      for (const Row& row : rows) {
        if (const auto v = (row.stats.*m.value).some_seconds) page->SampleText(row.labels, *v);
      }
    }
  }

  void WriteMachine(MetricPage* page) const {
    page->Family("machine_cpu_cores", "gauge", "Number of logical CPU cores.");
    page->Sample(machine_.cores);
    page->Family("machine_memory_bytes", "gauge", "Amount of memory installed on the machine.");
    page->Sample(machine_.memory);
  }

  const CollectorOptions options_;
  ContainerNames names_;
  Machine machine_;
  std::map<std::string, Init> inits_;  // by container id, of the containers seen last
};

}  // namespace

std::unique_ptr<Collector> NewContainersCollector(const CollectorOptions& options) {
  return std::make_unique<ContainersCollector>(options);
}

}  // namespace deckwatch::scraper
