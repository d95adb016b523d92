#include "alerting/notifier.h"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace deckwatch::alerting {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kStart = 1'700'000'000'000;  // 2023-11-14T22:13:20Z
constexpr const char* kUrl = "http://am:9093/api/v2/alerts";
constexpr const char* kOther = "http://other:9093/api/v2/alerts";

// Alertmanagers that note what they are sent. Thread-safe.
class FakeAlertmanagers {
 public:
  HttpTransportFactory Factory() {
    return [this](const HttpClientConfig&) -> HttpTransport {
      return [this](const HttpRequest& r) { return Receive(r); };
    };
  }
  // What stands in for the network: called without a lock held.
  std::function<Result<HttpResponse>(const HttpRequest&)> answer = [](const HttpRequest&) {
    HttpResponse ok;
    ok.status = 200;
    return ok;
  };
  std::vector<HttpRequest> requests() const {
    MutexLock lock(mutex_);
    return requests_;
  }
  // The label `name` of the alerts sent to `url`, one list per request.
  std::vector<std::vector<std::string>> Heard(const std::string& url,
                                              const std::string& name = "alertname") const {
    std::vector<std::vector<std::string>> out;
    for (const HttpRequest& r : requests()) {
      if (r.url != url) continue;
      out.emplace_back();
      const auto body = Json::Parse(r.body);
      for (const Json& a : body->AsArray()) out.back().push_back(a["labels"][name].AsString());
    }
    return out;
  }

 private:
  Result<HttpResponse> Receive(const HttpRequest& r) {
    {
      MutexLock lock(mutex_);
      requests_.push_back(r);
    }
    return answer(r);
  }
  mutable Mutex mutex_;
  std::vector<HttpRequest> requests_ GUARDED_BY(mutex_);
};

Alert MakeAlert(const std::string& name) {
  Alert a;
  a.labels = Labels{{"alertname", name}, {"job", "node"}};
  a.starts_at_ms = kStart;
  return a;
}

std::vector<Alert> MakeAlerts(int n, int first = 0) {
  std::vector<Alert> out;
  for (int i = first; i < first + n; ++i) out.push_back(MakeAlert("A" + std::to_string(i)));
  return out;
}

NotifierConfig To(const std::vector<std::string>& urls) {
  NotifierConfig config;
  config.sets.emplace_back();
  config.sets[0].urls = urls;
  return config;
}

RelabelRules Rules(const std::string& yaml) {
  const auto node = ParseYaml("rules: " + yaml, "test.yml");
  YamlDecoder d(*node, "test.yml", "test");
  RelabelRules rules;
  DecodeRelabelRules(&d, "rules", "test.yml", &rules);
  EXPECT_TRUE(d.Finish().ok());
  return rules;
}

class NotifierTest : public ::testing::Test {
 protected:
  std::unique_ptr<Notifier> Make(NotifierOptions options = {},
                                 NotifierOptions::Threads t = NotifierOptions::Threads::kNone) {
    options.threads = t;
    return std::make_unique<Notifier>(options, alertmanagers_.Factory(), &clock_);
  }
  FakeClock clock_{kStart};
  FakeAlertmanagers alertmanagers_;
};

