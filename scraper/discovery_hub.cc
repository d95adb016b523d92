#include "scraper/discovery_hub.h"

#include <utility>

namespace deckwatch::scraper {

DiscoveryHub::DiscoveryHub(const Clock* clock, std::function<void()> on_change)
    : clock_(clock),
      on_change_(std::move(on_change)),
      reaper_(std::make_unique<ThreadPool>("sd-stop", 1, 4096)) {}

DiscoveryHub::~DiscoveryHub() {
  for (auto& [key, thread] : running_) thread->request_stop();
  running_.clear();
  reaper_.reset();
}

void DiscoveryHub::Keep(const ScrapeConfigs& configs) {
  std::map<std::string, std::shared_ptr<const DiscoveryConfig>> wanted;
  for (const ScrapeConfigPtr& config : configs) {
    for (const auto& discovery : config->discovery) wanted.emplace(discovery->key(), discovery);
  }
  for (auto it = running_.begin(); it != running_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    it->second->request_stop();
    // Joining may take a second; the last copy of the handle goes on the reaper's thread.
    auto thread = std::make_shared<std::shared_ptr<std::jthread>>(std::move(it->second));
    if (!reaper_->TrySubmit([thread] { thread->reset(); })) thread->reset();
    {
      MutexLock lock(mutex_);
      groups_.erase(it->first);
      changed_.insert(it->first);
    }
    it = running_.erase(it);
  }
  for (const auto& [key, config] : wanted) {
    if (running_.contains(key)) continue;
    auto body = [this, key = key, config = config](std::stop_token stop) {
      const std::unique_ptr<Discoverer> discoverer = config->Start(clock_);
      // After a stop nobody asks for these groups any more, so a late delivery is dropped.
      discoverer->Run(stop, [&](std::vector<TargetGroup> groups) {
        if (!stop.stop_requested()) Deliver(key, std::move(groups));
      });
    };
    const std::string name = "sd-" + std::string(config->mechanism());
    running_.emplace(key, std::make_shared<std::jthread>(StartThread(name, std::move(body))));
  }
}

void DiscoveryHub::Deliver(const std::string& key, std::vector<TargetGroup> groups) {
  {
    MutexLock lock(mutex_);
    auto& known = groups_[key];
    for (TargetGroup& group : groups) {
      const std::string source = group.source;
      if (group.targets.empty()) {
        known.erase(source);
      } else {
        known[source] = std::make_shared<const TargetGroup>(std::move(group));
      }
    }
    changed_.insert(key);
  }
  on_change_();
}

std::set<std::string> DiscoveryHub::TakeChanged() {
  MutexLock lock(mutex_);
  return std::exchange(changed_, {});
}

std::vector<std::shared_ptr<const TargetGroup>> DiscoveryHub::Groups(const std::string& key) const {
  MutexLock lock(mutex_);
  std::vector<std::shared_ptr<const TargetGroup>> out;
  const auto it = groups_.find(key);
  if (it == groups_.end()) return out;
  for (const auto& [source, group] : it->second) out.push_back(group);
  return out;
}

}  // namespace deckwatch::scraper
