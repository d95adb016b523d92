#include "alerting/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "alerting/template.h"
#include "base/clock.h"
#include "base/json.h"
#include "tests/alerting/fakes.h"

namespace deckwatch::alerting {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Reason = NotificationReason;

constexpr int64_t kStart = 1'700'000'000'000;
constexpr int64_t kSecond = 1000;
constexpr int64_t kMinute = 60'000;

TEST(WhyNotify, FollowsAlertmanagersTable) {
  const LogEntry none_firing{
      .change = 1, .time_ms = 0, .expires_ms = 0, .firing = {}, .resolved = {1}};
  const LogEntry one{.change = 1, .time_ms = 0, .expires_ms = 0, .firing = {1}, .resolved = {}};
  const LogEntry both{.change = 1, .time_ms = 0, .expires_ms = 0, .firing = {1, 2}, .resolved = {}};
  const auto why = [](const LogEntry* last, GroupState now, bool send_resolved = true,
                      int64_t t = 1) { return WhyNotify(last, now, send_resolved, 100, t); };
  EXPECT_EQ(why(nullptr, {{1}, {}}), Reason::kFirstNotification);
  EXPECT_EQ(why(nullptr, {{}, {1}}), Reason::kNone);
  EXPECT_EQ(why(nullptr, {{}, {}}), Reason::kNone);
  EXPECT_EQ(why(&one, {{1, 2}, {}}), Reason::kNewAlerts);
  EXPECT_EQ(why(&none_firing, {{1}, {}}), Reason::kFirstNotification);
  EXPECT_EQ(why(&one, {{}, {1}}), Reason::kAllResolved);
  EXPECT_EQ(why(&one, {{}, {1}}, false), Reason::kAllResolved);
  EXPECT_EQ(why(&none_firing, {{}, {2}}), Reason::kNone);
  EXPECT_EQ(why(&both, {{1}, {2}}), Reason::kNewResolved);
  EXPECT_EQ(why(&both, {{1}, {2}}, false), Reason::kNone);
  EXPECT_EQ(why(&one, {{1}, {}}, true, 99), Reason::kNone);
  EXPECT_EQ(why(&one, {{1}, {}}, true, 100), Reason::kRepeat);
}

constexpr const char* kConfig = R"yaml(
route:
  receiver: hook
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 1h
  routes:
  - matchers: [team="quiet"]
    receiver: quiet
  - matchers: [team="night"]
    mute_time_intervals: [always]
  - matchers: [team="mail"]
    receiver: mail
receivers:
- name: hook
  webhook_configs: [{url: 'http://h/'}]
- name: quiet
  webhook_configs: [{url: 'http://q/', send_resolved: false}]
- name: mail
  email_configs: [{to: a, from: b, smarthost: 'h:25'}]
inhibit_rules:
- source_matchers: [severity="critical"]
  target_matchers: [severity="warning"]
  equal: [instance]
time_intervals:
- name: always
  time_intervals: [{years: ['2000:2100']}]
)yaml";

class DispatcherTest : public ::testing::Test {
 protected:
  DispatcherTest() { Restart(); }

  void Restart() {
    auto outbox = Outbox::Open(&state_);
    ASSERT_TRUE(outbox.ok());
    outbox_ = std::move(*outbox);
    auto d = Dispatcher::Open(&state_, outbox_.get(), [this](const Alert& a, int64_t) {
      return a.labels.Get("instance") == silenced_ ? std::vector<std::string>{"s1"}
                                                   : std::vector<std::string>();
    });
    ASSERT_TRUE(d.ok()) << d.status().message();
    dispatcher_ = std::move(*d);
    Reload(kConfig);
  }
  void Reload(const char* yaml) {
    Result<AmConfig> config = ParseAmConfig(yaml, "am.yml");
    ASSERT_TRUE(config.ok()) << config.status().message();
    config_ = std::make_shared<const AmConfig>(std::move(*config));
    dispatcher_->Configure(config_, now_);
  }

  void Put(const std::string& name, const std::string& instance, KeyValues more = {},
           int64_t ends = 0) {
    LabelsBuilder b;
    b.Set("alertname", name).Set("instance", instance);
    for (const auto& [k, v] : more) b.Set(k, v);
    Alert a;
    a.labels = b.Build();
    a.starts_at_ms = now_;
    a.ends_at_ms = ends;
    ASSERT_TRUE(dispatcher_->Put({a}, now_).ok());
  }
  void End(const std::string& name, const std::string& instance, KeyValues more = {}) {
    Put(name, instance, std::move(more), now_);
  }

