// The kinds of trial, and what came of them. A *life* is one store from its first step on, through
// several trials; it has a seed of its own, and starting there with that seed repeats it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"

namespace deckwatch::simulation {

struct Settings {
  uint64_t seed = 1;
  uint64_t runs = 10;
  int64_t until_ms = INT64_MAX;  // of the monotonic clock: no new life after it
  std::string folder;            // for stores; emptied before each life
  std::string lie;         // a fault of the harness itself that must be found: ack, value, sync
  bool keep_going = true;  // after a violation

  bool Enough(uint64_t done) const {
    return done >= runs || Clock::Real()->MonotonicMs() >= until_ms;
  }
};

struct Tally {
  uint64_t runs = 0;
  uint64_t steps = 0;  // acknowledged
  std::vector<std::string> violations;
  std::map<std::string, uint64_t> counts;  // what happened, by name
  double worst_ms = 0;                     // power cuts: age of the oldest acknowledgement lost
};

using Progress = std::function<void(const Tally&)>;

Tally RunKills(const Settings& settings, const Progress& progress);
Tally RunPowerCuts(const Settings& settings, const Progress& progress);
Tally RunFullDisks(const Settings& settings, const Progress& progress);
Tally RunIoErrors(const Settings& settings, const Progress& progress);
Tally RunMutations(const Settings& settings, const Progress& progress);

// How much later than the sync interval a sync may be on a busy machine.
inline constexpr int64_t kSyncSlackMs = 400;

}  // namespace deckwatch::simulation
