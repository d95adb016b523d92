#include "scraper/discovery/docker_targets.h"

#include <map>

#include "scraper/discovery/meta_labels.h"

namespace deckwatch::scraper {
namespace {

constexpr std::string_view kContainerMode = "container:";

using ContainersById = std::map<std::string_view, const Json*, std::less<>>;
using LabelsByNetwork = std::map<std::string_view, Labels, std::less<>>;

const std::string& NetworkMode(const Json& container) {
  return container["HostConfig"]["NetworkMode"].AsString();
}

LabelsByNetwork NetworkLabels(const Json& networks) {
  LabelsByNetwork out;
  for (const Json& network : networks.AsArray()) {
    LabelsBuilder b;
    SetLabelMap("__meta_docker_network_label_", network["Labels"], &b);
    b.Set("__meta_docker_network_id", network["Id"].AsString());
    b.Set("__meta_docker_network_name", network["Name"].AsString());
    b.Set("__meta_docker_network_scope", network["Scope"].AsString());
    b.Set("__meta_docker_network_internal", network["Internal"].AsBool() ? "true" : "false");
    b.Set("__meta_docker_network_ingress", network["Ingress"].AsBool() ? "true" : "false");
    out.insert_or_assign(network["Id"].AsString(), b.Build());
  }
  return out;
}

// The networks of a container, or, when it shares another's (network_mode container:ID), of that
// one. Sharing can be chained; each container is visited once at most.
const Json& NetworksOf(const Json& container, const ContainersById& all) {
  const Json* at = &container;
  for (size_t hops = 0; hops <= all.size(); ++hops) {
    const Json& networks = (*at)["NetworkSettings"]["Networks"];
    const std::string_view mode = NetworkMode(*at);
    if (!networks.AsObject().empty() || mode.substr(0, kContainerMode.size()) != kContainerMode) {
      return networks;
    }
    const auto next = all.find(mode.substr(kContainerMode.size()));
    if (next == all.end()) return networks;
    at = next->second;
  }
  return container["NetworkSettings"]["Networks"];
}

// Everything but address and port.
Labels ContainerLabels(const Json& container) {
  LabelsBuilder b;
  SetLabelMap("__meta_docker_container_label_", container["Labels"], &b);
  b.Set("__meta_docker_container_id", container["Id"].AsString());
  b.Set("__meta_docker_container_name", container["Names"].AsArray()[0].AsString());
  b.Set("__meta_docker_container_network_mode", NetworkMode(container));
  return b.Build();
}

void AddEndpointTargets(const Json& container, const Json& endpoint, const Labels& common,
                        const DockerTargetOptions& options, std::vector<Labels>* out) {
  const std::string& ip = endpoint["IPAddress"].AsString();
  const size_t before = out->size();
  for (const Json& port : container["Ports"].AsArray()) {
    if (port["Type"].AsString() != "tcp") continue;
    const std::string private_port = std::to_string(port["PrivatePort"].AsInt());
    LabelsBuilder b(common);
    b.Set("__meta_docker_network_ip", ip);
    b.Set("__meta_docker_port_private", private_port);
    if (const int64_t public_port = port["PublicPort"].AsInt(); public_port > 0) {
      b.Set("__meta_docker_port_public", std::to_string(public_port));
      b.Set("__meta_docker_port_public_ip", port["IP"].AsString());
    }
    b.Set("__address__", JoinHostPort(ip, private_port));
    out->push_back(b.Build());
  }
  if (out->size() > before) return;
  LabelsBuilder b(common);
  b.Set("__meta_docker_network_ip", ip);
  b.Set("__address__", NetworkMode(container) == "host"
                           ? options.host_networking_host
                           : JoinHostPort(ip, std::to_string(options.port)));
  out->push_back(b.Build());
}

}  // namespace

std::vector<Labels> DockerTargets(const Json& containers, const Json& networks,
                                  const DockerTargetOptions& options) {
  const LabelsByNetwork network_labels = NetworkLabels(networks);
  ContainersById by_id;
  for (const Json& c : containers.AsArray()) by_id.emplace(c["Id"].AsString(), &c);

  std::vector<Labels> out;
  for (const Json& container : containers.AsArray()) {
    if (container["Names"].AsArray().empty()) continue;
    const Labels own = ContainerLabels(container);
    for (const auto& [name, endpoint] : NetworksOf(container, by_id).AsObject()) {  // by name
      if (endpoint.IsNull()) continue;
      LabelsBuilder common(own);
      if (const auto it = network_labels.find(endpoint["NetworkID"].AsString());
          it != network_labels.end()) {
        for (const LabelRef label : it->second) common.Set(label.name, label.value);
      }
      AddEndpointTargets(container, endpoint, common.Build(), options, &out);
      if (options.match_first_network) break;
    }
  }
  return out;
}

}  // namespace deckwatch::scraper
