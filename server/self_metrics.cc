#include "server/self_metrics.h"

#include "server/process_stats.h"
#include "server/text_page.h"
#include "server/version.h"

namespace deckwatch::server {

namespace {

double Number(uint64_t v) {
  return static_cast<double>(v);
}

void WriteBuild(const SelfMetricsSources& s, PageWriter* w) {
  w->Family("deckwatch_build_info", "gauge", "Version of this program; always 1.")
      .Sample(1, {{"version", kVersion}});
  w->Family("prometheus_build_info", "gauge", "Version whose behaviour this follows; always 1.")
      .Sample(1, {{"version", kPrometheusCompatible}, {"revision", "deckwatch"}});
  w->Gauge("prometheus_ready", "Whether the server answers queries.", s.ready ? 1 : 0);
  w->Gauge("prometheus_config_last_reload_successful",
           "Whether the last configuration reload attempt was successful.", s.reload_ok ? 1 : 0);
  w->Gauge("prometheus_config_last_reload_success_timestamp_seconds",
           "Timestamp of the last successful configuration reload.",
           static_cast<double>(s.reload_ok_ms) / 1000);
}

void WriteProcess(PageWriter* w) {
  const ProcessStats p = ReadProcessStats();
  w->Counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
             p.cpu_seconds);
  w->Gauge("process_open_fds", "Number of open file descriptors.", Number(p.open_fds));
  w->Gauge("process_max_fds", "Maximum number of open file descriptors.", Number(p.max_fds));
  w->Gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.",
           Number(p.virtual_bytes));
  w->Gauge("process_resident_memory_bytes", "Resident memory size in bytes.",
           Number(p.resident_bytes));
  w->Gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
           p.start_seconds);
}

void WriteHead(const tsdb::DbStats& s, PageWriter* w) {
  const tsdb::DbCounters& c = s.counters;
  w->Gauge("prometheus_tsdb_head_series", "Total number of series in the head.",
           Number(s.head_series));
  w->Counter("prometheus_tsdb_head_series_created_total", "Series created in the head.",
             Number(c.series_created));
  w->Counter("prometheus_tsdb_head_series_removed_total", "Series removed from the head.",
             Number(c.series_removed));
  w->Counter("deckwatch_tsdb_series_refused_total",
             "Series refused by the series limit or for want of memory.", Number(c.series_refused));
  w->Family("prometheus_tsdb_head_samples_appended_total", "counter", "Samples appended.")
      .Sample(Number(c.samples_appended), {{"type", "float"}});
  if (s.head_min_ms <= s.head_max_ms) {
    w->Gauge("prometheus_tsdb_head_min_time_seconds", "Oldest time in the head.",
             static_cast<double>(s.head_min_ms) / 1000);
    w->Gauge("prometheus_tsdb_head_max_time_seconds", "Newest time in the head.",
             static_cast<double>(s.head_max_ms) / 1000);
  }
  w->Gauge("deckwatch_tsdb_head_samples", "Samples in the open windows.", Number(s.head_samples));
  w->Gauge("deckwatch_tsdb_head_groups", "Groups of series written together.",
           Number(s.head_groups));
  w->Gauge("deckwatch_tsdb_head_bytes", "Memory of the open windows and of their index.",
           Number(s.head_bytes));
  w->Gauge("deckwatch_tsdb_memory_limit_bytes", "Memory that the store may use.",
           Number(s.memory.limit));
  w->Family("deckwatch_tsdb_memory_bytes", "gauge", "Memory of the store by purpose.")
      .Sample(Number(s.memory.index), {{"purpose", "index"}})
      .Sample(Number(s.memory.windows), {{"purpose", "windows"}})
      .Sample(Number(s.memory.blocks), {{"purpose", "blocks"}})
      .Sample(Number(s.memory.selections), {{"purpose", "selections"}})
      .Sample(Number(s.memory.exemplars), {{"purpose", "exemplars"}})
      .Sample(Number(s.memory.write_buffers), {{"purpose", "write_buffers"}});
  w->Gauge("deckwatch_tsdb_cache_bytes", "Memory of the block caches.", Number(s.cache_bytes));
}

