// Errors of the disk while the store runs: nothing acknowledged is lost, and it recovers by itself.
// A file-size limit of the process makes every kind of write fail, in the middle of a record too.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "tests/tsdb/store_fixture.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {
namespace {

constexpr int64_t kNow = 1'800'000'000'000;
constexpr int64_t kStepMs = 15'000;

class FileSizeLimit {
 public:
  explicit FileSizeLimit(uint64_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const struct rlimit lower = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &lower);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  struct rlimit before_ = {};
};

class RecoveryTest : public StoreFixture {
 protected:
  RecoveryTest() : StoreFixture(kNow) {}
  // One sample of each series at step `step`; whether it was acknowledged.
  bool Commit(int64_t step, int series = 10) {
    WriteBatch batch;
    for (int i = 0; i < series; ++i) {
      const Labels labels{{"__name__", "m"}, {"n", std::to_string(i)}};
      const LabelsView view = labels;
      SeriesRef ref = kNoSeries;
      if (!db_->Resolve({&view, 1}, 0, {&ref, 1}).ok()) return false;
      batch.Add(ref, kNow + step * kStepMs, static_cast<double>(step * 100 + i));
    }
    const auto r = db_->Commit(batch);
    EXPECT_TRUE(r.ok() || r.status().code() == StatusCode::kUnavailable) << r.status().message();
    return r.ok();
  }
  // Per step, the number of series that have it.
  std::map<int64_t, int> Steps() {
    std::map<int64_t, int> out;
    auto querier = db_->NewQuerier();
    auto set = (*querier)->Select(INT64_MIN, INT64_MAX, {}, {});
    EXPECT_TRUE(set.ok()) << set.status().message();
    for (size_t i = 0; set.ok() && i < (*set)->size(); ++i) {
      Labels labels;
      Columns c;
      labels = Labels((*set)->LabelsAt(i));
      const Status s = (*set)->Read(i, &c);
      EXPECT_TRUE(s.ok()) << s.message();
      for (size_t k = 0; k < c.size(); ++k) {
        const int64_t step = (c.t_ms[k] - kNow) / kStepMs;
        ++out[step];
        EXPECT_EQ(c.value[k],
                  static_cast<double>(step * 100 + std::stoi(std::string(labels.Get("n")))));
      }
    }
    return out;
  }
};

TEST_F(RecoveryTest, GoesOnByItselfAfterAnErrorOfTheLog) {
  ASSERT_TRUE(Commit(0));
  {
    const FileSizeLimit limit(0);
    EXPECT_FALSE(Commit(1));
    EXPECT_FALSE(db_->Stats().takes_samples);
    EXPECT_EQ(db_->Apply({{"k", "v"}}).code(), StatusCode::kUnavailable);
    EXPECT_FALSE(db_->Maintain().ok());
    EXPECT_EQ(db_->Stats().counters.reopens, 0u);
    EXPECT_EQ(Steps()[0], 10);  // queries go on
  }
  EXPECT_FALSE(Commit(1));  // only a reopening ends it
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_EQ(db_->Stats().counters.reopens, 1u);
  EXPECT_TRUE(db_->Stats().takes_samples);
  EXPECT_TRUE(Commit(1));
  EXPECT_TRUE(Commit(2, 20));
  EXPECT_TRUE(db_->Apply({{"k", "v"}}).ok());
  const std::map<int64_t, int> expected = {{0, 10}, {1, 10}, {2, 20}};
  EXPECT_EQ(Steps(), expected);
  Open();
  EXPECT_EQ(Steps(), expected);
  EXPECT_EQ(*db_->Get("k"), "v");
}

// A client that tries again finds them in memory already.
TEST_F(RecoveryTest, ExemplarsOfACommitThatFailedAreStoredWithItsRepetition) {
  ASSERT_TRUE(Commit(0));
  const Labels labels{{"__name__", "m"}, {"n", "0"}};
  const LabelsView view = labels;
  WriteBatch batch;
  batch.exemplars.push_back({kNoSeries, {.labels = {{"trace", "1"}}, .value = 2, .t_ms = kNow}});
  ASSERT_TRUE(db_->Resolve({&view, 1}, 0, {&batch.exemplars[0].ref, 1}).ok());
  {
    const FileSizeLimit limit(0);
    EXPECT_FALSE(db_->Commit(batch).ok());
  }
  ASSERT_TRUE(db_->Maintain().ok());
  ASSERT_TRUE(db_->Commit(batch).ok());
  Open();
  const auto found = (*db_->NewQuerier())->Exemplars({});
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ((*found)[0].exemplars.size(), 1u);
}

TEST_F(RecoveryTest, QueriersMadeBeforeStayGood) {
  ASSERT_TRUE(Commit(0));
  ASSERT_TRUE(db_->Compact().ok());
  ASSERT_TRUE(Commit(1));
  auto querier = db_->NewQuerier();
  auto set = (*querier)->Select(INT64_MIN, INT64_MAX, {}, {});
  ASSERT_TRUE(set.ok());
  {
    const FileSizeLimit limit(0);
    EXPECT_FALSE(Commit(2));
  }
  ASSERT_TRUE(db_->Maintain().ok());
  Columns c;
  ASSERT_TRUE((*set)->Read(0, &c).ok());
  EXPECT_GE(c.size(), 2u);
  set = Status::Cancelled("gone");
  querier = Status::Cancelled("gone");
}

// Errors at random places of random work. A step that failed may be there or not, as a whole; it is
// not written again, so that the next start decides as well.
TEST_F(RecoveryTest, KeepsEveryAcknowledgedStepThroughErrorsAnywhere) {
  const char* chosen = std::getenv("DECKWATCH_SEED");
  const uint64_t seed = chosen == nullptr ? 31 : std::strtoull(chosen, nullptr, 10);
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 rng(seed);
  std::set<int64_t> acknowledged;
  std::map<std::string, std::string> state;
  int64_t step = 0;
  int refused = 0;
  const auto work = [&] {
    const uint64_t what = rng() % 20;
    if (what == 0) {
      (void)db_->Compact();
    } else if (what == 1) {
      (void)db_->Maintain();
    } else if (what == 2) {
      const std::string key(1, static_cast<char>('a' + rng() % 4));
      const std::string value(1 + rng() % 2000, 'x');
      if (db_->Apply({{key, value}}).ok()) state[key] = value;
    } else {
      Commit(step) ? void(acknowledged.insert(step)) : void(++refused);
      ++step;
      clock_.AdvanceMs(kStepMs);
    }
  };
  const auto check = [&] {
    const auto got = Steps();
    for (const auto& [s, n] : got) EXPECT_EQ(n, 10) << "step " << s << " is there in part";
    for (const int64_t s : acknowledged) EXPECT_TRUE(got.contains(s)) << "step " << s << " is lost";
  };
  for (int round = 0; round < 30 && !HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    for (uint64_t i = rng() % 10; i > 0; --i) work();
    {
      const FileSizeLimit limit(rng() % 3 == 0 ? 0 : rng() % 8000);
      for (int i = 0; i < 6; ++i) work();
      check();
    }
    if (rng() % 4 == 0) {
      Open();
    } else {
      ASSERT_TRUE(db_->Maintain().ok());
    }
    check();
    for (const auto& [key, value] : state) EXPECT_EQ(*db_->Get(key), value);
  }
  EXPECT_GT(refused, 20);
  EXPECT_GT(acknowledged.size(), 50u);
  Open();
  check();
}

TEST_F(RecoveryTest, AFullDiskRefusesSamplesAndKeepsState) {
  uint64_t free = 100 << 20;
  options_.ballast_bytes = 1 << 20;
  options_.measure_disk = [&](const std::string&) -> Result<DiskSpace> {
    return DiskSpace{free, 1 << 30};
  };
  Open();
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_TRUE(std::filesystem::exists(options_.path + "/ballast"));
  ASSERT_TRUE(Commit(0));
  free = 1000;
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_FALSE(std::filesystem::exists(options_.path + "/ballast"));
  EXPECT_FALSE(Commit(1));
  EXPECT_FALSE(db_->Stats().takes_samples);
  EXPECT_TRUE(db_->Apply({{"alert", "firing"}}).ok());
  EXPECT_EQ(Steps(), (std::map<int64_t, int>{{0, 10}}));
  free = 100 << 20;
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_TRUE(Commit(1));
  EXPECT_TRUE(std::filesystem::exists(options_.path + "/ballast"));
  EXPECT_EQ(db_->Stats().counters.reopens, 0u);
}

// Maintenance stands still in the middle of its work, as in a long merge.
class StuckClock : public FakeClock {
 public:
  using FakeClock::FakeClock;
  int64_t WallMs() const override {
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof name);
    while (stuck && std::string_view(name) == "tsdb") {
      reached = true;
      std::this_thread::yield();
    }
    return FakeClock::WallMs();
  }
  std::atomic<bool> stuck{true};
  mutable std::atomic<bool> reached{false};
};

TEST_F(RecoveryTest, TheLogIsSyncedWhileMaintenanceIsBusy) {
  StuckClock clock(kNow);
  options_.clock = &clock;
  options_.background = true;
  options_.ballast_bytes = 0;
  Open();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const auto wait_for = [&](auto done) {
    while (!done() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    return done();
  };
  EXPECT_TRUE(wait_for([&] {
    clock.AdvanceMs(1);
    return clock.reached.load();
  }));
  const uint64_t syncs = db_->Stats().counters.log_syncs;
  EXPECT_TRUE(Commit(0));
  EXPECT_TRUE(wait_for([&] { return db_->Stats().counters.log_syncs > syncs; }));
  clock.stuck = false;
  db_.reset();
  options_.clock = &clock_;
}

}  // namespace
}  // namespace deckwatch::tsdb
