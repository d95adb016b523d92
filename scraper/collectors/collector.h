// A built-in source of metrics, scraped like any target under deckwatch://<name>: no exporter
// needed.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace deckwatch::scraper {

class Collector {
 public:
  virtual ~Collector() = default;
  virtual std::string_view name() const = 0;  // "host", "containers"
  // One page in Prometheus text format 0.0.4, as an exporter would answer. A part that cannot be
  // read is left out and told by a *_collector_success 0 series; an error means there is nothing at
  // all. Called by one thread at a time.
  virtual Result<std::string> Collect() = 0;
};

// Where the machine is seen. The defaults are right on the machine itself; tests and containers
// give other roots.
struct CollectorOptions {
  std::string proc = "/proc";
  std::string sys = "/sys";
  std::string rootfs = "/";  // for filesystem sizes, as node_exporter's --path.rootfs
  std::string docker_socket = "unix:///var/run/docker.sock";  // names of containers; may be absent
  const Clock* clock = Clock::Real();
};

// CPU, memory, load, disk, filesystem, network, pressure, …: node_exporter's metric names and
// labels.
std::unique_ptr<Collector> NewHostCollector(const CollectorOptions& options);
// Per container, from cgroup v1, hybrid or v2: cAdvisor's metric names and labels.
std::unique_ptr<Collector> NewContainersCollector(const CollectorOptions& options);

}  // namespace deckwatch::scraper
