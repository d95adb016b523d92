// Damage: the store opens, answers with what is left, says what is lost, and heals. Surroundings
// that are wrong: a clear error, and nothing done that cannot be taken back.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "tests/tsdb/test_directory.h"
#include "tsdb/db.h"
#include "tsdb/history.h"
#include "tsdb/tools.h"

namespace deckwatch::tsdb {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kNow = 1'800'000'000'000;
constexpr int64_t kHourMs = 3'600'000;
constexpr int kSeries = 300;

class DamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = FreshDirectory(::testing::UnitTest::GetInstance()->current_test_info()->name());
  }
  void TearDown() override { fs::remove_all(path_); }

  Result<std::unique_ptr<Db>> TryOpen() {
    DbOptions options;
    options.path = path_;
    options.clock = &clock_;
    options.background = false;
    options.sync_interval_ms = 0;
    return Db::Open(options);
  }
  std::unique_ptr<Db> Open() {
    auto db = TryOpen();
    EXPECT_TRUE(db.ok()) << db.status().message();
    return db.ok() ? std::move(db).value() : nullptr;
  }
  static Labels LabelsOf(int i) {
    return Labels{{"__name__", "metric_" + std::to_string(100 + i / 10)}, {"n", std::to_string(i)}};
  }
  void Write(Db* db, int64_t t_ms) {
    WriteBatch batch;
    for (int i = 0; i < kSeries; ++i) {
      const Labels labels = LabelsOf(i);
      const LabelsView view = labels;
      SeriesRef ref = kNoSeries;
      ASSERT_TRUE(db->Resolve({&view, 1}, 0, {&ref, 1}).ok());
      batch.Add(ref, t_ms, static_cast<double>(i * 7919 % 1009) / 8);
    }
    ASSERT_TRUE(db->Commit(batch).ok());
  }
  struct Answer {
    int samples = 0;
    std::vector<std::string> losses;
  };
  Answer Read(const Db& db, const std::vector<Matcher>& matchers = {}) {
    Answer out;
    const auto querier = db.NewQuerier();
    const auto set = (*querier)->Select(INT64_MIN, INT64_MAX, matchers, {});
    EXPECT_TRUE(set.ok()) << set.status().message();
    if (!set.ok()) return out;
    for (size_t i = 0; i < (*set)->size(); ++i) {
      Columns c;
      EXPECT_TRUE((*set)->Read(i, &c).ok());
      out.samples += static_cast<int>(c.size());
    }
    out.losses = (*querier)->Losses();
    return out;
  }
  std::vector<fs::path> Files(const std::string& database, const std::string& part_of_name) const {
    std::vector<fs::path> out;
    for (const auto& e : fs::directory_iterator(path_ + "/" + database)) {
      if (e.path().filename().string().find(part_of_name) != std::string::npos) {
        out.push_back(e.path());
      }
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  static void Flip(const fs::path& file, uint64_t at) {
    std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
    f.seekg(static_cast<std::streamoff>(at));
    const int old = f.get();
    f.seekp(static_cast<std::streamoff>(at));
    f.put(static_cast<char>(old ^ 0x10));
  }
  // The file of values of the one part: the larger number, as it is ingested last.
  void DamageValues() {
    const auto files = Files("parts", ".sst");
    ASSERT_EQ(files.size(), 2u);
    Flip(files[1], 200);
  }
  bool SomethingIsSetAside() const {
    return fs::exists(path_ + "/lost") && !fs::is_empty(path_ + "/lost");
  }

  FakeClock clock_{kNow};
  std::string path_;
};

TEST_F(DamageTest, CurrentAndManifestLoseNothing) {
  {
    const auto db = Open();
    Write(db.get(), kNow);
    ASSERT_TRUE(db->Compact().ok());
    Write(db.get(), kNow + 1);
  }
  for (const std::string database : {"head", "parts"}) {
    std::ofstream(Files(database, "CURRENT")[0]) << "nonsense";
    for (const fs::path& file : Files(database, "MANIFEST")) {
      fs::resize_file(file, fs::file_size(file) / 2);
    }
  }
  const auto db = Open();
  ASSERT_NE(db, nullptr);
  const Answer answer = Read(*db);
  EXPECT_EQ(answer.samples, 2 * kSeries);
  EXPECT_TRUE(answer.losses.empty());
  EXPECT_TRUE(SomethingIsSetAside());
}

// A sound mirror, but of another MANIFEST: parts would be opened as a second head.
TEST_F(DamageTest, AMirrorOfTheOtherDatabaseIsOfNoUse) {
  {
    const auto db = Open();
    Write(db.get(), kNow);
    ASSERT_TRUE(db->Compact().ok());
    Write(db.get(), kNow + 1);
  }
  for (const auto& [from, to] : {std::pair("head", "parts"), std::pair("parts", "head")}) {
    SCOPED_TRACE(to);
    const fs::path mirror = Files(to, "MIRROR").back();
    fs::copy_file(Files(from, "MIRROR").back(), mirror, fs::copy_options::overwrite_existing);
    const int before = Read(*Open()).samples;
    EXPECT_GE(before, 2 * kSeries);
    {
      const auto db = Open();
      Write(db.get(), kNow + 10 + before);
    }
    const Answer after = Read(*Open());
    EXPECT_EQ(after.samples, before + kSeries);
    EXPECT_TRUE(after.losses.empty());
    EXPECT_FALSE(SomethingIsSetAside());
  }
}

// As a power cut leaves it: what was not synced is there in part, or as zeros.
TEST_F(DamageTest, ATornEndOfTheManifestIsLeftOut) {
  {
    const auto db = Open();
    Write(db.get(), kNow);
    ASSERT_TRUE(db->Compact().ok());
    Write(db.get(), kNow + 1);
  }
  const int before = Read(*Open()).samples;
  for (const std::string& end : {std::string(100, '\0'), std::string(100, 'x'), std::string("x")}) {
    for (const char* database : {"head", "parts"}) {
      SCOPED_TRACE(database);
      std::ifstream current(path_ + "/" + database + "/CURRENT");
      std::string manifest;
      std::getline(current, manifest);
      std::ofstream(path_ + "/" + database + "/" + manifest, std::ios::app | std::ios::binary)
          << end;
      const Answer after = Read(*Open());
      EXPECT_EQ(after.samples, before);
      EXPECT_TRUE(after.losses.empty());
      EXPECT_FALSE(SomethingIsSetAside());
    }
  }
}

// RocksDB itself reads properties before their checksum, and one bit of them ends the process.
TEST_F(DamageTest, PropertiesOfATableMayBeDamaged) {
  {
    const auto db = Open();
    Write(db.get(), kNow);
    ASSERT_TRUE(db->Compact().ok());
    Write(db.get(), kNow + 1);
  }
  for (const char* database : {"head", "parts"}) {
    for (const fs::path& table : Files(database, ".sst")) {
      SCOPED_TRACE(table.string());
      std::ifstream in(table, std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(in)), {});
      Reader footer(std::string_view(bytes).substr(bytes.size() - 52));
      uint64_t meta_index = 0;
      ASSERT_TRUE(footer.GetVarint(&meta_index));
      std::fstream out(table, std::ios::in | std::ios::out | std::ios::binary);
      out.seekp(static_cast<std::streamoff>(meta_index - 6));
      out.put(static_cast<char>(bytes[meta_index - 6] ^ 0x80));
    }
  }
  const auto db = Open();
  ASSERT_NE(db, nullptr);
  EXPECT_TRUE(db->Repair([](double) {}).ok());
  const Answer answer = Read(*db);
  EXPECT_LT(answer.samples, 2 * kSeries);
  EXPECT_FALSE(answer.losses.empty());
  Write(db.get(), kNow + 2);
}

