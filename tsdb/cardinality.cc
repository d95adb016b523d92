#include "tsdb/cardinality.h"

#include <algorithm>
#include <utility>

#include "base/labels.h"

namespace deckwatch::tsdb {

namespace {
bool Before(const NameCount& a, const NameCount& b) {
  return a.count != b.count ? a.count > b.count : a.name < b.name;
}
}  // namespace

void Largest::Offer(uint64_t count, std::string_view name, std::string_view value) {
  if (count == 0 || limit_ == 0) return;
  const bool full = heap_.size() == limit_;
  if (full && count < heap_.front().count) return;
  scratch_.count = count;
  scratch_.name = name;
  if (!value.empty()) scratch_.name.append("=").append(value);
  if (full && !Before(scratch_, heap_.front())) return;
  if (full) {
    std::pop_heap(heap_.begin(), heap_.end(), Before);
    heap_.pop_back();
  }
  heap_.push_back(scratch_);
  std::push_heap(heap_.begin(), heap_.end(), Before);
}

std::vector<NameCount> Largest::Take() {
  std::sort_heap(heap_.begin(), heap_.end(), Before);
  return std::exchange(heap_, {});
}

CardinalityCounter::CardinalityCounter(size_t limit)
    : limit_(limit), metrics_(limit), pairs_(limit), new_metrics_(limit), new_pairs_(limit) {}

void CardinalityCounter::Add(std::string_view name, std::string_view value, uint64_t series,
                             uint64_t fresh) {
  auto it = names_.find(name);
  if (it == names_.end()) it = names_.emplace(std::string(name), OfName{}).first;
  ++it->second.values;
  it->second.new_values += fresh == series ? 1 : 0;
  it->second.bytes += series * value.size();
  if (name == kMetricName) {
    metrics_.Offer(series, value);
    new_metrics_.Offer(fresh, value);
    new_series_ += fresh;
  }
  pairs_.Offer(series, name, value);
  new_pairs_.Offer(fresh, name, value);
}

Cardinality CardinalityCounter::Take() {
  Cardinality c;
  Largest values(limit_), bytes(limit_), new_values(limit_);
  for (const auto& [name, sum] : names_) {
    c.label_pairs += sum.values;
    values.Offer(sum.values, name);
    bytes.Offer(sum.bytes, name);
    new_values.Offer(sum.new_values, name);
  }
  names_.clear();
  c.series_by_metric = metrics_.Take();
  c.values_by_label = values.Take();
  c.bytes_by_label = bytes.Take();
  c.series_by_pair = pairs_.Take();
  c.new_series = std::exchange(new_series_, 0);
  c.new_series_by_metric = new_metrics_.Take();
  c.new_values_by_label = new_values.Take();
  c.new_series_by_pair = new_pairs_.Take();
  return c;
}

}  // namespace deckwatch::tsdb
