#include "scraper/collectors/container_names.h"

#include <algorithm>

#include <dirent.h>

#include "base/json.h"
#include "base/log.h"

namespace deckwatch::scraper {
namespace {

constexpr int64_t kRefreshMs = 300'000;
constexpr int64_t kEngineTimeoutMs = 2'000;
constexpr size_t kContainerIdLength = 64;
constexpr size_t kUidLength = 36;

// The labels of a container that are worth a label on each of its series: who composed it.
constexpr std::pair<std::string_view, std::string_view> kKeptLabels[] = {
    {"com.docker.compose.project", "com_docker_compose_project"},
    {"com.docker.compose.service", "com_docker_compose_service"},
    {"com.docker.swarm.service.name", "com_docker_swarm_service_name"},
};

std::vector<std::string> Entries(const std::string& folder) {
  std::vector<std::string> out;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir)) out.emplace_back(entry->d_name);
  ::closedir(dir);
  return out;
}

ContainerName FromEngine(const Json& container) {
  ContainerName out;
  const Json::Array& names = container["Names"].AsArray();
  if (!names.empty()) out.name = names[0].AsString();
  if (!out.name.empty() && out.name[0] == '/') out.name.erase(0, 1);
  out.image = container["Image"].AsString();
  const Json& labels = container["Labels"];
  for (const auto& [key, label] : kKeptLabels) {
    const std::string& value = labels[key].AsString();
    if (!value.empty()) out.labels.emplace_back(label, value);
  }
  out.pod = labels["io.kubernetes.pod.name"].AsString();
  out.ns = labels["io.kubernetes.pod.namespace"].AsString();
  out.container = labels["io.kubernetes.container.name"].AsString();
  return out;
}

}  // namespace

std::string PodUidOf(std::string_view cgroup_id) {
  for (size_t at = 0; (at = cgroup_id.find("pod", at)) != std::string_view::npos; at += 3) {
    std::string uid(cgroup_id.substr(at + 3, kUidLength));
    std::replace(uid.begin(), uid.end(), '_', '-');
    const bool shaped = uid.size() == kUidLength && uid[8] == '-' && uid[13] == '-' &&
                        uid[18] == '-' && uid[23] == '-';
    if (shaped) return uid;
  }
  return {};
}

ContainerNames::ContainerNames(std::string docker_url, std::string rootfs, const Clock* clock)
    : docker_url_(std::move(docker_url)),
      rootfs_(std::move(rootfs)),
      clock_(clock),
      client_(HttpClientConfig()) {}

void ContainerNames::Refresh(const std::vector<std::string>& ids) {
  bool due = clock_->MonotonicMs() >= next_refresh_ms_;
  std::map<std::string, bool> now;
  for (const std::string& id : ids) {
    due |= seen_.find(id) == seen_.end();
    now.emplace(id, true);
  }
  seen_ = std::move(now);
  if (!due) return;
  next_refresh_ms_ = clock_->MonotonicMs() + kRefreshMs;
  if (ids.empty()) return;
  AskEngine();
  ReadLogFolders();
}

void ContainerNames::AskEngine() {
  if (docker_url_.empty()) return;
  HttpRequest request;
  request.url =
      docker_url_ + (docker_url_.rfind("unix:", 0) == 0 ? ":" : "") + "/containers/json?all=1";
  request.timeout_ms = kEngineTimeoutMs;
  const auto answer = client_.Do(request);
  if (!answer.ok() || answer->status != 200) {
    LogDebug("no container names from the engine", {{"url", docker_url_}});
    return;  // nobody there is the usual case on a Kubernetes node
  }
  const auto list = Json::Parse(answer->body);
  if (!list.ok()) return;
  std::map<std::string, ContainerName> by_id;
  for (const Json& c : list->AsArray()) by_id[c["Id"].AsString()] = FromEngine(c);
  by_id_ = std::move(by_id);
}

// The kubelet keeps /var/log/pods/NAMESPACE_POD_UID/ and links
// /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log. Names hold no '_'.
void ContainerNames::ReadLogFolders() {
  logs_.clear();
  pods_.clear();
  for (const std::string& entry : Entries(rootfs_ + "/var/log/pods")) {
    const size_t first = entry.find('_'), last = entry.rfind('_');
    if (first == std::string::npos || first == last) continue;
    ContainerName pod;
    pod.ns = entry.substr(0, first);
    pod.pod = entry.substr(first + 1, last - first - 1);
    pods_.insert_or_assign(entry.substr(last + 1), std::move(pod));
  }
  constexpr size_t kTail = kContainerIdLength + 5;  // "-" before, ".log" after
  for (const std::string& entry : Entries(rootfs_ + "/var/log/containers")) {
    const size_t last = entry.rfind('_');
    if (last == std::string::npos || entry.size() < last + 1 + kTail) continue;
    logs_[entry.substr(entry.size() - kTail + 1, kContainerIdLength)] =
        entry.substr(last + 1, entry.size() - kTail - last - 1);
  }
}

ContainerName ContainerNames::Find(const std::string& container_id,
                                   std::string_view cgroup_id) const {
  ContainerName out = PodOf(cgroup_id);
  if (const auto it = by_id_.find(container_id); it != by_id_.end()) {
    const ContainerName pod = std::move(out);
    out = it->second;
    if (out.pod.empty()) out.pod = pod.pod, out.ns = pod.ns;
  }
  if (const auto it = logs_.find(container_id); it != logs_.end()) out.container = it->second;
  if (out.name.empty()) out.name = container_id;
  return out;
}

ContainerName ContainerNames::PodOf(std::string_view cgroup_id) const {
  const auto it = pods_.find(PodUidOf(cgroup_id));
  return it == pods_.end() ? ContainerName() : it->second;
}

}  // namespace deckwatch::scraper
