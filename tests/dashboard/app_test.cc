#include "dashboard/app.h"

#include <gtest/gtest.h>

#include "dashboard/views/explore.h"
#include "tests/dashboard/fake_server.h"
#include "tests/dashboard/null_ui.h"

namespace deckwatch::dashboard {
namespace {

constexpr int64_t kNow = 1'795'188'000'000;

class AppTest : public testing::Test {
 protected:
  void Start(AppOptions options = {}) {
    options.servers = {"http://fake:9090"};
    app_ = std::make_unique<App>(options, server_.transport(), &pool_, &clock_, [] {});
    Settle();
  }
  void Step() {
    ui_.Frame([this] { app_->Frame(ui_.theme()); });
  }
  void Settle() {
    for (int i = 0; i < 6; ++i) {
      Step();
      ASSERT_TRUE(app_->feed()->WaitIdle(10'000));
    }
    Step();
  }

  FakeClock clock_{kNow};
  FakeServer server_{kNow};
  ThreadPool pool_{"fetch", 2, 256};
  NullUi ui_{1920, 1080};
  std::unique_ptr<App> app_;
};

TEST_F(AppTest, HealthShowsTheWholeCluster) {
  Start();
  for (const char* text : {"Targets up",
                           "5 / 6",
                           "Firing alerts",
                           "1 critical",
                           "CPU used",
                           "Memory used",
                           "Fullest disk",
                           "Network",
                           "CPU by mode",
                           "user",
                           "Containers by CPU",
                           "checkout",
                           "Containers by memory",
                           "InstanceDown",
                           "10.0.0.3:9100 of job redis is down",
                           "pending",
                           "connect: connection refused",
                           "/var/lib/rocksdb",
                           "http://fake:9090",
                           "version 0.1.0"}) {
    EXPECT_TRUE(ui_.Shows(text)) << text;
  }
  EXPECT_FALSE(ui_.Shows("Loading"));
  EXPECT_FALSE(ui_.Shows("No data"));
}

TEST_F(AppTest, AMissingMetricIsNamed) {
  server_.SetAbsent("container_");
  server_.SetAbsent("node_disk");
  Start();
  EXPECT_TRUE(ui_.Shows("container_cpu_usage_seconds_total is absent"));
  EXPECT_TRUE(ui_.Shows("node_disk_read_bytes_total has no series of a disk"));
  EXPECT_TRUE(ui_.Shows("node_disk_io_time_seconds_total absent"));
}

TEST_F(AppTest, AnAwayServerIsSaidAndOldDataStays) {
  Start();
  server_.SetAway(true);
  clock_.AdvanceMs(30'000);
  Settle();
  EXPECT_TRUE(ui_.Shows("Server away since"));
  EXPECT_TRUE(ui_.Shows("connection refused"));
  EXPECT_TRUE(ui_.Shows("5 / 6"));
  EXPECT_TRUE(ui_.Shows("checkout"));
  server_.SetAway(false);
  clock_.AdvanceMs(30'000);
  Settle();
  EXPECT_FALSE(ui_.Shows("Server away since"));
}

TEST_F(AppTest, AServerThatNeverAnsweredIsSaid) {
  server_.SetAway(true);
  Start();
  EXPECT_TRUE(ui_.Shows("Server away since"));
  EXPECT_TRUE(ui_.Shows("not reached"));
  EXPECT_TRUE(ui_.Shows("The server is away"));
  EXPECT_FALSE(ui_.Shows("absent"));
}

TEST_F(AppTest, GarbageIsShownAsAnError) {
  server_.SetAnswer("/api/", 200, "not JSON at all");
  Start();
  EXPECT_TRUE(ui_.Shows("Query failed"));
}

TEST_F(AppTest, ExploreDrawsTheQuery) {
  Start({.view = ViewKind::kExplore, .query = "rate(node_network_receive_bytes_total[1m])"});
  EXPECT_TRUE(ui_.Shows("rate(node_network_receive_bytes_total[1m])"));
  EXPECT_TRUE(ui_.Shows("eth1"));
  EXPECT_TRUE(ui_.Shows("MiB/s"));
}

TEST_F(AppTest, ExploreShowsTheServersErrorWords) {
  server_.SetAnswer("query_range", 400, R"({"status":"error","error":"1:4: parse error: oh"})");
  Start({.view = ViewKind::kExplore, .query = "rate("});
  EXPECT_TRUE(ui_.Shows("1:4: parse error: oh"));
}

TEST_F(AppTest, TabCompletesTheNameAndEnterRunsIt) {
  ImGuiIO& io = ImGui::GetIO();
  io.KeyMap[ImGuiKey_Tab] = 1;
  io.KeyMap[ImGuiKey_Enter] = 2;
  Start({.view = ViewKind::kExplore, .query = "up"});
  ui_.MoveTo(400, 74);
  for (const bool down : {false, true, false}) {
    ui_.Button(0, down);
    Step();
  }
  io.AddInputCharactersUTF8(" + node_lo");
  Settle();
  const auto press = [&](int key) {
    for (const bool down : {true, false}) {
      io.KeysDown[key] = down;
      Step();
    }
  };
  press(1);
  press(2);
  Settle();
  const auto queries = server_.queries();
  EXPECT_EQ(queries.back(), "up + node_load1");
}

TEST_F(AppTest, TabsAndRangesAreClickable) {
  Start();
  const auto click = [this](const char* text) {
    const DrawnText* found = ui_.Find(text);
    ASSERT_NE(found, nullptr) << text;
    ui_.MoveTo(*found);
    for (const bool down : {false, true, false}) {
      ui_.Button(0, down);
      Step();
    }
    Settle();
  };
  click("Explore");
  EXPECT_TRUE(ui_.Shows("Enter runs it"));
  click("24h");
  const auto queries = server_.queries();
  EXPECT_EQ(queries.back(), "up");
  click("Live");
  EXPECT_TRUE(ui_.Shows("Fixed"));
}

TEST_F(AppTest, RefreshesOnlyWhenDue) {
  Start();
  const int asked = server_.request_count();
  for (int i = 0; i < 50; ++i) Step();
  EXPECT_EQ(server_.request_count(), asked);
  clock_.AdvanceMs(5000);
  Settle();
  EXPECT_GT(server_.request_count(), asked);
}

TEST_F(AppTest, SmallScreensScrollAndNothingBreaks) {
  for (const ImVec2 size :
       {ImVec2{400, 300}, ImVec2{1024, 600}, ImVec2{3840, 2160}, ImVec2{1, 1}}) {
    ImGui::GetIO().DisplaySize = size;
    Start();
    EXPECT_GT(ui_.vertex_count(), 0);
  }
}

TEST(CurrentValue, IsNotThatOfASeriesWhichEnded) {
  Reading<QueryResult> reading;
  reading.window = {0, 100'000};
  reading.step_ms = 10'000;
  Series series;
  EXPECT_FALSE(CurrentValue(reading, series).has_value());
  series.t_ms = {80'000};
  series.value = {7};
  EXPECT_FALSE(CurrentValue(reading, series).has_value());
  series.t_ms = {90'000};
  EXPECT_EQ(CurrentValue(reading, series), 7);
}

TEST(Legend, LeavesOutWhatAllHaveInCommon) {
  std::vector<Series> series(2);
  series[0].labels = Labels{{"job", "a"}, {"instance", "x"}};
  series[1].labels = Labels{{"job", "a"}, {"instance", "y"}};
  EXPECT_EQ(DistinctNames(series),
            (std::vector<std::string>{"{instance=\"x\"}", "{instance=\"y\"}"}));
  EXPECT_EQ(ExpandLegend("{{job}} on {{instance}}{{none}}{{", series[1].labels), "a on y{{");
  EXPECT_EQ(ExpandRate("rate(a[$rate]) + rate(b[$rate])", "60s"), "rate(a[60s]) + rate(b[60s])");
}

TEST(Explore, CompletesTheNameBeingTyped) {
  EXPECT_EQ(TrailingName("sum(rate(node_cp"), "node_cp");
  EXPECT_EQ(TrailingName("up "), "");
  EXPECT_EQ(MatchingNames({"a_node", "node_b", "x", "node_c"}, "node", 2),
            (std::vector<std::string>{"node_b", "node_c"}));
  EXPECT_EQ(MatchingNames({"a_node", "node_b"}, "node", 9),
            (std::vector<std::string>{"node_b", "a_node"}));
}

}  // namespace
}  // namespace deckwatch::dashboard
