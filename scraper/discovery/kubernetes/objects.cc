// Source of the labels: Prometheus discovery/kubernetes/*.go.
#include "scraper/discovery/kubernetes/objects.h"

#include <algorithm>
#include <map>

#include "scraper/discovery/meta_labels.h"

namespace deckwatch::scraper::kubernetes {
namespace {

const std::string kPrefix = "__meta_kubernetes_";

// Labels and annotations of an object: <prefix><kind>_{label,labelpresent,annotation,…}_<name>.
void SetMetaLabels(const Json& meta, const std::string& kind, LabelsBuilder* out) {
  for (const auto& [field, word] : {std::pair("labels", "label"), {"annotations", "annotation"}}) {
    const std::string base = kPrefix + kind + "_" + word;
    for (const auto& [key, value] : meta[field].AsObject()) {
      const std::string name = SanitizeLabelName(key);
      out->Set(base + "_" + name, value.AsString());
      out->Set(base + "present_" + name, "true");
    }
  }
}

std::string Lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return s;
}

std::string Number(const Json& json) {
  return json.IsNumber() ? std::to_string(json.AsInt()) : std::string();
}

void ParseNode(const Json& json, Object* out) {
  LabelsBuilder labels;
  SetMetaLabels(json["metadata"], "node", &labels);
  labels.Set(kPrefix + "node_name", out->name);
  out->labels = labels.Build();

  std::map<std::string, std::string> first;  // address by type
  for (const Json& a : json["status"]["addresses"].AsArray()) {
    first.emplace(a["type"].AsString(), a["address"].AsString());
  }
  for (const char* type : {"InternalIP", "ExternalIP", "LegacyHostIP", "Hostname"}) {
    const auto address = first.find(type);
    if (address == first.end()) continue;
    LabelsBuilder target;
    const Json& port = json["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"];
    target.Set("__address__", JoinHostPort(address->second, std::to_string(port.AsInt())));
    target.Set("instance", out->name);
    target.Set(kPrefix + "node_provider_id", json["spec"]["providerID"].AsString());
    for (const auto& [t, a] : first) {
      target.Set(kPrefix + "node_address_" + SanitizeLabelName(t), a);
    }
    out->targets.push_back(target.Build());
    return;
  }
}

std::vector<Container> ParseContainers(const Json& specs, const Json& statuses, bool init) {
  std::vector<Container> out;
  for (const Json& spec : specs.AsArray()) {
    Container c;
    c.name = spec["name"].AsString();
    c.image = spec["image"].AsString();
    c.init = init;
    for (const Json& status : statuses.AsArray()) {
      if (status["name"].AsString() == c.name) c.id = status["containerID"].AsString();
    }
    for (const Json& port : spec["ports"].AsArray()) {
      c.ports.push_back({port["name"].AsString(), std::to_string(port["containerPort"].AsInt()),
                         port["protocol"].AsString()});
    }
    out.push_back(std::move(c));
  }
  return out;
}

void ParsePod(const Json& json, Object* out) {
  const Json& meta = json["metadata"];
  const Json& spec = json["spec"];
  const Json& status = json["status"];
  out->ip = status["podIP"].AsString();
  out->node = spec["nodeName"].AsString();

  LabelsBuilder labels;
  SetMetaLabels(meta, "pod", &labels);
  labels.Set(kPrefix + "namespace", out->ns);
  labels.Set(kPrefix + "pod_name", out->name);
  labels.Set(kPrefix + "pod_ip", out->ip);
  labels.Set(kPrefix + "pod_phase", status["phase"].AsString());
  labels.Set(kPrefix + "pod_node_name", out->node);
  labels.Set(kPrefix + "pod_host_ip", status["hostIP"].AsString());
  labels.Set(kPrefix + "pod_uid", meta["uid"].AsString());
  std::string ready = "unknown";
  for (const Json& c : status["conditions"].AsArray()) {
    if (c["type"].AsString() == "Ready") ready = Lower(c["status"].AsString());
  }
  labels.Set(kPrefix + "pod_ready", ready);
  for (const Json& owner : meta["ownerReferences"].AsArray()) {
    if (!owner["controller"].AsBool()) continue;
    labels.Set(kPrefix + "pod_controller_kind", owner["kind"].AsString());
    labels.Set(kPrefix + "pod_controller_name", owner["name"].AsString());
    break;
  }
  out->labels = labels.Build();

  out->containers = ParseContainers(spec["containers"], status["containerStatuses"], false);
  for (Container& c :
       ParseContainers(spec["initContainers"], status["initContainerStatuses"], true)) {
    out->containers.push_back(std::move(c));
  }
}

void ParseService(const Json& json, Object* out) {
  LabelsBuilder labels;
  SetMetaLabels(json["metadata"], "service", &labels);
  labels.Set(kPrefix + "service_name", out->name);
  labels.Set(kPrefix + "namespace", out->ns);
  out->labels = labels.Build();

  const Json& spec = json["spec"];
  const std::string& type = spec["type"].AsString();
  for (const Json& port : spec["ports"].AsArray()) {
    const std::string number = std::to_string(port["port"].AsInt());
    LabelsBuilder target;
    target.Set("__address__", JoinHostPort(out->name + "." + out->ns + ".svc", number));
    target.Set(kPrefix + "service_port_name", port["name"].AsString());
    target.Set(kPrefix + "service_port_number", number);
    target.Set(kPrefix + "service_port_protocol", port["protocol"].AsString());
    target.Set(kPrefix + "service_type", type);
    if (type == "ExternalName") {
      target.Set(kPrefix + "service_external_name", spec["externalName"].AsString());
    } else {
      target.Set(kPrefix + "service_cluster_ip", spec["clusterIP"].AsString());
    }
    if (type == "LoadBalancer") {
      target.Set(kPrefix + "service_loadbalancer_ip", spec["loadBalancerIP"].AsString());
    }
    out->targets.push_back(target.Build());
  }
}

std::string PodKey(const Json& ref) {
  if (ref["kind"].AsString() != "Pod") return {};
  return Object::ObjectKey(ref["namespace"].AsString(), ref["name"].AsString());
}

Endpoint ParseEndpoint(const Json& address, const Json& port, const char* ready) {
  const std::string number = std::to_string(port["port"].AsInt());
  const Json& ref = address["targetRef"];
  LabelsBuilder target;
  target.Set("__address__", JoinHostPort(address["ip"].AsString(), number));
  target.Set(kPrefix + "endpoint_port_name", port["name"].AsString());
  target.Set(kPrefix + "endpoint_port_protocol", port["protocol"].AsString());
  target.Set(kPrefix + "endpoint_ready", ready);
  target.Set(kPrefix + "endpoint_address_target_kind", ref["kind"].AsString());
  target.Set(kPrefix + "endpoint_address_target_name", ref["name"].AsString());
  target.Set(kPrefix + "endpoint_node_name", address["nodeName"].AsString());
  target.Set(kPrefix + "endpoint_hostname", address["hostname"].AsString());
  return {target.Build(), number, port["protocol"].AsString(), PodKey(ref),
          address["nodeName"].AsString()};
}

void ParseEndpoints(const Json& json, Object* out) {
  LabelsBuilder labels;
  SetMetaLabels(json["metadata"], "endpoints", &labels);
  labels.Set(kPrefix + "namespace", out->ns);
  labels.Set(kPrefix + "endpoints_name", out->name);
  out->labels = labels.Build();
  out->service = out->Key();
  for (const Json& subset : json["subsets"].AsArray()) {
    for (const Json& port : subset["ports"].AsArray()) {
      for (const Json& a : subset["addresses"].AsArray()) {
        out->endpoints.push_back(ParseEndpoint(a, port, "true"));
      }
      for (const Json& a : subset["notReadyAddresses"].AsArray()) {
        out->endpoints.push_back(ParseEndpoint(a, port, "false"));
      }
    }
  }
}

// What all addresses and ports of one endpoint in a slice share.
Labels SliceEndpointLabels(const Json& endpoint) {
  const std::string prefix = kPrefix + "endpointslice_";
  const Json& ref = endpoint["targetRef"];
  LabelsBuilder labels;
  for (const char* condition : {"ready", "serving", "terminating"}) {
    const Json& value = endpoint["conditions"][condition];
    if (!value.IsBool()) continue;
    labels.Set(prefix + "endpoint_conditions_" + condition, value.AsBool() ? "true" : "false");
  }
  labels.Set(prefix + "endpoint_hostname", endpoint["hostname"].AsString());
  labels.Set(prefix + "endpoint_node_name", endpoint["nodeName"].AsString());
  labels.Set(prefix + "endpoint_zone", endpoint["zone"].AsString());
  labels.Set(prefix + "address_target_kind", ref["kind"].AsString());
  labels.Set(prefix + "address_target_name", ref["name"].AsString());
  for (const auto& [key, value] : endpoint["deprecatedTopology"].AsObject()) {
    const std::string name = SanitizeLabelName(key);
    labels.Set(prefix + "endpoint_topology_" + name, value.AsString());
    labels.Set(prefix + "endpoint_topology_present_" + name, "true");
  }
  return labels.Build();
}

Endpoint SliceEndpoint(const Json& endpoint, const Labels& shared, const std::string& address,
                       const Json& port) {
  const std::string prefix = kPrefix + "endpointslice_";
  const std::string number = Number(port["port"]);
  const Json& ref = endpoint["targetRef"];
  LabelsBuilder target(shared);
  target.Set("__address__", number.empty() ? address : JoinHostPort(address, number));
  target.Set(prefix + "port", number);
  target.Set(prefix + "port_name", port["name"].AsString());
  target.Set(prefix + "port_protocol", port["protocol"].AsString());
  target.Set(prefix + "port_app_protocol", port["appProtocol"].AsString());
  const bool is_node = ref["kind"].AsString() == "Node";
  // The protocol of a container port stays the container's own, other than with Endpoints.
  return {target.Build(), number, "", PodKey(ref),
          (is_node ? ref["name"] : endpoint["nodeName"]).AsString()};
}

void ParseEndpointSlice(const Json& json, Object* out) {
  const Json& meta = json["metadata"];
  LabelsBuilder labels;
  SetMetaLabels(meta, "endpointslice", &labels);
  labels.Set(kPrefix + "namespace", out->ns);
  labels.Set(kPrefix + "endpointslice_name", out->name);
  labels.Set(kPrefix + "endpointslice_address_type", json["addressType"].AsString());
  out->labels = labels.Build();
  const std::string& service = meta["labels"]["kubernetes.io/service-name"].AsString();
  if (!service.empty()) out->service = Object::ObjectKey(out->ns, service);
  for (const Json& endpoint : json["endpoints"].AsArray()) {
    const Labels shared = SliceEndpointLabels(endpoint);
    for (const Json& port : json["ports"].AsArray()) {
      for (const Json& address : endpoint["addresses"].AsArray()) {
        out->endpoints.push_back(SliceEndpoint(endpoint, shared, address.AsString(), port));
      }
    }
  }
}

// "*.example.com" covers exactly one more label: "a.example.com".
bool HostMatches(std::string_view pattern, std::string_view host) {
  if (pattern == host) return true;
  if (pattern.substr(0, 2) != "*.") return false;
  const size_t dot = host.find('.');
  return dot != std::string_view::npos && host.substr(dot) == pattern.substr(1);
}

void ParseIngress(const Json& json, Object* out) {
  const Json& spec = json["spec"];
  LabelsBuilder labels;
  SetMetaLabels(json["metadata"], "ingress", &labels);
  labels.Set(kPrefix + "namespace", out->ns);
  labels.Set(kPrefix + "ingress_name", out->name);
  labels.Set(kPrefix + "ingress_class_name", spec["ingressClassName"].AsString());
  out->labels = labels.Build();

  for (const Json& rule : spec["rules"].AsArray()) {
    const std::string& host = rule["host"].AsString();
    const char* scheme = "http";
    for (const Json& tls : spec["tls"].AsArray()) {
      for (const Json& pattern : tls["hosts"].AsArray()) {
        if (HostMatches(pattern.AsString(), host)) scheme = "https";
      }
    }
    std::vector<std::string> paths;
    for (const Json& path : rule["http"]["paths"].AsArray()) {
      paths.push_back(path["path"].AsString().empty() ? "/" : path["path"].AsString());
    }
    if (!rule.Has("http")) paths = {"/"};
    for (const std::string& path : paths) {
      out->targets.push_back(Labels{{"__address__", host},
                                    {kPrefix + "ingress_scheme", scheme},
                                    {kPrefix + "ingress_host", host},
                                    {kPrefix + "ingress_path", path}});
    }
  }
}

void ParseNamespace(const Json& json, Object* out) {
  LabelsBuilder labels;
  SetMetaLabels(json["metadata"], "namespace", &labels);
  out->labels = labels.Build();
}

}  // namespace

