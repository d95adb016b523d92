#include "alerting/rule_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/alerting/fakes.h"

namespace deckwatch::alerting {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kStart = 1'700'000'000'000;
constexpr int64_t kStep = 15'000;

class RuleGroupTest : public ::testing::Test {
 protected:
  RuleGroupTest() {
    env_ = std::make_shared<RuleEnvironment>(RuleEnvironment{.query = engine_.Function(),
                                                             .appender = &appender_,
                                                             .state = &state_,
                                                             .clock = &clock_,
                                                             .external_labels = Labels{{"dc", "x"}},
                                                             .external_url = "http://d"});
    config_ = {.file = "r.yml",
               .name = "g",
               .interval_ms = kStep,
               .query_offset_ms = 0,
               .limit = 0,
               .rules = {}};
    down_ = {.alerting = true,
             .name = "Down",
             .expr = "up == 0",
             .query = "up == 0",
             .hold_ms = 2 * kStep,
             .keep_firing_for_ms = 0,
             .labels = {{"severity", "{{ $labels.job }}-page"}},
             .annotations = {{"summary", "{{ $labels.instance }} is {{ $value }}"}}};
  }

  void Make(std::vector<RuleConfig> rules) {
    config_.rules = std::move(rules);
    auto group = RuleGroup::Create(config_, env_);
    ASSERT_TRUE(group.ok()) << group.status().message();
    group_ = std::move(*group);
  }

  std::vector<Alert> Tick() {
    now_ += kStep;
    return group_->Evaluate(now_);
  }
  RuleSnapshot Rule(size_t i = 0) { return group_->Snapshot().rules[i]; }
  void Down(std::initializer_list<const char*> instances) {
    std::vector<std::pair<Labels, double>> v;
    for (const char* i : instances) {
      v.emplace_back(Labels{{"__name__", "up"}, {"instance", i}, {"job", "j"}}, 0);
    }
    engine_.Set("up == 0", std::move(v));
  }

