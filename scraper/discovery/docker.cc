// docker_sd_configs: asks a Docker Engine (or what speaks its API) for its containers. Labels and
// defaults: Prometheus discovery/moby/docker.go.
#include <algorithm>

#include "base/http_client.h"
#include "scraper/discovery/docker_targets.h"
#include "scraper/discovery/mechanisms.h"
#include "scraper/discovery/meta_labels.h"
#include "scraper/discovery/refresh.h"

namespace deckwatch::scraper {
namespace {

// An engine under load may need longer than a very short interval.
constexpr int64_t kMinTimeoutMs = 5'000;

using Filter = std::pair<std::string, std::vector<std::string>>;

struct DockerOptions {
  std::string host;
  std::vector<Filter> filters;
  int64_t refresh_interval_ms = 60'000;
  DockerTargetOptions targets;
  HttpClientConfig http;
};

// {"label":["a=b"],"status":["running"]}, as the Engine's `filters` parameter wants it.
std::string FiltersJson(const std::vector<Filter>& filters) {
  Json::Object merged;
  for (const auto& [name, values] : filters) {
    Json::Array list = merged[name].AsArray();
    for (const std::string& v : values) list.push_back(Json(v));
    merged[name] = Json(std::move(list));
  }
  return Json(std::move(merged)).Dump();
}

class DockerApi {
 public:
  explicit DockerApi(const DockerOptions& options)
      : options_(options), client_(options.http), base_(BaseUrl(options.host)) {}

  Result<std::vector<TargetGroup>> Refresh(const std::stop_token& stop) {
    std::string path = "/containers/json";
    if (!options_.filters.empty()) path += "?filters=" + UrlEncode(FiltersJson(options_.filters));
    TRY_ASSIGN(const Json containers, Get(path, stop));
    TRY_ASSIGN(const Json networks, Get("/networks", stop));
    TargetGroup group;
    group.source = "Docker";
    group.targets = DockerTargets(containers, networks, options_.targets);
    std::vector<TargetGroup> out;
    out.push_back(std::move(group));
    return out;
  }

 private:
  static std::string BaseUrl(std::string host) {
    if (host.rfind("tcp://", 0) == 0) host.replace(0, 3, "http");
    while (host.back() == '/') host.pop_back();
    return host.rfind("unix://", 0) == 0 ? host + ":" : host;
  }

  Result<Json> Get(const std::string& path, const std::stop_token& stop) {
    HttpRequest request;
    request.url = base_ + path;
    request.timeout_ms = std::max(options_.refresh_interval_ms, kMinTimeoutMs);
    request.stop = stop;
    TRY_ASSIGN(const HttpResponse answer, client_.Do(request));
    if (answer.status != 200) {
      return Status::Unavailable(path + ": HTTP status " + std::to_string(answer.status) + ": " +
                                 answer.body.substr(0, 200));
    }
    auto json = Json::Parse(answer.body);
    if (!json.ok()) return json.status().Annotate(path);
    if (!json->IsArray()) return Status::InvalidArgument(path + ": not a list");
    return json;
  }

  const DockerOptions options_;
  HttpClient client_;
  const std::string base_;
};

class DockerConfig : public DiscoveryConfig {
 public:
  DockerConfig(DockerOptions options, std::string key)
      : options_(std::move(options)), key_(std::move(key)) {}
  std::string_view mechanism() const override { return "docker"; }
  std::string key() const override { return key_; }
  std::unique_ptr<Discoverer> Start(const Clock*) const override {
    return NewRefreshDiscoverer("docker", options_.refresh_interval_ms,
                                [api = std::make_shared<DockerApi>(options_)](
                                    const std::stop_token& stop) { return api->Refresh(stop); });
  }

 private:
  const DockerOptions options_;
  const std::string key_;
};

Result<Filter> ParseFilter(const YamlNode& node, std::string_view file) {
  Filter filter;
  YamlDecoder d(node, file, "filter");
  d.String("name", &filter.first).Strings("values", &filter.second);
  TRY(d.Finish());
  if (filter.first.empty()) return d.Error("name is missing");
  return filter;
}

}  // namespace

Result<std::unique_ptr<DiscoveryConfig>> ParseDockerConfig(const YamlNode& node,
                                                           std::string_view file) {
  DockerOptions o;
  YamlDecoder d(node, file, "docker_sd_config");
  d.String("host", &o.host).Int("port", &o.targets.port);
  d.String("host_networking_host", &o.targets.host_networking_host);
  d.Bool("match_first_network", &o.targets.match_first_network);
  d.Duration("refresh_interval", &o.refresh_interval_ms);
  d.Each("filters", [&](const YamlNode& n) -> Status {
    TRY_ASSIGN(Filter filter, ParseFilter(n, file));
    o.filters.push_back(std::move(filter));
    return Status::Ok();
  });
  DecodeHttpClientConfig(&d, file, &o.http);
  TRY(d.Finish());
  if (o.host.empty()) return d.Error("host is missing");
  const std::string probe = o.host.rfind("tcp://", 0) == 0 ? "http" + o.host.substr(3) : o.host;
  if (auto url = Url::Parse(probe); !url.ok()) return d.ErrorAt("host", url.status().message());
  if (o.refresh_interval_ms <= 0) return d.ErrorAt("refresh_interval", "must be positive");
  if (o.targets.port < 0 || o.targets.port > 65535) return d.ErrorAt("port", "must be 0 to 65535");
  return std::unique_ptr<DiscoveryConfig>(
      std::make_unique<DockerConfig>(std::move(o), ConfigKey("docker", node, file)));
}

}  // namespace deckwatch::scraper
