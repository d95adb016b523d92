#include "scraper/manager.h"

#include <atomic>
#include <cstdio>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "scraper/metadata_pool.h"
#include "tests/scraper/fake_appender.h"
#include "tests/scraper/web_server.h"

namespace deckwatch::scraper {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kStartMs = 1'700'000'000'000;

ScrapeConfigs Parse(const std::string& yaml) {
  const auto node = ParseYaml(yaml, "c.yml");
  EXPECT_TRUE(node.ok()) << node.status().message();
  std::set<std::string> jobs;
  auto configs = ParseScrapeConfigs(*node, "c.yml", ScrapeDefaults(), &jobs);
  EXPECT_TRUE(configs.ok()) << configs.status().message();
  return configs.ok() ? *configs : ScrapeConfigs();
}

class FixedCollector : public Collector {
 public:
  std::string_view name() const override { return "host"; }
  Result<std::string> Collect() override { return std::string("node_x 7\n"); }
};

// A manager without a thread of its own, on a clock that stands still between the steps.
class ManagerTest : public ::testing::Test {
 protected:
  ManagerTest() { manager_ = std::make_unique<ScrapeManager>(Options()); }

  ScrapeManagerOptions Options() {
    ScrapeManagerOptions o;
    o.appender = &store_;
    o.clock = &clock_;
    o.host_name = "box";
    o.workers = 1;
    o.start_thread = false;
    o.collectors.push_back(std::make_unique<FixedCollector>());
    return o;
  }

  void Apply(const std::string& yaml) {
    ASSERT_TRUE(manager_->Apply(Parse(yaml)).ok());
    Settle();
  }
  // Lets `ms` go by in steps of a tenth of a second, finishing all scrapes in between.
  void Pass(int64_t ms) {
    for (int64_t left = ms; left > 0; left -= 100) {
      clock_.AdvanceMs(std::min<int64_t>(left, 100));
      Settle();
    }
  }
  void Settle() {
    while (manager_->RunOnce(0) || manager_->RunOnce(0)) manager_->RunOnce(20);
  }
  std::string Job(const std::string& more = "") {
    return "- {job_name: j, scrape_interval: 10s, static_configs: [{targets: ['" + web_.address() +
           "']}]" + more + "}\n";
  }
  TargetInfo OnlyTarget() {
    const auto targets = manager_->Targets().active;
    EXPECT_EQ(targets.size(), 1u);
    return targets.empty() ? TargetInfo() : targets[0];
  }

