// What queries ask of the index: series in order, with their label sets in one text; names, values
// and counts of labels.
#include <algorithm>

#include "tsdb/series_index.h"

namespace deckwatch::tsdb {

namespace {
constexpr size_t kAtOnce = 512;  // writers get their turn between

}  // namespace

SeriesOrder SeriesIndex::Order(std::span<const uint32_t> ids) const {
  SeriesOrder order;
  order.Reserve(ids.size());
  std::unordered_map<uint32_t, uint32_t> known;  // pair of the index -> pair of the order
  uint64_t removals = 0;
  for (size_t from = 0; from < ids.size(); from += kAtOnce) {
    MutexLock lock(mutex_);
    if (removals != removals_) known.clear();  // pairs may have got another text
    removals = removals_;
    for (const uint32_t id : ids.subspan(from, std::min(kAtOnce, ids.size() - from))) {
      const Series* s = At(id);
      if (s == nullptr) continue;
      order.AddSeries(s->group, s->column);
      for (uint32_t i = 0; i < s->pair_count; ++i) {
        const uint32_t pair = PairIds(*s)[i];
        const auto [it, added] = known.try_emplace(pair);
        if (added) it->second = order.AddPair(*pairs_[pair].name, *pairs_[pair].value);
        order.AddLabel(it->second);
      }
    }
  }
  order.Sort();
  return order;
}

SeriesByMetric SeriesIndex::ByMetric(std::span<const uint32_t> ids) const {
  SeriesByMetric out;
  std::unordered_map<uint32_t, Postings*> of_pair;  // valid while nothing is removed
  uint64_t removals = 0;
  for (size_t from = 0; from < ids.size(); from += kAtOnce) {
    MutexLock lock(mutex_);
    if (removals != removals_) of_pair.clear();
    removals = removals_;
    for (const uint32_t id : ids.subspan(from, std::min(kAtOnce, ids.size() - from))) {
      const Series* s = At(id);
      if (s == nullptr) continue;
      const uint32_t* const first = PairIds(*s);
      const uint32_t* const last = first + s->pair_count;
      const auto* const name = std::find_if(first, last, [this](uint32_t p) REQUIRES(mutex_) {
        return *pairs_[p].name == kMetricName;
      });
      Postings*& postings = of_pair[name == last ? UINT32_MAX : *name];
      if (postings == nullptr) postings = &out[name == last ? std::string() : *pairs_[*name].value];
      postings->push_back(id);
    }
  }
  return out;
}

SelectionPtr SeriesIndex::MakeSelection(const Postings& ids) const {
  const SeriesOrder order = Order(ids);
  auto out = std::make_shared<Selection>();
  out->Reserve(order.size());
  std::vector<uint32_t> groups;
  groups.reserve(order.size());
  std::string text;
  for (size_t i = 0; i < order.size(); ++i) {
    text.clear();
    order.AppendLabels(i, &text);
    out->Add(text, order.group(i), order.column(i));
    groups.push_back(order.group(i));
  }
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  groups.shrink_to_fit();
  out->SetGroups(std::move(groups));
  return out;
}

Result<SelectionPtr> SeriesIndex::Select(const std::vector<Matcher>& matchers,
                                         const Admit& admit) const {
  TRY_ASSIGN(const Postings ids, SelectPostings(*this, matchers));
  if (admit) TRY(admit(ids.size()));
  return MakeSelection(ids);
}

std::vector<std::string> SeriesIndex::Names() const {
  MutexLock lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [name, values] : names_) out.push_back(name);
  return out;
}

std::vector<std::string> SeriesIndex::Values(std::string_view name) const {
  std::vector<std::string> out;
  {
    MutexLock lock(mutex_);
    const auto it = names_.find(name);
    if (it == names_.end()) return {};
    for (const auto& [value, pair] : it->second.pair_of_value) out.emplace_back(value);
  }
  std::sort(out.begin(), out.end());
  return out;
}

void SeriesIndex::ForEachPair(const PairVisit& visit) const {
  constexpr size_t kPairsAtOnce = 4096;  // writers get their turn between
  bool more = true;
  for (size_t from = 0; more; from += kPairsAtOnce) {
    MutexLock lock(mutex_);
    const size_t end = std::min(pairs_.size(), from + kPairsAtOnce);
    more = end < pairs_.size();
    for (size_t i = from; i < end; ++i) {
      const Pair& pair = pairs_[i];
      if (pair.value != nullptr) visit(*pair.name, *pair.value, pair.series);
    }
  }
}

}  // namespace deckwatch::tsdb
