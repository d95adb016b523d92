#include "scraper/manager.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <queue>
#include <set>
#include <thread>
#include <tuple>
#include <utility>

#include <unistd.h>

#include "base/executor.h"
#include "base/log.h"
#include "base/mutex.h"
#include "scraper/active_target.h"
#include "scraper/discovery_hub.h"
#include "scraper/failure_log.h"
#include "scraper/fetcher.h"
#include "scraper/metadata_pool.h"
#include "scraper/own_metrics.h"
#include "scraper/pool.h"
#include "scraper/schedule.h"

namespace deckwatch::scraper {

namespace {

constexpr int64_t kIdleWaitMs = 1000;
constexpr int64_t kBusyWaitMs = 100;    // a gone target whose last scrape still runs is asked again
constexpr int64_t kWallStepMs = 1000;   // a larger jump of the wall clock makes a new schedule
constexpr int64_t kSyncPauseMs = 1000;  // at least between two syncs after discovery
constexpr size_t kWorkQueue = 1 << 20;  // a target has at most one task, so this is never full

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

}  // namespace

std::string_view TargetHealthName(TargetHealth health) {
  switch (health) {
    case TargetHealth::kUnknown: return "unknown";
    case TargetHealth::kUp: return "up";
    case TargetHealth::kDown: return "down";
  }
  return "unknown";
}

class ScrapeManager::Impl {
 public:
  explicit Impl(ScrapeManagerOptions options)
      : options_(std::move(options)),
        clock_(*options_.clock),
        hub_(std::make_unique<DiscoveryHub>(options_.clock, [this] { fetcher_.Wake(); })),
        workers_(std::make_unique<ThreadPool>("scrape-write", options_.workers, kWorkQueue)),
        collecting_(std::make_unique<ThreadPool>("collect", 1, kWorkQueue)) {
    CHECK(options_.appender != nullptr);
    if (options_.host_name.empty()) options_.host_name = HostName();
    wall_offset_ms_ = clock_.WallMs() - clock_.MonotonicMs();
    if (options_.start_thread) {
      thread_ = StartThread("scrape", [this](std::stop_token stop) {
        while (!stop.stop_requested()) Turn(kIdleWaitMs);
      });
    }
  }
  ~Impl() { Stop(); }

  Status Apply(ScrapeConfigs configs) {
    {
      MutexLock lock(mutex_);
      if (stopped_) return Status::Unavailable("scraping has stopped");
      new_configs_ = std::make_unique<ScrapeConfigs>(std::move(configs));
    }
    fetcher_.Wake();
    return Status::Ok();
  }

  void Stop() {
    {
      MutexLock lock(mutex_);
      if (std::exchange(stopped_, true)) return;
    }
    thread_.request_stop();
    fetcher_.Wake();
    if (thread_.joinable()) thread_.join();
    hub_.reset();
    collecting_.reset();
    workers_.reset();
  }

  bool Turn(int64_t max_wait_ms) {
    TakeConfigs();
    TakeDiscovery();
    TakeWritten();
    NoticeWallStep();
    StartDue();
    EndRetired();
    fetcher_.Run(std::clamp<int64_t>(NextEventMs() - clock_.WallMs(), 0, max_wait_ms));
    TakeWritten();
    return busy_ > 0;
  }

  TargetsSnapshot Targets() const;
  std::vector<TargetMetadata> Metadata() const;
  std::string OwnMetrics() const {
    const auto view = View();
    return counters_.Render(view->pools, view->targets.size());
  }

 private:
  using Identity = std::pair<uint64_t, uint64_t>;
  struct Pool {
    ScrapeConfigPtr config;
    std::map<Identity, ActiveTargetPtr> active;
    std::vector<DroppedTarget> dropped;
    uint64_t dropped_count = 0;
    bool dirty = true;              // what discovery found has changed
    int64_t synced_ms = INT64_MIN;  // monotonic
  };
  // What readers of the API see; replaced as a whole after each sync.
  struct Published {
    std::vector<ActiveTargetPtr> targets;
    std::vector<DroppedTarget> dropped;
    std::vector<std::pair<std::string, uint64_t>> dropped_counts;
    size_t pools = 0;
  };
  // A planned scrape; void when the target's due_ms has become another.
  struct Due {
    int64_t due_ms;
    ActiveTargetPtr target;
    bool operator>(const Due& o) const { return due_ms > o.due_ms; }
  };

