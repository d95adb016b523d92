// The host collector: node_exporter's names, labels, types and help texts.
#include <unistd.h>

#include "scraper/collectors/host_parts.h"

namespace deckwatch::scraper {
namespace {

struct Part {
  std::string_view name;  // node_exporter's name of it
  Status (*collect)(const HostContext&, MetricPage*);
};

constexpr Part kParts[] = {
    {"conntrack", CollectConntrack}, {"cpu", CollectCpu},         {"diskstats", CollectDiskstats},
    {"entropy", CollectEntropy},     {"filefd", CollectFilefd},   {"filesystem", CollectFilesystem},
    {"loadavg", CollectLoadavg},     {"meminfo", CollectMeminfo}, {"netclass", CollectNetclass},
    {"netdev", CollectNetdev},       {"netstat", CollectNetstat}, {"pressure", CollectPressure},
    {"sockstat", CollectSockstat},   {"stat", CollectStat},       {"time", CollectTime},
    {"uname", CollectUname},         {"vmstat", CollectVmstat},
};

// Our own network namespace on the machine itself; from a container that was given the machine's
// /proc elsewhere, that of its first process.
std::string NetFolder(const std::string& proc) {
  const std::string first = proc + "/1/net";
  return proc != "/proc" && ::access(first.c_str(), X_OK) == 0 ? first : proc + "/net";
}

class HostCollector : public Collector {
 public:
  explicit HostCollector(const CollectorOptions& options) : options_(options) {}
  std::string_view name() const override { return "host"; }

  Result<std::string> Collect() override {
    const HostContext host{options_, NetFolder(options_.proc), &cpus_};
    MetricPage page;
    double seconds[std::size(kParts)];
    Status results[std::size(kParts)];
    bool anything = false;
    for (size_t i = 0; i < std::size(kParts); ++i) {
      const int64_t start_ns = options_.clock->MonotonicNs();
      results[i] = kParts[i].collect(host, &page);
      seconds[i] = static_cast<double>(options_.clock->MonotonicNs() - start_ns) / 1e9;
      if (kParts[i].name == "cpu" || kParts[i].name == "meminfo") anything |= results[i].ok();
    }
    if (!anything) return results[1].Annotate("nothing to see in " + options_.proc);
    page.Family("node_scrape_collector_duration_seconds", "gauge",
                "node_exporter: Duration of a collector scrape.");
    for (size_t i = 0; i < std::size(kParts); ++i) {
      page.Sample({{"collector", kParts[i].name}}, seconds[i]);
    }
    page.Family("node_scrape_collector_success", "gauge",
                "node_exporter: Whether a collector succeeded.");
    for (size_t i = 0; i < std::size(kParts); ++i) {
      page.Sample({{"collector", kParts[i].name}}, results[i].ok() ? 1 : 0);
    }
    return page.Take();
  }

 private:
  const CollectorOptions options_;
  CpuMemory cpus_;
};

}  // namespace

std::unique_ptr<Collector> NewHostCollector(const CollectorOptions& options) {
  return std::make_unique<HostCollector>(options);
}

}  // namespace deckwatch::scraper