TEST_F(DamageTest, EveryFileOfTheHeadMayGo) {
  {
    const auto db = Open();
    Write(db.get(), kNow);
    ASSERT_TRUE(db->Apply({{"silence", "until tomorrow"}}).ok());
    ASSERT_TRUE(db->Compact().ok());  // flushes registry, meta and state
    Write(db.get(), kNow + 1);
  }
  const std::string whole = path_ + ".whole";
  fs::copy(path_, whole, fs::copy_options::recursive);
  const auto files = Files("head", ".sst");
  ASSERT_GE(files.size(), 4u);  // two each of meta and state
  for (const fs::path& file : files) {
    SCOPED_TRACE(file.string());
    fs::remove(file);
    {
      const auto db = Open();
      ASSERT_NE(db, nullptr);
      const Answer answer = Read(*db);
      EXPECT_TRUE(answer.samples == 2 * kSeries || !answer.losses.empty());
      EXPECT_GE(answer.samples, kSeries);  // the part is there
      const auto state = db->Get("silence");
      EXPECT_EQ(state.ok() ? *state : state.status().message(), "until tomorrow");
      Write(db.get(), kNow + 2);
    }
    EXPECT_GE(Read(*Open()).samples, 2 * kSeries);
    fs::remove_all(path_);
    fs::copy(whole, path_, fs::copy_options::recursive);
  }
  fs::remove_all(whole);
}

