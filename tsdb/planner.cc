#include "tsdb/planner.h"

#include <algorithm>
#include <map>
#include <utility>

namespace deckwatch::tsdb {

namespace {

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kDayMs = 24 * kHourMs;
constexpr size_t kMaxPartsInBucket = 8;

// True when merging pays: the smaller parts together are half as large as the largest, or there are
// too many of them; or a part that stays has yet to be compressed as such.
bool Worthwhile(const std::vector<const PlannedPart*>& parts, PartLevel level, MergeMode mode) {
  if (parts.size() == 1) return level >= PartLevel::kDay && parts[0]->level < PartLevel::kDay;
  if (mode == MergeMode::kAll || parts.size() > kMaxPartsInBucket) return true;
  uint64_t sum = 0, largest = 0;
  for (const PlannedPart* p : parts) {
    sum += p->bytes;
    largest = std::max(largest, p->bytes);
  }
  return (sum - largest) * 2 >= largest;
}

}  // namespace

int64_t LargestBucketMs(int64_t retention_ms) {
  if (retention_ms <= 0) return 31 * kDayMs;
  return std::clamp<int64_t>(retention_ms / 10 / kDayMs, 1, 31) * kDayMs;
}

int64_t BucketStart(int64_t t_ms, int64_t width_ms) {
  const int64_t rest = t_ms % width_ms;
  return t_ms - (rest < 0 ? rest + width_ms : rest);
}

MergePlan PlanMerge(const std::vector<PlannedPart>& parts, int64_t settled_ms, int64_t retention_ms,
                    MergeMode mode) {
  std::vector<std::pair<int64_t, PartLevel>> widths = {{2 * kHourMs, PartLevel::kHours},
                                                       {kDayMs, PartLevel::kDay}};
  const int64_t largest = LargestBucketMs(retention_ms);
  if (largest > kDayMs) widths.emplace_back(largest, PartLevel::kRange);
  // Everything at once: straight to the largest, so that nothing is rewritten twice.
  if (mode == MergeMode::kAll) std::reverse(widths.begin(), widths.end());
  for (const auto& [width, level] : widths) {
    std::map<int64_t, std::vector<const PlannedPart*>> buckets;
    for (const PlannedPart& p : parts) {
      const int64_t start = BucketStart(p.min_ms, width);
      const bool over = mode == MergeMode::kAll || start + width <= settled_ms;
      if (over && BucketStart(p.max_ms, width) == start) buckets[start].push_back(&p);
    }
    for (const auto& [start, members] : buckets) {
      if (!Worthwhile(members, level, mode)) continue;
      MergePlan plan;
      plan.level = level;
      for (const PlannedPart* p : members) {
        plan.parts.push_back(p->id);
        plan.level = std::max(plan.level, p->level);
      }
      std::sort(plan.parts.begin(), plan.parts.end());
      return plan;
    }
  }
  return {};
}

}  // namespace deckwatch::tsdb
