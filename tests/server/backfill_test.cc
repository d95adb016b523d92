// History by remote write, out of order between requests, into the real store.
#include <algorithm>
#include <filesystem>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "server/remote_write.h"
#include "tests/server/write_request_builder.h"
#include "tests/tsdb/test_directory.h"
#include "tsdb/db.h"

namespace deckwatch::server {
namespace {

constexpr int64_t kDay = 86'400'000;
constexpr int64_t kNow = 20'000 * kDay;

class BackfillTest : public testing::Test {
 protected:
  using Samples = std::map<int64_t, double>;

  void SetUp() override {
    options_.path =
        tsdb::FreshDirectory(testing::UnitTest::GetInstance()->current_test_info()->name());
    options_.clock = &clock_;
    options_.background = false;
    options_.retention_ms = 40 * kDay;
    auto db = tsdb::Db::Open(options_);
    ASSERT_TRUE(db.ok()) << db.status().message();
    db_ = std::move(db).value();
    writer_ = std::make_unique<RemoteWriter>(db_.get(), 32 << 20);
  }
  void TearDown() override {
    db_.reset();
    std::filesystem::remove_all(options_.path);
  }
  Status Write(int series, const std::vector<std::pair<double, int64_t>>& samples) {
    WriteRequestBuilder b;
    b.Series({{"__name__", "m"}, {"n", std::to_string(series)}}, samples);
    return writer_->Write(b.Compressed());
  }
  std::map<std::string, Samples> All() const {
    std::map<std::string, Samples> out;
    const auto querier = db_->NewQuerier();
    const auto set = (*querier)->Select(INT64_MIN, INT64_MAX, {}, {});
    for (size_t i = 0; i < (*set)->size(); ++i) {
      Columns c;
      EXPECT_TRUE((*set)->Read(i, &c).ok());
      Samples& samples = out[std::string((*set)->LabelsAt(i).Get("n"))];
      for (size_t k = 0; k < c.size(); ++k) samples.emplace(c.t_ms[k], c.value[k]);
    }
    return out;
  }

  FakeClock clock_{kNow};
  tsdb::DbOptions options_;
  std::unique_ptr<tsdb::Db> db_;
  std::unique_ptr<RemoteWriter> writer_;
};

TEST_F(BackfillTest, ThirtyDaysInAnyOrderAreThereAndFold) {
  const uint64_t seed = 30;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 rng(seed);
  constexpr int kSeries = 5;
  std::vector<std::pair<int, int64_t>> requests;  // series, day
  for (int s = 0; s < kSeries; ++s) {
    for (int64_t day = 1; day <= 30; ++day) requests.emplace_back(s, day);
  }
  std::shuffle(requests.begin(), requests.end(), rng);
  std::map<std::string, Samples> expected;
  for (size_t r = 0; r < requests.size(); ++r) {
    const auto [series, day] = requests[r];
    std::vector<std::pair<double, int64_t>> samples;
    for (int64_t i = 0; i < 96; ++i) {
      const int64_t t_ms = kNow - day * kDay + i * 900'000;
      samples.emplace_back(static_cast<double>(rng() % 1000), t_ms);
      expected[std::to_string(series)].emplace(t_ms, samples.back().first);
    }
    ASSERT_TRUE(Write(series, samples).ok());
    const bool again = r % 10 == 0;
    ASSERT_TRUE(!again || Write(series, samples).ok());  // no harm
    if (r % 40 != 39) continue;
    clock_.AdvanceMs(700'000);  // nobody adds to the window of old samples: it is sealed
    ASSERT_TRUE(db_->Maintain().ok());
    EXPECT_EQ(All(), expected);
  }
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(All(), expected);
  // Buckets of four days, a tenth of the retention: 30 days touch nine at most.
  EXPECT_LE(db_->Parts().size(), 9u);
  EXPECT_EQ(db_->Stats().part_samples, 30u * 96 * kSeries);
  EXPECT_EQ(writer_->counters().rejected, 0u);
}

TEST_F(BackfillTest, RefusesInPrometheussWords) {
  ASSERT_TRUE(Write(1, {{1, kNow}}).ok());
  EXPECT_TRUE(Write(1, {{1, kNow}}).ok());  // the very same: accepted
  const auto message = [&](double v, int64_t t_ms) { return Write(1, {{v, t_ms}}).message(); };
  EXPECT_TRUE(message(2, kNow).starts_with("duplicate sample for timestamp"));
  EXPECT_TRUE(message(1, kNow - 41 * kDay).starts_with("out of bounds"));
  EXPECT_TRUE(message(1, kNow + 3'600'000).starts_with("out of bounds"));
  EXPECT_EQ(message(1, kNow - 1), "");  // Prometheus: out of order
  const std::map<std::string, Samples> stored{{"1", {{kNow - 1, 1}, {kNow, 1}}}};
  EXPECT_EQ(All(), stored);
  // When several write the same, as the user has said.
  writer_ = std::make_unique<RemoteWriter>(db_.get(), 32 << 20, /*accept_conflicting=*/true);
  EXPECT_EQ(message(2, kNow), "");
  EXPECT_EQ(writer_->counters().rejected, 1u);
  EXPECT_TRUE(message(1, kNow + 3'600'000).starts_with("out of bounds"));
  EXPECT_EQ(All(), stored);
}

}  // namespace
}  // namespace deckwatch::server
