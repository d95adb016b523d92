// Any JSON that an engine or an API server might send becomes targets, or none, without harm.
#include <cstdint>

#include "scraper/discovery/docker_targets.h"
#include "scraper/discovery/kubernetes/targets.h"

using deckwatch::Json;
using deckwatch::scraper::DockerTargets;
namespace k8s = deckwatch::scraper::kubernetes;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto json = Json::Parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!json.ok()) return 0;
  (void)DockerTargets(*json, *json, {});
  for (int role = 0; role < k8s::kKinds; ++role) {
    k8s::Mirror mirror({static_cast<k8s::Kind>(role), true, true});
    for (int kind = 0; kind < k8s::kKinds; ++kind) {
      mirror.Put(static_cast<k8s::Kind>(kind),
                 k8s::ParseObject(static_cast<k8s::Kind>(kind), *json));
    }
    (void)mirror.TakeChanges();
  }
  return 0;
}
