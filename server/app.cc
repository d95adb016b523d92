#include "server/app.h"

#include <algorithm>
#include <filesystem>
#include <future>
#include <thread>

#include <signal.h>
#include <unistd.h>

#include "alerting/manager.h"
#include "base/executor.h"
#include "base/heap.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/mutex.h"
#include "query/engine.h"
#include "scraper/manager.h"
#include "server/api.h"
#include "server/config.h"
#include "server/process_stats.h"
#include "server/query_log.h"
#include "server/remote_write.h"
#include "server/self_metrics.h"
#include "server/text_page.h"
#include "server/version.h"
#include "server/web_config.h"
#include "tsdb/db.h"

namespace deckwatch::server {

namespace {

constexpr int64_t kDefaultRetentionMs = 15LL * 86'400'000;
constexpr int64_t kForeverMs = 100LL * 365 * 86'400'000;
constexpr int64_t kStopGraceMs = 5'000;

std::string HostName() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

// Without a trailing slash; from the host name and the first port when none was given.
std::string ExternalUrl(const ServeFlags& flags, int port) {
  std::string url = flags.external_url;
  if (url.empty()) url = "http://" + HostName() + ":" + std::to_string(port);
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

// "" or "/path": where everything is served.
std::string RoutePrefix(const ServeFlags& flags) {
  std::string prefix = flags.route_prefix;
  if (prefix.empty()) {
    if (const auto url = Url::Parse(flags.external_url); url.ok()) prefix = url->target;
  }
  while (!prefix.empty() && prefix.back() == '/') prefix.pop_back();
  if (!prefix.empty() && prefix.front() != '/') prefix.insert(0, 1, '/');
  return prefix;
}

// Our own metrics as a target without a port: deckwatch://self.
class SelfCollector : public scraper::Collector {
 public:
  explicit SelfCollector(std::function<std::string()> page) : page_(std::move(page)) {}
  std::string_view name() const override { return "self"; }
  Result<std::string> Collect() override { return page_(); }

 private:
  std::function<std::string()> page_;
};

// Queries, seals and merges take memory for a moment.
void KeepHeapSmall(const std::stop_token& stop) {
  constexpr int64_t kTrimEveryMs = 5'000;
  Mutex idle;
  CondVar never;
  while (!stop.stop_requested()) {
    {
      MutexLock lock(idle);
      never.WaitFor(idle, stop, kTrimEveryMs, [] { return false; });
    }
    TrimHeap();
  }
}

}  // namespace

// Members in their order of life: each uses only those above it.
struct App::Impl {
  ServeFlags flags;
  const Clock* clock = Clock::Real();
  int64_t start_wall_ms = 0;
  std::string external_url;

  std::unique_ptr<QueryLog> query_log;
  std::unique_ptr<tsdb::Db> db;
  std::unique_ptr<ThreadPool> query_pool;
  std::unique_ptr<query::Engine> engine;
  std::unique_ptr<RemoteWriter> remote_writer;
  std::unique_ptr<alerting::Manager> alerting;
  std::unique_ptr<scraper::ScrapeManager> scraper;
  std::unique_ptr<HttpServer> http;
  ApiContext context;
  std::unique_ptr<ThreadPool> reloader;  // one thread: reloads wait for each other
  std::jthread trimmer;

  mutable Mutex mutex;
  std::shared_ptr<const Config> config GUARDED_BY(mutex);
  bool reload_ok GUARDED_BY(mutex) = false;
  int64_t reload_ok_ms GUARDED_BY(mutex) = 0;
  int64_t reload_failed_ms GUARDED_BY(mutex) = 0;  // 0: the last one did not fail

  std::shared_ptr<const Config> CurrentConfig() const {
    MutexLock lock(mutex);
    return config;
  }

