#include "scraper/discovery/refresh.h"

#include "base/log.h"
#include "base/mutex.h"

namespace deckwatch::scraper {
namespace {

class RefreshDiscoverer : public Discoverer {
 public:
  RefreshDiscoverer(std::string mechanism, int64_t interval_ms, RefreshFunction refresh)
      : mechanism_(std::move(mechanism)), interval_ms_(interval_ms), refresh_(std::move(refresh)) {}

  void Run(std::stop_token stop, const GroupSink& sink) override {
    GroupDelta delta;
    do {
      auto groups = refresh_(stop);
      if (groups.ok()) {
        auto changed = delta.Update(std::move(groups).value());
        if (!changed.empty()) sink(std::move(changed));
      } else if (!stop.stop_requested()) {
        LogWarn("service discovery failed, keeping the last targets",
                {{"discovery", mechanism_}, {"err", groups.status()}});
      }
    } while (!WaitForStop(stop, interval_ms_));
  }

 private:
  const std::string mechanism_;
  const int64_t interval_ms_;
  const RefreshFunction refresh_;
};

bool Same(const TargetGroup& a, const TargetGroup& b) {
  return a.labels == b.labels && a.targets == b.targets;
}

}  // namespace

std::unique_ptr<Discoverer> NewRefreshDiscoverer(std::string mechanism, int64_t interval_ms,
                                                 RefreshFunction refresh) {
  return std::make_unique<RefreshDiscoverer>(std::move(mechanism), interval_ms, std::move(refresh));
}

std::vector<TargetGroup> GroupDelta::Update(std::vector<TargetGroup> now) {
  std::map<std::string, TargetGroup> current;
  std::vector<TargetGroup> changed;
  for (TargetGroup& group : now) {
    const auto old = delivered_.find(group.source);
    if (old == delivered_.end() || !Same(old->second, group)) changed.push_back(group);
    current.insert_or_assign(group.source, std::move(group));
  }
  for (const auto& [source, group] : delivered_) {
    if (current.find(source) == current.end()) {
      TargetGroup gone;
      gone.source = source;
      changed.push_back(std::move(gone));
    }
  }
  delivered_ = std::move(current);
  return changed;
}

bool WaitForStop(const std::stop_token& stop, int64_t ms) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(mutex);
  never.WaitFor(mutex, stop, ms, [] { return false; });
  return stop.stop_requested();
}

}  // namespace deckwatch::scraper
