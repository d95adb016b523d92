#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {
namespace {

constexpr int64_t kNow = 1'800'000'000'000;
constexpr int64_t kHour = 3'600'000;

std::string TestDirectory(const std::string& name) {
  const std::string path = ::testing::TempDir() + "deckwatch_tsdb_" + name;
  std::filesystem::remove_all(path);
  return path;
}

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.path = TestDirectory(::testing::UnitTest::GetInstance()->current_test_info()->name());
    options_.clock = &clock_;
    options_.background = false;
    options_.memory_bytes = 64 << 20;
    Open();
  }
  void TearDown() override {
    db_.reset();
    std::filesystem::remove_all(options_.path);
  }
  void Open() {
    db_.reset();
    auto db = Db::Open(options_);
    ASSERT_TRUE(db.ok()) << db.status().message();
    db_ = std::move(db).value();
  }
  SeriesRef Ref(const Labels& labels) {
    const LabelsView view = labels;
    SeriesRef ref = kNoSeries;
    const Status s = db_->Resolve({&view, 1}, 0, {&ref, 1});
    EXPECT_TRUE(s.ok()) << s.message();
    return ref;
  }
  AppendResult Append(const Labels& labels, int64_t t_ms, double v) {
    WriteBatch b;
    b.Add(Ref(labels), t_ms, v);
    auto r = db_->Commit(b);
    EXPECT_TRUE(r.ok()) << r.status().message();
    return r.ok() ? *r : AppendResult{};
  }
  // "labels -> t=v t=v": everything a selector gives.
  std::map<std::string, std::vector<std::pair<int64_t, double>>> Select(
      const std::vector<Matcher>& matchers, int64_t start = INT64_MIN, int64_t end = INT64_MAX) {
    std::map<std::string, std::vector<std::pair<int64_t, double>>> out;
    auto querier = db_->NewQuerier();
    auto set = (*querier)->Select(start, end, matchers, {});
    EXPECT_TRUE(set.ok()) << set.status().message();
    for (size_t i = 0; set.ok() && i < (*set)->size(); ++i) {
      Labels labels;
      Columns c;
      (*set)->GetLabels(i, &labels);
      const Status s = (*set)->Read(i, &c);
      EXPECT_TRUE(s.ok()) << s.message();
      auto& samples = out[labels.ToString()];
      for (size_t k = 0; k < c.size(); ++k) samples.emplace_back(c.t_ms[k], c.value[k]);
    }
    return out;
  }

  FakeClock clock_{kNow};
  DbOptions options_;
  std::unique_ptr<Db> db_;
};

using Samples = std::vector<std::pair<int64_t, double>>;

TEST_F(StoreTest, KeepsSamplesThroughSealMergeAndReopen) {
  const Labels up{{"__name__", "up"}, {"job", "a"}};
  Append(up, kNow - 2000, 1);
  Append(up, kNow - 1000, 1);
  Append(up, kNow, 0);
  const Samples expected = {{kNow - 2000, 1}, {kNow - 1000, 1}, {kNow, 0}};
  const std::vector<Matcher> all = {Matcher::Equal("__name__", "up")};
  EXPECT_EQ(Select(all)["up{job=\"a\"}"], expected);
  Open();
  EXPECT_EQ(Select(all)["up{job=\"a\"}"], expected);
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(db_->Stats().parts, 1u);
  EXPECT_EQ(Select(all)["up{job=\"a\"}"], expected);
  Open();
  EXPECT_EQ(Select(all)["up{job=\"a\"}"], expected);
  EXPECT_EQ(Select(all, kNow - 1000, kNow - 1)["up{job=\"a\"}"], (Samples{{kNow - 1000, 1}}));
}

}  // namespace
}  // namespace deckwatch::tsdb
