#include "alerting/notifier_config.h"

#include <algorithm>
#include <utility>

#include "base/http_client.h"

namespace deckwatch::alerting {
namespace {

constexpr std::string_view kAddress = "__address__";
constexpr std::string_view kScheme = "__scheme__";
constexpr std::string_view kPath = "__alerts_path__";

// What the targets of one set are made with.
struct TargetDefaults {
  std::string scheme = "http";
  std::string path;
  RelabelRules relabel;
};

// "/<prefix>/api/v2/alerts" without doubled slashes.
std::string AlertsPath(const std::string& prefix) {
  std::string path = "/";
  for (const char c : prefix + "/api/v2/alerts") {
    if (c != '/' || path.back() != '/') path += c;
  }
  return path;
}

std::string TargetUrl(const LabelsBuilder& labels) {
  return std::string(labels.Get(kScheme)) + "://" + std::string(labels.Get(kAddress)) +
         std::string(labels.Get(kPath));
}

Status CheckTarget(const LabelsBuilder& labels, const YamlDecoder& d) {
  const std::string_view address = labels.Get(kAddress);
  const std::string_view scheme = labels.Get(kScheme);
  const bool http = scheme == "http" || scheme == "https";
  if (address.empty() || address.find('/') != std::string_view::npos) {
    return d.ErrorAt("targets", QuoteGo(address) + " is not a host and port");
  }
  if (!http || !Url::Parse(TargetUrl(labels)).ok()) {
    return d.ErrorAt("targets", QuoteGo(TargetUrl(labels)) + " is not an HTTP URL");
  }
  return Status::Ok();
}

Status DecodeStaticConfig(const YamlNode& node, std::string_view file,
                          const TargetDefaults& defaults, AlertmanagerSet* out) {
  YamlDecoder d(node, file, "static_config");
  if (node.IsNull()) return d.Error("empty or null static config");
  std::vector<std::string> targets;
  std::vector<std::pair<std::string, std::string>> labels;
  d.Strings("targets", &targets).StringMap("labels", &labels);
  TRY(d.Finish());
  for (const std::string& target : targets) {
    LabelsBuilder builder;
    builder.Set(kScheme, defaults.scheme).Set(kPath, defaults.path);
    for (const auto& [name, value] : labels) builder.Set(name, value);
    builder.Set(kAddress, target);
    const std::string before = TargetUrl(builder);
    if (!Relabel(defaults.relabel, &builder)) {
      out->dropped_urls.push_back(before);
      continue;
    }
    TRY(CheckTarget(builder, d));
    std::string url = TargetUrl(builder);
    if (std::ranges::find(out->urls, url) == out->urls.end()) out->urls.push_back(std::move(url));
  }
  return Status::Ok();
}

// Refuses what would otherwise be read and then not done.
Status CheckSupported(const YamlNode& node, const YamlDecoder& d) {
  for (const auto& [key, value] : node.entries) {
    if (key == "sigv4") return d.ErrorAt(key, "not supported yet");
    if (std::string_view(key).ends_with("_sd_configs")) {
      return d.ErrorAt(key,
                       "service discovery of Alertmanagers is not supported yet, list them "
                       "under static_configs");
    }
  }
  return Status::Ok();
}

Status DecodeSet(const YamlNode& node, std::string_view file, AlertmanagerSet* out) {
  YamlDecoder d(node, file, "alertmanager");
  if (node.IsNull()) return d.Error("empty or null Alertmanager config");
  TRY(CheckSupported(node, d));
  std::string path_prefix, api_version = "v2";
  TargetDefaults defaults;
  d.String("scheme", &defaults.scheme).String("path_prefix", &path_prefix);
  d.String("api_version", &api_version).Duration("timeout", &out->timeout_ms);
  DecodeHttpClientConfig(&d, file, &out->http);
  DecodeRelabelRules(&d, "relabel_configs", file, &defaults.relabel);
  DecodeRelabelRules(&d, "alert_relabel_configs", file, &out->alert_relabel);
  if (api_version != "v2") {
    return d.ErrorAt("api_version",
                     "expected Alertmanager api version to be v2, got " + QuoteGo(api_version));
  }
  if (defaults.scheme != "http" && defaults.scheme != "https") {
    return d.ErrorAt("scheme", "want http or https, got " + QuoteGo(defaults.scheme));
  }
  defaults.path = AlertsPath(path_prefix);
  d.Each("static_configs",
         [&](const YamlNode& n) { return DecodeStaticConfig(n, file, defaults, out); });
  TRY(d.Finish());
  if (out->timeout_ms <= 0) return d.ErrorAt("timeout", "must be greater than 0");
  return Status::Ok();
}

}  // namespace

Result<NotifierConfig> ParseNotifierConfig(const YamlNode& node, std::string_view file) {
  NotifierConfig config;
  YamlDecoder d(node, file, "alerting");
  DecodeRelabelRules(&d, "alert_relabel_configs", file, &config.alert_relabel);
  d.Each("alertmanagers", [&](const YamlNode& n) {
    config.sets.emplace_back();
    return DecodeSet(n, file, &config.sets.back());
  });
  TRY(d.Finish());
  return config;
}

}  // namespace deckwatch::alerting
