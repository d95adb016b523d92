// The scraping part of prometheus.yml: `global` as far as scraping inherits it, and
// `scrape_configs`. Unknown keys and impossible values are errors with file, line, key and reason.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/http_config.h"
#include "base/relabel.h"
#include "base/status.h"
#include "base/yaml.h"
#include "scraper/discovery/discoverer.h"

namespace deckwatch::scraper {

// What a target may answer with; the order of a list is the order of preference.
enum class ScrapeProtocol {
  kPrometheusProto,
  kOpenMetricsText0_0_1,
  kOpenMetricsText1_0_0,
  kPrometheusText0_0_4,
  kPrometheusText1_0_0
};

enum class NameValidation { kUtf8, kLegacy };
enum class NameEscaping { kAllowUtf8, kUnderscores, kDots, kValues };

// 0 = no limit. Unlike Prometheus, the byte and label limits have defaults, so that one broken
// target cannot take the memory of all; `key: 0` lifts one.
struct ScrapeLimits {
  int64_t body_bytes = int64_t{32} << 20;  // after decompression
  int64_t samples = 0;
  int64_t targets = 0;
  int64_t labels = 128;
  int64_t label_name_bytes = 1024;
  int64_t label_value_bytes = 16384;
  int64_t keep_dropped_targets = 10'000;
  int64_t native_histogram_buckets = 0;
  double native_histogram_min_factor = 0;
  bool operator==(const ScrapeLimits&) const = default;
};

// What `global` sets and a scrape_config may set anew.
struct ScrapeDefaults {
  int64_t interval_ms = 60'000;
  int64_t timeout_ms = 10'000;
  std::vector<ScrapeProtocol> protocols;  // empty: the default order
  ScrapeLimits limits;
  NameValidation name_validation = NameValidation::kUtf8;
  std::optional<NameEscaping> name_escaping;  // unset: follows the validation
  bool native_histograms = false;
  bool convert_classic_histograms = false;
  bool always_classic_histograms = false;
  bool extra_metrics = false;
  std::string failure_log_file;
  bool operator==(const ScrapeDefaults&) const = default;
};

// One job. Immutable once parsed.
struct ScrapeConfig : ScrapeDefaults {
  std::string job_name;
  std::optional<ScrapeProtocol> fallback_protocol;
  std::string metrics_path = "/metrics";
  std::string scheme = "http";
  std::vector<std::pair<std::string, std::vector<std::string>>> params;  // sorted by name
  bool honor_labels = false;
  bool honor_timestamps = true;
  bool track_timestamps_staleness = false;
  bool enable_compression = true;
  HttpClientConfig http;
  RelabelRules relabel_rules;
  RelabelRules metric_relabel_rules;
  std::vector<TargetGroup> static_groups;
  std::vector<std::shared_ptr<const DiscoveryConfig>> discovery;

  // True when everything that shapes a scrape of a given target is the same; where the targets come
  // from is not compared.
  bool SameScraping(const ScrapeConfig& o) const;
};

using ScrapeConfigPtr = std::shared_ptr<const ScrapeConfig>;
using ScrapeConfigs = std::vector<ScrapeConfigPtr>;

// Reads the keys of `global` that scraping uses. Keys of `global` that others use are known here
// and left to them; any other key is an error. A null node gives the defaults.
Result<ScrapeDefaults> ParseScrapeDefaults(const YamlNode& global, std::string_view file);

// Reads one entry of `scrape_configs`.
Result<ScrapeConfigPtr> ParseScrapeConfig(const YamlNode& node, std::string_view file,
                                          const ScrapeDefaults& defaults);

// Reads a whole `scrape_configs` list. `job_names` collects the names over several files, as
// scrape_config_files spread jobs; a name given twice is an error.
Result<ScrapeConfigs> ParseScrapeConfigs(const YamlNode& list, std::string_view file,
                                         const ScrapeDefaults& defaults,
                                         std::set<std::string>* job_names);

// The value of the Accept header that asks for the protocols of `config`; PrometheusProto, which
// the scraper cannot read yet, is left out.
std::string AcceptHeader(const ScrapeConfig& config);

}  // namespace deckwatch::scraper