  FakeClock clock_{kStart};
  FakeEngine engine_;
  MemoryAppender appender_;
  MemoryStateStore state_;
  std::shared_ptr<RuleEnvironment> env_;
  RuleGroupConfig config_;
  RuleConfig down_;
  std::unique_ptr<RuleGroup> group_;
  int64_t now_ = kStart;
};

TEST_F(RuleGroupTest, PendingThenFiringThenResolved) {
  Make({down_});
  EXPECT_THAT(Tick(), IsEmpty());
  Down({"a"});
  EXPECT_THAT(Tick(), IsEmpty());
  const int64_t active = now_;
  EXPECT_EQ(Rule().state, AlertState::kPending);
  EXPECT_THAT(Tick(), IsEmpty());
  const std::vector<Alert> fired = Tick();
  ASSERT_THAT(fired, SizeIs(1));
  EXPECT_EQ(
      fired[0].labels,
      (Labels{{"alertname", "Down"}, {"instance", "a"}, {"job", "j"}, {"severity", "j-page"}}));
  EXPECT_EQ(Find(fired[0].annotations, "summary"), "a is 0");
  EXPECT_EQ(fired[0].starts_at_ms, now_);
  EXPECT_EQ(fired[0].ends_at_ms, 0);
  EXPECT_EQ(fired[0].generator_url, "http://d/graph?g0.expr=up+%3D%3D+0&g0.tab=1");
  EXPECT_EQ(Rule().state, AlertState::kFiring);
  EXPECT_EQ(Rule().alerts[0].active_at_ms, active);
  Down({});
  const std::vector<Alert> resolved = Tick();
  ASSERT_THAT(resolved, SizeIs(1));
  EXPECT_EQ(resolved[0].ends_at_ms, now_);
  EXPECT_EQ(Rule().state, AlertState::kInactive);
  EXPECT_THAT(Rule().alerts, IsEmpty());
}

TEST_F(RuleGroupTest, LostSamplesAreToldOfByAlertsAndOnceByTheLog) {
  down_.hold_ms = 0;
  RuleConfig recording;
  recording.name = "r";
  recording.expr = recording.query = "up == 0";
  Make({down_, recording});
  Down({"a"});
  engine_.lost = "an hour is lost";
  testing::internal::CaptureStderr();
  const std::vector<Alert> fired = Tick();
  const std::string first = testing::internal::GetCapturedStderr();
  testing::internal::CaptureStderr();
  Tick();
  const std::string second = testing::internal::GetCapturedStderr();
  ASSERT_THAT(fired, SizeIs(1));
  EXPECT_EQ(Find(fired[0].annotations, "incomplete"), "an hour is lost");
  EXPECT_THAT(first, HasSubstr("rule=r "));
  EXPECT_THAT(first, HasSubstr("an hour is lost"));
  EXPECT_EQ(second, "");
}

TEST_F(RuleGroupTest, PendingThatEndsIsNeverSent) {
  Make({down_});
  Down({"a"});
  Tick();
  Down({});
  EXPECT_THAT(Tick(), IsEmpty());
  EXPECT_THAT(Rule().alerts, IsEmpty());
  EXPECT_THAT(state_.rows, SizeIs(1)) << "only the group's own row is left";
}

TEST_F(RuleGroupTest, FiringIsSentAgainAfterTheResendDelay) {
  down_.hold_ms = 0;
  Make({down_});
  Down({"a"});
  std::vector<size_t> sent;
  for (int i = 0; i < 11; ++i) sent.push_back(Tick().size());
  EXPECT_THAT(sent, ElementsAre(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1));
}

TEST_F(RuleGroupTest, ResolvedIsKeptFifteenMinutesForSendingAgain) {
  down_.hold_ms = 0;
  Make({down_});
  Down({"a"});
  Tick();
  Down({});
  size_t sent = 0;
  for (int i = 0; i < 80; ++i) sent += Tick().size();
  EXPECT_EQ(sent, 13u);
  EXPECT_THAT(state_.rows, SizeIs(1));
}

TEST_F(RuleGroupTest, KeepFiringForOutlivesAGap) {
  down_.hold_ms = 0;
  down_.keep_firing_for_ms = 2 * kStep;
  Make({down_});
  Down({"a"});
  Tick();
  Down({});
  EXPECT_THAT(Tick(), IsEmpty());
  EXPECT_EQ(Rule().alerts[0].keep_firing_since_ms, now_);
  Down({"a"});
  Tick();
  EXPECT_EQ(Rule().alerts[0].keep_firing_since_ms, 0);
  Down({});
  Tick();
  Tick();
  EXPECT_EQ(Rule().state, AlertState::kFiring);
  EXPECT_THAT(Tick(), SizeIs(1));
  EXPECT_EQ(Rule().state, AlertState::kInactive);
}

TEST_F(RuleGroupTest, WritesAlertSeriesAndTheirStaleMarkers) {
  down_.hold_ms = kStep;
  Make({down_});
  Down({"a"});
  Tick();
  const int64_t active = now_;
  Tick();
  Down({});
  Tick();
  const std::string rest = R"(, instance="a", job="j", severity="j-page"})";
  const auto& pending =
      appender_.samples[R"(ALERTS{alertname="Down", alertstate="pending")" + rest];
  const auto& firing = appender_.samples[R"(ALERTS{alertname="Down", alertstate="firing")" + rest];
  const auto& since = appender_.samples[R"(ALERTS_FOR_STATE{alertname="Down")" + rest];
  ASSERT_THAT(pending, SizeIs(2));
  EXPECT_EQ(pending[0].second, 1);
  EXPECT_TRUE(IsStale(pending[1].second));
  ASSERT_THAT(firing, SizeIs(2));
  EXPECT_TRUE(IsStale(firing[1].second));
  ASSERT_THAT(since, SizeIs(3));
  EXPECT_EQ(since[1].second, static_cast<double>(active / 1000));
}

TEST_F(RuleGroupTest, RecordsSeriesWithLabelsAndStaleMarkers) {
  RuleConfig record{.alerting = false,
                    .name = "job:up",
                    .expr = "e",
                    .query = "e",
                    .labels = {{"team", "t"}},
                    .annotations = {}};
  config_.query_offset_ms = 5000;
  Make({record});
  engine_.Set("e", {{Labels{{"__name__", "up"}, {"job", "a"}}, 3}, {Labels{{"job", "b"}}, 4}});
  Tick();
  engine_.Set("e", {{Labels{{"job", "b"}}, 5}});
  Tick();
  const auto& a = appender_.samples[R"(job:up{job="a", team="t"})"];
  ASSERT_THAT(a, SizeIs(2));
  EXPECT_EQ(a[0], std::make_pair(now_ - kStep - 5000, 3.0));
  EXPECT_TRUE(IsStale(a[1].second));
  EXPECT_EQ(engine_.asked.back().second, now_ - 5000);
}

TEST_F(RuleGroupTest, DuplicateLabelSetsFailTheRule) {
  RuleConfig record{.alerting = false,
                    .name = "r",
                    .expr = "e",
                    .query = "e",
                    .labels = {{"job", "x"}},
                    .annotations = {}};
  down_.labels = {{"instance", "same"}};
  Make({record, down_});
  engine_.Set("e", {{Labels{{"job", "a"}}, 1}, {Labels{{"job", "b"}}, 2}});
  Down({"a", "b"});
  Tick();
  EXPECT_EQ(Rule(0).last_error,
            "vector contains metrics with the same labelset after applying rule labels");
  EXPECT_EQ(Rule(1).last_error,
            "vector contains metrics with the same labelset after applying alert labels");
  EXPECT_EQ(group_->Snapshot().evaluation_failures, 2u);
}

TEST_F(RuleGroupTest, FailedQueryKeepsAlertsAndShowsTheError) {
  down_.hold_ms = 0;
  Make({down_});
  Down({"a"});
  Tick();
  engine_.Fail("up == 0", "too many samples");
  EXPECT_THAT(Tick(), IsEmpty());
  EXPECT_EQ(Rule().health, RuleHealth::kError);
  EXPECT_EQ(Rule().last_error, "too many samples");
  EXPECT_EQ(Rule().state, AlertState::kFiring);
  engine_.Heal("up == 0");
  Tick();
  EXPECT_EQ(Rule().health, RuleHealth::kOk);
}

TEST_F(RuleGroupTest, BreachedLimitKeepsThePreviousAlerts) {
  config_.limit = 1;
  down_.hold_ms = 0;
  Make({down_});
  Down({"a"});
  Tick();
  Down({"a", "b"});
  EXPECT_THAT(Tick(), IsEmpty());
  EXPECT_EQ(Rule().last_error, "exceeded limit of 1 with 2 alerts");
  EXPECT_THAT(Rule().alerts, SizeIs(1));
  EXPECT_EQ(Rule().state, AlertState::kFiring);
}

TEST_F(RuleGroupTest, TemplateErrorBecomesTheTextAndLosesNoAlert) {
  down_.hold_ms = 0;
  down_.annotations = {{"summary", "{{ query \"x\" | first | value }}"}};
  Make({down_});
  Down({"a"});
  const std::vector<Alert> sent = Tick();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_THAT(std::string(Find(sent[0].annotations, "summary")),
              HasSubstr("<error expanding template: "));
}

TEST_F(RuleGroupTest, NothingIsSentBeforeItIsStored) {
  down_.hold_ms = 0;
  Make({down_});
  Down({"a"});
  state_.fail = true;
  EXPECT_THAT(Tick(), IsEmpty());
  EXPECT_EQ(Rule().health, RuleHealth::kError);
  state_.fail = false;
  EXPECT_THAT(Tick(), SizeIs(1));
}

TEST_F(RuleGroupTest, RestartKeepsFiringAlertsAndTheirStart) {
  down_.hold_ms = 0;
  Make({down_});
  Down({"a"});
  const int64_t started = Tick()[0].starts_at_ms;
  Make({down_});
  EXPECT_EQ(Rule().state, AlertState::kFiring);
  const std::vector<Alert> again = Tick();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].starts_at_ms, started);
}