  Status StartAll();
  Status Listen();
  Status GuardAccess();
  void Routes();
  void FillContext();
  Status OpenStore(const Config& c);
  Status OpenRooms();
  Status LoadAndApply();
  Status Apply(Config c);
  std::string MetricsPage();
  void Lifecycle(std::string_view path, std::function<void(Response*)> action);
  void Stop();
};

Status App::Impl::StartAll() {
  start_wall_ms = clock->WallMs();
  for (const std::string& note : flags.notes) LogWarn(note);
  // Before anything is opened: a wrong configuration must not leave traces.
  TRY_ASSIGN(Config first, LoadConfig(flags.config_file));
  TRY(Listen());
  TRY(OpenStore(first));
  TRY(OpenRooms());
  TRY(Apply(std::move(first)));
  FillContext();
  alerting->Start();
  trimmer = StartThread("heap", [](std::stop_token stop) { KeepHeapSmall(stop); });
  context.ready.store(true, std::memory_order_release);
  LogInfo("Server is ready to receive requests.",
          {{"start_ms", clock->WallMs() - start_wall_ms}, {"port", http->ports()[0]}});
  return {};
}

Status App::Impl::Listen() {
  HttpServerOptions options;
  options.front.listen_addresses = flags.listen_addresses;
  options.route_prefix = RoutePrefix(flags);
  options.query_threads = static_cast<int>(flags.query_max_concurrency);
  options.ingest_threads = static_cast<int>(std::max(2u, std::thread::hardware_concurrency()));
  TRY_ASSIGN(http, HttpServer::Create(std::move(options)));
  TRY(GuardAccess());
  external_url = ExternalUrl(flags, http->ports()[0]);
  Routes();
  reloader = std::make_unique<ThreadPool>("reload", 1, 16);
  http->Start();
  for (const int port : http->ports()) LogInfo("Listening", {{"port", port}});
  return {};
}

// --web.config.file: only its users may connect.
Status App::Impl::GuardAccess() {
  if (flags.web_config_file.empty()) return {};
  TRY_ASSIGN(WebConfig config, LoadWebConfig(flags.web_config_file));
  if (config.tls) {
    return Status::InvalidArgument(flags.web_config_file +
                                   ": tls_server_config: TLS is not supported yet");
  }
  const auto gate = std::make_shared<BasicAuthGate>(std::move(config));
  http->SetGate([gate](const Request& r, Response* out) { return gate->Admit(r, out); });
  return {};
}

void App::Impl::Routes() {
  http->Route("GET HEAD", "/-/healthy", Lane::kControl,
              [](const Request&, Response* out) { out->Text(200, "Deckwatch is Healthy.\n"); });
  http->Route("GET HEAD", "/-/ready", Lane::kControl, [this](const Request&, Response* out) {
    if (ReadyGate(context, out)) out->Text(200, "Deckwatch is Ready.\n");
  });
  Lifecycle("/-/reload", [this](Response* out) {
    std::promise<Status> done;
    if (!reloader->TrySubmit([&] { done.set_value(LoadAndApply()); })) {
      return out->Text(503, "too many reloads are waiting\n");
    }
    const Status s = done.get_future().get();
    s.ok() ? out->Text(200, "") : out->Text(500, "failed to reload config: " + s.message() + "\n");
  });
  Lifecycle("/-/quit", [](Response* out) {
    out->Text(200, "Requesting termination... Goodbye!\n");
    kill(getpid(), SIGTERM);
  });
  http->Route("GET", "/metrics", Lane::kControl, [this](const Request&, Response* out) {
    out->content_type = kPageContentType;
    out->body = MetricsPage();
  });
  http->Route("GET", "/version", Lane::kControl, [](const Request&, Response* out) {
    out->Text(200, "{\"version\":\"" + std::string(kPrometheusCompatible) +
                       "\",\"application\":\"Deckwatch " + std::string(kVersion) + "\"}\n");
    out->content_type = "application/json";
  });
  http->Route("GET", "/", Lane::kControl, [](const Request&, Response* out) {
    out->Text(200,
              "Deckwatch " + std::string(kVersion) +
                  "\n\nThis is the server. Look at it with deckwatch-desktop, or with any client "
                  "of Prometheus's HTTP API\n(/api/v1/query?query=up). Own metrics: /metrics. "
                  "Health: /-/healthy, /-/ready.\n");
  });
  Api(http.get(), &context).RegisterAll();
}

// POST or PUT, with --web.enable-lifecycle only.
void App::Impl::Lifecycle(std::string_view path, std::function<void(Response*)> action) {
  http->Route("POST PUT", path, Lane::kControl,
              [this, action = std::move(action)](const Request& r, Response* out) {
                if (!flags.enable_lifecycle) return out->Text(403, "Lifecycle API is not enabled.");
                if (!r.SameOrigin()) return out->Text(403, "Request of another origin.");
                if (ReadyGate(context, out)) action(out);
              });
}

Status App::Impl::OpenStore(const Config& c) {
  tsdb::DbOptions options;
  options.path = flags.storage_path;
  options.retention_ms = flags.retention_ms > 0 ? flags.retention_ms : c.retention_ms;
  options.retention_bytes = flags.retention_bytes > 0 ? flags.retention_bytes : c.retention_bytes;
  if (options.retention_ms == 0) {
    options.retention_ms = options.retention_bytes > 0 ? kForeverMs : kDefaultRetentionMs;
  }
  options.memory_bytes = flags.memory_bytes > 0 ? flags.memory_bytes : MachineMemoryBytes() / 4;
  options.clock = clock;
  context.storage_retention = FormatDurationMs(options.retention_ms);
  if (options.retention_bytes > 0) {
    context.storage_retention += " or " + std::to_string(options.retention_bytes) + "B";
  }
  TRY_ASSIGN(db, tsdb::Db::Open(options));
  return {};
}

Status App::Impl::OpenRooms() {
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  query_pool = std::make_unique<ThreadPool>("query", cores, 4096, Priority::kQuery);
  query::EngineOptions engine_options;
  engine_options.lookback_delta_ms = flags.lookback_delta_ms;
  engine_options.timeout_ms = flags.query_timeout_ms;
  engine_options.max_samples = static_cast<uint64_t>(flags.query_max_samples);
  engine_options.cache_bytes = static_cast<uint64_t>(flags.query_cache_bytes);
  query_log = std::make_unique<QueryLog>(clock, flags.slow_query_ms);
  engine_options.on_finished = [this](const query::FinishedQuery& q) { query_log->Write(q); };
  engine_options.use_start_timestamps = flags.use_start_timestamps;
  engine = std::make_unique<query::Engine>(engine_options, query_pool.get());
  // Decoded and checked against the same limit as any request body.
  remote_writer = std::make_unique<RemoteWriter>(db.get(), HttpLimits().max_body_bytes,
                                                 flags.accept_conflicting);

  alerting::ManagerOptions alerting_options;
  alerting_options.resend_delay_ms = flags.resend_delay_ms;
  alerting_options.outage_tolerance_ms = flags.outage_tolerance_ms;
  alerting_options.for_grace_period_ms = flags.for_grace_period_ms;
  alerting_options.notifier_queue_capacity = static_cast<size_t>(flags.notifier_queue_capacity);
  alerting_options.notifier_batch_size = static_cast<size_t>(flags.notifier_batch_size);
  alerting::ManagerDependencies dependencies;
  dependencies.query = [this](const std::string& file, const std::string& group) {
    query::QueryOptions options;
    options.for_rules = true;
    options.origin.rule_file = file;
    options.origin.rule_group = group;
    return [this, options](std::string_view expr, int64_t t_ms) {
      return engine->Instant(*db, expr, t_ms, options);
    };
  };
  dependencies.appender = db.get();
  dependencies.state = db.get();
  dependencies.clock = clock;
  TRY_ASSIGN(alerting, alerting::Manager::Open(alerting_options, std::move(dependencies)));

  scraper::ScrapeManagerOptions scrape_options;
  scrape_options.appender = db.get();
  scrape_options.clock = clock;
  scraper::CollectorOptions collector_options;
  scrape_options.collectors.push_back(scraper::NewHostCollector(collector_options));
  scrape_options.collectors.push_back(scraper::NewContainersCollector(collector_options));
  scrape_options.collectors.push_back(
      std::make_unique<SelfCollector>([this] { return MetricsPage(); }));
  scraper = std::make_unique<scraper::ScrapeManager>(std::move(scrape_options));
  return {};
}

void App::Impl::FillContext() {
  context.clock = clock;
  context.db = db.get();
  context.engine = engine.get();
  context.scraper = scraper.get();
  context.alerting = alerting.get();
  context.remote_writer = remote_writer.get();
  context.enable_admin = flags.enable_admin_api;
  context.enable_remote_write = flags.enable_remote_write;
  context.start_wall_ms = start_wall_ms;
  context.flags = flags.all;
  context.config_yaml = [this] { return CurrentConfig()->redacted_yaml; };
  context.external_labels = [this] { return CurrentConfig()->external_labels; };
  context.scrape_configs = [this] { return CurrentConfig()->scrape_configs; };
  context.metrics_page = [this] { return MetricsPage(); };
  context.last_reload = [this] {
    MutexLock lock(mutex);
    return std::pair(reload_ok, reload_ok_ms);
  };
  context.reload_failed_ms = [this] {
    MutexLock lock(mutex);
    return reload_failed_ms;
  };
}

Status App::Impl::LoadAndApply() {
  auto loaded = LoadConfig(flags.config_file);
  const Status s = loaded.ok() ? Apply(std::move(loaded).value()) : loaded.status();
  if (s.ok()) {
    LogInfo("Completed loading of configuration file", {{"filename", flags.config_file}});
    return s;
  }
  LogError("Error reloading config", {{"err", s}});
  MutexLock lock(mutex);
  reload_ok = false;
  reload_failed_ms = clock->WallMs();
  return s;
}

// Alerting comes first because it can refuse: it reads the rule files; before it the log of queries
// is opened, which does nothing yet. After it nothing can fail, so a reload is all or nothing.
Status App::Impl::Apply(Config c) {
  alerting::ManagerConfig rules;
  rules.rule_files = c.rule_files;
  rules.evaluation_interval_ms = c.evaluation_interval_ms;
  rules.rule_query_offset_ms = c.rule_query_offset_ms;
  rules.external_labels = c.external_labels;
  rules.external_url = external_url;
  rules.alertmanager_file = flags.alertmanager_config_file;
  rules.notifier = c.notifier;
  TRY_ASSIGN(QueryLog::FilePtr log_file, QueryLog::Open(c.query_log_file));
  TRY(alerting->Apply(rules));
  query_log->Use(std::move(log_file));
  TRY(scraper->Apply(c.scrape_configs));
  for (const std::string& section : c.without_effect) {
    LogWarn("Configuration section has no effect", {{"section", section}});
  }
  MutexLock lock(mutex);
  config = std::make_shared<const Config>(std::move(c));
  reload_ok = true;
  reload_failed_ms = 0;
  reload_ok_ms = clock->WallMs();
  return {};
}

std::string App::Impl::MetricsPage() {
  SelfMetricsSources sources;
  sources.http = http.get();
  sources.ready = context.ready.load(std::memory_order_acquire);
  if (sources.ready) {
    sources.db = db.get();
    sources.engine = engine.get();
    sources.query_log = query_log.get();
    sources.scraper = scraper.get();
    sources.alerting = alerting.get();
    sources.remote_writer = remote_writer.get();
    MutexLock lock(mutex);
    sources.reload_ok = reload_ok;
    sources.reload_ok_ms = reload_ok_ms;
  }
  return SelfMetricsPage(sources);
}

void App::Impl::Stop() {
  if (http) http->Stop(kStopGraceMs);
  reloader.reset();
  if (scraper) scraper->Stop();
  scraper.reset();
  alerting.reset();
  engine.reset();
  query_pool.reset();
  db.reset();
}

App::App(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

App::~App() {
  impl_->Stop();
}

Result<std::unique_ptr<App>> App::Start(const ServeFlags& flags) {
  auto impl = std::make_unique<Impl>();
  impl->flags = flags;
  std::unique_ptr<App> app(new App(std::move(impl)));
  TRY(app->impl_->StartAll());
  return app;
}

Status App::Reload() {
  std::promise<Status> done;
  if (!impl_->reloader->TrySubmit([&] { done.set_value(impl_->LoadAndApply()); })) {
    return Status::Unavailable("too many reloads are waiting");
  }
  return done.get_future().get();
}

std::vector<int> App::ports() const {
  return impl_->http->ports();
}

}  // namespace deckwatch::server
