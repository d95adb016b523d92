// The scraper: keeps the targets that the configuration and its discovery name, scrapes each on its
// schedule and commits what it answers.
//
// One thread runs the event loop (timers and all network traffic); a few workers parse and commit,
// so neither a slow target nor a slow disk holds up another target. Hidden behind this header:
// target relabelling, phases, HTTP, parsing by line prediction, staleness, reload.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/labels.h"
#include "base/storage.h"
#include "scraper/collectors/collector.h"
#include "scraper/config.h"

namespace deckwatch::scraper {

enum class TargetHealth { kUnknown, kUp, kDown };
std::string_view TargetHealthName(TargetHealth health);  // "unknown", "up", "down"

// One target as /api/v1/targets shows it.
struct TargetInfo {
  Labels discovered_labels;  // before relabelling
  Labels labels;             // what every series of the target carries
  std::string scrape_pool;   // job
  std::string scrape_url;
  TargetHealth health = TargetHealth::kUnknown;
  std::string last_error;
  int64_t last_scrape_ms = 0;  // 0: never yet
  double last_duration_s = 0;
  int64_t interval_ms = 0;
  int64_t timeout_ms = 0;
  int64_t samples = 0;  // of the last good scrape, before relabelling
};

// A target that relabelling dropped.
struct DroppedTarget {
  Labels discovered_labels;
  std::string scrape_pool;
};

struct TargetsSnapshot {
  std::vector<TargetInfo> active;      // by pool, then URL
  std::vector<DroppedTarget> dropped;  // at most keep_dropped_targets of each job
  std::vector<std::pair<std::string, uint64_t>> dropped_counts;  // by job: all of them
};

struct TargetMetadata {
  Labels target;
  MetricMetadata metadata;
};

struct ScrapeManagerOptions {
  Appender* appender = nullptr;        // must outlive the manager
  const Clock* clock = Clock::Real();  // must outlive the manager
  std::vector<std::unique_ptr<Collector>> collectors;
  std::string host_name;     // `instance` of collector targets; "" = ask the system
  uint64_t phase_seed = 0;   // shifts all phases, so that two servers do not scrape at once
  int workers = 2;           // threads that parse and commit
  bool start_thread = true;  // false: the caller drives the loop with RunOnce (tests)
};

class ScrapeManager {
 public:
  explicit ScrapeManager(ScrapeManagerOptions options);
  ~ScrapeManager();  // Stop
  ScrapeManager(const ScrapeManager&) = delete;
  ScrapeManager& operator=(const ScrapeManager&) = delete;

  // Makes `configs` the configuration, all of it at once. Targets whose scraping does not change
  // keep their schedule and series; those that are gone get stale markers. Unavailable after Stop.
  // Thread-safe.
  Status Apply(ScrapeConfigs configs);

  // Ends scraping; no stale markers are written, as a restart goes on where this ended. Running
  // scrapes are abandoned, running commits finish. Thread-safe, may be called twice.
  void Stop();

  // Thread-safe.
  TargetsSnapshot Targets() const;
  // Of every active target.
  std::vector<TargetMetadata> Metadata() const;
  // Counters in text format 0.0.4, for our own /metrics.
  std::string OwnMetrics() const;

  // One turn of the loop: takes in changes, starts what is due, and waits until a scrape makes
  // progress, at most `max_wait_ms` of real time. True while scrapes are running. Only without
  // `start_thread`, from one thread.
  bool RunOnce(int64_t max_wait_ms);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace deckwatch::scraper
