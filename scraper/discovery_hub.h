// Runs the discoverers that a configuration asks for, one thread each, and keeps what they found.
// Jobs with equal *_sd_configs share one; a reload keeps those that stay.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/mutex.h"
#include "scraper/config.h"
#include "scraper/discovery/discoverer.h"

namespace deckwatch::scraper {

class DiscoveryHub {
 public:
  // `on_change` is called from discoverers' threads after groups changed.
  DiscoveryHub(const Clock* clock, std::function<void()> on_change);
  ~DiscoveryHub();  // stops all and waits for them

  // Starts what is new in `configs` and stops what they no longer name, without waiting.
  void Keep(const ScrapeConfigs& configs);

  // Keys (DiscoveryConfig::key) whose groups changed since the last call. Thread-safe.
  std::set<std::string> TakeChanged();
  // Thread-safe.
  std::vector<std::shared_ptr<const TargetGroup>> Groups(const std::string& key) const;

 private:
  void Deliver(const std::string& key, std::vector<TargetGroup> groups);

  const Clock* const clock_;
  const std::function<void()> on_change_;
  mutable Mutex mutex_;
  std::map<std::string, std::map<std::string, std::shared_ptr<const TargetGroup>>> groups_
      GUARDED_BY(mutex_);
  std::set<std::string> changed_ GUARDED_BY(mutex_);
  std::unique_ptr<ThreadPool> reaper_;  // joins stopped threads
  std::map<std::string, std::shared_ptr<std::jthread>> running_;
};

}  // namespace deckwatch::scraper
