#include "scraper/discovery/mechanisms.h"

namespace deckwatch::scraper {

const std::vector<DiscoveryMechanism>& DiscoveryMechanisms() {
  static const auto* const kMechanisms = new std::vector<DiscoveryMechanism>{
      {"docker_sd_configs", ParseDockerConfig},
      {"file_sd_configs", ParseFileConfig},
  };
  return *kMechanisms;
}

}  // namespace deckwatch::scraper
