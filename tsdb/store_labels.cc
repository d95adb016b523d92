// Label names and values: of each place (the open windows or a part) a sorted list, kept while the
// place is what it was; an answer merges the lists.
#include <algorithm>
#include <unordered_set>

#include "base/bytes.h"
#include "tsdb/store_querier.h"

namespace deckwatch::tsdb {

namespace {

using Texts = std::unordered_set<std::string_view>;

std::shared_ptr<const TextList> Sorted(const Texts& texts) {
  auto list = std::make_shared<TextList>();
  list->texts.assign(texts.begin(), texts.end());
  std::sort(list->texts.begin(), list->texts.end());
  return list;
}

std::shared_ptr<const TextList> NamesOf(const Selection& selection) {
  Texts names;
  std::vector<std::string_view> last;  // of the series before: neighbours mostly have the same
  for (size_t i = 0; i < selection.size(); ++i) {
    size_t k = 0;
    for (const LabelRef l : selection.LabelsAt(i)) {
      if (k == last.size()) last.emplace_back();
      if (last[k] != l.name) names.insert(last[k] = l.name);
      ++k;
    }
  }
  return Sorted(names);
}

std::shared_ptr<const TextList> ValuesOf(const Selection& selection, std::string_view name) {
  Texts values;
  std::string_view last;
  for (size_t i = 0; i < selection.size(); ++i) {
    const std::string_view v = selection.LabelsAt(i).Get(name);
    if (v != last && !v.empty()) values.insert(last = v);
  }
  return Sorted(values);
}

std::vector<std::string> Merge(const std::vector<std::shared_ptr<const TextList>>& lists,
                               size_t limit) {
  std::vector<std::string_view> all;
  for (const auto& list : lists) {
    const auto middle = static_cast<std::ptrdiff_t>(all.size());
    all.insert(all.end(), list->texts.begin(), list->texts.end());
    std::inplace_merge(all.begin(), all.begin() + middle, all.end());
  }
  all.erase(std::unique(all.begin(), all.end()), all.end());
  if (limit > 0 && all.size() > limit) all.resize(limit);
  return {all.begin(), all.end()};
}

}  // namespace

Result<std::shared_ptr<const TextList>> StoreQuerier::TextsIn(
    const PartPtr& place, const std::string& name, const std::vector<Matcher>* matchers) const {
  // Of a later version than the key says at worst.
  const uint64_t version = place == nullptr ? store_->index_.version() : place->id();
  std::string key(matchers == nullptr ? "a" : "m");  // all, or those of matching series
  PutString(&key, name);
  static const std::vector<Matcher> kNone;
  key +=
      SelectionKey(place == nullptr ? 'H' : 'P', version, matchers == nullptr ? kNone : *matchers);
  if (auto kept = store_->texts_.Find(key); kept != nullptr) return kept;
  std::shared_ptr<const TextList> made;
  if (matchers != nullptr) {
    TRY_ASSIGN(const SelectionPtr selection, SelectInOne(place, *matchers, version, {}));
    made = name.empty() ? NamesOf(*selection) : ValuesOf(*selection, name);
  } else {
    auto list = std::make_shared<TextList>();
    if (place == nullptr) {
      list->texts = name.empty() ? store_->index_.Names() : store_->index_.Values(name);
    } else {
      const auto add = [&](std::string_view text) { list->texts.emplace_back(text); };
      TRY(name.empty() ? place->LabelNames(add) : place->LabelValues(name, add));
    }
    made = std::move(list);
  }
  store_->texts_.Put(key, made);
  return made;
}

Result<std::vector<std::string>> StoreQuerier::TextsOf(const std::string& name,
                                                       const LabelQuery& query) const {
  std::vector<std::shared_ptr<const TextList>> lists;
  const int64_t start_ms = std::max(query.start_ms, oldest_ms_);
  const auto add = [&](const PartPtr& place, const std::vector<Matcher>* matchers) {
    auto list = TextsIn(place, name, matchers);
    if (list.ok()) lists.push_back(std::move(list).value());
    return Tolerate(place, list.status());
  };
  for (const PartPtr& place : PlacesIn(start_ms, query.end_ms)) {
    if (query.matcher_sets.empty()) TRY(add(place, nullptr));
    for (const std::vector<Matcher>& matchers : query.matcher_sets) TRY(add(place, &matchers));
  }
  NoteLosses(start_ms, query.end_ms, {});
  return Merge(lists, query.limit);
}

Result<std::vector<std::string>> StoreQuerier::LabelNames(const LabelQuery& query) const {
  return TextsOf("", query);
}

Result<std::vector<std::string>> StoreQuerier::LabelValues(const std::string& name,
                                                           const LabelQuery& query) const {
  if (name.empty()) return std::vector<std::string>();
  return TextsOf(name, query);
}

}  // namespace deckwatch::tsdb
