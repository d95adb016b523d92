#include "scraper/discovery/kubernetes/targets.h"

#include "scraper/discovery/meta_labels.h"

namespace deckwatch::scraper::kubernetes {
namespace {

void Merge(const Labels& from, LabelsBuilder* to) {
  for (const LabelRef l : from) to->Set(l.name, l.value);
}

void SetContainerLabels(const Container& c, LabelsBuilder* out) {
  out->Set("__meta_kubernetes_pod_container_name", c.name);
  out->Set("__meta_kubernetes_pod_container_image", c.image);
  out->Set("__meta_kubernetes_pod_container_init", c.init ? "true" : "false");
}

void SetPortLabels(const ContainerPort& port, LabelsBuilder* out) {
  out->Set("__meta_kubernetes_pod_container_port_name", port.name);
  out->Set("__meta_kubernetes_pod_container_port_number", port.number);
  out->Set("__meta_kubernetes_pod_container_port_protocol", port.protocol);
}

uint64_t HashOf(const TargetGroup& group) {
  uint64_t h = group.labels.Hash();
  for (const Labels& t : group.targets) h = (h ^ t.Hash()) * 0x9E3779B97F4A7C15ull;
  return h;
}

}  // namespace

void Mirror::Replace(Kind kind, const std::string& ns, std::vector<Object> objects) {
  std::set<std::string> now;
  for (const Object& o : objects) now.insert(o.Key());
  std::vector<std::string> gone;
  for (const auto& [key, object] : objects_[static_cast<int>(kind)]) {
    if ((ns.empty() || object.ns == ns) && now.count(key) == 0) gone.push_back(key);
  }
  for (const std::string& key : gone) Remove(kind, key);
  for (Object& o : objects) Put(kind, std::move(o));
}

void Mirror::Put(Kind kind, Object object) {
  std::string key = object.Key();
  Touch(kind, key);
  objects_[static_cast<int>(kind)].insert_or_assign(std::move(key), std::move(object));
}

void Mirror::Remove(Kind kind, const std::string& key) {
  Touch(kind, key);
  objects_[static_cast<int>(kind)].erase(key);
}

void Mirror::Touch(Kind kind, const std::string& key) {
  if (kind == options_.role) dirty_.insert(key);
  const auto it = dependents_.find({kind, key});
  if (it != dependents_.end()) dirty_.insert(it->second.begin(), it->second.end());
}

const Object* Mirror::Look(Kind kind, const std::string& key, std::set<ObjectId>* looked_at) const {
  if (key.empty()) return nullptr;
  looked_at->emplace(kind, key);
  const auto& map = objects_[static_cast<int>(kind)];
  const auto it = map.find(key);
  return it == map.end() ? nullptr : &it->second;
}

std::vector<TargetGroup> Mirror::TakeChanges() {
  std::vector<TargetGroup> out;
  const std::string prefix = std::string(InfoOf(options_.role).source) + "/";
  const auto& primary = objects_[static_cast<int>(options_.role)];
  for (const std::string& key : std::exchange(dirty_, {})) {
    const auto it = primary.find(key);
    if (it == primary.end()) {
      Depend(key, {});
      if (delivered_.erase(key) > 0) out.emplace_back().source = prefix + key;
      continue;
    }
    std::set<ObjectId> looked_at;
    TargetGroup group = Build(it->second, &looked_at);
    Depend(key, std::move(looked_at));
    const uint64_t hash = HashOf(group);
    const auto [known, is_new] = delivered_.try_emplace(key, hash);
    if (!is_new && known->second == hash) continue;  // a heartbeat, a status that no label shows
    known->second = hash;
    group.source = prefix + key;
    out.push_back(std::move(group));
  }
  return out;
}

void Mirror::Depend(const std::string& key, std::set<ObjectId> looked_at) {
  const auto old = depends_on_.find(key);
  if (old != depends_on_.end()) {
    for (const ObjectId& id : old->second) {
      const auto it = dependents_.find(id);
      it->second.erase(key);
      if (it->second.empty()) dependents_.erase(it);
    }
    depends_on_.erase(old);
  }
  if (looked_at.empty()) return;
  for (const ObjectId& id : looked_at) dependents_[id].insert(key);
  depends_on_.emplace(key, std::move(looked_at));
}

TargetGroup Mirror::Build(const Object& object, std::set<ObjectId>* looked_at) const {
  TargetGroup group;
  LabelsBuilder labels(object.labels);
  switch (options_.role) {
    case Kind::kPod:
      if (object.ip.empty()) return group;  // starting, or evicted
      group.targets = PodTargets(object);
      if (options_.attach_node) {
        if (const Object* node = Look(Kind::kNode, object.node, looked_at)) {
          Merge(node->labels, &labels);
        }
      }
      break;
    case Kind::kEndpoints:
    case Kind::kEndpointSlice:
      if (const Object* service = Look(Kind::kService, object.service, looked_at)) {
        Merge(service->labels, &labels);
      }
      group.targets = EndpointTargets(object, looked_at);
      break;
    default: group.targets = object.targets;
  }
  if (options_.attach_namespace) {
    if (const Object* ns = Look(Kind::kNamespace, object.ns, looked_at)) {
      Merge(ns->labels, &labels);
    }
  }
  group.labels = labels.Build();
  return group;
}

// One target per declared port; a container without ports is a target without a port.
std::vector<Labels> Mirror::PodTargets(const Object& pod) const {
  std::vector<Labels> out;
  for (const Container& c : pod.containers) {
    LabelsBuilder b;
    SetContainerLabels(c, &b);
    b.Set("__meta_kubernetes_pod_container_id", c.id);
    if (c.ports.empty()) out.push_back(b.Set("__address__", pod.ip).Build());
    for (const ContainerPort& port : c.ports) {
      SetPortLabels(port, &b);
      out.push_back(b.Set("__address__", JoinHostPort(pod.ip, port.number)).Build());
    }
  }
  return out;
}

// Each address and port of the object, with the labels of the pod behind it; then the ports that
// those pods declare but the service does not cover.
std::vector<Labels> Mirror::EndpointTargets(const Object& object,
                                            std::set<ObjectId>* looked_at) const {
  std::vector<Labels> out;
  std::map<std::string_view, std::set<std::string_view>> covered;  // key of a pod -> ports
  for (const Endpoint& e : object.endpoints) {
    LabelsBuilder b(e.target);
    if (options_.attach_node) {
      if (const Object* node = Look(Kind::kNode, e.node, looked_at)) Merge(node->labels, &b);
    }
    if (const Object* pod = Look(Kind::kPod, e.pod, looked_at)) {
      covered[e.pod].insert(e.port);
      Merge(pod->labels, &b);
      for (const Container& c : pod->containers) {
        for (const ContainerPort& port : c.ports) {
          if (port.number != e.port) continue;
          SetContainerLabels(c, &b);
          SetPortLabels(port, &b);
          if (!e.protocol.empty()) {
            b.Set("__meta_kubernetes_pod_container_port_protocol", e.protocol);
          }
          break;
        }
      }
    }
    out.push_back(b.Build());
  }
  for (const auto& [key, ports] : covered) {
    const Object* pod = Look(Kind::kPod, std::string(key), looked_at);
    if (pod == nullptr || pod->ip.empty()) continue;
    for (const Container& c : pod->containers) {
      for (const ContainerPort& port : c.ports) {
        if (ports.count(port.number) > 0) continue;
        LabelsBuilder b(pod->labels);
        SetContainerLabels(c, &b);
        SetPortLabels(port, &b);
        out.push_back(b.Set("__address__", JoinHostPort(pod->ip, port.number)).Build());
      }
    }
  }
  return out;
}

}  // namespace deckwatch::scraper::kubernetes
