#include "server/config.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deckwatch::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::filesystem::path kFolder = std::string(TEST_DATA_DIR) + "/server/prometheus-config";

Result<Config> Parse(std::string_view text) {
  return ParseConfig(text, "/etc/x/prometheus.yml");
}

std::string ErrorOf(std::string_view text) {
  return Parse(text).status().message();
}

// Files of Prometheus's own configuration tests, by what their names promise.
std::vector<std::filesystem::path> FilesEndingWith(std::string_view end) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    const std::string name = entry.path().filename().string();
    if (name.size() > end.size() && name.substr(name.size() - end.size()) == end) {
      out.push_back(entry.path());
    }
  }
  std::sort(out.begin(), out.end());
  EXPECT_FALSE(out.empty());
  return out;
}

TEST(Config, LoadsPrometheusGoodFiles) {
  for (const auto& file : FilesEndingWith(".good.yml")) {
    const auto config = LoadConfig(file.string());
    EXPECT_TRUE(config.ok()) << config.status().message();
  }
}

TEST(Config, RefusesPrometheusBadFilesNamingFileAndLine) {
  for (const auto& file : FilesEndingWith(".bad.yml")) {
    const auto config = LoadConfig(file.string());
    EXPECT_FALSE(config.ok()) << file;
    EXPECT_THAT(config.status().message(), HasSubstr(".yml:")) << file;
  }
}

TEST(Config, ReadsWhatTheServerNeeds) {
  setenv("DW_TEST_REGION", "north", 1);
  const auto config = Parse(R"(
global:
  evaluation_interval: 30s
  rule_query_offset: 5s
  query_log_file: log/query.log
  external_labels: {region: "${DW_TEST_REGION}-$$1", zone: $DW_TEST_REGION, gone: $DW_NO_SUCH}
scrape_configs:
  - job_name: a
    static_configs: [{targets: ["localhost:9090"]}]
storage: {tsdb: {retention: {time: 3d, size: 2GB}}}
alerting: {alertmanagers: [{static_configs: [{targets: ["am:9093"]}]}]}
remote_write: [{url: "http://far/write"}]
)");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->evaluation_interval_ms, 30'000);
  EXPECT_EQ(config->rule_query_offset_ms, 5'000);
  EXPECT_EQ(config->query_log_file, "/etc/x/log/query.log");
  EXPECT_EQ(config->external_labels, (Labels{{"region", "north-$1"}, {"zone", "north"}}));
  EXPECT_EQ(config->scrape_configs.size(), 1u);
  EXPECT_EQ(config->retention_ms, 3 * 86'400'000);
  EXPECT_EQ(config->retention_bytes, int64_t{2} << 30);
  ASSERT_EQ(config->notifier.sets.size(), 1u);
  EXPECT_THAT(config->notifier.sets[0].urls, ElementsAre("http://am:9093/api/v2/alerts"));
  EXPECT_THAT(config->without_effect, ElementsAre("remote_write"));
}

TEST(Config, NamesFileLineAndKeyOfAnError) {
  EXPECT_THAT(ErrorOf("global:\n  evaluation_interval: 1x\n"),
              HasSubstr("/etc/x/prometheus.yml:2: global: evaluation_interval"));
  EXPECT_THAT(ErrorOf("scrape_configs: []\nscrap_configs: []\n"),
              HasSubstr("/etc/x/prometheus.yml:2: config: scrap_configs"));
  EXPECT_THAT(ErrorOf("alerting:\n  alertmanagers:\n    - nope: 1\n"),
              HasSubstr("prometheus.yml:3: alertmanager: nope"));
  EXPECT_THAT(ErrorOf("rule_files: ['a/*/b.yml']"), HasSubstr("a pattern may only stand"));
}

TEST(Config, FindsRuleFilesBesideTheConfiguration) {
  const std::string folder = testing::TempDir() + "config_rules";
  std::filesystem::create_directories(folder + "/rules");
  for (const char* name : {"b.yml", "a.yml", "c.txt"}) {
    std::ofstream(folder + "/rules/" + name) << "groups: []\n";
  }
  const auto config =
      ParseConfig("rule_files: ['rules/*.yml', missing.yml]", folder + "/prometheus.yml");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_THAT(config->rule_files, ElementsAre(folder + "/rules/a.yml", folder + "/rules/b.yml",
                                              folder + "/missing.yml"));
}

TEST(Config, HidesEverySecretItPrints) {
  const auto config = Parse(R"(
scrape_configs:
  - job_name: a
    basic_auth: {username: joe, password: planted1}
    static_configs: [{targets: [x], labels: {note: "kept: yes"}}]
  - job_name: b
    authorization: {credentials: planted2}
  - job_name: c
    http_headers: {X-Key: {secrets: [planted3]}}
    tls_config: {cert: c, key: planted4}
    proxy_url: http://me:planted5@proxy:3128
    metrics_path: /m
remote_write:
  - url: http://u:planted6@far/write
    authorization: {type: Bearer, credentials: planted7}
)");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_THAT(config->redacted_yaml, Not(HasSubstr("planted")));
  EXPECT_THAT(config->redacted_yaml, HasSubstr("http://me:<secret>@proxy:3128"));
  EXPECT_THAT(config->redacted_yaml, HasSubstr("note: \"kept: yes\""));
  // What is printed is YAML that loads again.
  EXPECT_TRUE(Parse(config->redacted_yaml).ok())
      << Parse(config->redacted_yaml).status().message() << config->redacted_yaml;
}

TEST(Config, TellsAFileThatIsNotThere) {
  EXPECT_EQ(LoadConfig("/nonexistent/p.yml").status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace deckwatch::server