TEST_F(DamageTest, TheWholeHeadMayGo) {
  {
    const auto db = Open();
    Write(db.get(), kNow);
    ASSERT_TRUE(db->Compact().ok());
  }
  for (const char* name : {"MANIFEST", "MIRROR", "CURRENT"}) {
    for (const fs::path& file : Files("head", name)) fs::remove(file);
  }
  const auto db = Open();
  ASSERT_NE(db, nullptr);
  EXPECT_EQ(Read(*db).samples, kSeries);
  EXPECT_FALSE(db->Losses().empty());
}

TEST_F(DamageTest, PartsAreFoundAgainWithoutTheirManifest) {
  {
    const auto db = Open();
    for (int k = 0; k < 3; ++k) {
      Write(db.get(), clock_.WallMs());
      clock_.AdvanceMs(3 * kHourMs);
      ASSERT_TRUE(db->Maintain().ok());
    }
    ASSERT_GE(db->Parts().size(), 2u);
  }
  for (const char* name : {"MANIFEST", "MIRROR", "CURRENT"}) {
    for (const fs::path& file : Files("parts", name)) fs::remove(file);
  }
  const auto db = Open();
  ASSERT_NE(db, nullptr);
  EXPECT_EQ(Read(*db).samples, 3 * kSeries);
  EXPECT_TRUE(db->Losses().empty());
  EXPECT_TRUE(db->Verify([](double) {}).ok());
}

TEST_F(DamageTest, ALogThatEndsTooEarlyIsToldOf) {
  {
    const auto db = Open();
    for (int k = 0; k < 20; ++k) Write(db.get(), kNow + k);
  }
  const fs::path log = Files("head", ".log").back();
  fs::resize_file(log, fs::file_size(log) / 2);
  const auto db = Open();
  ASSERT_NE(db, nullptr);
  const Answer answer = Read(*db);
  EXPECT_LT(answer.samples, 20 * kSeries);
  ASSERT_EQ(answer.losses.size(), 1u);
  EXPECT_NE(answer.losses[0].find("the end of the log"), std::string::npos) << answer.losses[0];
  ASSERT_EQ(db->Losses().size(), 1u);
  EXPECT_LE(db->Losses()[0].min_ms, kNow);
  Write(db.get(), kNow + 30);
}

// Nothing of them is left to tell their time by.
TEST_F(DamageTest, LateSamplesThatGoWithTheLogAreListed) {
  for (const int64_t late_ms : {5 * kHourMs, kHourMs}) {
    SCOPED_TRACE(late_ms);
    {
      const auto db = Open();
      Write(db.get(), kNow - 9 * kHourMs);
      Write(db.get(), kNow - 1);
      ASSERT_TRUE(db->Compact().ok());  // from here on, these are not in the log only
      Write(db.get(), kNow - late_ms);
      Write(db.get(), kNow);
    }
    for (const fs::path& log : Files("head", ".log")) fs::resize_file(log, 0);
    const auto db = Open();
    ASSERT_NE(db, nullptr);
    EXPECT_EQ(Read(*db).samples, 2 * kSeries);
    ASSERT_EQ(db->Losses().size(), 1u);
    EXPECT_EQ(db->Losses()[0].min_ms, kNow - late_ms);
    EXPECT_EQ(db->Losses()[0].max_ms, kNow);
    fs::remove_all(path_);
  }
}

TEST_F(DamageTest, AnImportedPartDoesNotGoWithTheLog) {
  {
    const auto db = Open();
    auto history = db->NewHistory(1 << 20);
    ASSERT_TRUE(history.ok()) << history.status().message();
    const auto series = (*history)->SeriesOf(LabelsOf(0));
    ASSERT_TRUE(series.ok());
    ASSERT_TRUE((*history)->Add(*series, kNow - 48 * kHourMs, 1).ok());
    AppendResult result;
    const auto progress = [](double) {};
    ASSERT_TRUE(db->StoreHistory(history->get(), progress, &result).ok());
    ASSERT_EQ(result.appended, 1u);
    Write(db.get(), kNow);
  }
  for (const fs::path& log : Files("head", ".log")) fs::resize_file(log, 0);
  const auto db = Open();
  ASSERT_NE(db, nullptr);
  EXPECT_EQ(Read(*db).samples, 1);
  EXPECT_EQ(db->Losses().size(), 1u);
}

