#include "server/query_log.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace deckwatch::server {
namespace {

class QueryLogTest : public testing::Test {
 protected:
  ~QueryLogTest() override { std::filesystem::remove(path_); }
  void Write(const query::QueryOrigin& origin, const Status& status) {
    query::QueryStats stats;
    stats.queue_ns = 250'000'000;
    stats.prepare_ns = 500'000'000;
    stats.eval_ns = 1'000'000'000;
    stats.queryable_samples = 7;
    log_.Write({"up == 0", 1'581'173'990'368, 1'581'177'590'368, 5'000, status, stats, origin});
  }
  std::vector<Json> Lines() {
    std::ifstream in(path_);
    std::vector<Json> out;
    for (std::string line; std::getline(in, line);) {
      auto json = Json::Parse(line);
      EXPECT_TRUE(json.ok()) << line;
      if (json.ok()) out.push_back(*json);
    }
    return out;
  }

  const std::string path_ = testing::TempDir() + "query_log_test.log";
  FakeClock clock_{1'581'177'590'387};
  QueryLog log_{&clock_, 0};
};

TEST_F(QueryLogTest, ALineSaysWhatPrometheusSays) {
  log_.Use(std::move(QueryLog::Open(path_)).value());
  EXPECT_TRUE(log_.enabled());
  Write({"127.0.0.1", "GET", "/api/v1/query_range", "", ""}, {});
  const std::vector<Json> lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  const Json& l = lines[0];
  EXPECT_EQ(l["time"].AsString(), "2020-02-08T15:59:50.387Z");
  EXPECT_EQ(l["msg"].AsString(), "promql query logged");
  EXPECT_EQ(l["params"].Dump(), R"({"end":"2020-02-08T15:59:50.368Z","query":"up == 0",)"
                                R"("start":"2020-02-08T14:59:50.368Z","step":5})");
  EXPECT_EQ(l["httpRequest"].Dump(),
            R"({"clientIP":"127.0.0.1","method":"GET","path":"/api/v1/query_range"})");
  EXPECT_DOUBLE_EQ(l["stats"]["timings"]["execTotalTime"].AsDouble(), 1.75);
  EXPECT_DOUBLE_EQ(l["stats"]["timings"]["evalTotalTime"].AsDouble(), 1.5);
  EXPECT_DOUBLE_EQ(l["stats"]["timings"]["execQueueTime"].AsDouble(), 0.25);
  EXPECT_EQ(l["stats"]["samples"]["totalQueryableSamples"].AsInt(), 7);
  EXPECT_FALSE(l.Has("error"));
  EXPECT_FALSE(l.Has("ruleGroup"));
}

TEST_F(QueryLogTest, RulesAndErrorsAreTold) {
  log_.Use(std::move(QueryLog::Open(path_)).value());
  Write({"", "", "", "rules.yml", "partners"}, Status::Cancelled("query was canceled"));
  const std::vector<Json> lines = Lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["ruleGroup"].Dump(), R"({"file":"rules.yml","name":"partners"})");
  EXPECT_EQ(lines[0]["error"].AsString(), "query was canceled");
  EXPECT_FALSE(lines[0].Has("httpRequest"));
}

TEST_F(QueryLogTest, AFileIsReplacedOrLeft) {
  Write({}, {});  // nowhere
  log_.Use(std::move(QueryLog::Open(path_)).value());
  Write({}, {});
  const std::string moved = path_ + ".1";
  std::filesystem::rename(path_, moved);
  log_.Use(std::move(QueryLog::Open(path_)).value());
  Write({}, {});
  EXPECT_EQ(Lines().size(), 1u);
  log_.Use(nullptr);
  EXPECT_FALSE(log_.enabled());
  Write({}, {});
  EXPECT_EQ(Lines().size(), 1u);
  EXPECT_EQ(log_.failures(), 0u);
  std::filesystem::remove(moved);
}

TEST_F(QueryLogTest, AFileThatCannotBeMadeIsAnError) {
  const auto file = QueryLog::Open(testing::TempDir() + "missing_directory/query.log");
  EXPECT_THAT(file.status().message(), testing::HasSubstr("can't create json log file"));
  EXPECT_EQ(std::move(QueryLog::Open("")).value(), nullptr);
}

}  // namespace
}  // namespace deckwatch::server
