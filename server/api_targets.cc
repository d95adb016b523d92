// /api/v1/targets, targets/metadata, targets/relabel_steps, scrape_pools.
#include <algorithm>
#include <set>

#include "query/parser.h"
#include "server/api.h"

namespace deckwatch::server {

namespace {

using scraper::TargetInfo;

void WriteActive(JsonWriter* w, const TargetInfo& t) {
  WriteLabels(&w->BeginObject().Key("discoveredLabels"), t.discovered_labels);
  WriteLabels(&w->Key("labels"), t.labels);
  w->Key("scrapePool").String(t.scrape_pool).Key("scrapeUrl").String(t.scrape_url);
  w->Key("globalUrl").String(t.scrape_url).Key("lastError").String(t.last_error);
  w->Key("lastScrape").String(FormatApiInstant(t.last_scrape_ms));
  w->Key("lastScrapeDuration").Double(t.last_duration_s);
  w->Key("health").String(scraper::TargetHealthName(t.health));
  w->Key("scrapeInterval").String(FormatDurationMs(t.interval_ms));
  w->Key("scrapeTimeout").String(FormatDurationMs(t.timeout_ms)).EndObject();
}

ApiResult Targets(const ApiContext& c, const Request& request) {
  std::string state(request.Param("state"));
  std::transform(state.begin(), state.end(), state.begin(),
                 [](unsigned char ch) { return static_cast<char>(std::tolower(ch)); });
  const bool any = state.empty() || state == "any";
  const std::string_view pool = request.Param("scrapePool");
  const auto wanted = [&](const std::string& p) { return pool.empty() || p == pool; };
  const scraper::TargetsSnapshot all =
      c.scraper ? c.scraper->Targets() : scraper::TargetsSnapshot{};
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginObject().Key("activeTargets").BeginArray();
  for (const TargetInfo& t : all.active) {
    if ((any || state == "active") && wanted(t.scrape_pool)) WriteActive(&w, t);
  }
  w.EndArray().Key("droppedTargets").BeginArray();
  const bool dropped = any || state == "dropped";
  for (const scraper::DroppedTarget& t : all.dropped) {
    if (!dropped || !wanted(t.scrape_pool)) continue;
    WriteLabels(&w.BeginObject().Key("discoveredLabels"), t.discovered_labels);
    w.Key("scrapePool").String(t.scrape_pool).EndObject();
  }
  w.EndArray().Key("droppedTargetCounts");
  if (dropped) {
    w.BeginObject();
    // Of all pools, whichever is asked for.
    for (const auto& [job, count] : all.dropped_counts) w.Key(job).Uint(count);
    w.EndObject();
  } else {
    w.Null();
  }
  w.EndObject();
  return out;
}

ApiResult TargetMetadata(const ApiContext& c, const Request& request) {
  ParamReader p(request);
  const int64_t limit = p.MetadataLimit("limit");
  if (!p.ok()) return p.error();
  std::vector<Matcher> matchers;
  if (const std::string_view text = request.Param("match_target"); !text.empty()) {
    auto parsed = query::ParseSelector(text);
    if (!parsed.ok()) return ApiResult::BadParameter("match_target", parsed.status().message());
    matchers = std::move(parsed).value();
  }
  const std::string_view metric = request.Param("metric");
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginArray();
  int64_t count = 0;
  if (c.scraper) {
    for (const scraper::TargetMetadata& m : c.scraper->Metadata()) {
      if (!MatchesAll(matchers, m.target)) continue;
      if (!metric.empty() && m.metadata.name != metric) continue;
      if (limit >= 0 && count++ >= limit) break;
      WriteLabels(&w.BeginObject().Key("target"), m.target);
      if (metric.empty()) w.Key("metric").String(m.metadata.name);
      w.Key("type").String(MetricTypeName(m.metadata.type)).Key("help").String(m.metadata.help);
      w.Key("unit").String(m.metadata.unit).EndObject();
    }
  }
  w.EndArray();
  return out;
}

void WriteRule(const RelabelRule& rule, JsonWriter* w) {
  w->BeginObject();
  if (!rule.source_labels.empty()) WriteStrings(&w->Key("sourceLabels"), rule.source_labels);
  const auto write = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) w->Key(key).String(value);
  };
  write("separator", rule.separator);
  write("regex", rule.regex.pattern());
  if (rule.modulus != 0) w->Key("modulus").Uint(rule.modulus);
  write("targetLabel", rule.target_label);
  write("replacement", rule.replacement);
  w->Key("action").String(RelabelActionName(rule.action)).EndObject();
}

// What each relabelling rule of a pool makes of `labels`, a JSON object, after the rules before it.
ApiResult RelabelSteps(const ApiContext& c, const Request& request) {
  const std::string_view pool = request.Param("scrapePool"), text = request.Param("labels");
  const auto bad = [](std::string reason) {
    return ApiResult::Error(ApiErrorType::kBadData, std::move(reason));
  };
  if (pool.empty()) return bad("no scrapePool parameter provided");
  if (text.empty()) return bad("no labels parameter provided");
  const auto parsed = Json::Parse(text);
  if (!parsed.ok()) return bad("error parsing labels: " + std::string(parsed.status().message()));
  if (!parsed->IsObject()) return bad("error parsing labels: not an object");
  LabelsBuilder labels;
  for (const auto& [name, value] : parsed->AsObject()) {
    if (!value.IsString()) return bad("error parsing labels: " + name + " is not a string");
    labels.Set(name, value.AsString());
  }
  const scraper::ScrapeConfigs configs = c.scrape_configs();
  const auto config = std::find_if(configs.begin(), configs.end(),
                                   [&](const auto& x) { return x->job_name == pool; });
  if (config == configs.end()) {
    return bad("error retrieving scrape config: scrape pool " + QuoteGo(pool) + " not found");
  }
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginObject().Key("steps").BeginArray();
  bool keep = true;
  for (const RelabelRule& rule : (*config)->relabel_rules) {
    keep = keep && Relabel({rule}, &labels);
    WriteRule(rule, &w.BeginObject().Key("rule"));
    WriteLabels(&w.Key("output"), keep ? labels.Build() : Labels());
    w.Key("keep").Bool(keep).EndObject();
  }
  w.EndArray().EndObject();
  return out;
}

ApiResult ScrapePools(const ApiContext& c, const Request&) {
  std::set<std::string> pools;
  if (c.scraper) {
    const scraper::TargetsSnapshot all = c.scraper->Targets();
    for (const TargetInfo& t : all.active) pools.insert(t.scrape_pool);
    for (const auto& [job, count] : all.dropped_counts) pools.insert(job);
  }
  ApiResult out;
  JsonWriter w(&out.data);
  WriteStrings(&w.BeginObject().Key("scrapePools"), {pools.begin(), pools.end()});
  w.EndObject();
  return out;
}

}  // namespace

void RegisterTargetsApi(Api* api) {
  const ApiContext* c = api->context();
  const auto add = [&](std::string_view path, auto function) {
    api->Add("GET", path, Lane::kControl,
             [c, function](const Request& r) { return function(*c, r); });
  };
  add("/targets", Targets);
  add("/targets/metadata", TargetMetadata);
  add("/targets/relabel_steps", RelabelSteps);
  add("/scrape_pools", ScrapePools);
}

}  // namespace deckwatch::server