void WriteStore(const tsdb::DbStats& s, PageWriter* w) {
  const tsdb::DbCounters& c = s.counters;
  w->Counter("prometheus_tsdb_out_of_order_samples_appended_total",
             "Samples older than the newest of their series.", Number(c.samples_late));
  w->Family("deckwatch_tsdb_samples_refused_total", "counter", "Samples not stored, by reason.")
      .Sample(Number(c.samples_conflicting), {{"reason", "conflicting"}})
      .Sample(Number(c.samples_too_old), {{"reason", "too_old"}})
      .Sample(Number(c.samples_too_far_ahead), {{"reason", "too_far_ahead"}});
  w->Counter("deckwatch_tsdb_samples_duplicate_total", "Samples that were stored already.",
             Number(c.samples_duplicate));
  w->Counter("prometheus_tsdb_exemplar_exemplars_appended_total", "Exemplars appended.",
             Number(c.exemplars_appended));
  w->Gauge("prometheus_tsdb_blocks_loaded", "Immutable parts.", Number(s.parts));
  w->Gauge("prometheus_tsdb_storage_blocks_bytes", "Bytes of the immutable parts.",
           Number(s.part_bytes));
  w->Gauge("deckwatch_tsdb_part_samples", "Samples in the immutable parts.",
           Number(s.part_samples));
  w->Counter("prometheus_tsdb_compactions_total", "Windows sealed and parts merged.",
             Number(c.seals + c.merges));
  w->Counter("prometheus_tsdb_compactions_failed_total", "Seals and merges that failed.",
             Number(c.seals_failed + c.merges_failed));
  w->Counter("prometheus_tsdb_time_retentions_total", "Parts dropped for their age.",
             Number(c.parts_dropped_by_time));
  w->Counter("prometheus_tsdb_size_retentions_total", "Parts dropped for the size limit.",
             Number(c.parts_dropped_by_size));
  w->Counter("deckwatch_tsdb_commits_total", "Batches committed.", Number(c.commits));
  w->Counter("deckwatch_tsdb_log_bytes_total", "Bytes written to the write-ahead log.",
             Number(c.log_bytes));
  w->Family("prometheus_tsdb_wal_fsync_duration_seconds", "summary", "Duration of log syncs.")
      .Part("_sum", Number(c.log_sync_ns) / 1e9)
      .Part("_count", Number(c.log_syncs));
  w->Counter("deckwatch_tsdb_reopens_total", "Reopenings of the store after an I/O error.",
             Number(c.reopens));
  w->Counter("deckwatch_tsdb_corruptions_total", "Damaged blocks met.", Number(c.corruptions));
  w->Gauge("deckwatch_tsdb_lost_ranges", "Ranges of time in which samples are known to be lost.",
           Number(s.losses));
  w->Counter("deckwatch_tsdb_scrub_bytes_total", "Bytes read back in search of damage.",
             Number(s.scrub_bytes));
  w->Counter("deckwatch_tsdb_scrub_rounds_total", "How often everything was read back.",
             Number(s.scrub_rounds));
  w->Gauge("deckwatch_tsdb_scrub_last_round_timestamp_seconds",
           "When everything had last been read back; 0: not since the start.",
           static_cast<double>(s.scrub_finished_ms) / 1000);
  w->Gauge("deckwatch_tsdb_takes_samples",
           "0 after an error of the log, and while the disk or the memory is full.",
           s.takes_samples ? 1 : 0);
  w->Gauge("deckwatch_tsdb_disk_low", "1 while merges wait for room on the disk.",
           s.disk_is_low ? 1 : 0);
  w->Gauge("deckwatch_tsdb_disk_free_bytes", "Room on the disk of the store.",
           Number(s.disk_free_bytes));
}

void WriteQueries(const query::Engine& engine, PageWriter* w) {
  w->Gauge("prometheus_engine_queries", "Queries being executed or waiting.",
           Number(engine.Active().size()));
  w->Gauge("prometheus_engine_queries_concurrent_max", "Queries that are executed at once.",
           engine.options().max_concurrent);
  const query::CacheStats c = engine.Cached();
  w->Family("deckwatch_query_cache_requests_total", "counter",
            "Queries that looked for an answer kept, by how much of it they found.")
      .Sample(Number(c.hits), {{"found", "all"}})
      .Sample(Number(c.partial_hits), {{"found", "some"}})
      .Sample(Number(c.misses), {{"found", "none"}});
  w->Counter("deckwatch_query_cache_steps_total", "Steps of queries taken from answers kept.",
             Number(c.steps_taken));
  w->Gauge("deckwatch_query_cache_answers", "Answers kept.", Number(c.answers));
  w->Gauge("deckwatch_query_cache_bytes", "Memory of the answers kept.", Number(c.bytes));
}