// Each start begins a new log and keeps the old ones.
TEST_F(DamageTest, NothingBehindAMissingLogIsReplayed) {
  constexpr int kStarts = 3, kWrites = 5;
  for (int k = 0; k < kStarts * kWrites; k += kWrites) {
    const auto db = Open();
    for (int i = 0; i < kWrites; ++i) Write(db.get(), kNow + k + i);
  }
  const std::vector<fs::path> logs = Files("head", ".log");
  ASSERT_EQ(logs.size(), static_cast<size_t>(kStarts));
  const std::string whole = path_ + ".whole";
  fs::copy(path_, whole, fs::copy_options::recursive);
  for (int missing = 0; missing < kStarts; ++missing) {
    for (const bool replaced : {false, true}) {
      SCOPED_TRACE("log " + std::to_string(missing) + (replaced ? " replaced" : " removed"));
      fs::remove(logs[missing]);
      if (replaced) fs::copy_file(logs[(missing + 1) % kStarts], logs[missing]);
      for (const bool again : {false, true}) {
        SCOPED_TRACE(again ? "opened again" : "opened");
        const auto db = Open();
        ASSERT_NE(db, nullptr);
        const Answer answer = Read(*db);
        EXPECT_EQ(answer.samples, missing * kWrites * kSeries + (again ? kSeries : 0));
        ASSERT_EQ(answer.losses.size(), 1u);
        EXPECT_NE(answer.losses[0].find("the end of the log"), std::string::npos);
        if (!again) Write(db.get(), kNow + 100);
      }
      fs::remove_all(path_);
      fs::copy(whole, path_, fs::copy_options::recursive);
    }
  }
  fs::remove_all(whole);
}

TEST_F(DamageTest, ADamagedPartIsWrittenAnewAndTheRestIsListed) {
  {
    const auto db = Open();
    Write(db.get(), kNow);
    ASSERT_TRUE(db->Compact().ok());
  }
  DamageValues();
  Answer before, after;
  {
    const auto db = Open();
    before = Read(*db);
    EXPECT_FALSE(before.losses.empty());
    ASSERT_TRUE(db->Maintain().ok());
    after = Read(*db);
    ASSERT_EQ(db->Losses().size(), 1u);
    EXPECT_EQ(db->Losses()[0].min_ms, kNow);
    EXPECT_TRUE(db->Verify([](double) {}).ok());
  }
  EXPECT_EQ(before.samples, after.samples);
  EXPECT_TRUE(SomethingIsSetAside());
  const auto db = Open();  // the list survives
  EXPECT_EQ(Read(*db).losses.size(), 1u);
}

TEST_F(DamageTest, OnlyThoseWhoMissSomethingAreTold) {
  const Loss loss{.min_ms = 100,
                  .max_ms = 200,
                  .found_ms = 300,
                  .what = "part 1: 2 series",
                  .first_metric = "c",
                  .last_metric = "e"};
  const auto name = [](const char* n) { return std::vector{Matcher::Equal("__name__", n)}; };
  EXPECT_TRUE(loss.Concerns(150, 160, name("d")));
  EXPECT_TRUE(loss.Concerns(200, 300, {}));
  EXPECT_FALSE(loss.Concerns(201, 300, name("d")));
  EXPECT_FALSE(loss.Concerns(0, 99, name("d")));
  EXPECT_FALSE(loss.Concerns(150, 160, name("f")));
  std::string bytes;
  loss.EncodeTo(&bytes);
  EXPECT_EQ(Loss::Decode(bytes)->ToString(), loss.ToString());
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(Loss::Decode(std::string_view(bytes).substr(0, n)).ok());
  }
}

TEST_F(DamageTest, TheScrubFindsDamageThatNobodyReads) {
  auto db = Open();
  Write(db.get(), kNow);
  ASSERT_TRUE(db->Compact().ok());
  ASSERT_TRUE(db->Maintain().ok());
  db.reset();
  DamageValues();
  db = Open();
  ASSERT_TRUE(db->Maintain().ok());  // begins to count time
  EXPECT_EQ(db->Stats().losses, 0u);
  for (int day = 0; day < 8; ++day) {
    clock_.AdvanceMs(24 * kHourMs);
    ASSERT_TRUE(db->Maintain().ok());
  }
  EXPECT_EQ(db->Stats().losses, 1u);
  EXPECT_GE(db->Stats().scrub_rounds, 1u);
  EXPECT_GT(db->Stats().scrub_bytes, 0u);
}

