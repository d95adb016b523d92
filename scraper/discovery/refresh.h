// Makes a discoverer of a function that is polled. Most mechanisms are nothing else.
// Model: Prometheus discovery/refresh.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "scraper/discovery/discoverer.h"

namespace deckwatch::scraper {

// All groups that exist now. An error keeps those of the last good call. Returns soon after `stop`
// is requested.
using RefreshFunction = std::function<Result<std::vector<TargetGroup>>(std::stop_token stop)>;

// Calls `refresh` at once and then every `interval_ms`, and hands on what changed.
std::unique_ptr<Discoverer> NewRefreshDiscoverer(std::string mechanism, int64_t interval_ms,
                                                 RefreshFunction refresh);

// Remembers what was delivered and turns the whole of what exists now into what changed: new and
// different groups, and an empty group for each source that went away.
class GroupDelta {
 public:
  std::vector<TargetGroup> Update(std::vector<TargetGroup> now);

 private:
  std::map<std::string, TargetGroup> delivered_;
};

// Waits until `stop` is requested, at most `ms`. True when it was requested.
bool WaitForStop(const std::stop_token& stop, int64_t ms);

}  // namespace deckwatch::scraper
