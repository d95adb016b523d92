// Sealing and merging: sorted streams of series in, one part out.
//
// A window of the head and a part are read through the same interface, so that sealing is merging
// one source. Where two sources hold a sample of the same series and time, the earlier source in
// the list wins: list them in the order in which they were stored.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/labels.h"
#include "base/matcher.h"
#include "base/status.h"
#include "base/storage.h"
#include "tsdb/part_reader.h"
#include "tsdb/part_writer.h"
#include "tsdb/series_index.h"
#include "tsdb/window.h"

namespace deckwatch::tsdb {

// A range of samples of some series, hidden from reads: of the parts numbered up to `last_part`.
// While a delete can be undone, the parts it covers are not merged: what it hides is all there.
struct Tombstone {
  static constexpr int64_t kUndoMs = 24 * 3'600'000;

  uint64_t id = 0;
  uint64_t last_part = 0;
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  std::vector<Matcher> matchers;
  int64_t created_ms = 0;
  bool final = false;  // cannot be undone, whatever its age

  bool CanBeUndone(int64_t now_ms) const { return !final && now_ms - created_ms < kUndoMs; }

  bool Covers(const PartReader& part) const {
    return part.id() <= last_part && part.Overlaps(start_ms, end_ms);
  }
  void EncodeTo(std::string* out) const;
  static Result<Tombstone> Decode(uint64_t id, std::string_view data);
};
using TombstonePtr = std::shared_ptr<const Tombstone>;

// Series in SeriesBefore order. Single use.
class SeriesSource {
 public:
  virtual ~SeriesSource() = default;
  // Group key -> ascending times.
  virtual Result<std::map<uint64_t, std::vector<int64_t>>> Clocks() = 0;
  virtual bool Valid() const = 0;
  virtual LabelsView labels() const = 0;
  virtual uint64_t group_key() = 0;
  virtual Status Read(int64_t start_ms, int64_t end_ms, Columns* out) = 0;
  virtual Status Next() = 0;  // an error ends the source
};

// `series`: the numbers of those that have a sample in the window; all three outlive the source.
std::unique_ptr<SeriesSource> NewWindowSource(const Window* window, const SeriesIndex* index,
                                              const SeriesByMetric* series);
// Samples under a tombstone are left out.
Result<std::unique_ptr<SeriesSource>> NewPartSource(PartPtr part,
                                                    std::vector<TombstonePtr> tombstones);

// Writes the samples with start_ms <= t <= end_ms of all sources. With none, `meta.series` is 0 and
// there are no files. `keep_going` is asked now and then; when false the result is Cancelled.
Result<PartWriter::Finished> BuildPart(std::vector<std::unique_ptr<SeriesSource>> sources,
                                       int64_t start_ms, int64_t end_ms, PartWriter* writer,
                                       const std::function<bool()>& keep_going);

}  // namespace deckwatch::tsdb