  // "<receiver> <reason>: firing…; resolved…" for each delivery in the time.
  std::vector<std::string> Advance(int64_t ms) {
    std::vector<std::string> out;
    const int64_t until = now_ + ms;
    while (true) {
      const int64_t next = std::min({dispatcher_->NextDueMs(), outbox_->NextDueMs(), until});
      now_ = std::max(now_, next);
      dispatcher_->Flush(now_);
      Deliver(&out);
      if (next >= until) return out;
    }
  }
  void Deliver(std::vector<std::string>* out) {
    while (true) {
      const std::vector<const OutboxItem*> claimed = outbox_->Claim(now_);
      if (claimed.empty()) return;
      for (const OutboxItem* item : claimed) {
        out->push_back(Describe(item->notification));
        keys_.push_back(item->IdempotencyKey());
        const auto given_up = outbox_->Complete(uint64_t{item->id}, outcome_, now_);
        if (given_up) dispatcher_->Refused(*given_up);
      }
    }
  }
  static std::string Describe(const Notification& n) {
    std::string text = n.receiver + " " + std::string(NotificationReasonName(n.reason)) + ":";
    for (const Alert& a : n.alerts) {
      text += std::string(a.ends_at_ms == 0 ? " +" : " -") + std::string(a.labels.Get("instance"));
    }
    return text;
  }

  MemoryStateStore state_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::shared_ptr<const AmConfig> config_;
  int64_t now_ = kStart;
  std::string silenced_ = "none";
  SendOutcome outcome_;
  std::vector<std::string> keys_;
};

TEST_F(DispatcherTest, WaitsGroupsAndTellsOnce) {
  Put("Down", "b");
  Put("Down", "a");
  Put("Other", "c");
  EXPECT_THAT(Advance(29 * kSecond), IsEmpty());
  EXPECT_THAT(Advance(1 * kSecond),
              ElementsAre("hook first notification: +a +b", "hook first notification: +c"));
  EXPECT_THAT(Advance(50 * kMinute), IsEmpty());
}

TEST_F(DispatcherTest, NewAlertsAndResolvesComeAtTheGroupInterval) {
  Put("Down", "a");
  Advance(30 * kSecond);
  Put("Down", "b");
  EXPECT_THAT(Advance(4 * kMinute), IsEmpty());
  EXPECT_THAT(Advance(1 * kMinute), ElementsAre("hook new alerts added: +a +b"));
  End("Down", "a");
  EXPECT_THAT(Advance(5 * kMinute), ElementsAre("hook some alerts resolved: -a +b"));
  End("Down", "b");
  EXPECT_THAT(Advance(5 * kMinute), ElementsAre("hook all alerts resolved: -b"));
  EXPECT_THAT(Advance(10 * kMinute), IsEmpty());
  EXPECT_THAT(dispatcher_->Snapshot(now_), IsEmpty());
  for (const auto& [key, row] : state_.rows) EXPECT_TRUE(key.starts_with("nflog/")) << key;
}

TEST_F(DispatcherTest, RepeatsAfterTheRepeatInterval) {
  Put("Down", "a");
  Advance(30 * kSecond);
  EXPECT_THAT(Advance(59 * kMinute), IsEmpty());
  EXPECT_THAT(Advance(1 * kMinute), ElementsAre("hook repeat interval elapsed: +a"));
}

TEST_F(DispatcherTest, AlertThatEndsBeforeTheFirstFlushIsNotTold) {
  Put("Down", "a");
  now_ += kSecond;
  End("Down", "a");
  EXPECT_THAT(Advance(10 * kMinute), IsEmpty());
  EXPECT_THAT(state_.rows, IsEmpty());
}

TEST_F(DispatcherTest, LateAlertIsFlushedAtOnce) {
  Alert a;
  a.labels = Labels{{"alertname", "Old"}, {"instance", "x"}};
  a.starts_at_ms = now_ - kMinute;
  ASSERT_TRUE(dispatcher_->Put({a}, now_).ok());
  EXPECT_THAT(Advance(0), SizeIs(1));
}

TEST_F(DispatcherTest, SendResolvedFalseKeepsQuietButForgets) {
  Put("Down", "a", {{"team", "quiet"}});
  EXPECT_THAT(Advance(30 * kSecond), ElementsAre("quiet first notification: +a"));
  End("Down", "a", {{"team", "quiet"}});
  EXPECT_THAT(Advance(5 * kMinute), IsEmpty());
  Put("Down", "a", {{"team", "quiet"}});
  EXPECT_THAT(Advance(30 * kSecond), ElementsAre("quiet first notification: +a"));
}

