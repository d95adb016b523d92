#include "alerting/am_config.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "alerting/am_matchers.h"
#include "base/clock.h"

namespace deckwatch::alerting {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Error(std::string_view text) {
  return ParseAmConfig(text, "am.yml").status().message();
}

AmConfig Parse(std::string_view text) {
  Result<AmConfig> config = ParseAmConfig(text, "am.yml");
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? *config : AmConfig();
}

TEST(AmConfig, JudgesAlertmanagersFilesAsAlertmanagerDoes) {
  // Those that Alertmanager's own tests expect to load; all others there must be refused.
  const std::set<std::string> good = {"conf.good.yml",
                                      "conf.empty-fields.yml",
                                      "conf.group-by-all.yml",
                                      "conf.mattermost-default-webhook-url-file.yml",
                                      "conf.mattermost-default-webhook-url.yml",
                                      "conf.opsgenie-default-apikey-file.yml",
                                      "conf.rocketchat-default-token.yml",
                                      "conf.slack-default-api-url-file.yml",
                                      "conf.slack-default-app-token.yml",
                                      "conf.smtp-no-username-or-password.yml",
                                      "conf.sns-topic-arn.yml",
                                      "conf.telegram-default-bot-token.yml",
                                      "conf.victorops-default-apikey-file.yml",
                                      "conf.victorops-default-apikey.yml",
                                      "conf.wechat-default-api-secret-file.yml"};
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(TEST_DATA_DIR) + "/alerting/alertmanager")) {
    const std::string name = entry.path().filename();
    const Result<AmConfig> config = ParseAmConfigFile(entry.path());
    EXPECT_EQ(config.ok(), good.contains(name)) << name << ": " << config.status().message();
    ++files;
  }
  EXPECT_EQ(files, 35);
}

TEST(AmConfig, ChildrenInheritFromTheirParent) {
  const AmConfig c = Parse(R"(
route:
  receiver: a
  group_by: [job, alertname]
  group_wait: 1s
  routes:
  - matchers: ['x="1"', 'y=~"a|b"']
    repeat_interval: 1h
    mute_time_intervals: [night]
    routes:
    - receiver: b
      group_by: []
  - group_by: ['...']
time_intervals: [{name: night, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}]}]}]
receivers: [{name: a}, {name: b}]
)");
  const Route& child = c.route.routes[0];
  EXPECT_EQ(child.receiver, "a");
  EXPECT_THAT(child.group_by, ElementsAre("alertname", "job"));
  EXPECT_EQ(child.group_wait_ms, 1000);
  EXPECT_EQ(child.group_interval_ms, 300'000);
  EXPECT_EQ(child.repeat_interval_ms, 3'600'000);
  EXPECT_EQ(child.key, R"({}/{x="1",y=~"a|b"})");
  EXPECT_THAT(child.routes[0].group_by, IsEmpty());
  EXPECT_THAT(child.routes[0].mute_time_intervals, IsEmpty());
  EXPECT_EQ(child.routes[0].key, R"({}/{x="1",y=~"a|b"}/{})");
  EXPECT_TRUE(c.route.routes[1].group_by_all);
}

std::vector<std::string> Receivers(const AmConfig& c, const Labels& labels) {
  std::vector<std::string> out;
  for (const Route* r : c.route.Match(labels)) out.push_back(r->receiver);
  return out;
}

// The tree of Alertmanager's dispatch/route_test.go, in our words.
TEST(AmRoute, DepthFirstLeftToRightUntilAChildDoesNotContinue) {
  const AmConfig c = Parse(R"yaml(
receivers: [{name: def}, {name: A}, {name: B1}, {name: B2}, {name: P}, {name: T}]
route:
  receiver: def
  routes:
  - matchers: [owner="team-A"]
    receiver: A
    routes:
    - {matchers: [env="testing"], receiver: T, continue: true}
    - {matchers: [env="production"], receiver: P}
    - {matchers: [env=~"produ.*"], receiver: def, continue: true}
  - matchers: [owner=~"team-(B|C)"]
    receiver: B1
    continue: true
  - matchers: [owner=~"team-(B|C)"]
    receiver: B2
)yaml");
  EXPECT_THAT(Receivers(c, Labels{{"owner", "team-A"}}), ElementsAre("A"));
  EXPECT_THAT(Receivers(c, Labels{{"owner", "team-A"}, {"env", "unset"}}), ElementsAre("A"));
  EXPECT_THAT(Receivers(c, Labels{{"owner", "team-A"}, {"env", "testing"}}), ElementsAre("T"));
  EXPECT_THAT(Receivers(c, Labels{{"owner", "team-A"}, {"env", "production"}}), ElementsAre("P"));
  EXPECT_THAT(Receivers(c, Labels{{"owner", "team-B"}}), ElementsAre("B1", "B2"));
  EXPECT_THAT(Receivers(c, Labels{{"owner", "team-D"}}), ElementsAre("def"));
}

