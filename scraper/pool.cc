#include "scraper/pool.h"

#include <set>
#include <utility>

#include "base/log.h"

namespace deckwatch::scraper {

namespace {

class PoolBuilder {
 public:
  PoolBuilder(const ScrapeConfig& config, const std::string& host_name)
      : config_(config), host_name_(host_name) {}

  void Add(const TargetGroup& group) {
    for (const Labels& own : group.targets) AddTarget(JoinGroupLabels(own, group.labels), group);
  }

  PoolTargets Take() {
    const int64_t limit = config_.limits.targets;
    if (limit > 0 && out_.active.size() > static_cast<size_t>(limit)) {
      out_.forced_error =
          "target_limit exceeded (number of targets: " + std::to_string(out_.active.size()) +
          ", limit: " + std::to_string(limit) + ")";
    }
    return std::move(out_);
  }

 private:
  void AddTarget(const Labels& found, const TargetGroup& group) {
    Labels discovered;
    Result<std::optional<Target>> made = MakeTarget(found, config_, host_name_, &discovered);
    if (!made.ok()) {
      ++out_.rejected;
      LogWarn("target refused", {{"job", config_.job_name},
                                 {"group", group.source},
                                 {"target", discovered.ToString()},
                                 {"error", made.status()}});
      return;
    }
    if (*made) {
      if (seen_.insert((*made)->identity).second) out_.active.push_back(std::move(**made));
      return;
    }
    ++out_.dropped_count;
    const int64_t keep = config_.limits.keep_dropped_targets;
    if (keep == 0 || out_.dropped.size() < static_cast<size_t>(keep)) {
      out_.dropped.push_back({std::move(discovered), config_.job_name});
    }
  }

  const ScrapeConfig& config_;
  const std::string& host_name_;
  PoolTargets out_;
  std::set<std::pair<uint64_t, uint64_t>> seen_;
};

}  // namespace

PoolTargets MakePoolTargets(const ScrapeConfig& config,
                            std::span<const std::shared_ptr<const TargetGroup>> groups,
                            const std::string& host_name) {
  PoolBuilder builder(config, host_name);
  for (const TargetGroup& group : config.static_groups) builder.Add(group);
  for (const auto& group : groups) builder.Add(*group);
  return builder.Take();
}

}  // namespace deckwatch::scraper