TEST_F(NotifierTest, PostsWhatAlertmanagerReads) {
  const auto notifier = Make();
  NotifierConfig config = To({kUrl});
  config.sets[0].timeout_ms = 3'000;
  notifier->Configure(config, {});
  Alert firing = MakeAlert("Down");
  firing.annotations = {{"empty", ""}, {"summary", "\"h\" down"}};
  firing.generator_url = "http://deck:9090/graph?g0.expr=up";
  Alert resolved = MakeAlert("Gone");
  resolved.ends_at_ms = kStart + 5'000;
  notifier->Send(std::vector{firing, resolved}, kStart + 240'000);
  EXPECT_THAT(alertmanagers_.requests(), IsEmpty());
  notifier->SendQueued();
  ASSERT_THAT(alertmanagers_.requests(), SizeIs(1));
  const HttpRequest r = alertmanagers_.requests()[0];
  EXPECT_EQ(r.method, "POST");
  EXPECT_EQ(r.url, kUrl);
  EXPECT_EQ(r.content_type, "application/json");
  EXPECT_EQ(r.timeout_ms, 3'000);
  EXPECT_EQ(
      r.body,
      R"([{"annotations":{"empty":"","summary":"\"h\" down"},"endsAt":"2023-11-14T22:17:20.000Z",)"
      R"("startsAt":"2023-11-14T22:13:20.000Z","generatorURL":"http://deck:9090/graph?g0.expr=up",)"
      R"("labels":{"alertname":"Down","job":"node"}},{"annotations":{},)"
      R"("endsAt":"2023-11-14T22:13:25.000Z","startsAt":"2023-11-14T22:13:20.000Z",)"
      R"("labels":{"alertname":"Gone","job":"node"}}])");
}

TEST_F(NotifierTest, AddsExternalLabelsWhereAbsentAndRelabelsAfterwards) {
  const auto notifier = Make();
  NotifierConfig config = To({kUrl});
  config.alert_relabel = Rules("[{source_labels: [site], target_label: where}]");
  config.sets[0].alert_relabel =
      Rules("[{source_labels: [where, alertname], regex: 'eu;B', action: drop}]");
  config.sets.push_back(To({kOther}).sets[0]);
  notifier->Configure(config, Labels{{"site", "eu"}, {"job", "external"}});
  notifier->Send(std::vector{MakeAlert("A"), MakeAlert("B")}, kStart);
  notifier->SendQueued();
  EXPECT_THAT(alertmanagers_.Heard(kUrl), ElementsAre(ElementsAre("A")));
  EXPECT_THAT(alertmanagers_.Heard(kUrl, "where"), ElementsAre(ElementsAre("eu")));
  EXPECT_THAT(alertmanagers_.Heard(kUrl, "job"), ElementsAre(ElementsAre("node")));
  EXPECT_THAT(alertmanagers_.Heard(kOther), ElementsAre(ElementsAre("A", "B")));
}

TEST_F(NotifierTest, SendsBatchesAndDropsTheOldestOfAFullQueue) {
  const auto notifier = Make({.queue_capacity = 5, .batch_size = 2});
  notifier->Configure(To({kUrl}), {});
  notifier->Send(MakeAlerts(4), kStart);
  notifier->Send(MakeAlerts(3, 4), kStart);
  EXPECT_EQ(notifier->Snapshot().active[0].queued, 5u);
  notifier->Send(MakeAlerts(6, 7), kStart);
  notifier->SendQueued();
  EXPECT_THAT(alertmanagers_.Heard(kUrl),
              ElementsAre(ElementsAre("A8", "A9"), ElementsAre("A10", "A11"), ElementsAre("A12")));
  const auto counts = notifier->Snapshot().active[0];
  EXPECT_EQ(counts.sent, 5u);
  EXPECT_EQ(counts.dropped, 8u);
  EXPECT_EQ(counts.errors, 0u);
  EXPECT_EQ(counts.queued, 0u);
  EXPECT_EQ(counts.requests, 3u);
}

TEST_F(NotifierTest, FailedRequestsAreCountedAndNotRepeated) {
  const auto notifier = Make();
  notifier->Configure(To({kUrl, kOther}), {});
  alertmanagers_.answer = [this](const HttpRequest& r) -> Result<HttpResponse> {
    clock_.AdvanceMs(20);
    if (r.url == kOther) return Status::Unavailable("connect: refused");
    HttpResponse response;
    response.status = r.body.find("\"A2\"") != std::string::npos ? 500 : 202;
    return response;
  };
  notifier->Send(MakeAlerts(2), kStart);
  notifier->SendQueued();
  notifier->Send(MakeAlerts(1, 2), kStart);
  notifier->SendQueued();
  EXPECT_THAT(alertmanagers_.requests(), SizeIs(4));
  const auto active = notifier->Snapshot().active;
  ASSERT_THAT(active, SizeIs(2));
  EXPECT_EQ(active[0].sent, 2u);
  EXPECT_EQ(active[0].errors, 1u);
  EXPECT_EQ(active[0].dropped, 1u);
  EXPECT_EQ(active[0].latency_ns, 20'000'000);
  EXPECT_EQ(active[1].sent, 0u);
  EXPECT_EQ(active[1].errors, 3u);
}