TEST_F(RuleGroupTest, RestartWaitsTwoEvaluationsBeforeItBelievesInAResolve) {
  down_.hold_ms = 0;
  Make({down_});
  Down({"a"});
  Tick();
  Make({down_});
  Down({});
  for (int i = 0; i < 2; ++i) {
    for (const Alert& a : Tick()) EXPECT_EQ(a.ends_at_ms, 0);
    EXPECT_EQ(Rule().state, AlertState::kFiring);
  }
  const std::vector<Alert> resolved = Tick();
  ASSERT_THAT(resolved, SizeIs(1));
  EXPECT_EQ(resolved[0].ends_at_ms, now_);
}

TEST_F(RuleGroupTest, ResolveIsSentAgainAfterARestartHoweverLongItTook) {
  down_.hold_ms = 0;
  Make({down_});
  Down({"a"});
  Tick();
  Down({});
  const int64_t ended = Tick()[0].ends_at_ms;
  now_ += 24 * 3'600'000;
  Make({down_});
  const std::vector<Alert> again = Tick();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].ends_at_ms, ended);
}

TEST_F(RuleGroupTest, OutageDoesNotCountTowardsFor) {
  down_.hold_ms = 4 * kStep;
  Make({down_});
  Down({"a"});
  Tick();
  Tick();  // pending for one step of four
  now_ += 10 * kStep;
  Make({down_});
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Tick(), IsEmpty()) << i;
  EXPECT_THAT(Tick(), SizeIs(1));
}