void WriteRules(const alerting::Manager& manager, PageWriter* w) {
  const alerting::AlertingCounters c = manager.Counters();
  w->Counter("prometheus_rule_evaluations_total", "Rule evaluations.", Number(c.rule_evaluations));
  w->Counter("prometheus_rule_evaluation_failures_total", "Rule evaluations that failed.",
             Number(c.rule_evaluation_failures));
  w->Counter("prometheus_rule_group_iterations_missed_total",
             "Rule group evaluations missed because an earlier one was slow.",
             Number(c.group_missed_iterations));
  const auto groups = manager.RuleGroups();
  const auto each = [&](std::string_view name, std::string_view help, auto value) {
    w->Family(name, "gauge", help);
    for (const alerting::RuleGroupSnapshot& g : groups) {
      w->Sample(value(g), {{"rule_group", g.file + ";" + g.name}});
    }
  };
  each("prometheus_rule_group_interval_seconds", "Interval of a rule group.",
       [](const auto& g) { return static_cast<double>(g.interval_ms) / 1000; });
  each("prometheus_rule_group_last_duration_seconds", "Duration of its last evaluation.",
       [](const auto& g) { return g.evaluation_time_seconds; });
  each("prometheus_rule_group_last_evaluation_timestamp_seconds", "Time of its last evaluation.",
       [](const auto& g) { return static_cast<double>(g.last_evaluation_ms) / 1000; });
  each("prometheus_rule_group_rules", "Rules in a group.",
       [](const auto& g) { return Number(g.rules.size()); });
}

void WriteNotifications(const alerting::Manager& manager, PageWriter* w) {
  const alerting::AlertingCounters c = manager.Counters();
  w->Counter("alertmanager_alerts_received_total", "Alerts received from rules.",
             Number(c.alerts_received));
  w->Gauge("alertmanager_alerts", "Alerts firing now.", Number(c.alerts_firing));
  w->Gauge("alertmanager_dispatcher_aggregation_groups", "Notification groups.",
           Number(c.alert_groups));
  w->Counter("alertmanager_notifications_total", "Notifications delivered.",
             Number(c.notifications_delivered));
  w->Counter("alertmanager_notifications_failed_total", "Notifications given up.",
             Number(c.notifications_failed));
  w->Counter("alertmanager_notification_requests_failed_total",
             "Attempts that failed and are repeated.", Number(c.notification_attempts_failed));
  w->Counter("alertmanager_notifications_suppressed_total",
             "Alerts left out of notifications: inhibited, silenced or muted.",
             Number(c.notifications_suppressed));
  w->Gauge("deckwatch_outbox_pending", "Notifications waiting to be delivered.",
           Number(c.outbox_pending));
}

// Of the Alertmanagers outside.
void WriteNotifier(const alerting::NotifierSnapshot& n, PageWriter* w) {
  using Target = alerting::NotifierSnapshot::Target;
  std::map<std::string, Target> by_url;  // one may be in several sets
  for (const Target& t : n.active) {
    Target& sum = by_url[t.url];
    sum.sent += t.sent, sum.errors += t.errors, sum.dropped += t.dropped, sum.queued += t.queued;
    sum.requests += t.requests, sum.latency_ns += t.latency_ns;
  }
  const auto each = [&](const char* name, const char* type, const char* help, auto field) {
    w->Family(name, type, help);
    for (const auto& [url, t] : by_url) w->Sample(Number(t.*field), {{"alertmanager", url}});
  };
  each("prometheus_notifications_sent_total", "counter", "Alerts sent.", &Target::sent);
  each("prometheus_notifications_errors_total", "counter", "Alerts that could not be sent.",
       &Target::errors);
  each("prometheus_notifications_dropped_total", "counter",
       "Alerts dropped: not sent, or pushed out of a full queue.", &Target::dropped);
  each("prometheus_notifications_queue_length", "gauge", "Alerts waiting to be sent.",
       &Target::queued);
  w->Gauge("prometheus_notifications_queue_capacity", "Alerts that may wait for one Alertmanager.",
           Number(n.queue_capacity));
  w->Gauge("prometheus_notifications_alertmanagers_discovered", "Alertmanagers that are told.",
           Number(n.active.size()));
  w->Family("prometheus_notifications_latency_seconds", "summary", "Duration of requests.");
  for (const auto& [url, t] : by_url) {
    w->Part("_sum", static_cast<double>(t.latency_ns) / 1e9, {{"alertmanager", url}});
    w->Part("_count", Number(t.requests), {{"alertmanager", url}});
  }
}

