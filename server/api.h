// Prometheus's HTTP API, version 1: its paths, parameters, JSON, error types and HTTP codes.
//
// Each api_*.cc registers the endpoints of one subject. An endpoint is a function from a request to
// an ApiResult; the envelope, CORS, the ready gate and HTTP codes are added here, once.
// Source of the format: Prometheus, web/api/v1.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/manager.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/matcher.h"
#include "base/storage.h"
#include "query/engine.h"
#include "scraper/manager.h"
#include "server/http_server.h"
#include "tsdb/db.h"

namespace deckwatch::server {

class RemoteWriter;

// What the endpoints work on. The server listens before these exist: `ready` is set last, after
// which the pointers no longer change until the server has stopped.
struct ApiContext {
  std::atomic<bool> ready{false};
  const Clock* clock = Clock::Real();
  tsdb::Db* db = nullptr;
  const query::Engine* engine = nullptr;
  const scraper::ScrapeManager* scraper = nullptr;  // null in tests that need none
  const alerting::Manager* alerting = nullptr;      // likewise
  RemoteWriter* remote_writer = nullptr;
  bool enable_admin = false;
  bool enable_remote_write = false;
  int64_t start_wall_ms = 0;
  std::string storage_retention;             // as runtimeinfo shows it: "15d"
  std::map<std::string, std::string> flags;  // for status/flags
  std::function<std::string()> config_yaml;  // the loaded configuration, secrets hidden
  std::function<Labels()> external_labels;
  std::function<scraper::ScrapeConfigs()> scrape_configs;  // of the loaded configuration
  std::function<std::string()> metrics_page;               // as /metrics
  std::function<std::pair<bool, int64_t>()> last_reload;   // success, when it last succeeded (ms)
  std::function<int64_t()> reload_failed_ms;               // when; 0: the last one did not fail
};

enum class ApiErrorType {
  kNone,
  kTimeout,
  kCanceled,
  kExecution,
  kBadData,
  kInternal,
  kUnavailable,
  kNotFound
};

struct ApiResult {
  std::string data;  // JSON; empty: no content (204)
  ApiErrorType error_type = ApiErrorType::kNone;
  std::string error;
  query::Annotations annotations;

  static ApiResult Data(std::string json) { return {std::move(json), {}, {}, {}}; }
  static ApiResult Error(ApiErrorType type, std::string text) {
    return {{}, type, std::move(text), {}};
  }
  // `invalid parameter "<name>": <reason>`
  static ApiResult BadParameter(std::string_view name, std::string_view reason);
  // The type follows the code; for errors of evaluation and storage.
  static ApiResult FromStatus(const Status& status);
};

using ApiFunction = std::function<ApiResult(const Request&)>;

class Api {
 public:
  // Both must outlive this; call before server->Start().
  Api(HttpServer* server, ApiContext* context) : server_(server), context_(context) {}

  // All endpoints of /api/v1 and /federate.
  void RegisterAll();

  // For the registrars below.
  void Add(std::string_view methods, std::string_view path, Lane lane, ApiFunction function);
  ApiContext* context() const { return context_; }
  HttpServer* server() const { return server_; }

 private:
  HttpServer* server_;
  ApiContext* context_;
};

void RegisterQueryApi(Api* api);   // query, query_range, query_exemplars, format_query, parse_query
void RegisterSeriesApi(Api* api);  // series, labels, label values, metadata
void RegisterTargetsApi(Api* api);   // targets, targets/*, scrape_pools
void RegisterRulesApi(Api* api);     // rules, alerts, alertmanagers
void RegisterStatusApi(Api* api);    // status/*, notifications
void RegisterAdminApi(Api* api);     // admin/tsdb/*
void RegisterWriteApi(Api* api);     // write
void RegisterFeaturesApi(Api* api);  // features
void RegisterFederateApi(Api* api);  // /federate

// Lets pages of other origins read the answer, as Prometheus with its default --web.cors.origin=.*:
// any page may read, none may send credentials.
void SetCors(const Request& request, Response* response);

// False, with 503 in `response`, until the store is open.
bool ReadyGate(const ApiContext& context, Response* response);

// ---- Parameters, with Prometheus's error texts

inline constexpr int64_t kMinTimeMs = -62'135'596'800'000;  // year 1
inline constexpr int64_t kMaxTimeMs = 253'402'300'799'999;  // end of year 9999

// Seconds as a number, or RFC 3339.
Result<int64_t> ParseApiTime(std::string_view text);
// Seconds as a number, or a Prometheus duration.
Result<int64_t> ParseApiDuration(std::string_view text);

// As Go's strconv reads a decimal number, with its complaint: `parsing "x": invalid syntax`.
Result<int64_t> ParseApiInteger(std::string_view text);

// Reads parameters one after another; keeps the first error. Afterwards: if (!p.ok()) return
// p.error().
class ParamReader {
 public:
  explicit ParamReader(const Request& request) : request_(request) {}
  int64_t Time(std::string_view name, int64_t fallback);
  int64_t RequiredTime(std::string_view name);
  int64_t Duration(std::string_view name, int64_t fallback);
  size_t Limit(std::string_view name = "limit");  // 0: none
  int64_t MetadataLimit(std::string_view name);   // of entries of metadata; negative: none
  // As Go's strconv.ParseBool; false when it is not there. `complaint` leads the error.
  bool Switch(std::string_view name, std::string_view complaint);
  // Of match[]. Only some endpoints of Prometheus name the parameter when they refuse it.
  enum class Refusal { kPlain, kNamed };
  std::vector<std::vector<Matcher>> Matchers(Refusal refusal = Refusal::kPlain);
  void Fail(std::string_view name, std::string_view reason);
  // For what Prometheus refuses without naming the parameter.
  void Refuse(std::string text) {
    if (ok()) error_ = ApiResult::Error(ApiErrorType::kBadData, std::move(text));
  }
  bool ok() const { return error_.error_type == ApiErrorType::kNone; }
  const ApiResult& error() const { return error_; }

 private:
  const Request& request_;
  ApiResult error_;
};

// ---- JSON pieces

void WriteLabels(JsonWriter* w, LabelsView labels);  // {"name":"value",…}
void WriteStrings(JsonWriter* w, const std::vector<std::string>& values);
std::string FormatApiTimeMs(int64_t t_ms);  // seconds: 1435781451.781
// RFC 3339; 0, meaning never, is Go's zero time.
std::string FormatApiInstant(int64_t t_ms);

inline constexpr std::string_view kTruncatedWarning = "results truncated due to limit";
// Cuts `items` to `limit` (0: none) and warns when something was cut.
template <typename T>
void Truncate(std::vector<T>* items, size_t limit, query::Annotations* annotations) {
  if (limit == 0 || items->size() <= limit) return;
  items->resize(limit);
  annotations->warnings.emplace_back(kTruncatedWarning);
}

}  // namespace deckwatch::server
