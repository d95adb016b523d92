#include "tsdb/exemplars.h"

#include <algorithm>
#include <bit>
#include <iterator>

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

constexpr size_t kNodeBytes = 64;  // of a map, with what the allocator keeps

size_t BytesOf(const Exemplar& e) {
  return kNodeBytes + sizeof(const std::string*) + sizeof e + e.labels.encoded().size();
}

size_t BytesOfSeries(std::string_view encoded) {
  constexpr size_t kDequeBytes = 640;  // it begins with a whole block
  return kNodeBytes + sizeof(std::string) + kDequeBytes + encoded.size();
}

}  // namespace

void ExemplarRing::Insert(uint64_t number, const Labels& series, const Exemplar& exemplar) {
  auto it = by_series_.find(series.encoded());
  if (it == by_series_.end()) {
    it = by_series_.emplace(std::string(series.encoded()), Numbers()).first;
    bytes_ += BytesOfSeries(it->first);
  }
  it->second.push_back(number);
  rows_[number] = {&it->first, exemplar};
  bytes_ += BytesOf(exemplar);
  next_ = std::max(next_, number + 1);
  least_ms_ = std::min(least_ms_, exemplar.t_ms);
}

bool ExemplarRing::RemoveFirst(BySeries::iterator series) {
  const auto row = rows_.find(series->second.front());
  bytes_ -= BytesOf(row->second.exemplar);
  rows_.erase(row);
  series->second.pop_front();
  if (!series->second.empty()) return false;
  bytes_ -= BytesOfSeries(series->first);
  by_series_.erase(series);
  return true;
}

bool ExemplarRing::Add(const Labels& series, const Exemplar& exemplar, Stored* stored) {
  MutexLock lock(mutex_);
  if (const auto it = by_series_.find(series.encoded()); it != by_series_.end()) {
    const Exemplar& last = rows_.at(it->second.back()).exemplar;
    if (exemplar.t_ms < last.t_ms) return false;
    // One without a time of its own is on the page until another takes its place.
    if ((exemplar.t_ms == last.t_ms || !exemplar.own_time) && exemplar.labels == last.labels &&
        std::bit_cast<uint64_t>(exemplar.value) == std::bit_cast<uint64_t>(last.value)) {
      return false;
    }
  }
  stored->number = next_;
  stored->row = RowOf(series.encoded(), exemplar);
  Insert(next_, series, exemplar);
  ++added_;
  stored->dropped.clear();
  while (rows_.size() > capacity_ || (bytes_ > max_bytes_ && rows_.size() > 1)) {
    const auto oldest = rows_.begin();
    stored->dropped.push_back(oldest->first);
    RemoveFirst(by_series_.find(*oldest->second.series));
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
    const auto next = std::next(it);
    for (bool gone = false; !gone;) {
      const uint64_t first = it->second.front();
      const int64_t t_ms = rows_.at(first).exemplar.t_ms;
      if (t_ms >= oldest_ms) {
        least_ms_ = std::min(least_ms_, t_ms);
        break;
      }
      dropped.push_back(first);
      gone = RemoveFirst(it);
    }
    it = next;
  }
  return dropped;
}

std::vector<std::pair<uint64_t, std::string>> ExemplarRing::Rows() const {
  MutexLock lock(mutex_);
  std::vector<std::pair<uint64_t, std::string>> out;
  out.reserve(rows_.size());
  for (const auto& [number, row] : rows_)
    out.emplace_back(number, RowOf(*row.series, row.exemplar));
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

size_t ExemplarRing::bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

uint64_t ExemplarRing::added() const {
  MutexLock lock(mutex_);
  return added_;
}

}  // namespace deckwatch::tsdb
