// prometheus.yml as the server uses it: loaded whole, checked strictly, immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/notifier_config.h"
#include "base/labels.h"
#include "base/status.h"
#include "base/yaml.h"
#include "scraper/config.h"

namespace deckwatch::server {

struct Config {
  std::string path;
  int64_t evaluation_interval_ms = 60'000;
  int64_t rule_query_offset_ms = 0;
  std::string query_log_file;           // absolute; "": none
  Labels external_labels;               // $VAR and ${VAR} expanded from the environment
  std::vector<std::string> rule_files;  // globs expanded, absolute, in order
  scraper::ScrapeConfigs scrape_configs;
  alerting::NotifierConfig notifier;  // the `alerting` section
  // From storage.tsdb.retention; 0: not given.
  int64_t retention_ms = 0;
  int64_t retention_bytes = 0;
  // The document with secrets replaced by <secret>.
  std::string redacted_yaml;
  // Sections that were read and checked but do nothing in this version.
  std::vector<std::string> without_effect;
};

// Reads and checks the file and the scrape_config_files it names; rule files are globbed, not read.
// Errors: "<file>:<line>: <section>: <reason>".
Result<Config> LoadConfig(const std::string& path);
Result<Config> ParseConfig(std::string_view text, const std::string& path);

}  // namespace deckwatch::server