TEST_F(NotifierTest, ReloadKeepsTheQueueOfTheOneThatStays) {
  const auto notifier = Make();
  notifier->Configure(To({kUrl, kOther}), {});
  notifier->Send(MakeAlerts(2), kStart);
  NotifierConfig config = To({"http://new:9093/api/v2/alerts", kUrl});
  config.sets[0].dropped_urls = {kOther};
  notifier->Configure(config, {});
  notifier->SendQueued();
  ASSERT_THAT(alertmanagers_.requests(), SizeIs(1));
  EXPECT_THAT(alertmanagers_.Heard(kUrl), ElementsAre(ElementsAre("A0", "A1")));
  EXPECT_THAT(notifier->Snapshot().active, SizeIs(2));
  EXPECT_THAT(notifier->Snapshot().dropped_urls, ElementsAre(kOther));
}

TEST_F(NotifierTest, OneUrlInTwoSetsIsToldByBoth) {
  const auto notifier = Make();
  NotifierConfig config = To({kUrl});
  config.sets.push_back(config.sets[0]);
  config.sets[1].alert_relabel = Rules("[{target_label: copy, replacement: 'yes'}]");
  notifier->Configure(config, {});
  notifier->Configure(config, {});
  notifier->Send(MakeAlerts(1), kStart);
  notifier->SendQueued();
  EXPECT_THAT(alertmanagers_.Heard(kUrl, "copy"), ElementsAre(ElementsAre(""), ElementsAre("yes")));
}

TEST_F(NotifierTest, SlowAlertmanagerDelaysNobodyAndStopsWhenAsked) {
  std::promise<void> heard;
  alertmanagers_.answer = [&](const HttpRequest& r) -> Result<HttpResponse> {
    if (r.url == kOther) {  // hangs until it is told to give up
      std::promise<void> stopped;
      const std::stop_callback on_stop(r.stop, [&] { stopped.set_value(); });
      stopped.get_future().wait();
      return Status::Cancelled("stopped");
    }
    if (r.body.find("\"A1\"") != std::string::npos) heard.set_value();
    HttpResponse response;
    response.status = 200;
    return response;
  };
  auto notifier = Make({.batch_size = 1, .drain_ms = 0}, NotifierOptions::Threads::kOwn);
  notifier->Configure(To({kOther, kUrl}), {});
  notifier->Send(MakeAlerts(2), kStart);
  heard.get_future().wait();
  notifier->Configure(To({kUrl}), {});  // the slow one goes: its request ends
  notifier->Configure(To({kUrl, kOther}), {});
  notifier->Send(MakeAlerts(1, 9), kStart);
  notifier.reset();
}

TEST_F(NotifierTest, StoppingSendsWhatIsQueued) {
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  std::promise<void> begun;
  std::atomic<bool> first = true;
  alertmanagers_.answer = [&](const HttpRequest&) {
    if (first.exchange(false)) begun.set_value();
    released.wait();
    HttpResponse response;
    response.status = 200;
    return response;
  };
  auto notifier = Make({.batch_size = 2, .drain_ms = 60'000}, NotifierOptions::Threads::kOwn);
  notifier->Configure(To({kUrl}), {});
  notifier->Send(MakeAlerts(1), kStart);
  begun.get_future().wait();
  notifier->Send(MakeAlerts(4, 1), kStart);
  release.set_value();
  notifier.reset();
  EXPECT_THAT(alertmanagers_.Heard(kUrl),
              ElementsAre(ElementsAre("A0"), ElementsAre("A1", "A2"), ElementsAre("A3", "A4")));
}

}  // namespace
}  // namespace deckwatch::alerting
