#include "alerting/notifier_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deckwatch::alerting {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<NotifierConfig> Parse(const std::string& text) {
  const Result<YamlNode> node = ParseYaml(text, "prometheus.yml");
  if (!node.ok()) return node.status();
  return ParseNotifierConfig(*node, "prometheus.yml");
}

std::string ErrorOf(const std::string& text) {
  const auto config = Parse(text);
  return config.ok() ? "" : config.status().message();
}

std::string Set(const std::string& lines) {
  return "alertmanagers:\n- static_configs: [{targets: ['am:9093']}]\n" + lines;
}

TEST(NotifierConfig, MakesUrlsOfStaticTargets) {
  const auto config = Parse(R"(
alertmanagers:
- static_configs:
  - targets: ['a:9093', 'b:9093', 'a:9093']
- scheme: https
  path_prefix: /am/
  timeout: 3s
  api_version: v2
  basic_auth: {username: u, password: p}
  static_configs:
  - targets: ['[::1]:9093']
)");
  ASSERT_TRUE(config.ok()) << config.status().message();
  ASSERT_EQ(config->sets.size(), 2u);
  EXPECT_THAT(config->sets[0].urls,
              ElementsAre("http://a:9093/api/v2/alerts", "http://b:9093/api/v2/alerts"));
  EXPECT_EQ(config->sets[0].timeout_ms, 10'000);
  EXPECT_THAT(config->sets[1].urls, ElementsAre("https://[::1]:9093/am/api/v2/alerts"));
  EXPECT_EQ(config->sets[1].timeout_ms, 3'000);
  EXPECT_EQ(config->sets[1].http.basic_auth.username, "u");
}

TEST(NotifierConfig, RelabelsTargets) {
  const auto config = Parse(R"(
alertmanagers:
- relabel_configs:
  - {source_labels: [__address__], regex: 'old.*', action: drop}
  - {source_labels: [team], target_label: __alerts_path__, replacement: '/$1/push'}
  - {source_labels: [__address__], target_label: __address__, replacement: '$1:9093'}
  static_configs:
  - {targets: [new, old], labels: {team: a}}
)");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_THAT(config->sets[0].urls, ElementsAre("http://new:9093/a/push"));
  EXPECT_THAT(config->sets[0].dropped_urls, ElementsAre("http://old/api/v2/alerts"));
}

TEST(NotifierConfig, RefusesWithLineAndKey) {
  EXPECT_THAT(ErrorOf(Set("  api_version: v1")),
              HasSubstr("prometheus.yml:3: alertmanager: api_version: expected Alertmanager api "
                        "version to be v2"));
  EXPECT_THAT(ErrorOf(Set("  dns_sd_configs: [{names: [a]}]")),
              HasSubstr("prometheus.yml:3: alertmanager: dns_sd_configs: service discovery of "
                        "Alertmanagers is not supported yet"));
  EXPECT_THAT(ErrorOf(Set("  sigv4: {}")), HasSubstr("prometheus.yml:3: alertmanager: sigv4: "));
  EXPECT_THAT(ErrorOf(Set("  scheme: ftp")), HasSubstr(":3: alertmanager: scheme: want http"));
  EXPECT_THAT(ErrorOf(Set("  timeout: 0s")), HasSubstr(":3: alertmanager: timeout: must be"));
  EXPECT_THAT(ErrorOf(Set("  nope: 1")), HasSubstr("prometheus.yml:3: alertmanager: nope"));
  EXPECT_THAT(ErrorOf("alertmanagers: [null]"), HasSubstr("empty or null Alertmanager config"));
  EXPECT_THAT(ErrorOf("alertmanagers:\n- static_configs:\n  - targets: ['http://a:9093']"),
              HasSubstr(":3: static_config: targets: \"http://a:9093\" is not a host and port"));
  EXPECT_THAT(ErrorOf("alertmanagers:\n- static_configs:\n  - targets: ['a:no']"),
              HasSubstr("\"http://a:no/api/v2/alerts\" is not an HTTP URL"));
}

}  // namespace
}  // namespace deckwatch::alerting
