// /api/v1/query, query_range, query_exemplars, format_query, parse_query, status/active_queries.
#include <cmath>

#include "query/parser.h"
#include "server/api.h"
#include "server/ast_json.h"
#include "server/query_log.h"
#include "server/result_json.h"

namespace deckwatch::server {

namespace {

constexpr int64_t kMaxPointsPerSeries = 11'000;

// A parameter that is there and not "0" or "false".
bool AsksFor(const Request& request, std::string_view name) {
  const std::string_view value = request.Param(name);
  return !value.empty() && value != "0" && value != "false";
}

// {"depth":…,"expr":…} per node, in the order in which they were finished.
void AppendTrace(const std::vector<query::TraceNode>& trace, std::string* out) {
  JsonWriter w(out);
  w.BeginArray();
  for (const query::TraceNode& n : trace) {
    w.BeginObject().Key("depth").Int(n.depth).Key("expr").String(n.expr);
    w.Key("series").Uint(n.series).Key("samples").Uint(n.samples).Key("bytes").Uint(n.bytes);
    w.Key("seconds").Double(static_cast<double>(n.ns) / 1e9).EndObject();
  }
  w.EndArray();
}

ApiResult QueryData(Result<query::QueryResult> result, const Request& request, size_t limit) {
  if (!result.ok()) {
    if (result.status().code() == StatusCode::kInvalidArgument) {
      return ApiResult::BadParameter("query", result.status().message());
    }
    return ApiResult::FromStatus(result.status());
  }
  Truncate(&result->series, limit, &result->annotations);
  std::string data = "{";
  AppendQueryResult(*result, &data);
  if (!request.Param("stats").empty()) {
    data += ",\"stats\":";
    AppendQueryStats(result->stats, &data);
  }
  if (AsksFor(request, "trace")) {
    data += ",\"trace\":";
    AppendTrace(result->trace, &data);
  }
  data += '}';
  ApiResult out = ApiResult::Data(std::move(data));
  out.annotations = std::move(result->annotations);
  return out;
}

query::QueryOptions OptionsOf(const Request& request, ParamReader* p) {
  query::QueryOptions options;
  if (!request.Param("timeout").empty()) {
    // None at all is over at once.
    const int64_t timeout_ms = p->Duration("timeout", 0);
    options.timeout_ms = timeout_ms > 0 ? timeout_ms : -1;
  }
  if (const std::string_view text = request.Param("lookback_delta"); !text.empty()) {
    const auto lookback = ParseApiDuration(text);
    if (lookback.ok()) {
      options.lookback_delta_ms = *lookback;
    } else {
      p->Refuse("error parsing lookback delta duration: " + lookback.status().message());
    }
  }
  options.stop = request.stop;
  options.use_cache = !AsksFor(request, "nocache");
  options.trace = AsksFor(request, "trace");
  options.per_step_stats = request.Param("stats") == "all";
  options.origin = {request.peer, request.method, request.path, "", ""};
  return options;
}

ApiResult InstantQuery(const ApiContext& c, const Request& request) {
  ParamReader p(request);
  const size_t limit = p.Limit();
  const int64_t t_ms = p.Time("time", c.clock->WallMs());
  query::QueryOptions options = OptionsOf(request, &p);
  if (!p.ok()) return p.error();
  // Nobody asks again for a moment that nobody named.
  if (request.Param("time").empty()) options.use_cache = false;
  return QueryData(c.engine->Instant(*c.db, request.Param("query"), t_ms, options), request, limit);
}

ApiResult RangeQuery(const ApiContext& c, const Request& request) {
  ParamReader p(request);
  const size_t limit = p.Limit();
  const int64_t start_ms = p.RequiredTime("start");
  const int64_t end_ms = p.RequiredTime("end");
  if (!p.ok()) return p.error();
  if (end_ms < start_ms) {
    return ApiResult::BadParameter("end", "end timestamp must not be before start time");
  }
  const auto step = ParseApiDuration(request.Param("step"));
  if (!step.ok()) return ApiResult::BadParameter("step", step.status().message());
  if (*step <= 0) {
    return ApiResult::BadParameter(
        "step",
        "zero or negative query resolution step widths are not accepted. "
        "Try a positive integer");
  }
  if ((end_ms - start_ms) / *step > kMaxPointsPerSeries) {
    return ApiResult::Error(ApiErrorType::kBadData,
                            "exceeded maximum resolution of 11,000 points per timeseries. Try "
                            "decreasing the query resolution (?step=XX)");
  }
  const query::QueryOptions options = OptionsOf(request, &p);
  if (!p.ok()) return p.error();
  return QueryData(c.engine->Range(*c.db, request.Param("query"), start_ms, end_ms, *step, options),
                   request, limit);
}

void CollectSelectors(const query::Expr& e, std::vector<std::vector<Matcher>>* out) {
  if (e.kind == query::NodeKind::kVectorSelector) out->push_back(e.matchers);
  for (const auto* child : {&e.lhs, &e.rhs, &e.param}) {
    if (*child) CollectSelectors(**child, out);
  }
  for (const auto& arg : e.args) CollectSelectors(*arg, out);
}

ApiResult Exemplars(const ApiContext& c, const Request& request) {
  ParamReader p(request);
  LabelQuery q;
  q.start_ms = p.Time("start", kMinTimeMs);
  q.end_ms = p.Time("end", kMaxTimeMs);
  if (!p.ok()) return p.error();
  if (q.end_ms < q.start_ms) {
    return ApiResult::Error(ApiErrorType::kBadData,
                            "end timestamp must not be before start timestamp");
  }
  const auto expr = query::ParseExpr(request.Param("query"));
  if (!expr.ok()) return ApiResult::Error(ApiErrorType::kBadData, expr.status().message());
  CollectSelectors(**expr, &q.matcher_sets);
  if (q.matcher_sets.empty()) return {};  // Prometheus: no content
  const auto querier = c.db->NewQuerier();
  if (!querier.ok()) return ApiResult::FromStatus(querier.status());
  const auto found = (*querier)->Exemplars(q);
  if (!found.ok()) return ApiResult::FromStatus(found.status());
  std::string data;
  JsonWriter w(&data);
  w.BeginArray();
  for (const auto& series : *found) {
    WriteLabels(&w.BeginObject().Key("seriesLabels"), series.labels);
    w.Key("exemplars").BeginArray();
    for (const Exemplar& e : series.exemplars) {
      WriteLabels(&w.BeginObject().Key("labels"), e.labels);
      w.Key("value").String(FormatFloat(e.value));
      w.Key("timestamp").Raw(FormatApiTimeMs(e.t_ms)).EndObject();
    }
    w.EndArray().EndObject();
  }
  w.EndArray();
  return ApiResult::Data(std::move(data));
}

ApiResult FormatQuery(const Request& request) {
  const auto expr = query::ParseExpr(request.Param("query"));
  if (!expr.ok()) return ApiResult::BadParameter("query", expr.status().message());
  std::string data;
  AppendJsonString(&data, query::Pretty(**expr));
  return ApiResult::Data(std::move(data));
}

ApiResult ParseQuery(const Request& request) {
  const auto expr = query::ParseExpr(request.Param("query"));
  if (!expr.ok()) return ApiResult::BadParameter("query", expr.status().message());
  std::string data;
  JsonWriter w(&data);
  WriteAst(&w, expr->get());
  return ApiResult::Data(std::move(data));
}

// The queries that are running, oldest first.
ApiResult ActiveQueries(const ApiContext& c) {
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginArray();
  for (const query::ActiveQuery& q : c.engine->Active()) {
    w.BeginObject().Key("id").Uint(q.id).Key("query").String(q.text);
    w.Key("start").String(FormatApiInstant(q.start_wall_ms));
    w.Key("seconds").Double(static_cast<double>(q.running_ms) / 1000);
    w.Key("samples").Uint(q.samples_read).Key("bytes").Uint(q.bytes).EndObject();
  }
  w.EndArray();
  return out;
}

}  // namespace

void RegisterQueryApi(Api* api) {
  const ApiContext* c = api->context();
  api->Add("GET POST", "/query", Lane::kQuery,
           [c](const Request& r) { return InstantQuery(*c, r); });
  api->Add("GET POST", "/query_range", Lane::kQuery,
           [c](const Request& r) { return RangeQuery(*c, r); });
  api->Add("GET POST", "/query_exemplars", Lane::kQuery,
           [c](const Request& r) { return Exemplars(*c, r); });
  api->Add("GET", "/status/active_queries", Lane::kControl,
           [c](const Request&) { return ActiveQueries(*c); });
  api->Add("GET POST", "/format_query", Lane::kControl, FormatQuery);
  api->Add("GET POST", "/parse_query", Lane::kControl, ParseQuery);
}

}  // namespace deckwatch::server
