// Reads of a damaged part what can be read, so that it can be written anew without the rest.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tsdb/compaction.h"

namespace deckwatch::tsdb {

// A source that leaves out series that cannot be read, and writes down which.
class SalvageSource : public SeriesSource {
 public:
  // `gaps` outlives it. Io when the disk gives no answer: that is no damage yet.
  struct Gap;
  static Result<std::unique_ptr<SalvageSource>> Create(PartPtr part,
                                                       std::vector<TombstonePtr> tombstones,
                                                       std::vector<Gap>* gaps);

  // Neighbours that were left out. Metric names empty: unknown.
  struct Gap {
    uint64_t series = 0;
    std::string first_metric, last_metric;
  };

  Result<std::map<uint64_t, std::vector<int64_t>>> Clocks() override;
  bool Valid() const override { return ordinal_ < part_->meta().series; }
  LabelsView labels() const override { return labels_; }
  uint64_t group_key() override { return group_key_; }
  Status Read(int64_t start_ms, int64_t end_ms, Columns* out) override;
  Status Next() override;

 private:
  SalvageSource(PartPtr part, std::vector<TombstonePtr> tombstones, std::vector<Gap>* gaps);
  Status Load();
  Status LoadOne(bool* has_labels);

  const PartPtr part_;
  std::vector<TombstonePtr> tombstones_;
  const std::unique_ptr<KvIterator> values_;
  uint32_t ordinal_ = 0;
  Labels labels_;
  uint64_t group_key_ = 0;
  Columns columns_;
  bool in_gap_ = false;
  std::vector<Gap>* const gaps_;
};

}  // namespace deckwatch::tsdb