std::string Object::ObjectKey(std::string_view ns, std::string_view name) {
  return ns.empty() ? std::string(name) : std::string(ns) + "/" + std::string(name);
}

const KindInfo& InfoOf(Kind kind) {
  static constexpr KindInfo kInfos[kKinds] = {
      {"node", "node", "/api/v1", "nodes", false},
      {"pod", "pod", "/api/v1", "pods", true},
      {"service", "svc", "/api/v1", "services", true},
      {"endpoints", "endpoints", "/api/v1", "endpoints", true},
      {"endpointslice", "endpointslice", "/apis/discovery.k8s.io/v1", "endpointslices", true},
      {"ingress", "ingress", "/apis/networking.k8s.io/v1", "ingresses", true},
      {"namespace", "namespace", "/api/v1", "namespaces", false},
  };
  return kInfos[static_cast<int>(kind)];
}

Object ParseObject(Kind kind, const Json& json) {
  using Parser = void (*)(const Json&, Object*);
  static constexpr Parser kParsers[kKinds] = {ParseNode,      ParsePod,           ParseService,
                                              ParseEndpoints, ParseEndpointSlice, ParseIngress,
                                              ParseNamespace};
  const Json& meta = json["metadata"];
  Object out;
  out.ns = meta["namespace"].AsString();
  out.name = meta["name"].AsString();
  out.resource_version = meta["resourceVersion"].AsString();
  kParsers[static_cast<int>(kind)](json, &out);
  return out;
}

}  // namespace deckwatch::scraper::kubernetes
