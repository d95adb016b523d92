// /api/v1/status/{config,flags,runtimeinfo,buildinfo,tsdb,tsdb/blocks,self_metrics,walreplay}.
#include <array>
#include <filesystem>
#include <thread>

#include <unistd.h>

#include "server/api.h"
#include "server/families_json.h"
#include "server/version.h"

namespace deckwatch::server {

namespace {

ApiResult Config(const ApiContext& c, const Request&) {
  ApiResult out;
  JsonWriter(&out.data).BeginObject().Key("yaml").String(c.config_yaml()).EndObject();
  return out;
}

ApiResult Flags(const ApiContext& c, const Request&) {
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginObject();
  for (const auto& [name, value] : c.flags) w.Key(name).String(value);
  w.EndObject();
  return out;
}

// `version` is the Prometheus version whose API this is, because clients (Grafana) choose what
// they send by it; our own is beside it.
ApiResult BuildInfo(const ApiContext&, const Request&) {
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginObject().Key("version").String(kPrometheusCompatible);
  w.Key("revision").String("deckwatch-" + std::string(kVersion)).Key("branch").String("HEAD");
  w.Key("buildUser").String("").Key("buildDate").String("").Key("goVersion").String("");
  w.Key("application").String("Deckwatch").Key("applicationVersion").String(kVersion);
  w.EndObject();
  return out;
}

ApiResult RuntimeInfo(const ApiContext& c, const Request&) {
  const auto [success, reloaded_ms] = c.last_reload();
  std::error_code ignored;
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginObject().Key("startTime").String(FormatApiInstant(c.start_wall_ms));
  w.Key("CWD").String(std::filesystem::current_path(ignored).string());
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  w.Key("hostname").String(host.data());
  w.Key("serverTime").String(FormatApiInstant(c.clock->WallMs()));
  w.Key("reloadConfigSuccess").Bool(success);
  w.Key("lastConfigTime").String(FormatApiInstant(reloaded_ms));
  w.Key("corruptionCount").Uint(c.db->Stats().counters.corruptions);
  w.Key("goroutineCount").Int(0).Key("GOMAXPROCS").Uint(std::thread::hardware_concurrency());
  w.Key("GOMEMLIMIT").Int(0).Key("GOGC").String("").Key("GODEBUG").String("");
  w.Key("storageRetention").String(c.storage_retention).EndObject();
  return out;
}

void WriteCounts(JsonWriter* w, const std::vector<tsdb::NameCount>& counts) {
  w->BeginArray();
  for (const tsdb::NameCount& n : counts) {
    w->BeginObject().Key("name").String(n.name).Key("value").Uint(n.count).EndObject();
  }
  w->EndArray();
}

ApiResult Tsdb(const ApiContext& c, const Request& request) {
  size_t limit = 10;
  if (const std::string_view text = request.Param("limit"); !text.empty()) {
    const auto asked = ParseApiInteger(text);
    if (!asked.ok() || *asked < 1) {
      return ApiResult::Error(ApiErrorType::kBadData, "limit must be a positive number");
    }
    if (*asked > 10'000) {
      return ApiResult::Error(ApiErrorType::kBadData, "limit must not exceed 10000");
    }
    limit = static_cast<size_t>(*asked);
  }
  ParamReader p(request);
  const int64_t growth_ms = p.Duration("growth", 3'600'000);
  if (!p.ok()) return p.error();
  const tsdb::DbStats stats = c.db->Stats();
  const tsdb::Cardinality top = c.db->TopCardinality(limit, c.clock->WallMs() - growth_ms);
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginObject().Key("headStats").BeginObject();
  w.Key("numSeries").Uint(stats.head_series).Key("numLabelPairs").Uint(top.label_pairs);
  w.Key("chunkCount").Uint(stats.head_groups);
  w.Key("minTime").Int(stats.head_min_ms).Key("maxTime").Int(stats.head_max_ms).EndObject();
  WriteCounts(&w.Key("seriesCountByMetricName"), top.series_by_metric);
  WriteCounts(&w.Key("labelValueCountByLabelName"), top.values_by_label);
  WriteCounts(&w.Key("memoryInBytesByLabelName"), top.bytes_by_label);
  WriteCounts(&w.Key("seriesCountByLabelValuePair"), top.series_by_pair);
  w.Key("growth").BeginObject().Key("since").String(FormatApiInstant(top.new_since_ms));
  w.Key("numSeries").Uint(top.new_series);
  WriteCounts(&w.Key("seriesCountByMetricName"), top.new_series_by_metric);
  WriteCounts(&w.Key("labelValueCountByLabelName"), top.new_values_by_label);
  WriteCounts(&w.Key("seriesCountByLabelValuePair"), top.new_series_by_pair);
  w.EndObject();
  w.Key("memoryInBytesByPurpose").BeginObject().Key("limit").Uint(stats.memory.limit);
  w.Key("index").Uint(stats.memory.index).Key("windows").Uint(stats.memory.windows);
  w.Key("blocks").Uint(stats.memory.blocks).Key("selections").Uint(stats.memory.selections);
  w.Key("exemplars").Uint(stats.memory.exemplars);
  w.Key("writeBuffers").Uint(stats.memory.write_buffers).EndObject();
  w.Key("lostRanges").BeginArray();
  for (const tsdb::Loss& loss : c.db->Losses()) {
    w.BeginObject().Key("minTime").Int(loss.min_ms).Key("maxTime").Int(loss.max_ms);
    w.Key("found").Int(loss.found_ms).Key("what").String(loss.what);
    w.Key("firstMetric").String(loss.first_metric).Key("lastMetric").String(loss.last_metric);
    w.EndObject();
  }
  w.EndArray();
  w.EndObject();
  return out;
}

// The parts of the store as Prometheus lists its blocks.
ApiResult Blocks(const ApiContext& c, const Request&) {
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginObject().Key("blocks").BeginArray();
  for (const tsdb::Db::PartInfo& p : c.db->Parts()) {
    w.BeginObject().Key("ulid").String(std::to_string(p.id));
    w.Key("minTime").Int(p.min_ms).Key("maxTime").Int(p.max_ms);
    w.Key("stats").BeginObject().Key("numSamples").Uint(p.samples);
    w.Key("numSeries").Uint(p.series).Key("numBytes").Uint(p.bytes).EndObject();
    w.Key("level").String(p.level).EndObject();
  }
  w.EndArray().EndObject();
  return out;
}

// Our own metrics, of all names or of those that metric_name_pattern matches.
ApiResult SelfMetrics(const ApiContext& c, const Request& request) {
  std::optional<Regex> names;
  if (const std::string_view text = request.Param("metric_name_pattern"); !text.empty()) {
    auto compiled = Regex::Compile(text);
    if (!compiled.ok()) {
      return ApiResult::BadParameter("metric_name_pattern", compiled.status().message());
    }
    names = std::move(compiled).value();
  }
  ApiResult out;
  JsonWriter w(&out.data);
  WriteFamilies(c.metrics_page(), names ? &*names : nullptr, &w);
  return out;
}

// The store answers at once after a start: there is never a replay to show.
void WalReplay(const Request&, Response* response) {
  response->content_type = "application/json";
  response->body = R"({"status":"success","data":{"min":0,"max":0,"current":0}})";
}

// What whoever looks after the server should know: [{"text":…,"date":…,"active":true}].
ApiResult Notifications(const ApiContext& c, const Request&) {
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginArray();
  if (const int64_t failed_ms = c.reload_failed_ms(); failed_ms > 0) {
    w.BeginObject().Key("text").String("Configuration reload has failed.");
    w.Key("date").String(FormatApiInstant(failed_ms)).Key("active").Bool(true).EndObject();
  }
  w.EndArray();
  return out;
}

// No content tells the listener that there is no place for it: it asks for the list instead.
ApiResult LiveNotifications(const ApiContext&, const Request&) {
  return {};
}

}  // namespace

void RegisterStatusApi(Api* api) {
  const ApiContext* c = api->context();
  const auto add = [&](std::string_view path, auto function) {
    api->Add("GET", path, Lane::kControl,
             [c, function](const Request& r) { return function(*c, r); });
  };
  add("/status/config", Config);
  add("/status/flags", Flags);
  add("/status/buildinfo", BuildInfo);
  add("/status/runtimeinfo", RuntimeInfo);
  add("/status/tsdb", Tsdb);
  add("/status/tsdb/blocks", Blocks);
  add("/status/self_metrics", SelfMetrics);
  add("/notifications", Notifications);
  add("/notifications/live", LiveNotifications);
  api->server()->Route("GET", "/api/v1/status/walreplay", Lane::kControl, WalReplay);
}

}  // namespace deckwatch::server
