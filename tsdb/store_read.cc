// Queriers: one view of parts and windows, series united over them by label set.
#include <algorithm>

#include "base/bytes.h"
#include "tsdb/store_querier.h"

namespace deckwatch::tsdb {

Status StoreQuerier::Tolerate(const PartPtr& place, const Status& read) const {
  if (place == nullptr || !IsUnreadable(read)) return read;
  store_->Suspect(*place, read);
  lost_->Add(read.message());
  return {};
}

void StoreQuerier::NoteLosses(int64_t start_ms, int64_t end_ms,
                              const std::vector<Matcher>& matchers) const {
  for (const Loss& loss : store_->losses_.Concerning(start_ms, end_ms, matchers)) {
    lost_->Add(loss.ToString());
  }
}

std::vector<PartPtr> StoreQuerier::PlacesIn(int64_t start_ms, int64_t end_ms) const {
  std::vector<PartPtr> places;
  for (const PartPtr& part : view_->parts) {
    if (part->Overlaps(start_ms, end_ms)) places.push_back(part);
  }
  const bool head = std::any_of(
      view_->windows.begin(), view_->windows.end(),
      [&](const WindowPtr& w) { return w->min_ms() <= end_ms && start_ms <= w->max_ms(); });
  if (head) places.push_back(nullptr);
  return places;
}

Result<SelectionPtr> StoreQuerier::SelectInOne(const PartPtr& place,
                                               const std::vector<Matcher>& matchers,
                                               uint64_t head_version, const Admit& admit) const {
  const std::string key = place == nullptr ? SelectionKey('H', head_version, matchers)
                                           : SelectionKey('P', place->id(), matchers);
  if (SelectionPtr kept = store_->selections_.Find(key); kept != nullptr) return kept;
  TRY_ASSIGN(SelectionPtr made, place == nullptr ? store_->index_.Select(matchers, admit)
                                                 : place->Select(matchers, admit));
  store_->selections_.Put(key, made);
  return made;
}

Result<SelectionPtr> StoreQuerier::SelectIn(const std::vector<PartPtr>& places,
                                            const std::vector<Matcher>& matchers,
                                            const Admit& admit) const {
  if (places.empty()) return SelectionPtr(std::make_shared<const Selection>());
  const bool head = places.back() == nullptr;
  const uint64_t version = head ? store_->index_.version() : 0;
  std::string key = SelectionKey(head ? 'h' : 'p', version, matchers);
  for (const PartPtr& place : places) PutVarint(&key, place == nullptr ? 0 : place->id());
  if (SelectionPtr kept = store_->selections_.Find(key); kept != nullptr) return kept;
  std::vector<SelectionPtr> found;
  bool whole = true;
  for (const PartPtr& place : places) {
    auto one = SelectInOne(place, matchers, version, admit);
    TRY(Tolerate(place, one.status()));
    whole &= one.ok();
    found.push_back(one.ok() ? std::move(one).value() : std::make_shared<const Selection>());
  }
  if (found.size() == 1) return found[0];
  SelectionPtr made = Selection::Unite(std::move(found));
  if (whole) store_->selections_.Put(key, made);
  return made;
}

Result<std::unique_ptr<StoreSeriesSet>> StoreQuerier::SelectSet(
    StoreSeriesSet::Range range, const std::vector<Matcher>& matchers, const Admit& admit) const {
  range.start_ms = std::max(range.start_ms, oldest_ms_);
  const std::vector<PartPtr> places = PlacesIn(range.start_ms, range.end_ms);
  TRY_ASSIGN(SelectionPtr selection, SelectIn(places, matchers, admit));
  NoteLosses(range.start_ms, range.end_ms, matchers);
  return std::make_unique<StoreSeriesSet>(store_, view_, lost_, range, std::move(selection),
                                          places);
}

Result<std::vector<Labels>> StoreQuerier::Series(const LabelQuery& query) const {
  static const std::vector<std::vector<Matcher>> kEverything(1);
  std::vector<Labels> out;
  for (const auto& matchers : query.matcher_sets.empty() ? kEverything : query.matcher_sets) {
    TRY_ASSIGN(const auto set, SelectSet({query.start_ms, query.end_ms}, matchers, {}));
    out.reserve(out.size() + set->size());
    for (size_t i = 0; i < set->size(); ++i) {
      TRY_ASSIGN(const bool has_samples, set->HasSamples(i));
      if (has_samples) out.emplace_back(set->LabelsAt(i));
    }
  }
  // One selection has each series once, by metric name and then in the order wanted.
  const bool sorted = query.matcher_sets.size() == 1 && !out.empty() &&
                      out.front().MetricName() == out.back().MetricName();
  if (!sorted) {
    if (!std::is_sorted(out.begin(), out.end())) std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
  }
  if (query.limit > 0 && out.size() > query.limit) out.resize(query.limit);
  return out;
}

Result<std::unique_ptr<Querier>> Store::NewQuerier() const {
  return std::unique_ptr<Querier>(std::make_unique<StoreQuerier>(this, view(), OldestAllowedMs()));
}

}  // namespace deckwatch::tsdb
