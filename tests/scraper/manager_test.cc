#include "scraper/manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scraper/fake_appender.h"
#include "tests/scraper/web_server.h"

namespace deckwatch::scraper {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

}  // namespace
}  // namespace deckwatch::scraper