TEST(AmConfig, RefusesWithFileLineAndReason) {
  const auto with = [](const std::string& route) {
    return Error("receivers: [{name: a}]\nroute:\n  receiver: a\n" + route);
  };
  EXPECT_THAT(Error("receivers: []\n"), HasSubstr("no routes provided"));
  EXPECT_THAT(Error("route: {}\n"), HasSubstr("root route must specify a default receiver"));
  EXPECT_THAT(with("  matchers: [a=b]\n"), HasSubstr("root route must not have any matchers"));
  EXPECT_THAT(with("  continue: true\n"),
              HasSubstr("am.yml:4: route: continue: cannot have continue in root route"));
  EXPECT_THAT(with("  routes: [{receiver: x}]\n"),
              HasSubstr("undefined receiver \"x\" used in route"));
  EXPECT_THAT(with("  routes: [{mute_time_intervals: [x]}]\n"),
              HasSubstr("undefined time interval \"x\""));
  EXPECT_THAT(with("  group_interval: 0s\n"),
              HasSubstr("am.yml:4: route: group_interval: group_interval cannot be zero"));
  EXPECT_THAT(with("  repeat_interval: 0s\n"), HasSubstr("repeat_interval cannot be zero"));
  EXPECT_THAT(with("  group_by: [a, a]\n"), HasSubstr("duplicated label"));
  EXPECT_THAT(with("  group_by: ['...', a]\n"), HasSubstr("wildcard"));
  EXPECT_THAT(with("  nonsense: 1\n"), HasSubstr("am.yml:4: route: nonsense: unknown key"));
  EXPECT_THAT(with("  routes: [{matchers: ['a=~\"(\"']}]\n"), HasSubstr("matchers"));
  EXPECT_THAT(Error("route: {receiver: a}\nreceivers: [{name: a}, {name: a}]\n"),
              HasSubstr("notification config name \"a\" is not unique"));
  EXPECT_THAT(Error("route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs:\n  - "
                    "send_resolved: true\n"),
              HasSubstr("am.yml:5: webhook_config: missing url or url_file"));
  EXPECT_THAT(Error("route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs:\n  - {url: "
                    "'ftp://x', url_file: y}\n"),
              HasSubstr("at most one of url & url_file"));
  EXPECT_THAT(Error("route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs:\n  - {url: "
                    "'ftp://x'}\n"),
              HasSubstr("unsupported scheme"));
  EXPECT_THAT(Error("route: {receiver: a}\nreceivers:\n- name: a\n  email_configs:\n  - {to: x, "
                    "from: y, smarthost: 'h'}\n"),
              HasSubstr("missing port"));
}

TEST(AmMatchers, Utf8AndClassicForms) {
  const auto text = [](std::string_view in) -> std::string {
    const auto m = ParseAlertMatchers(in);
    return m.ok() ? MatchersToString(*m) : "ERROR " + m.status().message();
  };
  EXPECT_EQ(text("a=b"), R"({a="b"})");
  EXPECT_EQ(text(R"({a="b",c!~"d.*",})"), R"({a="b",c!~"d.*"})");
  EXPECT_EQ(text(" foo = bar , x != y"), R"({foo="bar",x!="y"})");
  EXPECT_EQ(text(R"("weird name"="v\n\"")"), "{\"weird name\"=\"v\\n\\\"\"}");
  EXPECT_EQ(text("späti=1"), R"({"späti"="1"})");
  EXPECT_EQ(text("foo=bar baz"), R"({foo="bar baz"})") << "only the classic parser takes it";
  EXPECT_EQ(text("foo="), R"({foo=""})");
  EXPECT_THAT(text("foo"), HasSubstr("ERROR"));
  EXPECT_THAT(text("foo=\xf8"), HasSubstr("invalid UTF-8"));
  EXPECT_THAT(text("{a=b"), HasSubstr("a"));
  EXPECT_THAT(text("a=~\"(\""), HasSubstr("ERROR"));
}

bool In(const std::string& yaml, const std::string& time) {
  const Result<YamlNode> node = ParseYaml("name: x\ntime_intervals: [" + yaml + "]", "f");
  NamedTimeIntervals intervals;
  const Status s = ParseTimeIntervals(*node, "f", &intervals);
  EXPECT_TRUE(s.ok()) << s.message();
  return intervals.Contains(*ParseRfc3339Ms(time));
}

TEST(TimeInterval, RangesOfEveryKind) {
  const std::string office =
      "{times: [{start_time: '09:00', end_time: '17:00'}], weekdays: ['monday:friday']}";
  EXPECT_TRUE(In(office, "2026-11-20T09:00:00Z"));
  EXPECT_TRUE(In(office, "2026-11-20T16:59:59Z"));
  EXPECT_FALSE(In(office, "2026-11-20T17:00:00Z"));
  EXPECT_FALSE(In(office, "2026-11-21T12:00:00Z"));
  EXPECT_TRUE(In("{days_of_month: ['-1']}", "2024-02-29T00:00:00Z"));
  EXPECT_FALSE(In("{days_of_month: ['-1']}", "2024-02-28T00:00:00Z"));
  EXPECT_TRUE(In("{days_of_month: ['1:31']}", "2023-02-28T00:00:00Z"));
  EXPECT_FALSE(In("{days_of_month: ['31']}", "2023-02-28T00:00:00Z"));
  EXPECT_TRUE(In("{months: ['may:august'], years: ['2026:2028']}", "2027-08-31T23:59:59Z"));
  EXPECT_FALSE(In("{months: ['5:8'], years: ['2026:2028']}", "2029-06-01T00:00:00Z"));
  EXPECT_TRUE(In("{}", "2029-06-01T00:00:00Z"));
}

TEST(TimeInterval, FollowsDaylightSaving) {
  const std::string night =
      "{times: [{start_time: '08:00', end_time: '09:00'}], location: Europe/Berlin}";
  EXPECT_TRUE(In(night, "2026-07-01T06:30:00Z"));
  EXPECT_FALSE(In(night, "2026-12-01T06:30:00Z"));
  EXPECT_TRUE(In(night, "2026-12-01T07:30:00Z"));
}

}  // namespace
}  // namespace deckwatch::alerting
