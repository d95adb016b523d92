// A store of its own for every test, with a fake clock and without threads.
#pragma once

#include <filesystem>
#include <memory>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/tsdb/test_directory.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {

class StoreFixture : public ::testing::Test {
 protected:
  explicit StoreFixture(int64_t now_ms) : clock_(now_ms) {
    options_.path = FreshDirectory(::testing::UnitTest::GetInstance()->current_test_info()->name());
    options_.clock = &clock_;
    options_.background = false;
    options_.memory_bytes = 64 << 20;
  }
  void SetUp() override { Open(); }
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

  FakeClock clock_;
  DbOptions options_;
  std::unique_ptr<Db> db_;
};

}  // namespace deckwatch::tsdb
