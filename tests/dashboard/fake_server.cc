#include "tests/dashboard/fake_server.h"

#include <cmath>
#include <cstdlib>

#include "base/clock.h"
#include "base/json.h"

namespace deckwatch::dashboard {
namespace {

// One kind of question: expressions that contain `part` give one series per label value.
struct Recipe {
  const char* part;
  const char* label;  // "" for a single series without labels
  std::vector<std::string> values;
  double level, swing;  // of the first series; later ones are lower
};

const std::vector<Recipe>& Recipes() {
  static const std::vector<Recipe> recipes = {
      {"count(ALERTS", "", {""}, 3, 1},
      {"(up)", "", {""}, 6, 0},
      {"container_cpu_usage_seconds_total",
       "name",
       {"search", "checkout", "payments", "postgres", "ingress-nginx", "redis", "prometheus",
        "a-container-with-a-rather-long-name-1"},
       1.7,
       0.6},
      {"container_memory_working_set_bytes",
       "name",
       {"postgres", "search", "checkout", "prometheus", "payments", "redis", "ingress-nginx"},
       6.4e9,
       4e8},
      {"by (instance) (rate", "instance", {"a:9100", "b:9100", "c:9100"}, 0.82, 0.1},
      {"by (instance) (node_mem", "instance", {"a:9100", "b:9100", "c:9100"}, 0.71, 0.05},
      {"by (instance) (node_load1", "instance", {"a:9100", "b:9100", "c:9100"}, 3.1, 1},
      {"by (mode)", "mode", {"user", "system", "iowait", "softirq", "steal"}, 0.31, 0.14},
      {"mode=\"idle\"", "", {""}, 0.58, 0.1},
      {"MemAvailable", "", {""}, 0.73, 0.01},
      {"MemTotal", "", {""}, 11.2e9, 3e8},
      {"Buffers", "", {""}, 0.6e9, 1e7},
      {"Cached", "", {""}, 9.1e9, 4e8},
      {"MemFree", "", {""}, 12.3e9, 5e8},
      {"max(1 - node_filesystem", "", {""}, 0.84, 0.001},
      {"node_filesystem_size_bytes", "mountpoint", {"/", "/var/lib/rocksdb", "/boot"}, 5e11, 0},
      {"node_filesystem_avail_bytes", "mountpoint", {"/", "/var/lib/rocksdb", "/boot"}, 8e10, 1e8},
      {"node_network", "device", {"eth0", "eth1"}, 9.4e6, 5e6},
      {"node_disk_io_time", "", {""}, 0.22, 0.2},
      {"node_disk", "device", {"nvme0n1", "nvme1n1"}, 4.2e7, 3e7},
      {"node_pressure", "", {""}, 0.04, 0.03},
      {"node_load1", "", {""}, 0.63, 0.3},
      {"up", "instance", {"a:9100", "b:9100"}, 1, 0}};
  return recipes;
}

// A slow wave with a faster one and a hash for noise, always the same for the same moment.
double Wave(const Recipe& recipe, size_t n, int64_t t_ms) {
  const double share = 1 / (1 + 0.55 * static_cast<double>(n));
  const double minutes = static_cast<double>(t_ms % 86'400'000) / 60'000;
  uint64_t hash = static_cast<uint64_t>(t_ms / 1000) * 0x9E3779B97F4A7C15ULL + n * 77;
  hash ^= hash >> 29;
  hash *= 0xBF58476D1CE4E5B9ULL;
  const double noise = static_cast<double>(hash >> 40) / static_cast<double>(1 << 24) - 0.5;
  const double phase = static_cast<double>(n) * 1.7;
  const double wave = 0.55 * std::sin(minutes / 7 + phase) + 0.25 * std::sin(minutes / 1.9 + phase);
  return std::max(0.0, recipe.level + recipe.swing * (wave + 0.35 * noise)) * share;
}

std::string Param(const std::string& form, const std::string& name) {
  const std::string key = name + "=";
  size_t at = form.rfind(key, 0) == 0 ? 0 : form.find("&" + key);
  if (at == form.npos) return "";
  at = form.find('=', at) + 1;
  const auto decoded = UrlDecode(form.substr(at, form.find('&', at) - at));
  return decoded.ok() ? *decoded : "";
}

std::string QueryBody(const std::string& form) {
  const std::string expr = Param(form, "query");
  const Recipe* recipe = nullptr;
  for (const Recipe& r : Recipes()) {
    if (recipe == nullptr && expr.find(r.part) != expr.npos) recipe = &r;
  }
  std::string body;
  JsonWriter w(&body);
  w.BeginObject().Key("status").String("success").Key("data").BeginObject();
  w.Key("resultType").String("matrix").Key("result").BeginArray();
  const int64_t start_ms = std::llround(std::strtod(Param(form, "start").c_str(), nullptr) * 1000);
  const int64_t end_ms = std::llround(std::strtod(Param(form, "end").c_str(), nullptr) * 1000);
  const int64_t step_ms = std::llround(std::strtod(Param(form, "step").c_str(), nullptr) * 1000);
  for (size_t n = 0; recipe != nullptr && n < recipe->values.size(); ++n) {
    w.BeginObject().Key("metric").BeginObject();
    if (*recipe->label != '\0') w.Key(recipe->label).String(recipe->values[n]);
    w.EndObject().Key("values").BeginArray();
    for (int64_t t = start_ms; t <= end_ms; t += step_ms) {
      w.BeginArray().Double(static_cast<double>(t) / 1000);
      w.String(std::to_string(Wave(*recipe, n, t))).EndArray();
    }
    w.EndArray().EndObject();
  }
  w.EndArray().EndObject().EndObject();
  return body;
}

std::string TargetsBody(int64_t now_ms) {
  std::string body;
  JsonWriter w(&body);
  w.BeginObject().Key("status").String("success").Key("data").BeginObject();
  w.Key("activeTargets").BeginArray();
  const char* const jobs[] = {"node", "node", "postgres", "redis", "containers", "deckwatch"};
  for (int i = 0; i < 6; ++i) {
    w.BeginObject().Key("labels").BeginObject();
    w.Key("job").String(jobs[i]).Key("instance").String("10.0.0." + std::to_string(i) + ":9100");
    w.EndObject().Key("scrapeUrl").String("http://10.0.0.1:9100/metrics");
    w.Key("health").String(i == 3 ? "down" : "up");
    w.Key("lastError").String(i == 3 ? "connect: connection refused" : "");
    w.Key("lastScrape").String(FormatRfc3339Ms(now_ms - 1000 * (i + 1)));
    w.Key("lastScrapeDuration").Double(0.01).Key("scrapeInterval").String("15s").EndObject();
  }
  w.EndArray().EndObject().EndObject();
  return body;
}

std::string AlertsBody(int64_t now_ms) {
  struct Row {
    const char *name, *severity, *state, *summary;
    int64_t age_s;
  };
  const Row rows[] = {
      {"InstanceDown", "critical", "firing", "10.0.0.3:9100 of job redis is down", 251},
      {"HostDiskWillFill", "warning", "firing", "/var/lib/rocksdb on a is full in 3 h", 1900},
      {"ContainerThrottled", "warning", "pending", "checkout is throttled 38 % of the time", 90},
      {"TargetFlapping", "info", "firing", "blackbox changed 6 times in 15 minutes", 8000}};
  std::string body;
  JsonWriter w(&body);
  w.BeginObject().Key("status").String("success").Key("data").BeginObject();
  w.Key("alerts").BeginArray();
  for (const Row& row : rows) {
    w.BeginObject().Key("labels").BeginObject().Key("alertname").String(row.name);
    w.Key("severity").String(row.severity).Key("instance").String("10.0.0.3:9100").EndObject();
    w.Key("annotations").BeginObject().Key("summary").String(row.summary).EndObject();
    w.Key("state").String(row.state).Key("value").String("1e+00");
    w.Key("activeAt").String(FormatRfc3339Ms(now_ms - row.age_s * 1000)).EndObject();
  }
  w.EndArray().EndObject().EndObject();
  return body;
}

}  // namespace

void FakeServer::SetAway(bool away) {
  MutexLock lock(mutex_);
  away_ = away;
}

void FakeServer::SetAnswer(const std::string& part, int status, const std::string& body) {
  MutexLock lock(mutex_);
  canned_[part] = {status, body};
}

void FakeServer::SetAbsent(const std::string& metric) {
  MutexLock lock(mutex_);
  absent_.push_back(metric);
}

int FakeServer::request_count() const {
  MutexLock lock(mutex_);
  return requests_;
}

std::vector<std::string> FakeServer::queries() const {
  MutexLock lock(mutex_);
  return queries_;
}

Result<HttpResponse> FakeServer::Answer(const HttpRequest& request) {
  HttpResponse response;
  response.status = 200;
  MutexLock lock(mutex_);
  ++requests_;
  if (!request.body.empty()) queries_.push_back(Param(request.body, "query"));
  if (away_) return Status::Unavailable("cannot connect to fake:9090: connection refused");
  for (const auto& [part, canned] : canned_) {
    if (request.url.find(part) == std::string::npos) continue;
    response.status = canned.status;
    response.body = canned.body;
    return response;
  }
  const std::string expr = Param(request.body, "query");
  const bool is_absent = std::any_of(absent_.begin(), absent_.end(), [&](const std::string& m) {
    return expr.find(m) != expr.npos;
  });
  response.body = is_absent ? R"({"status":"success","data":{"resultType":"matrix","result":[]}})"
                            : Body(request.url, request.body);
  return response;
}

std::string FakeServer::Body(const std::string& url, const std::string& form) {
  const auto has = [&url](const char* part) { return url.find(part) != url.npos; };
  if (has("/query_range")) return QueryBody(form);
  if (has("/targets")) return TargetsBody(now_ms_);
  if (has("/alerts")) return AlertsBody(now_ms_);
  if (has("/rules")) {
    return R"({"status":"success","data":{"groups":[{"name":"g","lastEvaluation":")" +
           FormatRfc3339Ms(now_ms_ - 4000) +
           R"(","rules":[{"type":"alerting","name":"InstanceDown","lastError":""},)"
           R"({"type":"recording","name":"job:up:sum","lastError":""}]}]}})";
  }
  if (has("/buildinfo")) return R"({"status":"success","data":{"version":"0.1.0"}})";
  return R"({"status":"success","data":["up","node_load1","node_cpu_seconds_total"]})";
}

}  // namespace deckwatch::dashboard
