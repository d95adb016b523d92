#include "scraper/config.h"

#include <algorithm>
#include <array>

#include "base/clock.h"

namespace deckwatch::scraper {

namespace {

struct ProtocolName {
  std::string_view name;
  std::string_view media_type;
  ScrapeProtocol protocol;
  bool escapes;  // the media type takes an escaping parameter
};
constexpr std::array<ProtocolName, 5> kProtocols = {{
    {"PrometheusProto",
     "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
     ScrapeProtocol::kPrometheusProto, false},
    {"OpenMetricsText0.0.1", "application/openmetrics-text;version=0.0.1",
     ScrapeProtocol::kOpenMetricsText0_0_1, false},
    {"OpenMetricsText1.0.0", "application/openmetrics-text;version=1.0.0",
     ScrapeProtocol::kOpenMetricsText1_0_0, true},
    {"PrometheusText0.0.4", "text/plain;version=0.0.4", ScrapeProtocol::kPrometheusText0_0_4,
     false},
    {"PrometheusText1.0.0", "text/plain;version=1.0.0", ScrapeProtocol::kPrometheusText1_0_0, true},
}};

constexpr std::array<std::string_view, 4> kEscapings = {"allow-utf-8", "underscores", "dots",
                                                        "values"};

// Mechanisms that Prometheus has; those of them that DiscoveryMechanisms() lacks are refused as
// such rather than as typing errors.
constexpr std::array<std::string_view, 37> kPrometheusMechanisms = {
    "aws_sd_configs",          "azure_sd_configs",      "consul_sd_configs",
    "digitalocean_sd_configs", "dns_sd_configs",        "docker_sd_configs",
    "dockerswarm_sd_configs",  "ec2_sd_configs",        "ecs_sd_configs",
    "elasticache_sd_configs",  "eureka_sd_configs",     "file_sd_configs",
    "gce_sd_configs",          "hetzner_sd_configs",    "http_sd_configs",
    "ionos_sd_configs",        "kubernetes_sd_configs", "kuma_sd_configs",
    "lightsail_sd_configs",    "linode_sd_configs",     "marathon_sd_configs",
    "msk_sd_configs",          "nerve_sd_configs",      "nomad_sd_configs",
    "oci_sd_configs",          "openstack_sd_configs",  "outscale_sd_configs",
    "ovhcloud_sd_configs",     "puppetdb_sd_configs",   "rds_sd_configs",
    "scaleway_sd_configs",     "serverset_sd_configs",  "stackit_sd_configs",
    "triton_sd_configs",       "uyuni_sd_configs",      "vultr_sd_configs",
    "xds_sd_configs"};

// Keys of `global` that rules, storage and the server read.
constexpr std::array<std::string_view, 4> kOtherGlobalKeys = {
    "evaluation_interval", "rule_query_offset", "external_labels", "query_log_file"};

Result<ScrapeProtocol> ParseProtocol(const YamlDecoder& d, std::string_view key,
                                     const std::string& name) {
  for (const ProtocolName& p : kProtocols) {
    if (p.name == name) return p.protocol;
  }
  return d.ErrorAt(key, "unknown scrape protocol " + QuoteGo(name) +
                            ", supported: OpenMetricsText0.0.1, OpenMetricsText1.0.0, "
                            "PrometheusProto, PrometheusText0.0.4, PrometheusText1.0.0");
}

Status DecodeProtocols(YamlDecoder* d, std::vector<ScrapeProtocol>* out) {
  constexpr std::string_view kKey = "scrape_protocols";
  if (!d->Has(kKey)) return Status::Ok();
  std::vector<std::string> names;
  d->Strings(kKey, &names);
  out->clear();
  for (const std::string& name : names) {
    TRY_ASSIGN(const ScrapeProtocol p, ParseProtocol(*d, kKey, name));
    if (std::find(out->begin(), out->end(), p) != out->end()) {
      return d->ErrorAt(kKey, QuoteGo(name) + " is given twice");
    }
    out->push_back(p);
  }
  return names.empty() ? d->ErrorAt(kKey, "the list is empty") : Status::Ok();
}

Status DecodeNaming(YamlDecoder* d, ScrapeDefaults* out) {
  std::string validation, escaping;
  d->String("metric_name_validation_scheme", &validation);
  d->String("metric_name_escaping_scheme", &escaping);
  if (validation == "legacy") {
    out->name_validation = NameValidation::kLegacy;
  } else if (validation == "utf8") {
    out->name_validation = NameValidation::kUtf8;
  } else if (!validation.empty()) {
    return d->ErrorAt("metric_name_validation_scheme",
                      "want utf8 or legacy, got " + QuoteGo(validation));
  }
  if (!escaping.empty()) {
    const auto it = std::find(kEscapings.begin(), kEscapings.end(), escaping);
    if (it == kEscapings.end()) {
      return d->ErrorAt("metric_name_escaping_scheme",
                        "want allow-utf-8, underscores, dots or values, got " + QuoteGo(escaping));
    }
    out->name_escaping = static_cast<NameEscaping>(it - kEscapings.begin());
  }
  if (out->name_validation == NameValidation::kLegacy &&
      out->name_escaping == NameEscaping::kAllowUtf8) {
    return d->ErrorAt(d->Has("metric_name_escaping_scheme") ? "metric_name_escaping_scheme"
                                                            : "metric_name_validation_scheme",
                      "legacy name validation excludes the allow-utf-8 escaping scheme");
  }
  return Status::Ok();
}

Status CheckNotNegative(const YamlDecoder& d, std::string_view key, int64_t value) {
  return value < 0 ? d.ErrorAt(key, "must not be negative") : Status::Ok();
}

Status DecodeLimits(YamlDecoder* d, ScrapeLimits* out) {
  d->Size("body_size_limit", &out->body_bytes);
  const std::pair<std::string_view, int64_t*> counts[] = {
      {"sample_limit", &out->samples},
      {"target_limit", &out->targets},
      {"label_limit", &out->labels},
      {"label_name_length_limit", &out->label_name_bytes},
      {"label_value_length_limit", &out->label_value_bytes},
      {"keep_dropped_targets", &out->keep_dropped_targets}};
  for (const auto& [key, value] : counts) {
    d->Int(key, value);
    TRY(CheckNotNegative(*d, key, *value));
  }
  return Status::Ok();
}

// Everything that `global` and a scrape_config have in common.
Status DecodeShared(YamlDecoder* d, std::string_view file, ScrapeDefaults* out) {
  TRY(DecodeProtocols(d, &out->protocols));
  TRY(DecodeNaming(d, out));
  TRY(DecodeLimits(d, &out->limits));
  d->Bool("scrape_native_histograms", &out->native_histograms);
  d->Bool("convert_classic_histograms_to_nhcb", &out->convert_classic_histograms);
  d->Bool("always_scrape_classic_histograms", &out->always_classic_histograms);
  d->Bool("extra_scrape_metrics", &out->extra_metrics);
  if (d->Has("scrape_failure_log_file")) {
    d->String("scrape_failure_log_file", &out->failure_log_file);
    out->failure_log_file = ResolvePath(file, out->failure_log_file);
  }
  return Status::Ok();
}

// The timeout may be given, inherited, or must shrink to the interval.
Status DecodeTimes(YamlDecoder* d, ScrapeDefaults* out) {
  int64_t interval = 0, timeout = 0;
  d->Duration("scrape_interval", &interval).Duration("scrape_timeout", &timeout);
  if (interval > 0) out->interval_ms = interval;
  if (timeout > out->interval_ms) {
    return d->ErrorAt("scrape_timeout", "is greater than the scrape interval (" +
                                            FormatDurationMs(timeout) + " > " +
                                            FormatDurationMs(out->interval_ms) + ")");
  }
  out->timeout_ms = timeout > 0 ? timeout : std::min(out->timeout_ms, out->interval_ms);
  return Status::Ok();
}

Status DecodeParams(const YamlNode& node, std::string_view file, ScrapeConfig* out) {
  YamlDecoder d(node, file, "params");
  for (const auto& entry : node.entries) {
    std::vector<std::string> values;
    d.Strings(entry.first, &values);
    out->params.emplace_back(entry.first, std::move(values));
  }
  std::sort(out->params.begin(), out->params.end());
  return d.Finish();
}

Status DecodeStaticGroup(const YamlNode& node, std::string_view file, ScrapeConfig* out) {
  YamlDecoder d(node, file, "static_config");
  if (node.IsNull()) return d.Error("empty or null static config");
  std::vector<std::string> targets;
  std::vector<std::pair<std::string, std::string>> labels;
  d.Strings("targets", &targets).StringMap("labels", &labels);
  TRY(d.Finish());
  LabelsBuilder builder;
  for (const auto& [name, value] : labels) {
    if (name.empty() || !IsValidUtf8(name)) {
      return d.ErrorAt("labels", QuoteGo(name) + " is not a label name");
    }
    builder.Set(name, value);
  }
  TargetGroup group{"static/" + std::to_string(out->static_groups.size()), builder.Build(), {}};
  for (const std::string& target : targets) {
    // Built-in collectors are the only targets that name their scheme in the address.
    if (target.find('/') != std::string::npos && !target.starts_with("deckwatch://")) {
      return d.ErrorAt("targets", QuoteGo(target) + " is not a host and port");
    }
    group.targets.push_back(Labels{{"__address__", target}});
  }
  out->static_groups.push_back(std::move(group));
  return Status::Ok();
}

void DecodeDiscovery(YamlDecoder* d, std::string_view file, ScrapeConfig* out) {
  for (const DiscoveryMechanism& mechanism : DiscoveryMechanisms()) {
    d->Each(mechanism.yaml_key, [&](const YamlNode& node) -> Status {
      TRY_ASSIGN(std::unique_ptr<DiscoveryConfig> config, mechanism.parse(node, file));
      out->discovery.push_back(std::move(config));
      return Status::Ok();
    });
  }
  for (std::string_view key : kPrometheusMechanisms) {
    const auto& known = DiscoveryMechanisms();
    if (std::none_of(known.begin(), known.end(),
                     [&](const auto& m) { return m.yaml_key == key; })) {
      d->Child(key, [&](const YamlNode&) { return d->ErrorAt(key, "not supported yet"); });
    }
  }
}

Status CheckJob(const YamlDecoder& d, ScrapeConfig* c) {
  if (c->job_name.empty()) return d.Error("job_name is empty");
  if (c->scheme != "http" && c->scheme != "https" && c->scheme != "deckwatch") {
    return d.ErrorAt("scheme", "want http or https, got " + QuoteGo(c->scheme));
  }
  if (c->limits.native_histogram_buckets < 0) {
    return d.ErrorAt("native_histogram_bucket_limit", "must not be negative");
  }
  return Status::Ok();
}

}  // namespace

bool ScrapeConfig::SameScraping(const ScrapeConfig& o) const {
  return static_cast<const ScrapeDefaults&>(*this) == o && job_name == o.job_name &&
         fallback_protocol == o.fallback_protocol && params == o.params &&
         honor_labels == o.honor_labels && honor_timestamps == o.honor_timestamps &&
         track_timestamps_staleness == o.track_timestamps_staleness &&
         enable_compression == o.enable_compression && http == o.http &&
         metric_relabel_rules == o.metric_relabel_rules;
}

Result<ScrapeDefaults> ParseScrapeDefaults(const YamlNode& global, std::string_view file) {
  ScrapeDefaults out;
  YamlDecoder d(global, file, "global");
  TRY(DecodeTimes(&d, &out));
  TRY(DecodeShared(&d, file, &out));
  for (std::string_view key : kOtherGlobalKeys) d.Ignore(key);
  TRY(d.Finish());
  return out;
}

Result<ScrapeConfigPtr> ParseScrapeConfig(const YamlNode& node, std::string_view file,
                                          const ScrapeDefaults& defaults) {
  auto out = std::make_shared<ScrapeConfig>();
  static_cast<ScrapeDefaults&>(*out) = defaults;
  YamlDecoder d(node, file, "scrape_config");
  if (node.IsNull()) return d.Error("empty or null scrape config");
  d.String("job_name", &out->job_name);
  TRY(DecodeTimes(&d, out.get()));
  TRY(DecodeShared(&d, file, out.get()));
  if (d.Has("fallback_scrape_protocol")) {
    std::string name;
    d.String("fallback_scrape_protocol", &name);
    TRY_ASSIGN(out->fallback_protocol, ParseProtocol(d, "fallback_scrape_protocol", name));
  }
  d.String("metrics_path", &out->metrics_path).String("scheme", &out->scheme);
  d.Child("params", [&](const YamlNode& n) { return DecodeParams(n, file, out.get()); });
  d.Bool("honor_labels", &out->honor_labels).Bool("honor_timestamps", &out->honor_timestamps);
  d.Bool("track_timestamps_staleness", &out->track_timestamps_staleness);
  d.Bool("enable_compression", &out->enable_compression);
  d.Int("native_histogram_bucket_limit", &out->limits.native_histogram_buckets);
  d.Double("native_histogram_min_bucket_factor", &out->limits.native_histogram_min_factor);
  DecodeHttpClientConfig(&d, file, &out->http);
  DecodeRelabelRules(&d, "relabel_configs", file, &out->relabel_rules);
  DecodeRelabelRules(&d, "metric_relabel_configs", file, &out->metric_relabel_rules);
  d.Each("static_configs",
         [&](const YamlNode& n) { return DecodeStaticGroup(n, file, out.get()); });
  DecodeDiscovery(&d, file, out.get());
  TRY(d.Finish());
  TRY(CheckJob(d, out.get()));
  return ScrapeConfigPtr(std::move(out));
}

Result<ScrapeConfigs> ParseScrapeConfigs(const YamlNode& list, std::string_view file,
                                         const ScrapeDefaults& defaults,
                                         std::set<std::string>* job_names) {
  ScrapeConfigs out;
  if (list.IsNull()) return out;
  const auto error = [&](const YamlNode& n, const std::string& why) {
    return Status::InvalidArgument(std::string(file) + ":" + std::to_string(n.line) +
                                   ": scrape_configs: " + why);
  };
  if (list.kind != YamlNode::Kind::kSequence) return error(list, "expected a list");
  for (const YamlNode& node : list.items) {
    TRY_ASSIGN(ScrapeConfigPtr config, ParseScrapeConfig(node, file, defaults));
    if (!job_names->insert(config->job_name).second) {
      return error(node, "job_name " + QuoteGo(config->job_name) + " is given twice");
    }
    out.push_back(std::move(config));
  }
  return out;
}

std::string AcceptHeader(const ScrapeConfig& config) {
  std::vector<ScrapeProtocol> order = config.protocols;
  if (order.empty()) {
    order = {ScrapeProtocol::kOpenMetricsText1_0_0, ScrapeProtocol::kOpenMetricsText0_0_1,
             ScrapeProtocol::kPrometheusText1_0_0, ScrapeProtocol::kPrometheusText0_0_4};
  }
  const NameEscaping escaping = config.name_escaping.value_or(
      config.name_validation == NameValidation::kLegacy ? NameEscaping::kUnderscores
                                                        : NameEscaping::kAllowUtf8);
  std::string out;
  size_t weight = kProtocols.size() + 1;
  for (const ScrapeProtocol protocol : order) {
    for (const ProtocolName& p : kProtocols) {
      // Not asked for while it cannot be read.
      if (p.protocol != protocol || protocol == ScrapeProtocol::kPrometheusProto) continue;
      out += std::string(p.media_type);
      if (p.escapes) out += ";escaping=" + std::string(kEscapings[static_cast<size_t>(escaping)]);
      out += ";q=0." + std::to_string(weight--) + ",";
    }
  }
  return out + "*/*;q=0." + std::to_string(weight);
}

}  // namespace deckwatch::scraper
