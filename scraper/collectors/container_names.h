// What a container is called, from those who know: the Docker Engine (or Podman's compatible API),
// and on a Kubernetes node the kubelet's log folder, which needs no permission to ask.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/http_client.h"

namespace deckwatch::scraper {

struct ContainerName {
  std::string name;  // "web1"; the container's id when nobody knows better
  std::string image;
  std::string pod, ns, container;                           // in a Kubernetes pod
  std::vector<std::pair<std::string, std::string>> labels;  // sanitized name, value; a few only
};

class ContainerNames {
 public:
  // `docker_url` as the HTTP client takes it ("unix:///var/run/docker.sock"), "" = no engine.
  ContainerNames(std::string docker_url, std::string rootfs, const Clock* clock);

  // Learns about the containers that are not known yet. Asks the engine when one of `ids` is new,
  // and every few minutes because containers can be renamed; waits two seconds at most.
  void Refresh(const std::vector<std::string>& ids);

  // `cgroup_id` is the group's path, which names the pod.
  ContainerName Find(const std::string& container_id, std::string_view cgroup_id) const;
  // The pod that a group of a pod (or of one of its containers) belongs to, with `container` empty.
  ContainerName PodOf(std::string_view cgroup_id) const;

 private:
  void AskEngine();
  void ReadLogFolders();

  const std::string docker_url_, rootfs_;
  const Clock* const clock_;
  HttpClient client_;
  std::map<std::string, ContainerName> by_id_;              // from the engine
  std::map<std::string, std::string, std::less<>> logs_;    // container id -> container
  std::map<std::string, ContainerName, std::less<>> pods_;  // pod uid -> pod and namespace
  std::map<std::string, bool> seen_;                        // ids asked for before
  int64_t next_refresh_ms_ = 0;
};

// The pod's uid in a group's path: ".../pod3306abde-73e3-…/…" or "…-pod3306abde_73e3_….slice".
std::string PodUidOf(std::string_view cgroup_id);

}  // namespace deckwatch::scraper
