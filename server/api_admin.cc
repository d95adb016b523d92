// /api/v1/admin/cancel_query and
// /api/v1/admin/tsdb/{delete_series,tombstones,undelete,clean_tombstones,snapshot,compact}, with
// --web.enable-admin-api.
#include <charconv>

#include "server/api.h"
#include "tsdb/tools.h"

namespace deckwatch::server {

namespace {

ApiResult Done(const Status& status) {
  if (status.ok()) return {};
  return ApiResult::Error(ApiErrorType::kInternal, status.message());
}

ApiResult DeleteSeries(const ApiContext& c, const Request& request) {
  if (request.Params("match[]").empty()) {
    return ApiResult::Error(ApiErrorType::kBadData, "no match[] parameter provided");
  }
  ParamReader p(request);
  const int64_t start_ms = p.Time("start", kMinTimeMs);
  const int64_t end_ms = p.Time("end", kMaxTimeMs);
  const auto matcher_sets = p.Matchers(ParamReader::Refusal::kNamed);
  if (!p.ok()) return p.error();
  for (const auto& matchers : matcher_sets) {
    const Status s = c.db->DeleteSeries(matchers, start_ms, end_ms);
    if (!s.ok()) return Done(s);
  }
  return {};
}

ApiResult Tombstones(const ApiContext& c, const Request&) {
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginArray();
  for (const tsdb::Db::DeleteInfo& d : c.db->Deletes()) {
    w.BeginObject().Key("id").Uint(d.id).Key("matchers").String(d.selector);
    w.Key("start").Raw(FormatApiTimeMs(d.start_ms)).Key("end").Raw(FormatApiTimeMs(d.end_ms));
    w.Key("createdAt").String(FormatApiInstant(d.created_ms));
    w.Key("undoUntil").String(FormatApiInstant(d.undo_until_ms)).EndObject();
  }
  w.EndArray();
  return out;
}

// The number that the parameter `id` names.
bool ParseId(const Request& request, uint64_t* id) {
  const std::string_view text = request.Param("id");
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), *id);
  return ec == std::errc() && end == text.data() + text.size();
}

ApiResult Undelete(const ApiContext& c, const Request& request) {
  uint64_t id = 0;
  if (!ParseId(request, &id)) {
    return ApiResult::BadParameter("id",
                                   "not the number of a delete: " + QuoteGo(request.Param("id")));
  }
  const Status s = c.db->Undelete(id);
  if (s.code() != StatusCode::kNotFound) return Done(s);
  return ApiResult::Error(ApiErrorType::kNotFound, s.message());
}

ApiResult CancelQuery(const ApiContext& c, const Request& request) {
  uint64_t id = 0;
  if (!ParseId(request, &id)) {
    return ApiResult::BadParameter("id",
                                   "not the number of a query: " + QuoteGo(request.Param("id")));
  }
  if (c.engine->Cancel(id)) return {};
  return ApiResult::Error(ApiErrorType::kNotFound,
                          "no query " + std::to_string(id) + " is running");
}

ApiResult CleanTombstones(const ApiContext& c, const Request&) {
  return Done(c.db->CleanTombstones());
}

ApiResult Compact(const ApiContext& c, const Request&) {
  return Done(c.db->Compact());
}

ApiResult Snapshot(const ApiContext& c, const Request& request) {
  ParamReader p(request);
  p.Switch("skip_head", "unable to parse boolean");
  if (!p.ok()) return p.error();
  const std::string name = tsdb::NewSnapshotName(*c.clock);
  const Status s = c.db->Snapshot(name);
  if (!s.ok()) return Done(s.Annotate("create snapshot"));
  ApiResult out;
  JsonWriter(&out.data).BeginObject().Key("name").String(name).EndObject();
  return out;
}

}  // namespace

void RegisterAdminApi(Api* api) {
  const ApiContext* c = api->context();
  const auto add = [&](std::string_view methods, std::string_view path, Lane lane, auto function) {
    api->Add(methods, path, lane, [c, function](const Request& r) {
      if (!r.SameOrigin()) {
        return ApiResult::Error(ApiErrorType::kUnavailable, "request of another origin");
      }
      if (!c->enable_admin) {
        return ApiResult::Error(ApiErrorType::kUnavailable, "admin APIs disabled");
      }
      return function(*c, r);
    });
  };
  // Not behind the queries that it is to end.
  add("POST PUT", "/admin/cancel_query", Lane::kControl, CancelQuery);
  add("POST PUT", "/admin/tsdb/delete_series", Lane::kQuery, DeleteSeries);
  add("GET", "/admin/tsdb/tombstones", Lane::kQuery, Tombstones);
  add("POST PUT", "/admin/tsdb/undelete", Lane::kQuery, Undelete);
  add("POST PUT", "/admin/tsdb/clean_tombstones", Lane::kQuery, CleanTombstones);
  add("POST PUT", "/admin/tsdb/snapshot", Lane::kQuery, Snapshot);
  add("POST PUT", "/admin/tsdb/compact", Lane::kQuery, Compact);
}

}  // namespace deckwatch::server
