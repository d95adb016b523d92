// How many samples a query looks at, as Prometheus counts them for `stats`: at each step those that
// selectors pick and those in the windows of range functions. One that several steps look at counts
// for each of them, and a histogram counts as many as its size is worth. What a subquery reads does
// not count, the points it gives to a function do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "query/step_vector.h"

namespace deckwatch::query {

// `statistics_only`: of a histogram that is only asked for its count and sum.
inline uint64_t SampleCost(const Histogram& h, bool statistics_only) {
  return HistogramSampleCost(statistics_only ? Histogram() : h);
}

class SampleTally {
 public:
  // Counts the steps together.
  SampleTally() = default;
  // Counts each step apart as well.
  explicit SampleTally(size_t steps) : per_step_(steps) {}
  // Another, of as many steps.
  SampleTally Fresh() const { return SampleTally(per_step_.size()); }

  bool counts_steps() const { return !per_step_.empty(); }
  uint64_t total() const { return total_; }
  const std::vector<uint64_t>& per_step() const { return per_step_; }

  // Without a step: only where steps are not counted apart.
  void Add(uint64_t samples) { total_ += samples; }
  void AddAt(size_t step, uint64_t samples) {
    total_ += samples;
    if (counts_steps()) per_step_[step] += samples;
  }
  // For what is evaluated once for all steps.
  void AddToEach(size_t steps, uint64_t samples) {
    total_ += steps * samples;
    for (uint64_t& n : per_step_) n += samples;
  }
  // The samples in the cells of `rows`, which are charged for.
  void AddCells(const StepVector& rows, bool statistics_only);
  // What `other` counted at the same steps.
  void Add(const SampleTally& other) {
    total_ += other.total_;
    for (size_t i = 0; i < per_step_.size(); ++i) per_step_[i] += other.per_step_[i];
  }

 private:
  uint64_t total_ = 0;
  std::vector<uint64_t> per_step_;  // empty: not counted apart
};

}  // namespace deckwatch::query
