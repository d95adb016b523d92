#include "tsdb/neighbours.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace deckwatch::tsdb {

namespace {

// Where to compare columns: some of the steps at which `v` moves and some at which it rests, each
// standing for as many as `v` has of its kind.
struct Probes {
  static constexpr size_t kEach = 32;
  struct Step {
    size_t at = 0;  // from v[at - 1] to v[at]
    double by = 0;
    double weight = 0;
  };
  std::vector<Step> steps;
  double unit = HUGE_VAL;  // the least step

  explicit Probes(std::span<const double> v) {
    std::vector<size_t> moves, rests;
    for (size_t i = 1; i < v.size(); ++i) (v[i] != v[i - 1] ? moves : rests).push_back(i);
    for (const auto& kind : {moves, rests}) {
      const size_t n = std::min(kEach, kind.size());
      for (size_t k = 0; k < n; ++k) {
        const size_t at = kind[k * kind.size() / n];
        const double by = v[at] - v[at - 1];
        steps.push_back({at, by, static_cast<double>(kind.size()) / static_cast<double>(n)});
        if (std::fabs(by) > 0) unit = std::min(unit, std::fabs(by));
      }
    }
  }
  // About the bits of what `v` moves more or less than `other`; which may be empty.
  double Cost(std::span<const double> other) const {
    double bits = 0;
    for (const Step& s : steps) {
      const double by = other.empty() ? s.by : s.by - (other[s.at] - other[s.at - 1]);
      const double units = 1 + std::fabs(by) / unit;
      if (!(units < HUGE_VAL)) continue;
      // log2, the fraction straight: a look at the bits instead of a call
      bits += s.weight * (static_cast<double>(std::bit_cast<uint64_t>(units)) * 0x1p-52 - 1023);
    }
    return bits;
  }
};

}  // namespace

void Neighbours::Add(Column column) {
  bytes_ += column.values.size() * sizeof(double);
  columns_.push_back(std::move(column));
  while (bytes_ > kMaxBytes || columns_.back().ordinal - columns_.front().ordinal >= kReach) {
    bytes_ -= columns_.front().values.size() * sizeof(double);
    columns_.pop_front();
    if (columns_.empty()) break;
  }
}

const Neighbours::Column* Neighbours::Find(uint32_t ordinal, const std::string& rows,
                                           std::span<const double> v) const {
  const bool any = std::any_of(columns_.begin(), columns_.end(), [&](const Column& c) {
    return ordinal - c.ordinal <= kReach && c.rows == rows;
  });
  if (!any) return nullptr;
  const Probes probes(v);
  const Column* best = nullptr;
  double least = 0.9 * probes.Cost({});
  for (const Column& c : columns_) {
    if (ordinal - c.ordinal > kReach || c.rows != rows) continue;
    if (const double cost = probes.Cost(c.values); cost < least) least = cost, best = &c;
  }
  return best;
}

}  // namespace deckwatch::tsdb