  FakeClock clock_{kStartMs};
  FakeAppender store_;
  WebServer web_;
  std::unique_ptr<ScrapeManager> manager_;
};

TEST_F(ManagerTest, ScrapesOncePerIntervalOnAFixedGrid) {
  web_.Page("a 1\n");
  Apply(Job());
  Pass(30'000);
  EXPECT_EQ(web_.requests(), 3);
  const TargetInfo info = OnlyTarget();
  EXPECT_EQ(info.health, TargetHealth::kUp);
  EXPECT_EQ(info.scrape_url, "http://" + web_.address() + "/metrics");
  EXPECT_EQ(info.labels.view().ToString(), "{instance=\"" + web_.address() + "\", job=\"j\"}");
  const int64_t last = info.last_scrape_ms;
  EXPECT_EQ(store_.Samples("a{"), "1@" + std::to_string(last - 20'000) + " 1@" +
                                      std::to_string(last - 10'000) + " 1@" + std::to_string(last));
  EXPECT_EQ(store_.Samples("up{"), store_.Samples("a{"));
}

TEST_F(ManagerTest, SaysWhyAScrapeFailed) {
  web_.Handle([](const httplib::Request&, httplib::Response& r) { r.status = 500; });
  Apply(Job());
  Pass(10'000);
  EXPECT_EQ(OnlyTarget().health, TargetHealth::kDown);
  EXPECT_THAT(OnlyTarget().last_error, HasSubstr("server returned HTTP status 500"));
  EXPECT_THAT(store_.Samples("up{"), HasSubstr("0@"));
}

TEST_F(ManagerTest, BuiltInCollectorsAreTargets) {
  Apply(
      "- {job_name: node, scrape_interval: 10s, static_configs: [{targets: "
      "['deckwatch://host']}]}");
  Pass(10'000);
  EXPECT_EQ(OnlyTarget().scrape_url, "deckwatch://host");
  EXPECT_THAT(store_.Samples("node_x{instance=\"box\", job=\"node\"}"), HasSubstr("7@"));
}

TEST_F(ManagerTest, AsksAsPrometheusDoes) {
  std::string accept, timeout, agent, encoding, target, authorization, scope;
  web_.Handle([&](const httplib::Request& q, httplib::Response& r) {
    accept = q.get_header_value("Accept");
    timeout = q.get_header_value("X-Prometheus-Scrape-Timeout-Seconds");
    agent = q.get_header_value("User-Agent");
    encoding = q.get_header_value("Accept-Encoding");
    authorization = q.get_header_value("Authorization");
    scope = q.get_header_value("X-Scope");
    target = q.target;
    r.set_content("a 1\n", "text/plain");
  });
  Apply(
      Job(", metrics_path: /m, params: {x: [y z]}, basic_auth: {username: u, password: p},"
          " http_headers: {X-Scope: {values: [s]}}, scrape_timeout: 4s"));
  Pass(10'000);
  EXPECT_THAT(accept, HasSubstr("application/openmetrics-text;version=1.0.0"));
  EXPECT_EQ(timeout, "4");
  EXPECT_THAT(agent, HasSubstr("Deckwatch/"));
  EXPECT_EQ(encoding, "gzip");
  EXPECT_EQ(target, "/m?x=y+z");
  EXPECT_EQ(authorization, "Basic dTpw");
  EXPECT_EQ(scope, "s");
}

TEST_F(ManagerTest, BodiesAreLimitedAfterDecompression) {
  web_.Handle([](const httplib::Request&, httplib::Response& r) {
    r.set_content("a{b=\"" + std::string(100'000, 'x') + "\"} 1\n", "text/plain");
  });
  Apply(Job(", body_size_limit: 10KB"));
  Pass(10'000);
  EXPECT_THAT(OnlyTarget().last_error, HasSubstr("body exceeds the limit of 10240 bytes"));
  Apply(Job(", body_size_limit: 1MB, label_value_length_limit: 0"));
  Pass(10'000);
  EXPECT_EQ(OnlyTarget().last_error, "");
}

TEST_F(ManagerTest, ATargetThatNeverAnswersTimesOut) {
  std::atomic<bool> leave{false};
  web_.Handle([&](const httplib::Request&, httplib::Response& r) {
    r.set_chunked_content_provider("text/plain", [&](size_t, httplib::DataSink& sink) {
      std::this_thread::yield();
      if (leave) sink.done();
      return true;
    });
  });
  Apply(Job(", scrape_timeout: 50ms"));
  Pass(10'000);
  EXPECT_THAT(OnlyTarget().last_error, HasSubstr("timed out after 50ms"));
  leave = true;
}

TEST_F(ManagerTest, RedirectsAreFollowedWithoutCredentials) {
  WebServer other;
  std::string at_other = "unset";
  other.Handle([&](const httplib::Request& q, httplib::Response& r) {
    at_other = q.get_header_value("Authorization");
    r.set_content("a 1\n", "text/plain");
  });
  const std::string where = "http://localhost:" + other.address().substr(10) + "/x";
  web_.Handle([&](const httplib::Request&, httplib::Response& r) { r.set_redirect(where); });
  Apply(Job(", bearer_token: secret"));
  Pass(10'000);
  EXPECT_EQ(OnlyTarget().health, TargetHealth::kUp) << OnlyTarget().last_error;
  EXPECT_EQ(at_other, "");
  Apply(Job(", follow_redirects: false"));
  Pass(10'000);
  EXPECT_THAT(OnlyTarget().last_error, HasSubstr("HTTP status 302"));
  manager_.reset();  // closes its idle connection to `other`
}

TEST_F(ManagerTest, ReloadKeepsTargetsAndTheirSchedule) {
  web_.Page("a 1\n");
  Apply(Job());
  Pass(20'000);
  const int64_t last = OnlyTarget().last_scrape_ms;
  Apply(Job() +
        "- {job_name: k, scrape_interval: 10s, static_configs: [{targets: [deckwatch://host]}]}\n");
  EXPECT_EQ(manager_->Targets().active.size(), 2u);
  Pass(10'000);
  EXPECT_EQ(manager_->Targets().active[0].last_scrape_ms, last + 10'000);
  EXPECT_THAT(store_.Samples("a{"), Not(HasSubstr("stale")));
}

TEST_F(ManagerTest, AGoneTargetEndsAtItsFirstMissedScrape) {
  web_.Page("a 1\n");
  Apply(Job());
  Pass(10'000);
  const int64_t last = OnlyTarget().last_scrape_ms;
  Apply("[]");
  EXPECT_TRUE(manager_->Targets().active.empty());
  Pass(11'000);
  EXPECT_THAT(store_.Samples("up{"), Not(HasSubstr("stale"))) << "it might have come back";
  Pass(10'000);
  // The grid's own time, which a step of this test's clock overshoots by less than 100 ms.
  const std::string samples = store_.Samples("up{");
  const int64_t end = std::stoll(samples.substr(samples.find("stale@") + 6));
  EXPECT_GT(end, last + 9'900);
  EXPECT_LE(end, last + 10'000);
  EXPECT_THAT(store_.Samples("a{"), HasSubstr("stale"));
}

TEST_F(ManagerTest, ATargetThatComesBackInTimeGoesOn) {
  web_.Page("a 1\n");
  Apply(Job());
  Pass(10'000);
  Apply("[]");
  Pass(5'000);
  Apply(Job());
  Pass(40'000);
  EXPECT_THAT(store_.Samples("a{"), Not(HasSubstr("stale")));
  EXPECT_EQ(web_.requests(), 5);
}

TEST_F(ManagerTest, ChangedRulesApplyFromTheNextScrape) {
  web_.Page("a 1\nb 2\n");
  Apply(Job());
  Pass(10'000);
  Apply(Job(", metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]"));
  Pass(20'000);
  EXPECT_THAT(store_.Samples("a{"), Not(HasSubstr("stale")));
  EXPECT_THAT(store_.Samples("b{"), HasSubstr("stale"));
}

TEST_F(ManagerTest, StopWritesNoStaleMarkers) {
  web_.Page("a 1\n");
  Apply(Job());
  Pass(10'000);
  manager_->Stop();
  EXPECT_THAT(store_.Samples("a{"), Not(HasSubstr("stale")));
  EXPECT_EQ(manager_->Apply({}).code(), StatusCode::kUnavailable);
}

TEST_F(ManagerTest, TooManyTargetsAreNotScraped) {
  Apply(
      "- {job_name: j, scrape_interval: 10s, target_limit: 1, static_configs: [{targets: [a, "
      "b]}]}");
  Pass(10'000);
  for (const TargetInfo& t : manager_->Targets().active) {
    EXPECT_THAT(t.last_error, HasSubstr("target_limit exceeded"));
  }
  EXPECT_THAT(store_.Samples("up{instance=\"a\""), HasSubstr("0@"));
}

TEST_F(ManagerTest, AClockSetBackDoesNotStopScraping) {
  web_.Page("a 1\n");
  Apply(Job());
  Pass(10'000);
  clock_.StepWallMs(-3'600'000);
  Settle();  // notices it now: a scrape that falls due before that is left out
  Pass(20'000);
  EXPECT_EQ(web_.requests(), 3);
  clock_.StepWallMs(10LL * 365 * 86'400'000);
  Settle();
  Pass(20'000);
  EXPECT_EQ(web_.requests(), 5);
}

TEST_F(ManagerTest, ShowsDroppedTargetsMetadataAndCounters) {
  web_.Page("# HELP a Help.\n# TYPE a counter\na 1\n");
  Apply(
      Job(", relabel_configs: [{source_labels: [__address__], regex: 'gone.*', action: drop}]") +
      "- {job_name: d, static_configs: [{targets: [gone]}], relabel_configs: [{action: drop}]}\n");
  Pass(10'000);
  const TargetsSnapshot targets = manager_->Targets();
  ASSERT_EQ(targets.dropped.size(), 1u);
  EXPECT_EQ(targets.dropped[0].scrape_pool, "d");
  const auto metadata = manager_->Metadata();
  ASSERT_EQ(metadata.size(), 1u);
  EXPECT_EQ(metadata[0].metadata.help, "Help.");
  EXPECT_EQ(metadata[0].metadata.type, MetricType::kCounter);
  EXPECT_THAT(manager_->OwnMetrics(), HasSubstr("\ndeckwatch_scrapes_total 1\n"));
}

TEST_F(ManagerTest, FailuresAreLoggedToAFile) {
  const std::string path = testing::TempDir() + "dw_failures_" + web_.address().substr(10);
  web_.Handle([](const httplib::Request&, httplib::Response& r) { r.status = 404; });
  Apply(Job(", scrape_failure_log_file: " + path));
  Pass(10'000);
  std::ifstream in(path);
  std::string line;
  ASSERT_TRUE(std::getline(in, line));
  const auto json = Json::Parse(line);
  ASSERT_TRUE(json.ok()) << line;
  EXPECT_EQ((*json)["job_name"].AsString(), "j");
  EXPECT_THAT((*json)["msg"].AsString(), HasSubstr("HTTP status 404"));
  EXPECT_EQ((*json)["target"].AsString(), OnlyTarget().scrape_url);
  std::remove(path.c_str());
}

TEST(MetadataPool, EqualListsAreOne) {
  MetadataPool pool;
  const auto list = [](const char* help) {
    return std::vector<MetricMetadata>{{"a", MetricType::kGauge, help, ""}};
  };
  const SharedMetadata first = pool.Share(list("x"));
  EXPECT_EQ(pool.Share(list("x")), first);
  EXPECT_NE(pool.Share(list("y")), first);
}

// With its own thread and the real clock: starts, scrapes and stops.
TEST(ScrapeManager, RunsOnItsOwn) {
  FakeAppender store;
  WebServer web;
  Mutex mutex;
  CondVar scraped;
  int requests = 0;
  web.Handle([&](const httplib::Request&, httplib::Response& r) {
    r.set_content("a 1\n", "text/plain");
    MutexLock lock(mutex);
    ++requests;
    scraped.NotifyAll();
  });
  ScrapeManagerOptions options;
  options.appender = &store;
  ScrapeManager manager(std::move(options));
  ASSERT_TRUE(manager
                  .Apply(Parse("- {job_name: j, scrape_interval: 20ms, scrape_timeout: 20ms,"
                               " static_configs: [{targets: ['" +
                               web.address() + "']}]}"))
                  .ok());
  {
    MutexLock lock(mutex);
    EXPECT_TRUE(scraped.WaitFor(mutex, {}, 10'000, [&] { return requests >= 3; }));
  }
  manager.Stop();
  EXPECT_THAT(store.Samples("a{"), HasSubstr("1@"));
}

}  // namespace
}  // namespace deckwatch::scraper