TEST_F(DamageTest, TheToolRepairsAndTells) {
  {
    const auto db = Open();
    Write(db.get(), kNow);
    ASSERT_TRUE(db->Compact().ok());
  }
  std::ostringstream out;
  EXPECT_TRUE(Repair(
                  path_, [](double) {}, out)
                  .ok())
      << out.str();
  DamageValues();
  out.str("");
  EXPECT_EQ(Repair(
                path_, [](double) {}, out)
                .code(),
            StatusCode::kCorruption);
  EXPECT_NE(out.str().find("lost: samples from 2027-"), std::string::npos) << out.str();
  out.str("");
  EXPECT_TRUE(Verify(
                  path_, [](double) {}, out)
                  .ok());
  EXPECT_NE(out.str().find("lost: samples from 2027-"), std::string::npos) << out.str();
  out.str("");
  ASSERT_TRUE(List(path_, OutputFormat::kJson, out).ok());
  EXPECT_NE(out.str().find("\"losses\":[{\"min_ms\":1800000000000,"), std::string::npos)
      << out.str();
}

// ---- surroundings

TEST_F(DamageTest, OneDirectoryHasOneProcess) {
  const auto db = Open();
  const auto second = TryOpen();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(second.status().message().find("another process holds it"), std::string::npos);
  EXPECT_FALSE(SomethingIsSetAside());
}

// What a live process writes at the moment may look damaged to others.
TEST_F(DamageTest, WhatAnotherProcessHasOpenIsNotMended) {
  const auto db = Open();
  for (const char* database : {"head", "parts"}) {
    std::ofstream(path_ + "/" + database + "/CURRENT") << "MANIFEST-";
  }
  EXPECT_EQ(TryOpen().status().code(), StatusCode::kUnavailable);
  EXPECT_FALSE(SomethingIsSetAside());
  EXPECT_EQ(fs::file_size(path_ + "/head/CURRENT"), 9u);
}

TEST_F(DamageTest, ALockThatCannotBeTakenIsNotAnotherProcess) {
  Open();
  for (const std::string lock : {"/LOCK", "/head/LOCK", "/parts/LOCK"}) {
    ASSERT_TRUE(fs::remove(path_ + lock)) << lock;
    ASSERT_TRUE(fs::create_directory(path_ + lock));
    const Status s = TryOpen().status();
    EXPECT_EQ(s.code(), StatusCode::kIo) << s.message();
    EXPECT_NE(s.message().find(path_ + lock + ": Is a directory"), std::string::npos)
        << s.message();
    ASSERT_TRUE(fs::remove(path_ + lock));
    ASSERT_NE(Open(), nullptr);
  }
}

TEST_F(DamageTest, ADirectoryThatTakesNoFilesIsNamed) {
  path_ = "/proc/deckwatch";
  const auto db = TryOpen();
  ASSERT_FALSE(db.ok());
  EXPECT_EQ(db.status().code(), StatusCode::kIo) << db.status().message();
  EXPECT_NE(db.status().message().find(path_), std::string::npos) << db.status().message();
}

TEST_F(DamageTest, AClockThatGoesBackLosesNothing) {
  const auto db = Open();
  Write(db.get(), kNow);
  clock_.StepWallMs(-kHourMs);
  ASSERT_TRUE(db->Maintain().ok());
  Write(db.get(), kNow - kHourMs);
  EXPECT_EQ(Read(*db).samples, 2 * kSeries);
}

TEST_F(DamageTest, AClockThatLeapsAYearAheadDropsNothingForADay) {
  const int64_t year_ms = 365 * 24 * kHourMs;
  const auto db = Open();
  Write(db.get(), kNow);
  ASSERT_TRUE(db->Compact().ok());
  clock_.StepWallMs(year_ms);
  ASSERT_TRUE(db->Maintain().ok());
  Write(db.get(), kNow + year_ms);
  ASSERT_TRUE(db->Compact().ok());
  clock_.StepWallMs(-year_ms);
  ASSERT_TRUE(db->Maintain().ok());
  EXPECT_EQ(Read(*db, {Matcher::Equal("n", "7")}).samples, 2);
  clock_.StepWallMs(year_ms);  // and this time it is right
  ASSERT_TRUE(db->Maintain().ok());
  EXPECT_EQ(db->Stats().counters.parts_dropped_by_time, 0u);
  clock_.AdvanceMs(25 * kHourMs);
  ASSERT_TRUE(db->Maintain().ok());
  EXPECT_GT(db->Stats().counters.parts_dropped_by_time, 0u);
}

}  // namespace
}  // namespace deckwatch::tsdb
