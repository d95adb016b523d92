#include "tsdb/exemplars.h"

#include <algorithm>
#include <bit>

#include "base/bytes.h"

namespace deckwatch::tsdb {

namespace {
std::string RowOf(std::string_view series, const Exemplar& exemplar) {
  std::string row;
  PutString(&row, series);
  PutString(&row, exemplar.labels.encoded());
  PutDouble(&row, exemplar.value);
  PutSignedVarint(&row, exemplar.t_ms);
  return row;
}
}  // namespace

void ExemplarRing::Insert(uint64_t number, const Labels& series, const Exemplar& exemplar) {
  rows_[number] = {std::string(series.encoded()), exemplar};
  by_series_[std::string(series.encoded())].push_back(number);
  next_ = std::max(next_, number + 1);
  least_ms_ = std::min(least_ms_, exemplar.t_ms);
}

bool ExemplarRing::Add(const Labels& series, const Exemplar& exemplar, Stored* stored) {
  MutexLock lock(mutex_);
  if (const auto it = by_series_.find(series.encoded()); it != by_series_.end()) {
    const Exemplar& last = rows_.at(it->second.back()).exemplar;
    if (exemplar.t_ms < last.t_ms) return false;
    if (exemplar.t_ms == last.t_ms && exemplar.labels == last.labels &&
        std::bit_cast<uint64_t>(exemplar.value) == std::bit_cast<uint64_t>(last.value)) {
      return false;
    }
  }
  stored->number = next_;
  stored->row = RowOf(series.encoded(), exemplar);
  Insert(next_, series, exemplar);
  ++added_;
  stored->dropped.clear();
  while (rows_.size() > capacity_) {
    const auto oldest = rows_.begin();
    const auto it = by_series_.find(oldest->second.series);
    it->second.pop_front();
    if (it->second.empty()) by_series_.erase(it);
    stored->dropped.push_back(oldest->first);
    rows_.erase(oldest);
  }
  return true;
}

std::vector<uint64_t> ExemplarRing::DropBefore(int64_t oldest_ms) {
  constexpr int64_t kSlackMs = 3'600'000;  // looking through all of them is not for every call
  std::vector<uint64_t> dropped;
  MutexLock lock(mutex_);
  if (least_ms_ == INT64_MAX || least_ms_ >= oldest_ms - kSlackMs) return dropped;
  least_ms_ = INT64_MAX;
  for (auto it = by_series_.begin(); it != by_series_.end();) {
    std::deque<uint64_t>& numbers = it->second;  // in time order
    while (!numbers.empty() && rows_.at(numbers.front()).exemplar.t_ms < oldest_ms) {
      dropped.push_back(numbers.front());
      rows_.erase(numbers.front());
      numbers.pop_front();
    }
    if (numbers.empty()) {
      it = by_series_.erase(it);
    } else {
      least_ms_ = std::min(least_ms_, rows_.at(numbers.front()).exemplar.t_ms);
      ++it;
    }
  }
  return dropped;
}

std::vector<std::pair<uint64_t, std::string>> ExemplarRing::Rows() const {
  MutexLock lock(mutex_);
  std::vector<std::pair<uint64_t, std::string>> out;
  out.reserve(rows_.size());
  for (const auto& [number, row] : rows_) out.emplace_back(number, RowOf(row.series, row.exemplar));
  return out;
}

bool ExemplarRing::Restore(uint64_t number, std::string_view row) {
  Reader in(row);
  std::string_view series, labels;
  Exemplar e;
  if (!in.GetString(&series) || !in.GetString(&labels) || !in.GetDouble(&e.value) ||
      !in.GetSignedVarint(&e.t_ms)) {
    return false;
  }
  const auto s = Labels::FromEncoded(series), l = Labels::FromEncoded(labels);
  if (!s.ok() || !l.ok()) return false;
  e.labels = *l;
  MutexLock lock(mutex_);
  Insert(number, *s, e);
  return true;
}

std::vector<Querier::SeriesExemplars> ExemplarRing::Find(const LabelQuery& query) const {
  std::vector<Querier::SeriesExemplars> out;
  MutexLock lock(mutex_);
  for (const auto& [encoded, numbers] : by_series_) {
    const auto labels = Labels::FromEncoded(encoded);
    if (!labels.ok()) continue;
    const auto matches = [&](const auto& set) { return MatchesAll(set, *labels); };
    if (!query.matcher_sets.empty() &&
        std::none_of(query.matcher_sets.begin(), query.matcher_sets.end(), matches)) {
      continue;
    }
    Querier::SeriesExemplars found{*labels, {}};
    for (uint64_t number : numbers) {
      const Exemplar& e = rows_.at(number).exemplar;
      if (query.start_ms <= e.t_ms && e.t_ms <= query.end_ms) found.exemplars.push_back(e);
    }
    if (!found.exemplars.empty()) out.push_back(std::move(found));
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.labels < b.labels; });
  return out;
}

uint64_t ExemplarRing::added() const {
  MutexLock lock(mutex_);
  return added_;
}

}  // namespace deckwatch::tsdb
