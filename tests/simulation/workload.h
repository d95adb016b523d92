// What the writer does, as a pure function of a seed and a step number: the writer carries it out
// on a store, the model on maps. So the two never have to talk to each other.
//
// A step is one operation. It is acknowledged when the store returns OK. Maintenance steps change
// nothing that a reader may see; the clock moves by the same amount with every step.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/sample.h"
#include "base/state_store.h"
#include "tsdb/db.h"

namespace deckwatch::simulation {

inline constexpr int64_t kStartMs = 1'800'000'000'000;
inline constexpr int64_t kStepMs = 30'000;
inline constexpr int64_t kRetentionMs = 4 * 3'600'000;
inline constexpr int64_t kWindowMs = 5 * 60'000;  // small: seals happen every ten steps

inline int64_t WallMsAt(uint64_t step) {
  return kStartMs + static_cast<int64_t>(step) * kStepMs;
}

// SplitMix64: the same numbers on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  uint64_t Below(uint64_t n) { return Next() % n; }  // n > 0
  bool OneIn(uint64_t n) { return Below(n) == 0; }

 private:
  uint64_t state_;
};
uint64_t Mix(uint64_t a, uint64_t b);

struct Sample {
  Labels labels;
  int64_t t_ms = 0;
  double value = 0;
  int64_t start_ms = 0;
  HistogramPtr histogram = nullptr;
};

enum class StepKind { kCommit, kApply, kDelete, kMaintain, kCompact, kClean, kSnapshot };

struct Step {
  uint64_t number = 0;
  StepKind kind = StepKind::kCommit;
  std::vector<Sample> samples;             // kCommit
  std::optional<MetricMetadata> metadata;  // kCommit
  std::optional<Exemplar> exemplar;        // kCommit: of the first of `samples`
  std::vector<StateChange> changes;        // kApply
  std::optional<Matcher> matcher;          // kDelete
  int64_t start_ms = 0, end_ms = 0;        // kDelete
};

// `number` counts from 1.
Step MakeStep(uint64_t seed, uint64_t number);

// Every commit holds one sample of this series whose value is the step's number, and every Apply
// one row of this key: what was written last can be read off.
inline constexpr std::string_view kMarkerSeries = "sim_step";
inline constexpr std::string_view kMarkerKey = "step";

}  // namespace deckwatch::simulation
