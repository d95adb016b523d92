// Which parts to merge next: a pure function of what there is.
//
// Time is cut into aligned buckets of two hours, a day, and about a tenth of the retention. Parts
// that lie in one bucket that is over are merged into one, smaller buckets first. A large part is
// rewritten only when what joins it is worth it.
#pragma once

#include <cstdint>
#include <vector>

#include "tsdb/part.h"

namespace deckwatch::tsdb {

struct PlannedPart {
  uint64_t id = 0;
  PartLevel level = PartLevel::kWindow;
  int64_t min_ms = 0;
  int64_t max_ms = 0;
  uint64_t bytes = 0;
};

struct MergePlan {
  std::vector<uint64_t> parts;  // empty: nothing to do
  PartLevel level = PartLevel::kWindow;
};

enum class MergeMode {
  kDue,  // what is due
  kAll,  // everything as if its time had come
};

// Buckets that end after `settled_ms` are still being filled.
MergePlan PlanMerge(const std::vector<PlannedPart>& parts, int64_t settled_ms, int64_t retention_ms,
                    MergeMode mode);

// The width of the largest buckets; a part never spans two of them.
int64_t LargestBucketMs(int64_t retention_ms);
// Start of the bucket of that width that holds t.
int64_t BucketStart(int64_t t_ms, int64_t width_ms);

}  // namespace deckwatch::tsdb