TEST_F(DispatcherTest, InhibitedAlertsAreNotTold) {
  Put("Warn", "a", {{"severity", "warning"}});
  Put("Warn", "b", {{"severity", "warning"}});
  Put("Crit", "a", {{"severity", "critical"}});
  EXPECT_THAT(Advance(30 * kSecond),
              ElementsAre("hook first notification: +a", "hook first notification: +b"));
  bool seen = false;
  for (const AlertGroupSnapshot& g : dispatcher_->Snapshot(now_)) {
    for (const auto& m : g.alerts) seen |= !m.inhibited_by.empty();
  }
  EXPECT_TRUE(seen);
  End("Crit", "a", {{"severity", "critical"}});
  EXPECT_THAT(Advance(5 * kMinute),
              ElementsAre("hook all alerts resolved: -a", "hook new alerts added: +a +b"));
}

TEST_F(DispatcherTest, InhibitionSurvivesARestart) {
  Put("Crit", "a", {{"severity", "critical"}});
  Advance(30 * kSecond);
  Restart();
  Put("Warn", "a", {{"severity", "warning"}});
  EXPECT_THAT(Advance(4 * kMinute), IsEmpty());
}

TEST_F(DispatcherTest, SilencedAndMutedAlertsAreNotTold) {
  silenced_ = "a";
  Put("Down", "a");
  Put("Down", "n", {{"team", "night"}});
  EXPECT_THAT(Advance(10 * kMinute), IsEmpty());
  silenced_ = "none";
  EXPECT_THAT(Advance(5 * kMinute), ElementsAre("hook first notification: +a"));
}

TEST_F(DispatcherTest, ResolveWaitsForTheEndOfASilence) {
  Put("Down", "a");
  Advance(30 * kSecond);
  silenced_ = "a";
  End("Down", "a");
  EXPECT_THAT(Advance(20 * kMinute), IsEmpty());
  silenced_ = "none";
  EXPECT_THAT(Advance(5 * kMinute), ElementsAre("hook all alerts resolved: -a"));
}

TEST_F(DispatcherTest, UnsupportedIntegrationCountsAsFailed) {
  Put("Down", "a", {{"team", "mail"}});
  EXPECT_THAT(Advance(30 * kSecond), IsEmpty());
  EXPECT_EQ(dispatcher_->counters(now_).unsupported, 1u);
}

TEST_F(DispatcherTest, RestartWhileFiringTellsNobodyTwiceAndLosesNoResolve) {
  Put("Down", "a");
  EXPECT_THAT(Advance(30 * kSecond), SizeIs(1));
  for (int i = 0; i < 5; ++i) {
    Restart();
    EXPECT_THAT(Advance(4 * kMinute), IsEmpty()) << i;
  }
  End("Down", "a");
  Restart();
  EXPECT_THAT(Advance(5 * kMinute), ElementsAre("hook all alerts resolved: -a"));
  Restart();
  EXPECT_THAT(Advance(10 * kMinute), IsEmpty());
}

TEST_F(DispatcherTest, CommittedNotificationIsSentAfterARestartWithTheSameKey) {
  Put("Down", "a");
  outcome_ = {SendOutcome::Kind::kRetry, "down", 0};
  EXPECT_THAT(Advance(30 * kSecond), SizeIs(1));
  Restart();
  outcome_ = {};
  EXPECT_THAT(Advance(0), ElementsAre("hook first notification: +a"));
  ASSERT_THAT(keys_, SizeIs(2));
  EXPECT_EQ(keys_[0], keys_[1]);
}

TEST_F(DispatcherTest, GroupFlushTimesSurviveARestart) {
  Put("Down", "a");
  now_ += 20 * kSecond;
  Restart();
  EXPECT_THAT(Advance(9 * kSecond), IsEmpty());
  EXPECT_THAT(Advance(1 * kSecond), SizeIs(1));
}

