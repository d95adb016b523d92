// The targets of one job: what its static groups and discovered groups come to after relabelling.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "scraper/config.h"
#include "scraper/manager.h"
#include "scraper/target.h"

namespace deckwatch::scraper {

struct PoolTargets {
  std::vector<Target> active;          // no two with the same identity
  std::vector<DroppedTarget> dropped;  // at most keep_dropped_targets
  uint64_t dropped_count = 0;          // all of them
  size_t rejected = 0;                 // targets that cannot be scraped
  std::string forced_error;            // not empty: target_limit is exceeded, nothing is scraped
};

// Relabels every target of `groups` (and of the static groups in `config`).
PoolTargets MakePoolTargets(const ScrapeConfig& config,
                            std::span<const std::shared_ptr<const TargetGroup>> groups,
                            const std::string& host_name);

}  // namespace deckwatch::scraper
