// Selecting series of the head: in order, with their label sets in one text.
//
// Two series of one index compare by the ranks of their label pairs, so sorting looks at texts once
// per distinct pair and not once per comparison.
#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/bytes.h"
#include "tsdb/series_index.h"

namespace deckwatch::tsdb {

namespace {

// The distinct label pairs of a selection; numbers are given in order of appearance.
class PairRanks {
 public:
  uint32_t Add(std::string_view name, std::string_view value) {
    Pair p;
    PutString(&p.encoded, name);
    PutString(&p.encoded, value);
    p.name.assign(name), p.value.assign(value);
    pairs_.push_back(std::move(p));
    return static_cast<uint32_t>(pairs_.size() - 1);
  }
  // Ranks by name, then value; the same text has the same rank.
  void Sort() {
    std::vector<uint32_t> order(pairs_.size());
    std::iota(order.begin(), order.end(), 0);
    const auto key = [this](uint32_t i) { return std::tie(pairs_[i].name, pairs_[i].value); };
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
    ranks_.resize(pairs_.size());
    for (size_t i = 0; i < order.size(); ++i) {
      const bool same = i > 0 && key(order[i]) == key(order[i - 1]);
      ranks_[order[i]] = same ? ranks_[order[i - 1]] : static_cast<uint32_t>(i + 1);
    }
  }
  uint32_t Rank(uint32_t pair) const { return ranks_[pair]; }
  bool IsMetricName(uint32_t pair) const { return pairs_[pair].name == kMetricName; }
  const std::string& Encoded(uint32_t pair) const { return pairs_[pair].encoded; }

 private:
  struct Pair {
    std::string name, value, encoded;
  };
  std::vector<Pair> pairs_;
  std::vector<uint32_t> ranks_;
};

struct Picked {
  uint32_t group = 0;
  uint32_t column = 0;
  uint32_t first = 0;  // of its pairs
  uint32_t count = 0;
  uint32_t name_rank = 0;  // of its metric name
};

}  // namespace

Selection SeriesIndex::MakeSelection(const Postings& ids) const {
  constexpr size_t kAtOnce = 512;  // writers get their turn between
  PairRanks ranks;
  std::vector<Picked> picked;
  picked.reserve(ids.size());
  std::vector<uint32_t> pairs;                   // of all picked, one after the other
  std::unordered_map<uint32_t, uint32_t> known;  // pair of the index -> pair of the selection
  uint64_t removals = 0;
  for (size_t from = 0; from < ids.size(); from += kAtOnce) {
    MutexLock lock(mutex_);
    if (removals != removals_) known.clear();  // pairs may have got another text
    removals = removals_;
    for (size_t k = from; k < std::min(from + kAtOnce, ids.size()); ++k) {
      const Series* s = At(ids[k]);
      if (s == nullptr) continue;
      picked.push_back(
          {s->group, s->column, static_cast<uint32_t>(pairs.size()), s->pair_count, 0});
      for (uint32_t i = 0; i < s->pair_count; ++i) {
        const uint32_t pair = PairIds(*s)[i];
        const auto [it, added] = known.try_emplace(pair);
        if (added) it->second = ranks.Add(*pairs_[pair].name, *pairs_[pair].value);
        pairs.push_back(it->second);
      }
    }
  }
  ranks.Sort();
  size_t bytes = 0;
  for (Picked& p : picked) {
    for (uint32_t i = p.first; i < p.first + p.count; ++i) {
      bytes += ranks.Encoded(pairs[i]).size();
      if (ranks.IsMetricName(pairs[i])) p.name_rank = ranks.Rank(pairs[i]);
    }
  }
  std::sort(picked.begin(), picked.end(), [&](const Picked& a, const Picked& b) {
    if (a.name_rank != b.name_rank) return a.name_rank < b.name_rank;
    const auto rank_before = [&](uint32_t x, uint32_t y) { return ranks.Rank(x) < ranks.Rank(y); };
    return std::lexicographical_compare(pairs.begin() + a.first, pairs.begin() + a.first + a.count,
                                        pairs.begin() + b.first, pairs.begin() + b.first + b.count,
                                        rank_before);
  });
  Selection out;
  out.text.reserve(bytes);
  out.items.reserve(picked.size());
  for (const Picked& p : picked) {
    const size_t offset = out.text.size();
    for (uint32_t i = p.first; i < p.first + p.count; ++i) out.text += ranks.Encoded(pairs[i]);
    out.items.push_back(
        {offset, static_cast<uint32_t>(out.text.size() - offset), p.group, p.column});
    out.groups.push_back(p.group);
  }
  std::sort(out.groups.begin(), out.groups.end());
  out.groups.erase(std::unique(out.groups.begin(), out.groups.end()), out.groups.end());
  out.groups.shrink_to_fit();
  return out;
}

Result<SelectionPtr> SeriesIndex::Select(const std::vector<Matcher>& matchers) const {
  TRY_ASSIGN(const Postings ids, SelectPostings(*this, matchers));
  return SelectionPtr(std::make_shared<const Selection>(MakeSelection(ids)));
}

}  // namespace deckwatch::tsdb