TEST_F(DispatcherTest, RefusedNotificationIsToldAgainAtTheNextFlush) {
  Put("Down", "a");
  outcome_ = {SendOutcome::Kind::kRefused, "404", 0};
  EXPECT_THAT(Advance(30 * kSecond), SizeIs(1));
  outcome_ = {};
  EXPECT_THAT(Advance(5 * kMinute), ElementsAre("hook first notification: +a"));
  EXPECT_NE(keys_[0], keys_[1]);
  outcome_ = {SendOutcome::Kind::kRefused, "404", 0};
  End("Down", "a");
  EXPECT_THAT(Advance(5 * kMinute), ElementsAre("hook all alerts resolved: -a"));
  outcome_ = {};
  EXPECT_THAT(Advance(5 * kMinute), ElementsAre("hook all alerts resolved: -a"));
  EXPECT_THAT(Advance(10 * kMinute), IsEmpty());
}

TEST_F(DispatcherTest, NothingIsDecidedWhileTheStoreFails) {
  Put("Down", "a");
  state_.fail = true;
  EXPECT_THAT(Advance(30 * kSecond), IsEmpty());
  state_.fail = false;
  EXPECT_THAT(Advance(5 * kMinute), ElementsAre("hook first notification: +a"));
}

TEST_F(DispatcherTest, ReloadKeepsWhatWasTold) {
  Put("Down", "a");
  Advance(30 * kSecond);
  Reload(kConfig);
  EXPECT_THAT(Advance(20 * kMinute), IsEmpty());
}

TEST_F(DispatcherTest, AlertsNobodyKnowsAnyMoreAreResolved) {
  Put("Down", "a");
  Put("Down", "b");
  Advance(30 * kSecond);
  ASSERT_TRUE(
      dispatcher_
          ->ResolveAllBut({Fingerprint(Labels{{"alertname", "Down"}, {"instance", "a"}})}, now_)
          .ok());
  EXPECT_THAT(Advance(5 * kMinute), ElementsAre("hook some alerts resolved: +a -b"));
}

TEST_F(DispatcherTest, AlertWithAnEndInTheFutureResolvesByItself) {
  Put("Api", "a", {}, now_ + 2 * kMinute);
  EXPECT_THAT(Advance(30 * kSecond), ElementsAre("hook first notification: +a"));
  EXPECT_THAT(Advance(5 * kMinute), ElementsAre("hook all alerts resolved: -a"));
}

// A receiver is down while an alert flaps for a day: it hears a bounded number of messages, in
// order, the last of which is the truth.
TEST_F(DispatcherTest, LongOutageIsBoundedAndEndsInTheTruth) {
  outcome_ = {SendOutcome::Kind::kRetry, "down", 0};
  for (int i = 0; i < 100; ++i) {
    Put("Down", "a");
    Put("Down", "i" + std::to_string(i));
    Advance(6 * kMinute);
    End("Down", "a");
    End("Down", "i" + std::to_string(i));
    Advance(6 * kMinute);
  }
  EXPECT_LE(outbox_->size(), Outbox::kMaxLane);
  outcome_ = {};
  now_ += kMinute;
  const std::vector<std::string> heard = Advance(20 * kMinute);
  ASSERT_THAT(heard, SizeIs(Outbox::kMaxLane));
  EXPECT_EQ(heard[0], "hook first notification: +a +i0");
  for (int i = 0; i < 100; ++i) {
    const std::string name = "-i" + std::to_string(i);
    EXPECT_TRUE(std::ranges::any_of(heard, [&](const std::string& h) {
      return h.find(name) != std::string::npos;
    })) << name;
  }
}

TEST(WebhookBody, IsAlertmanagersVersion4) {
  Notification n;
  n.receiver = "hook";
  n.group_key = "{}:{alertname=\"Down\"}";
  n.group_labels = Labels{{"alertname", "Down"}};
  n.reason = Reason::kFirstNotification;
  Alert a;
  a.labels = Labels{{"alertname", "Down"}, {"instance", "a"}};
  a.annotations = {{"summary", "s"}, {"x", "1"}};
  a.starts_at_ms = *ParseRfc3339Ms("2026-11-20T10:00:00.120Z");
  a.generator_url = "http://d/graph";
  Alert b = a;
  b.labels = Labels{{"alertname", "Down"}, {"instance", "b"}};
  b.annotations = {{"summary", "s"}, {"x", "2"}};
  b.starts_at_ms = *ParseRfc3339Ms("2026-11-20T10:00:00Z");
  b.ends_at_ms = *ParseRfc3339Ms("2026-11-20T10:05:00.5Z");
  n.alerts = {a, b};
  EXPECT_EQ(
      WebhookBody(n, "http://d", 0),
      R"({"receiver":"hook","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Down","instance":"a"},"annotations":{"summary":"s","x":"1"},"startsAt":"2026-11-20T10:00:00.12Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://d/graph","fingerprint":")" +
          FingerprintHex(Fingerprint(a.labels)) +
          R"("},{"status":"resolved","labels":{"alertname":"Down","instance":"b"},"annotations":{"summary":"s","x":"2"},"startsAt":"2026-11-20T10:00:00Z","endsAt":"2026-11-20T10:05:00.5Z","generatorURL":"http://d/graph","fingerprint":")" +
          FingerprintHex(Fingerprint(b.labels)) +
          R"("}],"groupLabels":{"alertname":"Down"},"commonLabels":{"alertname":"Down"},"commonAnnotations":{"summary":"s"},"externalURL":"http://d","version":"4","groupKey":"{}:{alertname=\"Down\"}","truncatedAlerts":0,"notification_reason":"first notification"})");
  const Result<Json> cut = Json::Parse(WebhookBody(n, "http://d", 1));
  ASSERT_TRUE(cut.ok());
  EXPECT_EQ((*cut)["truncatedAlerts"].AsInt(), 1);
  EXPECT_THAT((*cut)["alerts"].AsArray(), SizeIs(1));
}

