// The series of one Select over all places, and reading them.
#pragma once

#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/storage.h"
#include "tsdb/selection.h"
#include "tsdb/store.h"

namespace deckwatch::tsdb {

class StoreSeriesSet : public SeriesSet {
 public:
  struct Range {
    int64_t start_ms = 0;
    int64_t end_ms = 0;
    bool latest_only = false;  // as in SelectHints, all three
    bool latest_float = false;
    bool any_value = false;
  };
  // `parts`: what the places of `selection` are; null: the open windows of `view`.
  // What cannot be read goes to `lost`.
  StoreSeriesSet(const Store* store, ViewPtr view, std::shared_ptr<LossNotes> lost, Range range,
                 SelectionPtr selection, const std::vector<PartPtr>& parts);

  size_t size() const override { return selection_->size(); }
  LabelsView LabelsAt(size_t i) const override { return selection_->LabelsAt(i); }
  Status Read(size_t i, Columns* out) const override;
  Status ReadEach(size_t begin, size_t end, const Visit& visit) const override;
  Status ReadLatest(size_t begin, size_t end, LatestSamples* out) const override;

  // False: in the open windows only, and without a sample there; or all that it has is deleted.
  Result<bool> HasSamples(size_t i) const;

 private:
  class Reader;
  using Source = Selection::Source;
  struct Place {
    PartPtr part;                      // null: the open windows
    std::vector<TombstonePtr> hidden;  // what is deleted of the part
  };
  std::span<const GroupWindow* const> WindowsOf(uint32_t group) const {
    return std::span(windows_).subspan(group * view_->windows.size(), view_->windows.size());
  }

  const Store* const store_;
  const ViewPtr view_;
  const std::shared_ptr<LossNotes> lost_;
  const Range range_;
  const SelectionPtr selection_;
  std::vector<Place> places_;
  // Group after group, one for each window of the view: null where it has nothing in the range.
  std::vector<const GroupWindow*> windows_;
  // Cursors that nobody reads with at the moment, by place. Threads read stretches of series, so
  // each finds the one it left.
  struct Cursor {
    PartReader::Cursor at;
    PartReader::Span all, latest;  // of the range
  };
  using Cursors = std::vector<std::unique_ptr<Cursor>>;
  mutable Mutex mutex_;
  mutable std::vector<Cursors> idle_ GUARDED_BY(mutex_);
};

}  // namespace deckwatch::tsdb
