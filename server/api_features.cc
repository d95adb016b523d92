// /api/v1/features: what this server can do, by Prometheus's names, so that a client need not ask
// for its version.

#include "alerting/template.h"
#include "query/ast.h"
#include "query/functions.h"
#include "scraper/discovery/mechanisms.h"
#include "server/api.h"

namespace deckwatch::server {

namespace {

using Features = std::map<std::string, bool, std::less<>>;  // by name

Features PromqlFunctions() {
  Features out;
  for (const query::Function& f : query::AllFunctions()) out.emplace(f.name, true);
  return out;
}

// Aggregations count as operators, and so do the signs inside selectors.
Features PromqlOperators() {
  Features out{{"=~", true}, {"!~", true}, {"@", true}};
  for (int op = 0; op <= static_cast<int>(query::BinaryOp::kUnless); ++op) {
    out.emplace(query::BinaryOpSymbol(static_cast<query::BinaryOp>(op)), true);
  }
  for (int op = 0; op <= static_cast<int>(query::AggregateOp::kLimitRatio); ++op) {
    out.emplace(query::AggregateOpName(static_cast<query::AggregateOp>(op)), true);
  }
  return out;
}

Features Promql(const query::EngineOptions& options) {
  Features out;
  for (const char* name :
       {"anchored", "at_modifier", "bool", "by", "duration_expr", "fill", "fill_left", "fill_right",
        "group_left", "group_right", "ignoring", "negative_offset", "offset", "on",
        "per_query_lookback_delta", "smoothed", "subqueries", "without"}) {
    out.emplace(name, true);
  }
  out.emplace("delayed_name_removal", options.delayed_name_removal);
  out.emplace("use_start_timestamps", options.use_start_timestamps);
  out.emplace("per_step_stats", true);
  out.emplace("type_and_unit_labels", false);
  return out;
}

Features ServiceDiscovery() {
  Features out{{"static", true}};
  for (const scraper::DiscoveryMechanism& m : scraper::DiscoveryMechanisms()) {
    const std::string_view key = m.yaml_key;  // "docker_sd_configs"
    out.emplace(key.substr(0, key.find("_sd_configs")), true);
  }
  return out;
}

Features TemplateFunctions() {
  Features out;
  for (const auto& f : alerting::RuleTemplateFunctions()) out.emplace(f.name, true);
  return out;
}

Features HttpApi(const ApiContext& c) {
  const auto flag = [&](const char* name) {
    const auto it = c.flags.find(name);
    return it != c.flags.end() && it->second == "true";
  };
  return {{"admin", c.enable_admin},      {"exclude_alerts", true},
          {"label_values_match", true},   {"lifecycle", flag("web.enable-lifecycle")},
          {"otlp_write_receiver", false}, {"query_stats", true},
          {"query_warnings", true},       {"remote_write_receiver", c.enable_remote_write},
          {"time_range_labels", true},    {"time_range_series", true}};
}

ApiResult WriteFeatures(const ApiContext& c) {
  const std::map<std::string, Features> categories = {
      {"api", HttpApi(c)},
      {"prometheus", {{"agent_mode", false}, {"auto_reload_config", false}, {"server_mode", true}}},
      {"promql", Promql(c.engine->options())},
      {"promql_functions", PromqlFunctions()},
      {"promql_operators", PromqlOperators()},
      {"rules",
       {{"concurrent_rule_eval", false}, {"keep_firing_for", true}, {"query_offset", true}}},
      {"service_discovery_providers", ServiceDiscovery()},
      {"templating_functions", TemplateFunctions()},
      {"tsdb", {{"exemplar_storage", true}, {"isolation", true}, {"native_histograms", true}}}};
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginObject();
  for (const auto& [category, features] : categories) {
    w.Key(category).BeginObject();
    for (const auto& [name, there] : features) w.Key(name).Bool(there);
    w.EndObject();
  }
  w.EndObject();
  return out;
}

}  // namespace

void RegisterFeaturesApi(Api* api) {
  const ApiContext* c = api->context();
  api->Add("GET", "/features", Lane::kControl, [c](const Request&) { return WriteFeatures(*c); });
}

}  // namespace deckwatch::server
