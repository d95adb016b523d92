// Damaged files: an error that names what is lost, never a wrong answer, never a crash, and the
// store opens.
#include <filesystem>
#include <fstream>
#include <map>
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
constexpr int kSeries = 300;
constexpr int kSamples = 50;

class CorruptionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = FreshDirectory(::testing::UnitTest::GetInstance()->current_test_info()->name());
    auto db = Open();
    ASSERT_NE(db, nullptr);
    std::mt19937_64 rng(3);
    for (int k = 0; k < kSamples; ++k) {
      WriteBatch batch;
      for (int i = 0; i < kSeries; ++i) {
        const Labels labels = LabelsOf(i);
        const LabelsView view = labels;
        SeriesRef ref = kNoSeries;
        ASSERT_TRUE(db->Resolve({&view, 1}, 0, {&ref, 1}).ok());
        const double v = static_cast<double>(rng() % 100'000) / 7;
        batch.Add(ref, TimeOf(k), v);
        truth_[labels.ToString()][TimeOf(k)] = v;
      }
      ASSERT_TRUE(db->Commit(batch).ok());
    }
    ASSERT_TRUE(db->Compact().ok());
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  static Labels LabelsOf(int i) {
    return Labels{{"__name__", "metric_" + std::to_string(i % 20)}, {"n", std::to_string(i)}};
  }
  static int64_t TimeOf(int k) { return kNow - (kSamples - k) * 15'000; }

  std::unique_ptr<Db> Open() {
    DbOptions options;
    options.path = path_;
    options.clock = &clock_;
    options.background = false;
    auto db = Db::Open(options);
    EXPECT_TRUE(db.ok()) << db.status().message();
    return db.ok() ? std::move(db).value() : nullptr;
  }
  std::vector<std::filesystem::path> Files() const {
    std::vector<std::filesystem::path> out;
    for (const auto& e : std::filesystem::directory_iterator(path_ + "/parts")) {
      if (e.path().extension() == ".sst") out.push_back(e.path());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  // Reads everything: all that comes must be the truth, and whole unless the reader is told of a
  // loss. Returns of how many.
  int ReadAll(const Db& db) {
    auto querier = db.NewQuerier();
    auto set = (*querier)->Select(INT64_MIN, INT64_MAX, {}, {});
    EXPECT_TRUE(set.ok()) << set.status().message();
    if (!set.ok()) return 0;
    size_t whole = 0;
    for (size_t i = 0; i < (*set)->size(); ++i) {
      Labels labels;
      Columns c;
      labels = Labels((*set)->LabelsAt(i));
      EXPECT_TRUE((*set)->Read(i, &c).ok());
      const auto truth = truth_.find(labels.ToString());
      EXPECT_NE(truth, truth_.end()) << labels.ToString();
      whole += c.size() == truth->second.size();
      for (size_t k = 0; k < c.size(); ++k) EXPECT_EQ(c.value[k], truth->second[c.t_ms[k]]);
    }
    const std::vector<std::string> losses = (*querier)->Losses();
    EXPECT_TRUE(whole == truth_.size() || !losses.empty());
    for (const std::string& loss : losses) {
      EXPECT_NE(loss.find("2027-"), std::string::npos) << loss;  // the range
    }
    return static_cast<int>(losses.size());
  }

  FakeClock clock_{kNow};
  std::string path_;
  std::map<std::string, std::map<int64_t, double>> truth_;
};

TEST_F(CorruptionTest, FlippedBitsGiveErrorsAndNeverOtherValues) {
  const uint64_t seed = 17;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 rng(seed);
  int with_errors = 0;
  for (int round = 0; round < 40 && !HasFailure(); ++round) {
    const auto files = Files();
    ASSERT_EQ(files.size(), 2u);
    const auto& file = files[rng() % files.size()];
    const auto at = static_cast<std::streamoff>(rng() % std::filesystem::file_size(file));
    SCOPED_TRACE(file.string() + " byte " + std::to_string(at));
    std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
    f.seekg(at);
    const char old = static_cast<char>(f.get());
    f.seekp(at);
    f.put(static_cast<char>(old ^ (1 << (rng() % 8))));
    f.flush();
    if (const auto db = Open(); db != nullptr) with_errors += ReadAll(*db) > 0;
    f.seekp(at);
    f.put(old);
  }
  EXPECT_GT(with_errors, 20);  // nearly every byte of these files is needed
  const auto db = Open();
  EXPECT_EQ(ReadAll(*db), 0);
}

TEST_F(CorruptionTest, AMissingFileIsALostPartAndNoMore) {
  std::filesystem::remove(Files()[1]);
  const auto db = Open();
  ASSERT_NE(db, nullptr);
  EXPECT_GT(ReadAll(*db), 0);
  const Labels up{{"__name__", "up"}};
  const LabelsView view = up;
  SeriesRef ref = kNoSeries;
  ASSERT_TRUE(db->Resolve({&view, 1}, 0, {&ref, 1}).ok());
  WriteBatch batch;
  batch.Add(ref, kNow, 1);
  EXPECT_EQ(db->Commit(batch)->appended, 1u);
}

TEST_F(CorruptionTest, VerifyFindsTheDamage) {
  EXPECT_TRUE(Open()->Verify([](double) {}).ok());
  const auto file = Files()[1];
  std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
  f.seekp(100);
  f.put('\xa5');
  f.close();
  EXPECT_EQ(Open()->Verify([](double) {}).code(), StatusCode::kCorruption);
}

}  // namespace
}  // namespace deckwatch::tsdb
