#include "tsdb/series_order.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/bytes.h"
#include "base/labels.h"

namespace deckwatch::tsdb {

uint32_t SeriesOrder::AddPair(std::string_view name, std::string_view value) {
  Pair p;
  PutString(&p.encoded, name);
  PutString(&p.encoded, value);
  p.name.assign(name), p.value.assign(value);
  pairs_.push_back(std::move(p));
  return static_cast<uint32_t>(pairs_.size() - 1);
}

void SeriesOrder::AddSeries(uint32_t group, uint32_t column) {
  series_.push_back({.group = group,
                     .column = column,
                     .first = static_cast<uint32_t>(labels_.size()),
                     .count = 0,
                     .name_rank = 0});
}

void SeriesOrder::AddLabel(uint32_t pair) {
  labels_.push_back(pair);
  ++series_.back().count;
}

// By name, then value; the same text has the same rank.
std::vector<uint32_t> SeriesOrder::RankPairs() const {
  std::vector<uint32_t> order(pairs_.size()), ranks(pairs_.size());
  std::iota(order.begin(), order.end(), 0);
  const auto key = [this](uint32_t i) { return std::tie(pairs_[i].name, pairs_[i].value); };
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
  for (size_t i = 0; i < order.size(); ++i) {
    const bool same = i > 0 && key(order[i]) == key(order[i - 1]);
    ranks[order[i]] = same ? ranks[order[i - 1]] : static_cast<uint32_t>(i + 1);
  }
  return ranks;
}

void SeriesOrder::Sort() {
  const std::vector<uint32_t> ranks = RankPairs();
  for (Series& s : series_) {
    for (uint32_t i = s.first; i < s.first + s.count; ++i) {
      if (pairs_[labels_[i]].name == kMetricName) s.name_rank = ranks[labels_[i]];
    }
  }
  const auto rank_before = [&](uint32_t x, uint32_t y) { return ranks[x] < ranks[y]; };
  std::sort(series_.begin(), series_.end(), [&](const Series& a, const Series& b) {
    if (a.name_rank != b.name_rank) return a.name_rank < b.name_rank;
    const auto of_a = labels_.begin() + a.first, of_b = labels_.begin() + b.first;
    return std::lexicographical_compare(of_a, of_a + a.count, of_b, of_b + b.count, rank_before);
  });
}

void SeriesOrder::AppendLabels(size_t i, std::string* out) const {
  const Series& s = series_[i];
  for (uint32_t k = s.first; k < s.first + s.count; ++k) *out += pairs_[labels_[k]].encoded;
}

}  // namespace deckwatch::tsdb
