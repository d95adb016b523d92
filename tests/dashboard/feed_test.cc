#include "dashboard/data/feed.h"

#include <gtest/gtest.h>

#include "tests/dashboard/fake_server.h"

namespace deckwatch::dashboard {
namespace {

constexpr int64_t kNow = 1'795'188'000'000;
constexpr int64_t kStep = 15'000;
const TimeRange kHour = {kNow - 3'600'000, kNow};

class FeedTest : public testing::Test {
 protected:
  // Asks, as a view does each frame, until nothing moves any more.
  const Reading<QueryResult>& Ask(const std::string& expr, TimeRange window = kHour) {
    for (int i = 0; i < 3; ++i) {
      feed_.Range(expr, window, kStep);
      feed_.Update();
      EXPECT_TRUE(feed_.WaitIdle(10'000));
    }
    return feed_.Range(expr, window, kStep);
  }

  FakeClock clock_{kNow};
  FakeServer server_{kNow};
  ThreadPool pool_{"fetch", 2, 64};
  Feed feed_{"http://fake:9090", server_.transport(), &pool_, &clock_, {}};
};

TEST_F(FeedTest, AnswersOnceAndKeepsTheAnswer) {
  const auto& reading = Ask("sum(up)");
  ASSERT_NE(reading.data, nullptr);
  EXPECT_EQ(reading.data->series.size(), 1U);
  EXPECT_EQ(reading.window, kHour);
  EXPECT_EQ(server_.request_count(), 1);
  const uint64_t version = reading.version;
  EXPECT_EQ(Ask("sum(up)").version, version);
  EXPECT_EQ(server_.request_count(), 1);
  EXPECT_EQ(server_.queries(), std::vector<std::string>{"sum(up)"});
}

TEST_F(FeedTest, AsksAgainWhenTheWindowMoves) {
  Ask("sum(up)");
  const TimeRange later = {kHour.from_ms + kStep, kHour.to_ms + kStep};
  EXPECT_EQ(Ask("sum(up)", later).window, later);
  EXPECT_EQ(server_.request_count(), 2);
}

TEST_F(FeedTest, KeepsOldDataWhenTheServerGoesAwayAndRecovers) {
  Ask("sum(up)");
  server_.SetAway(true);
  clock_.AdvanceMs(60'000);
  const TimeRange later = {kHour.from_ms + 60'000, kHour.to_ms + 60'000};
  const auto& away = Ask("sum(up)", later);
  EXPECT_NE(away.data, nullptr);
  EXPECT_EQ(away.window, kHour);
  EXPECT_EQ(away.error.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(feed_.state().away);
  EXPECT_EQ(feed_.state().away_since_ms, kNow);
  const int asked = server_.request_count();
  Ask("sum(up)", later);
  EXPECT_EQ(server_.request_count(), asked) << "no retry before the next refresh";

  server_.SetAway(false);
  feed_.Refresh();
  EXPECT_TRUE(Ask("sum(up)", later).error.ok());
  EXPECT_FALSE(feed_.state().away);
}

TEST_F(FeedTest, ListsAreAskedAgainAtEachRefresh) {
  for (int i = 0; i < 3; ++i) {
    feed_.Targets();
    feed_.Update();
    ASSERT_TRUE(feed_.WaitIdle(10'000));
  }
  EXPECT_EQ(server_.request_count(), 1);
  ASSERT_NE(feed_.Targets().data, nullptr);
  EXPECT_EQ(feed_.Targets().data->size(), 6U);
  feed_.Refresh();
  feed_.Targets();
  feed_.Update();
  ASSERT_TRUE(feed_.WaitIdle(10'000));
  EXPECT_EQ(server_.request_count(), 2);
}

TEST_F(FeedTest, TellsBadAnswersFromAnAbsentServer) {
  server_.SetAnswer("query_range", 502, "<html>Bad Gateway</html>");
  EXPECT_EQ(Ask("sum(up)").error.message(), "HTTP status 502");
  server_.SetAnswer("query_range", 400, R"({"status":"error","error":"parse error"})");
  feed_.Refresh();
  EXPECT_EQ(Ask("sum(up)").error.message(), "parse error");
  server_.SetAnswer("query_range", 200, "{\"status\":\"succ");
  feed_.Refresh();
  EXPECT_EQ(Ask("sum(up)").error.code(), StatusCode::kCorruption);
  EXPECT_FALSE(feed_.state().away);
}

TEST_F(FeedTest, ForgetsWhatNobodyAsksForAnyMore) {
  Ask("sum(up)");
  for (int i = 0; i < 1000; ++i) feed_.Update();
  EXPECT_EQ(feed_.Range("sum(up)", kHour, kStep).data, nullptr);
}

}  // namespace
}  // namespace deckwatch::dashboard
