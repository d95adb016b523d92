#include "server/config_sections.h"

#include <algorithm>
#include <set>

#include "base/http_client.h"
#include "base/http_config.h"
#include "base/relabel.h"
#include "server/http_framing.h"

namespace deckwatch::server {

namespace {

using Strings = std::vector<std::string>;
using StringPairs = std::vector<std::pair<std::string, std::string>>;

// ---- remote write and read

constexpr std::string_view kReservedHeaders[] = {"authorization",
                                                 "host",
                                                 "content-encoding",
                                                 "content-length",
                                                 "content-type",
                                                 "user-agent",
                                                 "connection",
                                                 "keep-alive",
                                                 "proxy-authenticate",
                                                 "proxy-authorization",
                                                 "www-authenticate",
                                                 "accept-encoding",
                                                 "x-prometheus-remote-write-version",
                                                 "x-prometheus-remote-read-version",
                                                 "x-amz-date",
                                                 "x-amz-security-token",
                                                 "x-amz-content-sha256"};

Status CheckHeaders(const YamlDecoder& d, const StringPairs& headers) {
  for (const auto& [name, value] : headers) {
    for (const std::string_view reserved : kReservedHeaders) {
      if (EqualsIgnoreCase(name, reserved)) {
        return d.ErrorAt("headers",
                         QuoteGo(name) + " is a reserved header, it must not be changed");
      }
    }
  }
  return {};
}

Status CheckEndpoint(const YamlDecoder& d, const std::string& url, const std::string& name,
                     std::set<std::string>* names) {
  if (url.empty()) return d.Error("url is empty");
  if (!name.empty() && !names->insert(name).second) {
    return d.ErrorAt("name", QuoteGo(name) + " is given twice");
  }
  return {};
}

Status DecodeQueue(const YamlNode& node, std::string_view file) {
  YamlDecoder d(node, file, "queue_config");
  int64_t capacity = 10'000, max_shards = 50, min_shards = 1, max_samples = 2000;
  int64_t deadline = 5000, min_backoff = 30, max_backoff = 5000, age = 0;
  bool retry_429 = false;
  d.Int("capacity", &capacity).Int("max_shards", &max_shards).Int("min_shards", &min_shards);
  d.Int("max_samples_per_send", &max_samples).Duration("batch_send_deadline", &deadline);
  d.Duration("min_backoff", &min_backoff).Duration("max_backoff", &max_backoff);
  d.Bool("retry_on_http_429", &retry_429).Duration("sample_age_limit", &age);
  TRY(d.Finish());
  if (capacity <= 0) return d.ErrorAt("capacity", "must be greater than 0");
  if (max_samples <= 0) return d.ErrorAt("max_samples_per_send", "must be greater than 0");
  if (min_shards <= 0) return d.ErrorAt("min_shards", "must be greater than 0");
  if (max_shards < min_shards) return d.ErrorAt("max_shards", "is less than min_shards");
  if (max_backoff < min_backoff) return d.ErrorAt("max_backoff", "is less than min_backoff");
  return {};
}

Status DecodeMetadataConfig(const YamlNode& node, std::string_view file) {
  YamlDecoder d(node, file, "metadata_config");
  bool send = true;
  int64_t interval = 60'000, max_samples = 2000;
  d.Bool("send", &send).Duration("send_interval", &interval);
  d.Int("max_samples_per_send", &max_samples);
  return d.Finish();
}

Status DecodeRemoteWrite(const YamlNode& node, std::string_view file,
                         std::set<std::string>* names) {
  YamlDecoder d(node, file, "remote_write");
  if (node.IsNull()) return d.Error("empty or null remote write config section");
  std::string url, name, message = "prometheus.WriteRequest";
  int64_t timeout_ms = 30'000;
  StringPairs headers;
  RelabelRules relabel;
  HttpClientConfig http;
  bool exemplars = false, histograms = false, round_robin = false;
  d.String("url", &url).String("name", &name).String("protobuf_message", &message);
  d.Duration("remote_timeout", &timeout_ms).StringMap("headers", &headers);
  d.Bool("send_exemplars", &exemplars).Bool("send_native_histograms", &histograms);
  d.Bool("round_robin_dns", &round_robin);
  DecodeRelabelRules(&d, "write_relabel_configs", file, &relabel);
  DecodeHttpClientConfig(&d, file, &http);
  d.Child("queue_config", [&](const YamlNode& n) { return DecodeQueue(n, file); });
  d.Child("metadata_config", [&](const YamlNode& n) { return DecodeMetadataConfig(n, file); });
  d.Ignore("sigv4").Ignore("azuread").Ignore("google_iam");
  TRY(d.Finish());
  if (message != "prometheus.WriteRequest" && message != "io.prometheus.write.v2.Request") {
    return d.ErrorAt("protobuf_message", "unknown remote write message " + QuoteGo(message));
  }
  TRY(CheckHeaders(d, headers));
  return CheckEndpoint(d, url, name, names);
}

Status DecodeRemoteRead(const YamlNode& node, std::string_view file, std::set<std::string>* names) {
  YamlDecoder d(node, file, "remote_read");
  if (node.IsNull()) return d.Error("empty or null remote read config section");
  std::string url, name;
  int64_t timeout_ms = 60'000, chunked_limit = 0;
  StringPairs headers, matchers;
  HttpClientConfig http;
  bool read_recent = false, filter = true;
  d.String("url", &url).String("name", &name).Duration("remote_timeout", &timeout_ms);
  d.Int("chunked_read_limit", &chunked_limit).StringMap("headers", &headers);
  d.StringMap("required_matchers", &matchers);
  d.Bool("read_recent", &read_recent).Bool("filter_external_labels", &filter);
  DecodeHttpClientConfig(&d, file, &http);
  TRY(d.Finish());
  TRY(CheckHeaders(d, headers));
  return CheckEndpoint(d, url, name, names);
}

// ---- otlp, tracing

std::string_view Trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

Status CheckAttributes(const YamlDecoder& d, std::string_view key, const Strings& attributes) {
  std::set<std::string_view> seen;
  for (const std::string& a : attributes) {
    if (Trimmed(a).empty()) return d.ErrorAt(key, "empty resource attribute");
    if (!seen.insert(Trimmed(a)).second) return d.ErrorAt(key, QuoteGo(a) + " is given twice");
  }
  return {};
}

Status DecodeOtlp(const YamlNode& node, std::string_view file, bool legacy_names) {
  YamlDecoder d(node, file, "otlp");
  Strings promote, ignore;
  std::string strategy = "UnderscoreEscapingWithSuffixes";
  bool promote_all = false, flag = false;
  d.Strings("promote_resource_attributes", &promote).Strings("ignore_resource_attributes", &ignore);
  d.Bool("promote_all_resource_attributes", &promote_all);
  d.String("translation_strategy", &strategy);
  for (const std::string_view key :
       {"keep_identifying_resource_attributes", "convert_histograms_to_nhcb",
        "promote_scope_metadata", "label_name_underscore_sanitization",
        "label_name_preserve_multiple_underscores"}) {
    d.Bool(key, &flag);
  }
  TRY(d.Finish());
  if (promote_all && !promote.empty()) {
    return d.ErrorAt("promote_all_resource_attributes",
                     "cannot be used together with promote_resource_attributes");
  }
  if (!promote_all && !ignore.empty()) {
    return d.ErrorAt("ignore_resource_attributes",
                     "can only be used with promote_all_resource_attributes");
  }
  TRY(CheckAttributes(d, "promote_resource_attributes", promote));
  TRY(CheckAttributes(d, "ignore_resource_attributes", ignore));
  constexpr std::string_view kStrategies[] = {"UnderscoreEscapingWithSuffixes",
                                              "UnderscoreEscapingWithoutSuffixes",
                                              "NoUTF8EscapingWithSuffixes", "NoTranslation"};
  if (std::find(std::begin(kStrategies), std::end(kStrategies), strategy) ==
      std::end(kStrategies)) {
    return d.ErrorAt("translation_strategy", "unsupported strategy " + QuoteGo(strategy));
  }
  if (legacy_names && strategy.substr(0, 2) == "No") {
    return d.ErrorAt(
        "translation_strategy",
        QuoteGo(strategy) + " is not allowed with legacy metric_name_validation_scheme");
  }
  return {};
}

Status DecodeTracing(const YamlNode& node, std::string_view file) {
  YamlDecoder d(node, file, "tracing");
  std::string client_type = "grpc", endpoint, compression;
  double fraction = 0;
  bool insecure = false;
  int64_t timeout_ms = 0;
  StringPairs headers;
  d.String("client_type", &client_type).String("endpoint", &endpoint);
  d.Double("sampling_fraction", &fraction).Bool("insecure", &insecure);
  d.StringMap("headers", &headers).String("compression", &compression);
  d.Duration("timeout", &timeout_ms).Ignore("tls_config");
  TRY(d.Finish());
  TRY(CheckHeaders(d, headers));
  if (endpoint.empty()) return d.Error("tracing endpoint must be set");
  if (client_type != "grpc" && client_type != "http") {
    return d.ErrorAt("client_type", "want http or grpc, got " + QuoteGo(client_type));
  }
  if (!compression.empty() && compression != "gzip") {
    return d.ErrorAt("compression", "want gzip, got " + QuoteGo(compression));
  }
  return {};
}

// ---- storage, runtime

Status DecodeRetention(const YamlNode& node, std::string_view file, Config* out) {
  YamlDecoder d(node, file, "storage.tsdb.retention");
  double percentage = 0;
  d.Duration("time", &out->retention_ms).Size("size", &out->retention_bytes);
  d.Double("percentage", &percentage);
  TRY(d.Finish());
  if (out->retention_bytes < 0) return d.ErrorAt("size", "must not be negative");
  if (percentage < 0 || percentage > 100) {
    return d.ErrorAt("percentage", "must be between 0 and 100");
  }
  if (percentage > 0) out->without_effect.push_back("storage.tsdb.retention.percentage");
  return {};
}

Status DecodeTsdb(const YamlNode& node, std::string_view file, Config* out) {
  YamlDecoder d(node, file, "storage.tsdb");
  int64_t window_ms = 0;  // late samples are always taken, within the retention
  double stale_threshold = 0;
  std::string floats = "xor";
  d.Duration("out_of_order_time_window", &window_ms);
  d.Double("stale_series_compaction_threshold", &stale_threshold);
  d.Child("retention", [&](const YamlNode& n) { return DecodeRetention(n, file, out); });
  d.Child("chunk_encoding", [&](const YamlNode& n) {
    YamlDecoder e(n, file, "storage.tsdb.chunk_encoding");
    e.String("floats", &floats);
    const Status s = e.Finish();
    if (s.ok() && floats != "xor" && floats != "xor2") {
      return e.ErrorAt("floats", "want xor or xor2, got " + QuoteGo(floats));
    }
    return s;
  });
  return d.Finish();
}

Status DecodeStorage(const YamlNode& node, std::string_view file, Config* out) {
  YamlDecoder d(node, file, "storage");
  d.Child("tsdb", [&](const YamlNode& n) { return DecodeTsdb(n, file, out); });
  d.Child("exemplars", [&](const YamlNode& n) {
    YamlDecoder e(n, file, "storage.exemplars");
    int64_t max_exemplars = 0;
    e.Int("max_exemplars", &max_exemplars);
    return e.Finish();
  });
  return d.Finish();
}

Status DecodeRuntime(const YamlNode& node, std::string_view file) {
  YamlDecoder d(node, file, "runtime");
  int64_t gogc = 75;  // there is no garbage collector here to tune
  d.Int("gogc", &gogc);
  return d.Finish();
}

bool LegacyNames(const YamlNode& root) {
  const YamlNode* global = root.Find("global");
  const YamlNode* scheme = global ? global->Find("metric_name_validation_scheme") : nullptr;
  return scheme && scheme->scalar == "legacy";
}

}  // namespace

Status DecodeOtherSections(YamlDecoder* d, const YamlNode& root, Config* out) {
  const std::string& file = out->path;
  const auto idle = [&](std::string_view section) { out->without_effect.emplace_back(section); };
  std::set<std::string> writers, readers;
  d->Child("alerting", [&](const YamlNode& n) -> Status {
    TRY_ASSIGN(out->notifier, alerting::ParseNotifierConfig(n, file));
    return {};
  });
  d->Each("remote_write", [&](const YamlNode& n) { return DecodeRemoteWrite(n, file, &writers); });
  d->Each("remote_read", [&](const YamlNode& n) { return DecodeRemoteRead(n, file, &readers); });
  d->Child("otlp", [&](const YamlNode& n) { return DecodeOtlp(n, file, LegacyNames(root)); });
  d->Child("tracing", [&](const YamlNode& n) { return DecodeTracing(n, file); });
  d->Child("storage", [&](const YamlNode& n) { return DecodeStorage(n, file, out); });
  d->Child("runtime", [&](const YamlNode& n) { return DecodeRuntime(n, file); });
  for (const std::string_view section : {"remote_write", "remote_read", "otlp", "tracing"}) {
    if (const YamlNode* n = root.Find(section); n && !n->IsNull()) idle(section);
  }
  return {};
}

}  // namespace deckwatch::server
