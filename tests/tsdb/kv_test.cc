#include "tsdb/kv.h"

#include <filesystem>
#include <iterator>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/tsdb/test_directory.h"
#include "tsdb/quarantine.h"

namespace deckwatch::tsdb {
namespace {

constexpr int kCompactsAt = 4;  // files of a family: RocksDB's default

class KvTest : public ::testing::Test {
 protected:
  void TearDown() override {
    kv_.reset();
    std::filesystem::remove_all(path_);
  }
  void Open() {
    kv_.reset();
    const auto small = [](std::string_view) { return FamilyKind::kSmall; };
    auto kv = Kv::Open(path_, cache_, small, OnDamage::kRefuse, &quarantine_);
    ASSERT_TRUE(kv.ok()) << kv.status().message();
    kv_ = std::move(kv).value();
  }
  // Nobody holds the family when the database is closed: it would stay open.
  size_t Files() { return kv_->Files(*kv_->GetOrCreate("f")).size(); }
  void AddFiles(int n) {
    for (int i = 0; i < n; ++i) {
      KvBatch batch;
      batch.Put(*kv_->GetOrCreate("f"), "key", "value");
      ASSERT_TRUE(kv_->Write(&batch, false).ok());
      ASSERT_TRUE(kv_->Flush().ok());
    }
  }

  const std::string path_ = FreshDirectory("kv");
  Quarantine quarantine_{path_, Clock::Real()};
  std::shared_ptr<BlockCache> cache_ = std::make_shared<BlockCache>(1 << 20);
  std::unique_ptr<Kv> kv_;
};

// What was damaged while the database was closed must be healed before a compaction meets it.
TEST_F(KvTest, WhatWasThereIsNotCompactedBeforeThatIsAllowed) {
  Open();
  ASSERT_TRUE(kv_->GetOrCreate("f").ok());
  Open();
  AddFiles(2 * kCompactsAt);
  EXPECT_EQ(Files(), 2u * kCompactsAt);
  Open();
  EXPECT_EQ(Files(), 2u * kCompactsAt);

  ASSERT_TRUE(kv_->AllowCompaction().ok());
  for (int i = 0; i < 1'000 && Files() >= kCompactsAt; ++i) AddFiles(1);  // in the end it happens
  EXPECT_LT(Files(), static_cast<size_t>(kCompactsAt));

  ASSERT_TRUE(kv_->Reopen(OnDamage::kRefuse).ok());
  const size_t before = Files();
  AddFiles(2 * kCompactsAt);
  EXPECT_EQ(Files(), before + 2 * kCompactsAt);
}

size_t OpenFiles() {
  const std::filesystem::directory_iterator all("/proc/self/fd"), end;
  return static_cast<size_t>(std::distance(all, end));
}

// A store of years has hundreds of parts, each a family.
TEST_F(KvTest, FamiliesOfOneDatabaseKeepItsFolderOpenOnce) {
  Open();
  const size_t before = OpenFiles();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(kv_->GetOrCreate(std::to_string(i)).ok());
  EXPECT_LE(OpenFiles(), before + 2);
}

}  // namespace
}  // namespace deckwatch::tsdb
