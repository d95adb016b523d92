#include "tsdb/disk_guard.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "tests/tsdb/test_directory.h"

namespace deckwatch::tsdb {
namespace {

constexpr uint64_t kBallast = 1 << 20;

// A disk with `other` bytes for us, of which the ballast takes its share.
class DiskGuardTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(path_); }
  void TearDown() override { std::filesystem::remove_all(path_); }
  uint64_t Ballast() const {
    std::error_code ec;
    const auto n = std::filesystem::file_size(path_ + "/ballast", ec);
    return ec ? 0 : n;
  }

  const std::string path_ = FreshDirectory("disk_guard");
  uint64_t other_ = 100 * kBallast;
  DiskGuard guard_{path_, kBallast, [this](const std::string&) -> Result<DiskSpace> {
                     return DiskSpace{other_ - std::min(other_, Ballast()), 1000 * kBallast};
                   }};
};

TEST_F(DiskGuardTest, KeepsABallastAndGivesItUpWhenTheDiskIsFull) {
  EXPECT_EQ(guard_.Check(), DiskGuard::Level::kPlenty);
  guard_.Refill();
  EXPECT_EQ(Ballast(), kBallast);
  other_ = 3 * kBallast;
  EXPECT_EQ(guard_.Check(), DiskGuard::Level::kPlenty);
  other_ = 3 * kBallast - 1;
  EXPECT_EQ(guard_.Check(), DiskGuard::Level::kLow);
  EXPECT_EQ(Ballast(), kBallast);
  other_ = 2 * kBallast - 1;
  EXPECT_EQ(guard_.Check(), DiskGuard::Level::kFull);
  EXPECT_EQ(Ballast(), 0u);
}

TEST_F(DiskGuardTest, TheRoomOfTheBallastDoesNotEndTheAlarm) {
  guard_.Check();
  guard_.Refill();
  other_ = 2 * kBallast - 1;
  ASSERT_EQ(guard_.Check(), DiskGuard::Level::kFull);
  EXPECT_EQ(guard_.Check(), DiskGuard::Level::kFull);
  guard_.Refill();
  EXPECT_EQ(Ballast(), 0u);
  other_ = 3 * kBallast - 1;
  EXPECT_EQ(guard_.Check(), DiskGuard::Level::kFull);
  other_ = 3 * kBallast;
  EXPECT_EQ(guard_.Check(), DiskGuard::Level::kPlenty);
  guard_.Refill();
  EXPECT_EQ(Ballast(), kBallast);
}

TEST_F(DiskGuardTest, WithoutABallastThereIsAlwaysPlenty) {
  DiskGuard guard(path_, 0, [](const std::string&) -> Result<DiskSpace> { return DiskSpace{}; });
  EXPECT_EQ(guard.Check(), DiskGuard::Level::kPlenty);
  guard.Refill();
  EXPECT_EQ(Ballast(), 0u);
}

TEST_F(DiskGuardTest, MeasuresARealDiskAndProbesIt) {
  const auto space = MeasureDisk(path_);
  ASSERT_TRUE(space.ok()) << space.status().message();
  EXPECT_GT(space->size_bytes, 0u);
  EXPECT_TRUE(guard_.Probe().ok());
  EXPECT_TRUE(std::filesystem::is_empty(path_));
  std::filesystem::remove_all(path_);
  EXPECT_FALSE(guard_.Probe().ok());
  EXPECT_FALSE(MeasureDisk(path_).ok());
}

}  // namespace
}  // namespace deckwatch::tsdb
