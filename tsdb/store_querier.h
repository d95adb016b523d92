// Queries on one view of parts and windows. store_read.cc: series; store_labels.cc: names and
// values.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/storage.h"
#include "tsdb/series_set.h"
#include "tsdb/store.h"

namespace deckwatch::tsdb {

class StoreQuerier : public Querier {
 public:
  StoreQuerier(const Store* store, ViewPtr view, int64_t oldest_ms)
      : store_(store), view_(std::move(view)), oldest_ms_(oldest_ms) {}

  Result<std::unique_ptr<SeriesSet>> Select(int64_t start_ms, int64_t end_ms,
                                            const std::vector<Matcher>& matchers,
                                            const SelectHints& hints) const override {
    TRY_ASSIGN(auto set,
               SelectSet({start_ms, end_ms, hints.latest_only, hints.latest_float, hints.any_value},
                         matchers, hints.admit));
    return std::unique_ptr<SeriesSet>(std::move(set));
  }
  Result<std::vector<std::string>> LabelNames(const LabelQuery& query) const override;
  Result<std::vector<std::string>> LabelValues(const std::string& name,
                                               const LabelQuery& query) const override;
  Result<std::vector<Labels>> Series(const LabelQuery& query) const override;
  std::vector<std::string> Losses() const override { return lost_->All(); }
  Result<std::vector<SeriesExemplars>> Exemplars(const LabelQuery& query) const override {
    LabelQuery kept = query;
    kept.start_ms = std::max(kept.start_ms, oldest_ms_);
    return store_->exemplars_.Find(kept);
  }

 private:
  Result<std::unique_ptr<StoreSeriesSet>> SelectSet(StoreSeriesSet::Range range,
                                                    const std::vector<Matcher>& matchers,
                                                    const Admit& admit) const;
  // Damage is no error of the answer: what is left is given, and what is lost is told.
  Status Tolerate(const PartPtr& place, const Status& read) const;
  void NoteLosses(int64_t start_ms, int64_t end_ms, const std::vector<Matcher>& matchers) const;
  // The parts that have samples in the range, by number; then null when the open windows have some.
  std::vector<PartPtr> PlacesIn(int64_t start_ms, int64_t end_ms) const;
  // The series that `matchers` choose in all places, from the cache when that was asked before.
  Result<SelectionPtr> SelectIn(const std::vector<PartPtr>& places,
                                const std::vector<Matcher>& matchers, const Admit& admit) const;
  Result<SelectionPtr> SelectInOne(const PartPtr& place, const std::vector<Matcher>& matchers,
                                   uint64_t head_version, const Admit& admit) const;
  // The values of a label in one place, or with an empty name the names of all labels; of all
  // series there, or of those that `matchers` choose. Kept.
  Result<std::shared_ptr<const TextList>> TextsIn(const PartPtr& place, const std::string& name,
                                                  const std::vector<Matcher>* matchers) const;
  Result<std::vector<std::string>> TextsOf(const std::string& name, const LabelQuery& query) const;

  const Store* const store_;
  const ViewPtr view_;
  const int64_t oldest_ms_;
  const std::shared_ptr<LossNotes> lost_ = std::make_shared<LossNotes>();
};

}  // namespace deckwatch::tsdb
