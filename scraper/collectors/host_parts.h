// The parts of the host collector. Each adds its families to the page; an error means that the part
// has nothing to say on this machine.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "scraper/collectors/collector.h"
#include "scraper/collectors/metric_page.h"

namespace deckwatch::scraper {

// Keeps what the kernel shows as running backwards from doing so: iowait and idle may shrink a
// little from one reading to the next, and a counter that falls looks like a restart.
class CpuMemory {
 public:
  // The largest value seen so far, unless the fall is so big that the CPU was replugged.
  double Monotonic(const std::string& cpu, int mode, double seconds);

 private:
  std::map<std::pair<std::string, int>, double> last_;
};

struct HostContext {
  const CollectorOptions& options;
  std::string net;  // the folder of the network files, "/proc/net"
  CpuMemory* cpus;
};

Status CollectCpu(const HostContext& host, MetricPage* page);
Status CollectStat(const HostContext& host, MetricPage* page);
Status CollectLoadavg(const HostContext& host, MetricPage* page);
Status CollectPressure(const HostContext& host, MetricPage* page);

Status CollectMeminfo(const HostContext& host, MetricPage* page);
Status CollectVmstat(const HostContext& host, MetricPage* page);

Status CollectDiskstats(const HostContext& host, MetricPage* page);
Status CollectFilesystem(const HostContext& host, MetricPage* page);

Status CollectNetdev(const HostContext& host, MetricPage* page);
Status CollectNetclass(const HostContext& host, MetricPage* page);
Status CollectNetstat(const HostContext& host, MetricPage* page);
Status CollectSockstat(const HostContext& host, MetricPage* page);
Status CollectConntrack(const HostContext& host, MetricPage* page);

Status CollectEntropy(const HostContext& host, MetricPage* page);
Status CollectFilefd(const HostContext& host, MetricPage* page);
Status CollectTime(const HostContext& host, MetricPage* page);
Status CollectUname(const HostContext& host, MetricPage* page);

}  // namespace deckwatch::scraper
