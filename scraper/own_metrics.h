// What the scraper counts about itself, under Prometheus's names.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "scraper/target_writer.h"

namespace deckwatch::scraper {

// Thread-safe.
class OwnCounters {
 public:
  void Count(const ScrapeReport& report);
  void CountSync(size_t rejected_targets);
  void CountReload() { ++reloads_; }
  // Text format 0.0.4; the gauges are passed in.
  std::string Render(size_t pools, size_t targets) const;

 private:
  std::atomic<uint64_t> scrapes_{0}, failed_{0}, samples_{0}, duplicates_{0}, out_of_bounds_{0};
  std::atomic<uint64_t> body_limit_{0}, limit_{0}, rejected_{0}, unresolved_{0}, commit_failed_{0};
  std::atomic<uint64_t> lines_{0}, predicted_{0}, syncs_{0}, rejected_targets_{0}, reloads_{0};
};

}  // namespace deckwatch::scraper
