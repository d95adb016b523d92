#include "tsdb/planner.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace deckwatch::tsdb {
namespace {

constexpr int64_t kMinute = 60'000, kHour = 60 * kMinute, kDay = 24 * kHour;
constexpr int64_t kRetention = 100 * kDay;  // largest buckets: 10 days
using Ids = std::vector<uint64_t>;

PlannedPart Part(uint64_t id, int64_t from, int64_t to, uint64_t bytes = 100,
                 PartLevel level = PartLevel::kWindow) {
  return {id, level, from, to - 1, bytes};
}

TEST(Planner, MergesTheWindowsOfTwoHoursOnceTheyAreOver) {
  std::vector<PlannedPart> parts;
  for (uint64_t i = 0; i < 4; ++i) {
    const int64_t from = static_cast<int64_t>(i) * 30 * kMinute;
    parts.push_back(Part(i + 1, from, from + 30 * kMinute));
  }
  EXPECT_TRUE(PlanMerge(parts, 2 * kHour - 1, kRetention, MergeMode::kDue).parts.empty());
  const MergePlan plan = PlanMerge(parts, 2 * kHour, kRetention, MergeMode::kDue);
  EXPECT_EQ(plan.parts, (Ids{1, 2, 3, 4}));
  EXPECT_EQ(plan.level, PartLevel::kHours);
}

TEST(Planner, LeavesALargePartAloneForALittleOne) {
  const std::vector<PlannedPart> parts = {Part(1, 0, kDay, 1000, PartLevel::kDay),
                                          Part(2, kHour, 2 * kHour, 10)};
  EXPECT_TRUE(PlanMerge(parts, 5 * kDay, kRetention, MergeMode::kDue).parts.empty());
  EXPECT_EQ(PlanMerge(parts, 5 * kDay, kRetention, MergeMode::kAll).parts, (Ids{1, 2}));
}

TEST(Planner, GoesStraightToTheLargestWhenAskedForAll) {
  const std::vector<PlannedPart> parts = {Part(1, 0, kHour), Part(2, kHour, 2 * kHour),
                                          Part(3, 5 * kDay, 6 * kDay),
                                          Part(4, 11 * kDay, 12 * kDay)};
  const MergePlan first = PlanMerge(parts, 0, kRetention, MergeMode::kAll);
  EXPECT_EQ(first.parts, (Ids{1, 2, 3}));
  EXPECT_EQ(first.level, PartLevel::kRange);
}

TEST(Planner, ComesToAnEnd) {
  std::vector<PlannedPart> parts;
  for (uint64_t i = 0; i < 500; ++i) {
    const int64_t from = static_cast<int64_t>(i) * 30 * kMinute;
    parts.push_back(Part(i + 1, from, from + 30 * kMinute));
  }
  uint64_t next = 1000;
  int merges = 0;
  for (MergePlan plan; ++merges < 1000;) {
    plan = PlanMerge(parts, 1000 * kDay, kRetention, MergeMode::kDue);
    if (plan.parts.empty()) break;
    PlannedPart merged{.id = next++, .level = plan.level, .min_ms = INT64_MAX, .max_ms = 0};
    std::erase_if(parts, [&](const PlannedPart& p) {
      if (std::find(plan.parts.begin(), plan.parts.end(), p.id) == plan.parts.end()) return false;
      merged.min_ms = std::min(merged.min_ms, p.min_ms);
      merged.max_ms = std::max(merged.max_ms, p.max_ms);
      merged.bytes += p.bytes;
      return true;
    });
    parts.push_back(merged);
  }
  EXPECT_LE(parts.size(), 2u);
  EXPECT_LT(merges, 200);
}

TEST(Planner, BucketsAreAlignedBelowZeroToo) {
  EXPECT_EQ(BucketStart(-1, 10), -10);
  EXPECT_EQ(BucketStart(-10, 10), -10);
  EXPECT_EQ(BucketStart(19, 10), 10);
  EXPECT_EQ(LargestBucketMs(15 * kDay), kDay);
  EXPECT_EQ(LargestBucketMs(36500 * kDay), 31 * kDay);
}

}  // namespace
}  // namespace deckwatch::tsdb
