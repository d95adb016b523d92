// What every service-discovery mechanism is: something that keeps telling which targets exist.
//
// A mechanism delivers target groups. A group replaces the earlier group of the same source; an
// empty group removes it. A mechanism that fails keeps what it delivered last. Model: Prometheus
// discovery/.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"
#include "base/status.h"
#include "base/yaml.h"

namespace deckwatch::scraper {

struct TargetGroup {
  std::string source;           // unique within one discoverer
  Labels labels;                // shared by all targets of the group; a target's own label wins
  std::vector<Labels> targets;  // each with at least __address__
};

using GroupSink = std::function<void(std::vector<TargetGroup>)>;

// One running mechanism.
class Discoverer {
 public:
  virtual ~Discoverer() = default;
  // Runs until `stop`: calls `sink` from this thread with changed groups. Returns within a second
  // of the stop request.
  virtual void Run(std::stop_token stop, const GroupSink& sink) = 0;
};

// The parsed configuration of one *_sd_configs entry. Immutable. Two configurations with equal
// `key()` behave the same, so that a reload keeps a running discoverer whose configuration did not
// change.
class DiscoveryConfig {
 public:
  virtual ~DiscoveryConfig() = default;
  virtual std::string_view mechanism() const = 0;  // "docker"
  virtual std::string key() const = 0;             // canonical text of all fields, secrets hashed
  virtual std::unique_ptr<Discoverer> Start(const Clock* clock) const = 0;
};

using DiscoveryParser = Result<std::unique_ptr<DiscoveryConfig>> (*)(const YamlNode& node,
                                                                     std::string_view file);

// Known mechanisms by YAML key ("docker_sd_configs", …). static_configs is the scraper's own.
struct DiscoveryMechanism {
  std::string_view yaml_key;
  DiscoveryParser parse;
};
const std::vector<DiscoveryMechanism>& DiscoveryMechanisms();

}  // namespace deckwatch::scraper
