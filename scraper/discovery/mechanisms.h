// The parsers of the mechanisms, for the table in mechanisms.cc.
#pragma once

#include "scraper/discovery/discoverer.h"

namespace deckwatch::scraper {

Result<std::unique_ptr<DiscoveryConfig>> ParseDockerConfig(const YamlNode& node,
                                                           std::string_view file);
Result<std::unique_ptr<DiscoveryConfig>> ParseFileConfig(const YamlNode& node,
                                                         std::string_view file);
Result<std::unique_ptr<DiscoveryConfig>> ParseKubernetesConfig(const YamlNode& node,
                                                               std::string_view file);

}  // namespace deckwatch::scraper
