// A small budget under a heavy load.
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/tsdb/test_directory.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {
namespace {

constexpr int64_t kNow = 1'800'000'000'000;
constexpr uint64_t kBudget = 8 << 20;

class MemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.path = FreshDirectory("memory");
    options_.clock = &clock_;
    options_.background = false;
    options_.memory_bytes = kBudget;
    auto db = Db::Open(options_);
    ASSERT_TRUE(db.ok()) << db.status().message();
    db_ = std::move(db).value();
  }
  Status ResolveSeries(int from, int count, std::vector<SeriesRef>* refs) {
    std::vector<Labels> labels;
    for (int i = from; i < from + count; ++i) {
      labels.push_back({{"__name__", "m" + std::to_string(i % 100)},
                        {"job", "j"},
                        {"instance", "host-" + std::to_string(i / 1000)},
                        {"path", "/some/path/" + std::to_string(i)}});
    }
    const std::vector<LabelsView> views(labels.begin(), labels.end());
    refs->assign(views.size(), kNoSeries);
    return db_->Resolve(views, 0, *refs);
  }
  Status Write(const std::vector<SeriesRef>& refs, int64_t t_ms) {
    WriteBatch batch;
    for (const SeriesRef ref : refs) {
      if (ref != kNoSeries) batch.Add(ref, t_ms, std::ldexp(1, static_cast<int>(rng_() % 60)) / 3);
    }
    const auto result = db_->Commit(batch);
    if (result.ok()) written_ += result->appended;
    return result.status();
  }
  uint64_t SamplesStored() {
    const DbStats s = db_->Stats();
    return s.head_samples + s.part_samples;
  }

  FakeClock clock_{kNow};
  DbOptions options_;
  std::unique_ptr<Db> db_;
  std::mt19937_64 rng_{7};
  uint64_t written_ = 0;
};

TEST_F(MemoryTest, NewSeriesAreRefusedBeforeSamplesOfKnownOnes) {
  std::vector<SeriesRef> known, refs;
  Status s;
  int made = 0;
  for (; s.ok() && made < 1'000'000; made += 500) {
    s = ResolveSeries(made, 500, &refs);
    known.insert(known.end(), refs.begin(), refs.end());
  }
  EXPECT_EQ(s.code(), StatusCode::kResourceExhausted) << s.message();
  const DbStats stats = db_->Stats();
  EXPECT_EQ(stats.memory.limit, kBudget);
  EXPECT_GE(stats.memory.index, kBudget / 4);
  EXPECT_LT(stats.memory.index, kBudget / 3);
  EXPECT_EQ(stats.counters.series_refused, 500u);
  // Known and new ones together: the known are found.
  ASSERT_EQ(ResolveSeries(made - 1000, 1000, &refs).code(), StatusCode::kResourceExhausted);
  for (size_t i = 0; i < refs.size(); ++i) EXPECT_EQ(refs[i] != kNoSeries, i < 500) << i;
  EXPECT_TRUE(Write(known, kNow).ok());
  EXPECT_EQ(written_, stats.head_series);
}

TEST_F(MemoryTest, TheOldestExemplarsGoWhenTheirShareIsUsed) {
  std::vector<SeriesRef> refs;
  ASSERT_TRUE(ResolveSeries(0, 10, &refs).ok());
  const auto exemplars = [&] {
    size_t n = 0;
    const auto querier = db_->NewQuerier();
    const auto found = (*querier)->Exemplars({});
    EXPECT_TRUE(found.ok());
    for (const auto& s : *found) {
      n += s.exemplars.size();
      EXPECT_EQ(s.exemplars.back().t_ms, kNow + 999);
    }
    return n;
  };
  for (int64_t i = 0; i < 1000; ++i) {
    WriteBatch batch;
    for (const SeriesRef ref : refs) {
      batch.exemplars.push_back({ref, {Labels{{"id", std::string(120, 'x')}}, 1, kNow + i}});
    }
    ASSERT_TRUE(db_->Commit(batch).ok());
    ASSERT_LE(db_->Stats().memory.exemplars, kBudget / 32);
  }
  EXPECT_GT(db_->Stats().memory.exemplars, kBudget / 40);
  const size_t kept = exemplars();
  EXPECT_GT(kept, 500u);
  EXPECT_LT(kept, 10'000u);
  db_.reset();  // and from the disk
  auto db = Db::Open(options_);
  ASSERT_TRUE(db.ok());
  db_ = std::move(db).value();
  EXPECT_EQ(exemplars(), kept);
  clock_.AdvanceMs(options_.retention_ms + 7'200'000);
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_EQ(db_->Stats().memory.exemplars, 0u);
}

TEST_F(MemoryTest, WindowsAreSealedWhenTheirShareIsUsed) {
  std::vector<SeriesRef> refs;
  ASSERT_TRUE(ResolveSeries(0, 2'000, &refs).ok());
  for (int row = 0; row < 400; ++row) {
    const Status s = Write(refs, kNow + row * 1000);
    ASSERT_TRUE(s.ok()) << row << ": " << s.message();
    if (row % 20 == 19) {
      ASSERT_TRUE(db_->Maintain().ok());
    }
    const DbStats stats = db_->Stats();
    EXPECT_LE(stats.memory.index + stats.memory.windows, kBudget / 16 * 11) << row;
    EXPECT_EQ(stats.head_bytes, stats.memory.index + stats.memory.windows);
  }
  EXPECT_GT(db_->Stats().counters.seals, 1u);
  EXPECT_EQ(SamplesStored(), written_);
  EXPECT_EQ(written_, 400u * 2'000);
}

TEST_F(MemoryTest, SamplesWaitForSealingAtTheEnd) {
  std::vector<SeriesRef> refs;
  ASSERT_TRUE(ResolveSeries(0, 2'000, &refs).ok());
  Status s;
  for (int row = 0; s.ok() && row < 2000; ++row) s = Write(refs, kNow + row * 100);
  EXPECT_EQ(s.code(), StatusCode::kUnavailable) << s.message();
  EXPECT_FALSE(db_->Stats().takes_samples);
  EXPECT_LE(db_->Stats().head_bytes, kBudget / 4 * 3);
  EXPECT_EQ(SamplesStored(), written_);  // a refused commit leaves nothing behind
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_TRUE(db_->Stats().takes_samples);
  EXPECT_TRUE(Write(refs, kNow + 500'000).ok());
  EXPECT_EQ(SamplesStored(), written_);
}

}  // namespace
}  // namespace deckwatch::tsdb