TEST_F(RuleGroupTest, PendingDoesNotSurviveAnOutageBeyondTolerance) {
  Make({down_});
  Down({"a"});
  Tick();
  now_ += env_->outage_tolerance_ms + 1;
  Make({down_});
  Down({});
  Tick();
  EXPECT_THAT(Rule().alerts, IsEmpty());
  EXPECT_THAT(state_.rows, SizeIs(1));
}

TEST_F(RuleGroupTest, AlertsOfARemovedRuleAreResolvedAndItsSeriesEnd) {
  down_.hold_ms = 0;
  Make({down_});
  Down({"a"});
  Tick();
  std::unique_ptr<RuleGroup> old = std::move(group_);
  Make({});
  group_->Adopt(old.get());
  const std::vector<Alert> sent = Tick();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].ends_at_ms, now_);
  EXPECT_THAT(state_.rows, IsEmpty());
  for (const auto& [name, samples] : appender_.samples)
    EXPECT_TRUE(IsStale(samples.back().second)) << name;
}

TEST_F(RuleGroupTest, ReloadWithTheSameRuleKeepsItsAlertsUntouched) {
  down_.hold_ms = 0;
  Make({down_});
  Down({"a"});
  Tick();
  std::unique_ptr<RuleGroup> old = std::move(group_);
  down_.annotations = {{"summary", "new words"}};
  Make({down_});
  group_->Adopt(old.get());
  EXPECT_THAT(Tick(), IsEmpty()) << "already sent, not due again";
  EXPECT_EQ(Find(Rule().alerts[0].annotations, "summary"), "new words");
}

TEST_F(RuleGroupTest, GridIsStableAndSpread) {
  Make({});
  const int64_t next = group_->NextEvaluationMs(kStart);
  EXPECT_GT(next, kStart);
  EXPECT_LE(next, kStart + kStep);
  EXPECT_EQ(group_->NextEvaluationMs(next), next + kStep);
  EXPECT_EQ(group_->NextEvaluationMs(next - 1), next);
  config_.name = "other";
  Make({});
  EXPECT_NE(group_->NextEvaluationMs(kStart), next);
}

TEST(RuleAlertRow, RoundTripsAndRefusesDamage) {
  RuleAlert a;
  a.annotations = {{"summary", "s"}, {"empty", ""}};
  a.state = AlertState::kFiring;
  a.value = 1.5;
  a.active_at_ms = 1, a.fired_at_ms = 2, a.resolved_at_ms = 3, a.keep_firing_since_ms = 4;
  const Labels labels{{"alertname", "X"}};
  const std::string row = EncodeRuleAlert(labels, a);
  Labels got_labels;
  RuleAlert got;
  ASSERT_TRUE(DecodeRuleAlert(row, &got_labels, &got).ok());
  EXPECT_EQ(got_labels, labels);
  EXPECT_TRUE(got.SameRow(a));
  EXPECT_EQ(got.annotations, a.annotations);
  EXPECT_EQ(got.value, 1.5);
  for (size_t n = 0; n < row.size(); ++n) {
    EXPECT_FALSE(DecodeRuleAlert(row.substr(0, n), &got_labels, &got).ok()) << n;
  }
  for (size_t bit = 0; bit < row.size() * 8; ++bit) {
    std::string flipped = row;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    (void)DecodeRuleAlert(flipped, &got_labels, &got);
  }
}

}  // namespace
}  // namespace deckwatch::alerting