  // ---- configuration and discovery ----

  void TakeConfigs();
  void TakeDiscovery();
  void Sync(Pool* pool);
  void Adopt(Pool* pool, const Target& target, const std::string& forced_error);
  void Retire(const ActiveTargetPtr& active);
  void Publish();
  std::shared_ptr<const Published> View() const {
    MutexLock lock(mutex_);
    return published_;
  }

  // ---- schedule ----

  void Plan(const ActiveTargetPtr& active) {
    active->due_ms = NextOnGrid(clock_.WallMs(), active->target.interval_ms, active->phase_ms);
    queue_.push({active->due_ms, active});
  }
  void NoticeWallStep();
  void StartDue();
  void EndRetired();
  int64_t NextEventMs() const;

  // ---- one scrape ----

  void StartScrape(const ActiveTargetPtr& active, int64_t now_ms);
  void UseConfig(ActiveTarget* active);
  void Fetched(const ActiveTargetPtr& active, ScrapeTiming timing, int64_t start_ns,
               FetchResult result);
  void Collect(const ActiveTargetPtr& active, const std::string& name, ScrapeTiming timing,
               int64_t start_ns);
  void Write(const ActiveTargetPtr& active, const ScrapeTiming& timing, FetchResult result);
  void Record(ActiveTarget* active, const ScrapeTiming& timing, const ScrapeReport& report);
  static void LogIfFailed(const ActiveTarget& active, const ScrapeTiming& timing,
                          const Status& status);
  void Done(const ActiveTargetPtr& active);
  void TakeWritten();

  ScrapeManagerOptions options_;
  const Clock& clock_;
  Fetcher fetcher_;
  OwnCounters counters_;
  MetadataPool metadata_;

  mutable Mutex mutex_;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::unique_ptr<ScrapeConfigs> new_configs_ GUARDED_BY(mutex_);
  std::vector<ActiveTargetPtr> written_ GUARDED_BY(mutex_);
  std::shared_ptr<const Published> published_ GUARDED_BY(mutex_) = std::make_shared<Published>();

  // Owned by the event loop.
  std::map<std::string, Pool> pools_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> queue_;
  std::map<Identity, ActiveTargetPtr> retired_;
  int64_t next_end_ms_ = INT64_MAX;  // when one of retired_ may be over; not later than that
  int64_t wall_offset_ms_ = 0;
  size_t busy_ = 0;

