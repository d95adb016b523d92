// Kubernetes objects, cut down to what labels need as soon as they are read: of a pod of 10 KB of
// JSON a few hundred bytes stay.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/labels.h"

namespace deckwatch::scraper::kubernetes {

enum class Kind { kNode, kPod, kService, kEndpoints, kEndpointSlice, kIngress, kNamespace };
inline constexpr int kKinds = 7;

struct ContainerPort {
  std::string name, number, protocol;
};
struct Container {
  std::string name, image, id;
  bool init = false;
  std::vector<ContainerPort> ports;
};
// One address and port of an Endpoints or EndpointSlice object.
struct Endpoint {
  Labels target;     // what the object itself says, __address__ included
  std::string port;  // "" when the endpoint has none
  std::string protocol;
  std::string pod;   // key of the pod behind it, "" when it is no pod
  std::string node;  // name of its node, "" when unknown
};

// One shape for all kinds; a kind leaves the parts empty that it does not have.
struct Object {
  std::string ns, name;  // ns is empty for nodes and namespaces
  std::string resource_version;
  Labels labels;                      // the object's own __meta_kubernetes_* labels
  std::vector<Labels> targets;        // node, service, ingress: its targets, complete
  std::string ip, node;               // pod
  std::vector<Container> containers;  // pod: containers, then init containers
  std::vector<Endpoint> endpoints;    // endpoints, endpointslice
  std::string service;                // endpoints, endpointslice: key of the service, or ""

  std::string Key() const { return ObjectKey(ns, name); }
  static std::string ObjectKey(std::string_view ns, std::string_view name);
};

// What the API calls a kind.
struct KindInfo {
  std::string_view name;      // as a role and in selectors: "pod"
  std::string_view source;    // in group sources: "svc"
  std::string_view api;       // "/api/v1"
  std::string_view resource;  // "pods"
  bool namespaced = true;
};
const KindInfo& InfoOf(Kind kind);

// Lenient: what is missing or of another type counts as empty. Labels as Prometheus 3.5 gives them.
Object ParseObject(Kind kind, const Json& json);

}  // namespace deckwatch::scraper::kubernetes
