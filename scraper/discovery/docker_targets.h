// From what a Docker Engine answers to targets. Pure: no I/O.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/labels.h"

namespace deckwatch::scraper {

struct DockerTargetOptions {
  int64_t port = 80;  // for containers without a TCP port
  std::string host_networking_host = "localhost";
  bool match_first_network = true;  // of several networks take the first by name
};

// `containers` is the answer to GET /containers/json, `networks` to GET /networks. One target per
// container, network and TCP port, with Prometheus's __meta_docker_* labels. Lenient about fields
// that are missing (Podman leaves some out).
std::vector<Labels> DockerTargets(const Json& containers, const Json& networks,
                                  const DockerTargetOptions& options);

}  // namespace deckwatch::scraper
