#include "scraper/config.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deckwatch::scraper {
namespace {

using ::testing::HasSubstr;

Result<ScrapeConfigs> Load(const YamlNode& root, const std::string& file) {
  const YamlNode none;
  const auto part = [&](std::string_view key) -> const YamlNode& {
    const YamlNode* node = root.Find(key);
    return node != nullptr ? *node : none;
  };
  TRY_ASSIGN(const ScrapeDefaults defaults, ParseScrapeDefaults(part("global"), file));
  std::set<std::string> jobs;
  return ParseScrapeConfigs(part("scrape_configs"), file, defaults, &jobs);
}

Result<ScrapeConfigs> LoadText(const std::string& yaml) {
  TRY_ASSIGN(const YamlNode root, ParseYaml(yaml, "/etc/dw/c.yml"));
  return Load(root, "/etc/dw/c.yml");
}

ScrapeConfigPtr One(const std::string& yaml) {
  const auto configs = LoadText(yaml);
  EXPECT_TRUE(configs.ok()) << configs.status().message();
  return configs.ok() && configs->size() == 1 ? configs->front() : std::make_shared<ScrapeConfig>();
}

TEST(ScrapeConfig, PrometheusFilesLoadOrAreRefused) {
  int good = 0, bad = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TEST_DATA_DIR "/scraper/config")) {
    const std::string path = entry.path();
    const auto root = ParseYamlFile(path);
    const Status status = root.ok() ? Load(*root, path).status() : root.status();
    if (path.ends_with(".good.yml")) {
      EXPECT_TRUE(status.ok()) << status.message();
      ++good;
    } else {
      EXPECT_FALSE(status.ok()) << path;
      EXPECT_THAT(status.message(), HasSubstr(path + ":"));
      ++bad;
    }
  }
  EXPECT_GE(good, 8);
  EXPECT_GE(bad, 25);
}

TEST(ScrapeConfig, DefaultsArePrometheusOnesWithLimits) {
  const ScrapeConfigPtr c = One("scrape_configs: [{job_name: j}]");
  EXPECT_EQ(c->interval_ms, 60'000);
  EXPECT_EQ(c->timeout_ms, 10'000);
  EXPECT_EQ(c->metrics_path, "/metrics");
  EXPECT_EQ(c->scheme, "http");
  EXPECT_TRUE(c->honor_timestamps);
  EXPECT_FALSE(c->honor_labels);
  EXPECT_TRUE(c->enable_compression);
  EXPECT_EQ(c->limits.body_bytes, 32 << 20);
  EXPECT_EQ(c->limits.samples, 0);
  EXPECT_EQ(One("scrape_configs: [{job_name: j, body_size_limit: 0}]")->limits.body_bytes, 0);
}

TEST(ScrapeConfig, JobsInheritFromGlobal) {
  const ScrapeConfigPtr c = One(R"(
global: {scrape_interval: 5s, sample_limit: 7, extra_scrape_metrics: true, evaluation_interval: 1m,
         external_labels: {a: b}, scrape_failure_log_file: fail.log}
scrape_configs: [{job_name: j, sample_limit: 9}])");
  EXPECT_EQ(c->interval_ms, 5'000);
  EXPECT_EQ(c->timeout_ms, 5'000);  // shrinks to the interval
  EXPECT_EQ(c->limits.samples, 9);
  EXPECT_TRUE(c->extra_metrics);
  EXPECT_EQ(c->failure_log_file, "/etc/dw/fail.log");
}

TEST(ScrapeConfig, AcceptNamesProtocolsInOrder) {
  EXPECT_EQ(AcceptHeader(*One("scrape_configs: [{job_name: j}]")),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,"
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.2");
  EXPECT_EQ(
      AcceptHeader(*One("scrape_configs: [{job_name: j, scrape_protocols: [PrometheusText1.0.0],"
                        " metric_name_validation_scheme: legacy}]")),
      "text/plain;version=1.0.0;escaping=underscores;q=0.6,*/*;q=0.5");
}

TEST(ScrapeConfig, RefusesWithLineKeyAndReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"scrape_configs:\n- job_name: j\n  bogus: 1", "c.yml:3: scrape_config: bogus: unknown key"},
      {"scrape_configs:\n- job_name: j\n  azure_sd_configs: []",
       "c.yml:3: scrape_config: azure_sd_configs: not supported yet"},
      {"scrape_configs: [{job_name: j, scheme: ftp}]", "scheme: want http or https"},
      {"scrape_configs: [{job_name: j, sample_limit: -1}]", "sample_limit: must not be negative"},
      {"scrape_configs: [{job_name: j, scrape_interval: 1m, scrape_timeout: 2m}]",
       "scrape_timeout: is greater than the scrape interval (2m > 1m)"},
      {"scrape_configs: [{job_name: j, scrape_protocols: []}]", "the list is empty"},
      {"scrape_configs: {}", "expected a list"},
      {"global: {scrape_intervall: 1m}", "global: scrape_intervall: unknown key"},
  };
  for (const auto& [yaml, want] : cases) {
    const auto configs = LoadText(yaml);
    EXPECT_FALSE(configs.ok()) << yaml;
    EXPECT_THAT(configs.status().message(), HasSubstr(want));
  }
}

TEST(ScrapeConfig, SameScrapingIgnoresWhereTargetsComeFrom) {
  const auto base = One("scrape_configs: [{job_name: j, static_configs: [{targets: [a]}]}]");
  EXPECT_TRUE(base->SameScraping(
      *One("scrape_configs: [{job_name: j, static_configs: [{targets: [b]}]}]")));
  EXPECT_FALSE(base->SameScraping(*One("scrape_configs: [{job_name: j, honor_labels: true}]")));
  EXPECT_FALSE(base->SameScraping(*One(
      "scrape_configs: [{job_name: j, metric_relabel_configs: [{regex: a, action: labeldrop}]}]")));
}

}  // namespace
}  // namespace deckwatch::scraper