// FNV-1a by hand over "a" ff "b" ff, as Prometheus's model package does.
TEST(Fingerprint, IsPrometheuss) {
  EXPECT_EQ(FingerprintHex(Fingerprint(Labels())), "cbf29ce484222325");
  uint64_t h = 0xcbf29ce484222325u;
  for (unsigned char c : std::string("a\xff"
                                     "b\xff"))
    h = (h ^ c) * 0x100000001b3u;
  EXPECT_EQ(Fingerprint(Labels{{"a", "b"}}), h);
}

TEST(NotificationData, OffersWhatAlertmanagersTemplatesUse) {
  Notification n;
  n.receiver = "r";
  Alert a;
  a.labels = Labels{{"alertname", "Down"}, {"az", "1"}, {"aa", "2"}};
  Alert b = a;
  b.ends_at_ms = 5;
  n.alerts = {a, b};
  n.group_labels = Labels{{"alertname", "Down"}};
  TemplateSet set(TemplateDialect::kNotifications);
  ASSERT_TRUE(
      set.Add("t",
              "[{{ .Status | toUpper }}:{{ .Alerts.Firing | len }}/{{ len .Alerts.Resolved }}] "
              "{{ .GroupLabels.SortedPairs.Values | join \" \" }} "
              "({{ with .CommonLabels.Remove .GroupLabels.Names }}{{ .Values | join \",\" }}{{ end "
              "}}) "
              "{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }};{{ end }}")
          .ok());
  const auto out = set.Execute("t", NotificationData(n, "u"),
                               {.query = nullptr, .now_ms = 0, .external_url = "u"});
  ASSERT_TRUE(out.ok()) << out.status().message();
  EXPECT_EQ(*out, "[FIRING:1/1] Down (2,1) alertname=Down;aa=2;az=1;");
}

TEST(NotificationRow, RoundTripsAndRefusesDamage) {
  Notification n;
  n.receiver = "r", n.integration_type = "webhook", n.integration_index = 3, n.group_key = "k";
  n.group_labels = Labels{{"a", "b"}};
  n.route_labels = {{"x", "y"}};
  n.reason = Reason::kRepeat;
  n.created_at_ms = 7;
  Alert a;
  a.labels = Labels{{"alertname", "A"}};
  a.annotations = {{"s", ""}};
  a.starts_at_ms = 1, a.ends_at_ms = 2, a.updated_at_ms = 3, a.generator_url = "g";
  n.alerts = {a};
  const std::string row = EncodeNotification(n);
  const Result<Notification> got = DecodeNotification(row);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(EncodeNotification(*got), row);
  const std::string entry = EncodeLogEntry(
      {.change = 1, .time_ms = 2, .expires_ms = 3, .firing = {4}, .resolved = {5, 6}});
  EXPECT_EQ(EncodeLogEntry(*DecodeLogEntry(entry)), entry);
  for (size_t i = 0; i < row.size(); ++i) EXPECT_FALSE(DecodeNotification(row.substr(0, i)).ok());
  for (size_t i = 0; i < entry.size(); ++i) EXPECT_FALSE(DecodeLogEntry(entry.substr(0, i)).ok());
  for (size_t bit = 0; bit < row.size() * 8; ++bit) {
    std::string flipped = row;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    (void)DecodeNotification(flipped);
    (void)DecodeLogEntry(flipped);
  }
}

}  // namespace
}  // namespace deckwatch::alerting
