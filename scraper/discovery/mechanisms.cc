#include "scraper/discovery/mechanisms.h"

namespace deckwatch::scraper {

const std::vector<DiscoveryMechanism>& DiscoveryMechanisms() {
  static const auto* const kMechanisms = new std::vector<DiscoveryMechanism>{
      {"docker_sd_configs", ParseDockerConfig},
      {"file_sd_configs", ParseFileConfig},
      {"kubernetes_sd_configs", ParseKubernetesConfig},
  };
  return *kMechanisms;
}

}  // namespace deckwatch::scraper