void WriteHttp(const HttpServer& server, PageWriter* w) {
  const HttpCounters c = server.counters();
  w->Family("prometheus_http_requests_total", "counter", "HTTP requests by handler and code.");
  for (const auto& [key, v] : c.by_handler) {
    w->Sample(Number(v.requests), {{"handler", key.handler}, {"code", std::to_string(key.code)}});
  }
  std::map<std::string, HttpCounters::Value> by_handler;
  for (const auto& [key, v] : c.by_handler) {
    HttpCounters::Value& sum = by_handler[key.handler];
    sum.requests += v.requests, sum.bytes += v.bytes, sum.total_ns += v.total_ns;
  }
  w->Family("prometheus_http_request_duration_seconds", "summary", "Time spent in handlers.");
  for (const auto& [handler, v] : by_handler) {
    w->Part("_sum", static_cast<double>(v.total_ns) / 1e9, {{"handler", handler}});
    w->Part("_count", Number(v.requests), {{"handler", handler}});
  }
  w->Family("prometheus_http_response_size_bytes", "summary", "Response bodies, uncompressed.");
  for (const auto& [handler, v] : by_handler) {
    w->Part("_sum", Number(v.bytes), {{"handler", handler}});
    w->Part("_count", Number(v.requests), {{"handler", handler}});
  }
  w->Gauge("deckwatch_http_connections", "Open connections.", Number(c.front.open));
  w->Counter("deckwatch_http_connections_accepted_total", "Connections accepted.",
             Number(c.front.accepted));
  w->Family("deckwatch_http_refused_total", "counter", "Connections and requests refused early.")
      .Sample(Number(c.front.refused), {{"reason", "connection_limit"}})
      .Sample(Number(c.front.bad), {{"reason", "malformed"}})
      .Sample(Number(c.front.timed_out), {{"reason", "timeout"}});
}

void WriteRemoteWrite(const RemoteWriter& writer, PageWriter* w) {
  const RemoteWriteCounters c = writer.counters();
  w->Counter("deckwatch_remote_write_requests_total", "Write requests received.",
             Number(c.requests));
  w->Family("prometheus_api_remote_write_samples_total", "counter", "Samples received by write.")
      .Sample(Number(c.samples), {{"type", "float"}})
      .Sample(Number(c.histograms), {{"type", "histogram"}});
  w->Counter("deckwatch_remote_write_samples_rejected_total", "Samples received and refused.",
             Number(c.rejected));
  w->Counter("deckwatch_remote_write_exemplars_rejected_total",
             "Exemplars received and left out: malformed labels, or more than 128 characters.",
             Number(c.exemplars_rejected));
  w->Counter("prometheus_api_remote_write_invalid_labels_samples_total",
             "Series left out because their labels are malformed.", Number(c.invalid_series));
  w->Gauge("deckwatch_remote_write_cache_bytes", "Memory of the table of series received.",
           Number(c.cache_bytes));
}

}  // namespace

std::string SelfMetricsPage(const SelfMetricsSources& sources) {
  std::string page;
  PageWriter w(&page);
  WriteBuild(sources, &w);
  WriteProcess(&w);
  if (sources.http) WriteHttp(*sources.http, &w);
  if (sources.db) {
    const tsdb::DbStats stats = sources.db->Stats();
    WriteHead(stats, &w);
    WriteStore(stats, &w);
  }
  if (sources.engine) WriteQueries(*sources.engine, &w);
  if (sources.query_log) {
    w.Gauge("prometheus_engine_query_log_enabled", "Whether queries are logged to a file.",
            sources.query_log->enabled() ? 1 : 0);
    w.Counter("prometheus_engine_query_log_failures_total", "Lines of it that were not written.",
              Number(sources.query_log->failures()));
  }
  if (sources.alerting) {
    WriteRules(*sources.alerting, &w);
    WriteNotifications(*sources.alerting, &w);
    WriteNotifier(sources.alerting->Alertmanagers(), &w);
  }
  if (sources.remote_writer) WriteRemoteWrite(*sources.remote_writer, &w);
  if (sources.scraper) page += sources.scraper->OwnMetrics();
  return page;
}

}  // namespace deckwatch::server