  std::unique_ptr<DiscoveryHub> hub_;
  std::unique_ptr<ThreadPool> workers_;
  std::unique_ptr<ThreadPool> collecting_;
  std::jthread thread_;
};

void ScrapeManager::Impl::TakeConfigs() {
  std::unique_ptr<ScrapeConfigs> configs;
  {
    MutexLock lock(mutex_);
    configs = std::move(new_configs_);
  }
  if (configs == nullptr) return;
  hub_->Keep(*configs);
  std::map<std::string, Pool> old = std::exchange(pools_, {});
  for (ScrapeConfigPtr& config : *configs) {
    Pool pool;
    if (const auto it = old.find(config->job_name); it != old.end()) {
      pool = std::move(it->second);
      old.erase(it);
    }
    pool.config = std::move(config);
    const auto [it, added] = pools_.emplace(pool.config->job_name, std::move(pool));
    Sync(&it->second);
  }
  for (auto& [job, pool] : old) {
    for (auto& [identity, active] : pool.active) Retire(active);
  }
  counters_.CountReload();
  Publish();
}

void ScrapeManager::Impl::TakeDiscovery() {
  for (const std::string& key : hub_->TakeChanged()) {
    for (auto& [job, pool] : pools_) {
      for (const auto& discovery : pool.config->discovery) pool.dirty |= discovery->key() == key;
    }
  }
  const int64_t now_ms = clock_.MonotonicMs();
  bool any = false;
  for (auto& [job, pool] : pools_) {
    if (!pool.dirty || now_ms < pool.synced_ms + kSyncPauseMs) continue;
    Sync(&pool);
    any = true;
  }
  if (any) Publish();
}

void ScrapeManager::Impl::Sync(Pool* pool) {
  pool->dirty = false;
  pool->synced_ms = clock_.MonotonicMs();
  std::vector<std::shared_ptr<const TargetGroup>> groups;
  for (const auto& discovery : pool->config->discovery) {
    const auto found = hub_->Groups(discovery->key());
    groups.insert(groups.end(), found.begin(), found.end());
  }
  PoolTargets wanted = MakePoolTargets(*pool->config, groups, options_.host_name);
  counters_.CountSync(wanted.rejected);
  std::set<Identity> kept;
  for (const Target& target : wanted.active) {
    kept.insert(target.identity);
    Adopt(pool, target, wanted.forced_error);
  }
  std::erase_if(pool->active, [&](const auto& entry) {
    if (kept.contains(entry.first)) return false;
    Retire(entry.second);
    return true;
  });
  pool->dropped = std::move(wanted.dropped);
  pool->dropped_count = wanted.dropped_count;
}

// Makes `target` an active one: the one it was, the one that has just gone, or a new one.
void ScrapeManager::Impl::Adopt(Pool* pool, const Target& target, const std::string& forced_error) {
  ActiveTargetPtr& active = pool->active[target.identity];
  bool plan = false;
  if (active == nullptr) {
    if (const auto it = retired_.find(target.identity); it != retired_.end()) {
      active = it->second;
      active->gone = false;
      retired_.erase(it);
    } else {
      active = std::make_shared<ActiveTarget>();
    }
    plan = !active->busy;
  } else {
    plan = active->target.interval_ms != target.interval_ms && !active->busy;
  }
  active->target = target;
  active->config = pool->config;
  active->forced_error = forced_error;
  active->phase_ms = static_cast<int64_t>((target.identity.first ^ options_.phase_seed) %
                                          static_cast<uint64_t>(target.interval_ms));
  {
    MutexLock lock(active->mutex);
    TargetInfo& info = active->info;
    info.discovered_labels = target.discovered;
    info.labels = target.labels;
    info.scrape_pool = pool->config->job_name;
    info.scrape_url = target.url;
    info.interval_ms = target.interval_ms;
    info.timeout_ms = target.timeout_ms;
  }
  if (plan) Plan(active);
}

// The target may come back (a reload in two steps, discovery flapping), so its series end only when
// it has missed two scrapes, but as of the first one.
void ScrapeManager::Impl::Retire(const ActiveTargetPtr& active) {
  active->gone = true;
  const int64_t interval_ms = active->target.interval_ms;
  active->end_ms =
      active->busy ? NextOnGrid(clock_.WallMs(), interval_ms, active->phase_ms) : active->due_ms;
  active->write_end_ms = active->end_ms + interval_ms + interval_ms / 10;
  retired_[active->target.identity] = active;
  next_end_ms_ = std::min(next_end_ms_, active->write_end_ms);
}

void ScrapeManager::Impl::Publish() {
  auto view = std::make_shared<Published>();
  view->pools = pools_.size();
  for (const auto& [job, pool] : pools_) {
    for (const auto& [identity, active] : pool.active) view->targets.push_back(active);
    view->dropped.insert(view->dropped.end(), pool.dropped.begin(), pool.dropped.end());
    view->dropped_counts.emplace_back(job, pool.dropped_count);
  }
  MutexLock lock(mutex_);
  published_ = std::move(view);
}

void ScrapeManager::Impl::NoticeWallStep() {
  const int64_t offset_ms = clock_.WallMs() - clock_.MonotonicMs();
  const int64_t step_ms = offset_ms - wall_offset_ms_;
  wall_offset_ms_ = offset_ms;
  if (std::abs(step_ms) < kWallStepMs) return;
  LogWarn("the wall clock was set; scrapes are planned anew", {{"step_ms", step_ms}});
  queue_ = {};
  for (auto& [job, pool] : pools_) {
    for (auto& [identity, active] : pool.active) {
      if (!active->busy) Plan(active);
    }
  }
  for (auto& [identity, active] : retired_) {
    active->end_ms += step_ms;
    active->write_end_ms += step_ms;
  }
  next_end_ms_ = INT64_MIN;  // found anew
}

int64_t ScrapeManager::Impl::NextEventMs() const {
  int64_t next_ms = clock_.WallMs() + kIdleWaitMs;
  if (!queue_.empty()) next_ms = std::min(next_ms, queue_.top().due_ms);
  return next_ms;
}

void ScrapeManager::Impl::StartDue() {
  const int64_t now_ms = clock_.WallMs();
  while (!queue_.empty() && queue_.top().due_ms <= now_ms) {
    const Due due = queue_.top();
    queue_.pop();
    const ActiveTarget& t = *due.target;
    if (!t.gone && !t.busy && t.due_ms == due.due_ms) StartScrape(due.target, now_ms);
  }
}

void ScrapeManager::Impl::EndRetired() {
  const int64_t now_ms = clock_.WallMs();
  if (retired_.empty() || now_ms < next_end_ms_) return;
  next_end_ms_ = INT64_MAX;
  std::set<std::string_view> live;  // labels of active targets: their series go on
  for (const auto& [job, pool] : pools_) {
    for (const auto& [identity, active] : pool.active) live.insert(active->target.labels.encoded());
  }
  std::erase_if(retired_, [&](const auto& entry) {
    const ActiveTargetPtr& active = entry.second;
    if (active->busy || now_ms < active->write_end_ms) {
      next_end_ms_ = std::min(next_end_ms_, std::max(active->write_end_ms, now_ms + kBusyWaitMs));
      return false;
    }
    if (active->writer != nullptr && !live.contains(active->target.labels.encoded())) {
      active->busy = true;
      ++busy_;
      const auto end = [this, active] {
        const Status status = active->writer->WriteEnd(active->end_ms, options_.appender);
        if (!status.ok()) LogError("stale markers were not stored", {{"error", status}});
        Done(active);
      };
      if (!workers_->TrySubmit(end)) end();
    }
    return true;
  });
}

// Brings the writer in line with the configuration, which may have changed since the last scrape.
void ScrapeManager::Impl::UseConfig(ActiveTarget* active) {
  if (active->written_config == active->config) return;
  const bool same =
      active->writer != nullptr && active->written_config->SameScraping(*active->config);
  if (!same) {
    auto writer = std::make_unique<TargetWriter>(PageRules{active->target.labels, active->config});
    if (active->writer != nullptr) writer->TakeOver(*active->writer);
    active->writer = std::move(writer);
  }
  active->written_config = active->config;
}

void ScrapeManager::Impl::StartScrape(const ActiveTargetPtr& active, int64_t now_ms) {
  UseConfig(active.get());
  active->busy = true;
  ++busy_;
  const Target& target = active->target;
  const ScrapeTiming timing{SnapToGrid(now_ms, active->due_ms, target.interval_ms), 0,
                            target.timeout_ms};
  const int64_t start_ns = clock_.MonotonicNs();
  if (!active->forced_error.empty()) {
    Fetched(active, timing, start_ns, {Status::InvalidArgument(active->forced_error), "", ""});
  } else if (!target.collector.empty()) {
    const std::string name = target.collector;
    const auto task = [=, this] { Collect(active, name, timing, start_ns); };
    if (!collecting_->TrySubmit(task)) task();
  } else {
    fetcher_.Start(
        {target.url, target.unix_socket, active->config, target.timeout_ms,
         active->writer->last_body_bytes()},
        [=, this](FetchResult result) { Fetched(active, timing, start_ns, std::move(result)); });
  }
}

void ScrapeManager::Impl::Collect(const ActiveTargetPtr& active, const std::string& name,
                                  ScrapeTiming timing, int64_t start_ns) {
  FetchResult result{Status::NotFound("no built-in collector " + QuoteGo(name)), "text/plain", ""};
  for (const auto& collector : options_.collectors) {
    if (collector->name() != name) continue;
    Result<std::string> page = collector->Collect();
    result.status = page.status();
    if (page.ok()) result.body = std::move(*page);
  }
  timing.duration_s = static_cast<double>(clock_.MonotonicNs() - start_ns) / 1e9;
  Write(active, timing, std::move(result));
}

void ScrapeManager::Impl::Fetched(const ActiveTargetPtr& active, ScrapeTiming timing,
                                  int64_t start_ns, FetchResult result) {
  timing.duration_s = static_cast<double>(clock_.MonotonicNs() - start_ns) / 1e9;
  auto shared = std::make_shared<FetchResult>(std::move(result));
  const auto task = [=, this] { Write(active, timing, std::move(*shared)); };
  if (!workers_->TrySubmit(task)) task();
}

void ScrapeManager::Impl::Write(const ActiveTargetPtr& active, const ScrapeTiming& timing,
                                FetchResult result) {
  const ScrapeReport report = active->writer->Write(std::move(result), timing, options_.appender);
  counters_.Count(report);
  Record(active.get(), timing, report);
  LogIfFailed(*active, timing, report.status);
  Done(active);
}

void ScrapeManager::Impl::LogIfFailed(const ActiveTarget& active, const ScrapeTiming& timing,
                                      const Status& status) {
  const std::string& path = active.written_config->failure_log_file;
  if (status.ok() || path.empty()) return;
  std::string url;
  {
    MutexLock lock(active.mutex);
    url = active.info.scrape_url;
  }
  const Status logged =
      LogFailure(path, timing.t_ms, active.written_config->job_name, url, status.message());
  if (!logged.ok()) LogWarn("scrape_failure_log_file", {{"error", logged}});
}

// Called by whoever wrote: gives the target back to the event loop.
void ScrapeManager::Impl::Done(const ActiveTargetPtr& active) {
  {
    MutexLock lock(mutex_);
    written_.push_back(active);
  }
  fetcher_.Wake();
}

void ScrapeManager::Impl::Record(ActiveTarget* active, const ScrapeTiming& timing,
                                 const ScrapeReport& report) {
  SharedMetadata metadata;
  if (report.metadata_changed) metadata = metadata_.Share(active->writer->page().Metadata());
  const Status& status = report.status.ok() ? report.commit : report.status;
  MutexLock lock(active->mutex);
  TargetInfo& info = active->info;
  info.health = report.status.ok() ? TargetHealth::kUp : TargetHealth::kDown;
  info.last_error = status.message();
  info.last_scrape_ms = timing.t_ms;
  info.last_duration_s = timing.duration_s;
  if (report.status.ok()) info.samples = report.stats.scraped;
  if (metadata != nullptr) active->metadata = std::move(metadata);
}

void ScrapeManager::Impl::TakeWritten() {
  std::vector<ActiveTargetPtr> written;
  {
    MutexLock lock(mutex_);
    written.swap(written_);
  }
  for (const ActiveTargetPtr& active : written) {
    active->busy = false;
    --busy_;
    if (!active->gone) Plan(active);
  }
}

TargetsSnapshot ScrapeManager::Impl::Targets() const {
  const auto view = View();
  TargetsSnapshot out;
  out.dropped = view->dropped;
  out.dropped_counts = view->dropped_counts;
  out.active.reserve(view->targets.size());
  for (const ActiveTargetPtr& active : view->targets) {
    MutexLock lock(active->mutex);
    out.active.push_back(active->info);
  }
  std::sort(out.active.begin(), out.active.end(), [](const TargetInfo& a, const TargetInfo& b) {
    return std::tie(a.scrape_pool, a.scrape_url) < std::tie(b.scrape_pool, b.scrape_url);
  });
  return out;
}

std::vector<TargetMetadata> ScrapeManager::Impl::Metadata() const {
  std::vector<TargetMetadata> out;
  for (const ActiveTargetPtr& active : View()->targets) {
    MutexLock lock(active->mutex);
    if (active->metadata == nullptr) continue;
    for (const MetricMetadata& m : *active->metadata) out.push_back({active->info.labels, m});
  }
  return out;
}

ScrapeManager::ScrapeManager(ScrapeManagerOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
ScrapeManager::~ScrapeManager() = default;
Status ScrapeManager::Apply(ScrapeConfigs configs) {
  return impl_->Apply(std::move(configs));
}
void ScrapeManager::Stop() {
  impl_->Stop();
}
TargetsSnapshot ScrapeManager::Targets() const {
  return impl_->Targets();
}
std::vector<TargetMetadata> ScrapeManager::Metadata() const {
  return impl_->Metadata();
}
std::string ScrapeManager::OwnMetrics() const {
  return impl_->OwnMetrics();
}
bool ScrapeManager::RunOnce(int64_t max_wait_ms) {
  return impl_->Turn(max_wait_ms);
}

}  // namespace deckwatch::scraper
