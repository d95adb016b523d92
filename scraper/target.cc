#include "scraper/target.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/clock.h"
#include "base/http_client.h"
#include "base/relabel.h"

namespace deckwatch::scraper {

namespace {

constexpr std::string_view kAddress = "__address__";
constexpr std::string_view kScheme = "__scheme__";
constexpr std::string_view kPath = "__metrics_path__";
constexpr std::string_view kInterval = "__scrape_interval__";
constexpr std::string_view kTimeout = "__scrape_timeout__";
constexpr std::string_view kParamPrefix = "__param_";
constexpr std::string_view kUnixSocket = "__unix_socket__";
constexpr std::string_view kCollectorScheme = "deckwatch";
constexpr std::string_view kCollectorPrefix = "deckwatch://";

void SetDefault(LabelsBuilder* b, std::string_view name, std::string_view value) {
  if (b->Get(name).empty()) b->Set(name, value);
}

void FillDefaults(const ScrapeConfig& config, LabelsBuilder* b) {
  SetDefault(b, "job", config.job_name);
  SetDefault(b, kInterval, FormatDurationMs(config.interval_ms));
  SetDefault(b, kTimeout, FormatDurationMs(config.timeout_ms));
  SetDefault(b, kPath, config.metrics_path);
  SetDefault(b, kScheme, config.scheme);
  for (const auto& [name, values] : config.params) {
    if (!values.empty()) b->Set(std::string(kParamPrefix) + name, values[0]);
  }
}

Result<int64_t> Duration(const LabelsBuilder& b, std::string_view label, std::string_view what) {
  TRY_ASSIGN(const int64_t ms, ParseDurationMs(b.Get(label)));
  if (ms <= 0) return Status::InvalidArgument(std::string(what) + " cannot be 0");
  return ms;
}

// As Go's url.Values writes it, so that URLs read the same in the API: a blank becomes '+'.
std::string QueryEscape(std::string_view text) {
  std::string out;
  const std::string escaped = UrlEncode(text);
  for (size_t i = 0; i < escaped.size(); ++i) {
    const bool blank = escaped.compare(i, 3, "%20") == 0;
    out += blank ? '+' : escaped[i];
    if (blank) i += 2;
  }
  return out;
}

// Parameters of the configuration, their first value overridden by __param_ labels, sorted by name.
std::string Query(const ScrapeConfig& config, const LabelsBuilder& b) {
  std::map<std::string, std::vector<std::string>> params(config.params.begin(),
                                                         config.params.end());
  for (const auto& [name, value] : b.pairs()) {
    if (!name.starts_with(kParamPrefix)) continue;
    auto& values = params[name.substr(kParamPrefix.size())];
    if (values.empty()) values.emplace_back();
    values[0] = value;
  }
  std::string out;
  for (const auto& [name, values] : params) {
    for (const std::string& value : values) {
      out += out.empty() ? '?' : '&';
      out += QueryEscape(name) + "=" + QueryEscape(value);
    }
  }
  return out;
}

std::string PathOf(std::string_view path) {
  std::string out = path.starts_with('/') ? "" : "/";
  // A path stays as written except for bytes that cannot stand in a request line.
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte >= 0x7f || c == '?' || c == '#') {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out;
}

std::pair<uint64_t, uint64_t> Identity(const Target& t) {
  LabelsBuilder b(t.labels);
  b.Set("__url__", t.url + "|" + t.unix_socket);
  return b.Build().view().Hash128();
}

Status FillUrl(const ScrapeConfig& config, const LabelsBuilder& b, Target* out) {
  std::string address(b.Get(kAddress));
  std::string scheme(b.Get(kScheme));
  if (address.empty()) return Status::InvalidArgument("no address");
  if (address.starts_with(kCollectorPrefix)) {
    scheme = kCollectorScheme;
    address.erase(0, kCollectorPrefix.size());
  }
  if (address.find('/') != std::string::npos) {
    return Status::InvalidArgument(QuoteGo(address) + " is not a valid hostname");
  }
  if (scheme == kCollectorScheme) {
    out->collector = address;
    out->url = std::string(kCollectorPrefix) + address;
    return Status::Ok();
  }
  if (scheme != "http" && scheme != "https") {
    return Status::InvalidArgument("invalid scheme " + QuoteGo(scheme));
  }
  out->url = scheme + "://" + address + PathOf(b.Get(kPath)) + Query(config, b);
  out->unix_socket = b.Get(kUnixSocket);
  return Status::Ok();
}

}  // namespace

Labels JoinGroupLabels(const Labels& target, const Labels& group) {
  LabelsBuilder b(group);
  for (const LabelRef l : target) b.Set(l.name, l.value);
  return b.Build();
}

Result<std::optional<Target>> MakeTarget(const Labels& found, const ScrapeConfig& config,
                                         const std::string& host_name, Labels* discovered) {
  LabelsBuilder b(found);
  FillDefaults(config, &b);
  *discovered = b.Build();
  if (!Relabel(config.relabel_rules, &b)) return std::optional<Target>();
  Target out;
  out.discovered = *discovered;
  TRY(FillUrl(config, b, &out));
  TRY_ASSIGN(out.interval_ms, Duration(b, kInterval, "scrape interval"));
  TRY_ASSIGN(out.timeout_ms, Duration(b, kTimeout, "scrape timeout"));
  if (out.timeout_ms > out.interval_ms) {
    return Status::InvalidArgument("scrape timeout is greater than the scrape interval (" +
                                   std::string(b.Get(kTimeout)) + " > " +
                                   std::string(b.Get(kInterval)) + ")");
  }
  SetDefault(&b, "instance", out.collector.empty() ? b.Get(kAddress) : std::string_view(host_name));
  LabelsBuilder labels;
  for (const auto& [name, value] : b.pairs()) {
    if (name.starts_with("__")) continue;
    if (!IsValidUtf8(value)) {
      return Status::InvalidArgument("invalid label value for " + QuoteGo(name));
    }
    labels.Set(name, value);
  }
  out.labels = labels.Build();
  out.identity = Identity(out);
  return std::optional<Target>(std::move(out));
}

}  // namespace deckwatch::scraper
