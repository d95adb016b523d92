#include "alerting/manager.h"

#include <filesystem>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "tests/alerting/fakes.h"

namespace deckwatch::alerting {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kStart = 1'700'000'000'000;
constexpr int64_t kMinute = 60'000;

constexpr const char* kRules = R"(
groups:
- name: g
  interval: 15s
  rules:
  - record: job:up:sum
    expr: sum(up)
  - alert: InstanceDown
    expr: up == 0
    for: 1m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.instance }} down"}
)";

constexpr const char* kAlertmanager = R"(
route:
  receiver: hook
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
receivers:
- name: hook
  webhook_configs: [{url: 'http://receiver:1/{{ .GroupLabels.alertname }}'}]
)";

class ManagerTest : public ::testing::Test {
 protected:
  ManagerTest() {
    dir_ = std::filesystem::path(::testing::TempDir()) /
           ("manager_test_" +
            std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::create_directories(dir_);
    Write("rules.yml", kRules);
    Write("am.yml", kAlertmanager);
    Restart();
  }
  ~ManagerTest() override { std::filesystem::remove_all(dir_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ / name) << text;
    return dir_ / name;
  }
  ManagerConfig Config() {
    return {.rule_files = {dir_ / "rules.yml"},
            .evaluation_interval_ms = kMinute,
            .rule_query_offset_ms = 0,
            .external_labels = {},
            .external_url = "http://deck:9090",
            .alertmanager_file = dir_ / "am.yml",
            .notifier = {}};
  }
  ManagerDependencies Dependencies() {
    return {.query = engine_.Function(),
            .appender = &appender_,
            .state = &state_,
            .clock = &clock_,
            .transport = [this](const HttpClientConfig&) -> HttpTransport {
              return [this](const HttpRequest& request) { return Receive(request); };
            }};
  }
  // As a kill -9 and a new start: nothing but the rows is left.
  void Restart() {
    manager_.reset();
    ManagerOptions options;
    options.evaluation_threads = 0;
    auto m = Manager::Open(options, Dependencies());
    ASSERT_TRUE(m.ok()) << m.status().message();
    manager_ = std::move(*m);
    const Status s = manager_->Apply(Config());
    ASSERT_TRUE(s.ok()) << s.message();
  }

  Result<HttpResponse> Receive(const HttpRequest& request) {
    if (status_ == 0) return Status::Unavailable("connect: refused");
    requests_.push_back(request);
    HttpResponse response;
    response.status = status_;
    return response;
  }

  // Runs everything that falls due within `ms`, moment by moment.
  void Advance(int64_t ms) {
    const int64_t until = clock_.WallMs() + ms;
    while (true) {
      const int64_t next = manager_->RunDue();
      if (next > until) break;
      clock_.AdvanceMs(std::max<int64_t>(next - clock_.WallMs(), 1));
    }
    clock_.AdvanceMs(until - clock_.WallMs());
    manager_->RunDue();
  }
  void Down(bool down) {
    engine_.Set("up == 0", {});
    if (down)
      engine_.Set("up == 0",
                  {{Labels{{"__name__", "up"}, {"instance", "h:1"}, {"job", "node"}}, 0}});
  }
  std::vector<std::string> Statuses() {
    std::vector<std::string> out;
    for (const HttpRequest& r : requests_)
      out.push_back((*Json::Parse(r.body))["status"].AsString());
    return out;
  }
  static std::string Header(const HttpRequest& r, const std::string& name) {
    for (const auto& [k, v] : r.headers) {
      if (k == name) return v;
    }
    return "";
  }

  std::filesystem::path dir_;
  FakeClock clock_{kStart};
  FakeEngine engine_;
  MemoryAppender appender_;
  MemoryStateStore state_;
  int status_ = 200;
  std::vector<HttpRequest> requests_;
  std::unique_ptr<Manager> manager_;
};

TEST_F(ManagerTest, InstanceDownIsPendingThenFiringThenResolvedWithOneWebhookEach) {
  engine_.Set("sum(up)", {{Labels{}, 3}});
  Advance(kMinute);
  EXPECT_FALSE(appender_.samples["job:up:sum"].empty());
  Down(true);
  Advance(20'000);
  ASSERT_THAT(manager_->ActiveAlerts(), SizeIs(1));
  EXPECT_EQ(manager_->ActiveAlerts()[0].state, AlertState::kPending);
  Advance(2 * kMinute);
  EXPECT_EQ(manager_->ActiveAlerts()[0].state, AlertState::kFiring);
  ASSERT_THAT(requests_, SizeIs(1));
  const HttpRequest& r = requests_[0];
  EXPECT_EQ(r.method, "POST");
  EXPECT_EQ(r.url, "http://receiver:1/InstanceDown");
  EXPECT_EQ(r.content_type, "application/json");
  EXPECT_THAT(Header(r, "User-Agent"), HasSubstr("Alertmanager/"));
  EXPECT_FALSE(Header(r, "Idempotency-Key").empty());
  const Result<Json> body = Json::Parse(r.body);
  ASSERT_TRUE(body.ok());
  EXPECT_EQ((*body)["version"].AsString(), "4");
  EXPECT_EQ((*body)["commonAnnotations"]["summary"].AsString(), "h:1 down");
  EXPECT_EQ((*body)["groupKey"].AsString(), "{}:{alertname=\"InstanceDown\"}");
  ASSERT_THAT(manager_->AlertGroups(), SizeIs(1));
  EXPECT_EQ(manager_->Counters().alerts_firing, 1u);
  Advance(10 * kMinute);
  Down(false);
  Advance(10 * kMinute);
  EXPECT_THAT(Statuses(), ElementsAre("firing", "resolved"));
  EXPECT_THAT(manager_->ActiveAlerts(), IsEmpty());
  EXPECT_THAT(manager_->AlertGroups(), IsEmpty());
  EXPECT_EQ(manager_->Counters().notifications_delivered, 2u);
}

TEST_F(ManagerTest, RestartWhileFiringSendsNoDuplicateAndLosesNoResolve) {
  Down(true);
  Advance(3 * kMinute);
  EXPECT_THAT(Statuses(), ElementsAre("firing"));
  for (int i = 0; i < 10; ++i) {
    Restart();
    Advance(7'000 + i * 9'000);
  }
  EXPECT_THAT(Statuses(), ElementsAre("firing"));
  Restart();
  Down(false);
  Restart();
  Advance(5 * kMinute);
  EXPECT_THAT(Statuses(), ElementsAre("firing", "resolved"));
}

TEST_F(ManagerTest, ResolvedWhileDownIsToldAfterTheStart) {
  Down(true);
  Advance(3 * kMinute);
  manager_.reset();
  Down(false);
  clock_.AdvanceMs(3'600'000);
  Restart();
  Advance(5 * kMinute);
  EXPECT_THAT(Statuses(), ElementsAre("firing", "resolved"));
}

// Stops after every single commit in turn, starts again, and looks at what the receiver heard.
TEST_F(ManagerTest, StopAtAnyCommitLosesNothing) {
  struct Stop {};
  for (int stop_at = 1; stop_at < 60; ++stop_at) {
    state_.rows.clear(), requests_.clear();
    Restart();
    int commits = 0;
    const auto story = [&] {
      Down(true);
      Advance(3 * kMinute);
      Down(false);
      Advance(3 * kMinute);
    };
    state_.after_commit = [&] {
      if (++commits == stop_at) throw Stop();
    };
    bool stopped = false;
    try {
      story();
    } catch (const Stop&) {
      stopped = true;
    }
    state_.after_commit = nullptr;
    Restart();
    if (stopped) story();
    Advance(5 * kMinute);
    std::vector<std::string> heard = Statuses();
    ASSERT_FALSE(heard.empty()) << stop_at;
    EXPECT_EQ(heard.back(), "resolved") << stop_at;
    std::set<std::string> keys;
    for (const HttpRequest& r : requests_) keys.insert(Header(r, "Idempotency-Key"));
    const size_t repeats = requests_.size() - keys.size();
    EXPECT_LE(repeats, 1u) << "only what was in flight may be said twice, under the same key";
  }
}

TEST_F(ManagerTest, ReceiverOutageIsRetriedUntilItIsBack) {
  status_ = 0;
  Down(true);
  Advance(30 * kMinute);
  EXPECT_THAT(requests_, IsEmpty());
  EXPECT_EQ(manager_->Counters().outbox_pending, 1u);
  EXPECT_GT(manager_->Counters().notification_attempts_failed, 10u);
  Down(false);
  Advance(5 * kMinute);
  status_ = 200;
  Advance(2 * kMinute);
  EXPECT_THAT(Statuses(), ElementsAre("firing", "resolved"));
}

TEST_F(ManagerTest, ServerErrorsAndTooManyRequestsAreRetriedOthersAreNot) {
  Down(true);
  status_ = 503;
  Advance(2 * kMinute);
  const size_t tries = requests_.size();
  EXPECT_GT(tries, 2u);
  for (const HttpRequest& r : requests_)
    EXPECT_EQ(Header(r, "Idempotency-Key"), Header(requests_[0], "Idempotency-Key"));
  status_ = 429;
  Advance(kMinute);
  EXPECT_GT(requests_.size(), tries);
  status_ = 400;
  Advance(90'000);
  EXPECT_GE(manager_->Counters().notifications_failed, 1u);
  status_ = 200;
  requests_.clear();
  Advance(2 * kMinute);
  EXPECT_THAT(Statuses(), ElementsAre("firing"));
}

TEST_F(ManagerTest, PayloadAndTemplateFilesShapeTheBody) {
  Write("own.tmpl",
        "{{ define \"line\" }}{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}{{ end }}");
  Write("am.yml", R"(
templates: ['*.tmpl']
route: {receiver: hook, group_wait: 1s}
receivers:
- name: hook
  webhook_configs:
  - url: http://r/
    payload:
      text: '{{ template "line" . }}'
      count: '{{ len .Alerts }}'
      tags: [a, '{{ .Status }}']
)");
  ASSERT_TRUE(manager_->Apply(Config()).ok());
  Down(true);
  Advance(3 * kMinute);
  ASSERT_THAT(requests_, SizeIs(1));
  EXPECT_EQ(requests_[0].body, R"({"count":1,"tags":["a","firing"],"text":"h:1 down"})");
  Write("am.yml",
        "route: {receiver: h}\nreceivers:\n- name: h\n  webhook_configs: [{url: 'http://r', "
        "payload: {a: '{{ nope }}'}}]\n");
  EXPECT_THAT(manager_->Apply(Config()).message(),
              HasSubstr("payload: template: :1: function \"nope\" not defined"));
}

TEST_F(ManagerTest, ApplyIsAllOrNothing) {
  Down(true);
  Advance(3 * kMinute);
  Write("rules.yml", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: 'up ='\n");
  EXPECT_THAT(manager_->Apply(Config()).message(), HasSubstr("rules.yml:5: rule: expr: "));
  Write("rules.yml", kRules);
  Write("am.yml", "route: {receiver: nobody}\n");
  EXPECT_THAT(manager_->Apply(Config()).message(), HasSubstr("undefined receiver \"nobody\""));
  EXPECT_THAT(manager_->ActiveAlerts(), SizeIs(1));
  ASSERT_THAT(manager_->RuleGroups(), SizeIs(1));
  EXPECT_EQ(manager_->RuleGroups()[0].rules.size(), 2u);
}

TEST_F(ManagerTest, ReloadWithoutChangesGoesUnnoticed) {
  Down(true);
  Advance(3 * kMinute);
  const uint64_t evaluations = manager_->RuleGroups()[0].evaluations;
  ASSERT_TRUE(manager_->Apply(Config()).ok());
  EXPECT_EQ(manager_->RuleGroups()[0].evaluations, evaluations);
  Advance(10 * kMinute);
  EXPECT_THAT(Statuses(), ElementsAre("firing"));
}

TEST_F(ManagerTest, RemovedRuleResolvesItsAlerts) {
  Down(true);
  Advance(3 * kMinute);
  ManagerConfig config = Config();
  config.rule_files.clear();
  ASSERT_TRUE(manager_->Apply(config).ok());
  Advance(5 * kMinute);
  EXPECT_THAT(Statuses(), ElementsAre("firing", "resolved"));
}

TEST_F(ManagerTest, RuleRemovedWhileDownResolvesItsAlerts) {
  Down(true);
  Advance(3 * kMinute);
  Write("rules.yml", "groups: []\n");
  Restart();
  Advance(5 * kMinute);
  EXPECT_THAT(Statuses(), ElementsAre("firing", "resolved"));
}

TEST_F(ManagerTest, MissedEvaluationsAreCounted) {
  Advance(kMinute);
  clock_.AdvanceMs(2 * kMinute);
  manager_->RunDue();
  EXPECT_GE(manager_->Counters().group_missed_iterations, 6u);
}

// What Alertmanagers outside hear of the alert: every minute while it fires, and then that it is
// over.
TEST_F(ManagerTest, AlertmanagersOutsideAreToldBesideTheBuiltInOne) {
  ManagerConfig config = Config();
  config.external_labels = Labels{{"site", "eu"}};
  config.notifier.sets.emplace_back();
  config.notifier.sets[0].urls = {"http://am:9093/api/v2/alerts"};
  ASSERT_TRUE(manager_->Apply(config).ok());
  Advance(kMinute);
  Down(true);
  Advance(5 * kMinute);
  Down(false);
  Advance(20 * kMinute);
  std::vector<Json> told;
  std::vector<std::string> webhooks;
  for (const HttpRequest& r : requests_) {
    const Json body = *Json::Parse(r.body);
    if (r.url != config.notifier.sets[0].urls[0]) {
      webhooks.push_back(body["status"].AsString());
      continue;
    }
    ASSERT_THAT(body.AsArray(), SizeIs(1));
    told.push_back(body.AsArray()[0]);
  }
  EXPECT_THAT(webhooks, ElementsAre("firing", "resolved"));

  const auto time = [](const Json& alert, const char* key) {
    return *ParseRfc3339Ms(alert[key].AsString());
  };
  const int64_t starts_at = time(told.front(), "startsAt");
  int64_t sent_at = starts_at;
  size_t firing = 0;
  while (time(told[firing], "endsAt") == sent_at + 4 * kMinute) {
    ++firing;
    sent_at += kMinute + 15'000;  // the first evaluation after the resend delay
  }
  EXPECT_EQ(firing, 4u);
  const int64_t ended_at = time(told[firing], "endsAt");
  EXPECT_GT(ended_at, starts_at + 3 * kMinute);
  EXPECT_LE(ended_at, starts_at + 4 * kMinute + 15'000);
  for (size_t i = firing; i < told.size(); ++i) EXPECT_EQ(time(told[i], "endsAt"), ended_at);
  EXPECT_GT(told.size(), firing + 10) << "a resolve is repeated for 15 minutes";
  for (const Json& alert : told) {
    EXPECT_EQ(time(alert, "startsAt"), starts_at);
    EXPECT_EQ(alert["labels"].Dump(),
              R"({"alertname":"InstanceDown","instance":"h:1","job":"node","severity":"page",)"
              R"("site":"eu"})");
    EXPECT_EQ(alert["annotations"].Dump(), R"({"summary":"h:1 down"})");
    EXPECT_EQ(alert["generatorURL"].AsString(),
              "http://deck:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1");
  }
  EXPECT_EQ(manager_->Alertmanagers().active[0].sent, told.size());
}

TEST_F(ManagerTest, RemovedRuleResolvesItsAlertsOutsideToo) {
  ManagerConfig config = Config();
  config.notifier.sets.emplace_back();
  config.notifier.sets[0].urls = {"http://am:9093/api/v2/alerts"};
  config.alertmanager_file.clear();
  ASSERT_TRUE(manager_->Apply(config).ok());
  Down(true);
  Advance(3 * kMinute);
  config.rule_files.clear();
  const int64_t now_ms = clock_.WallMs();
  ASSERT_TRUE(manager_->Apply(config).ok());
  Advance(kMinute);
  ASSERT_FALSE(requests_.empty());
  const Json last = *Json::Parse(requests_.back().body);
  EXPECT_EQ(last.AsArray()[0]["endsAt"].AsString(), FormatRfc3339Ms(now_ms));
}

TEST_F(ManagerTest, WorksWithThreadsAndStopsPromptly) {
  ManagerOptions options;
  options.evaluation_threads = 2;
  ManagerDependencies dependencies = Dependencies();
  dependencies.clock = Clock::Real();
  auto m = Manager::Open(options, dependencies);
  ASSERT_TRUE(m.ok());
  (*m)->Start();
  ASSERT_TRUE((*m)->Apply(Config()).ok());
  EXPECT_THAT((*m)->RuleGroups(), SizeIs(1));
  Write("rules.yml", "groups: []\n");
  ASSERT_TRUE((*m)->Apply(Config()).ok());
  EXPECT_THAT((*m)->RuleGroups(), IsEmpty());
}

}  // namespace
}  // namespace deckwatch::alerting
