// /api/v1/rules, alerts, alertmanagers.
#include <algorithm>
#include <charconv>
#include <tuple>

#include "query/parser.h"
#include "server/api.h"

namespace deckwatch::server {

namespace {

using alerting::ActiveAlert;
using alerting::RuleGroupSnapshot;
using alerting::RuleSnapshot;

// Go's 'e' format with the fewest digits: "1e+00".
std::string FormatScientific(double v) {
  if (v != v || v - v != 0) return FormatFloat(v);
  char buf[40];
  const auto end = std::to_chars(buf, buf + sizeof buf, v, std::chars_format::scientific).ptr;
  return {buf, end};
}

double Seconds(int64_t ms) {
  return static_cast<double>(ms) / 1000;
}

void WritePairs(JsonWriter* w, const alerting::KeyValues& pairs) {
  w->BeginObject();
  for (const auto& [key, value] : pairs) w->Key(key).String(value);
  w->EndObject();
}

void WriteAlert(JsonWriter* w, const ActiveAlert& a) {
  WriteLabels(&w->BeginObject().Key("labels"), a.labels);
  WritePairs(&w->Key("annotations"), a.annotations);
  w->Key("state").String(alerting::AlertStateName(a.state));
  w->Key("activeAt").String(FormatApiInstant(a.active_at_ms));
  if (a.keep_firing_since_ms != 0) {
    w->Key("keepFiringSince").String(FormatApiInstant(a.keep_firing_since_ms));
  }
  w->Key("value").String(FormatScientific(a.value)).EndObject();
}

void WriteAlerts(JsonWriter* w, const std::vector<ActiveAlert>& alerts, bool exclude) {
  if (exclude) {
    w->Null();
    return;
  }
  w->BeginArray();
  for (const ActiveAlert& a : alerts) WriteAlert(w, a);
  w->EndArray();
}

void WriteRule(JsonWriter* w, const RuleSnapshot& r, bool exclude_alerts) {
  w->BeginObject();
  if (r.alerting) w->Key("state").String(alerting::AlertStateName(r.state));
  w->Key("name").String(r.name).Key("query").String(r.query);
  if (r.alerting) {
    w->Key("duration").Double(Seconds(r.hold_ms));
    w->Key("keepFiringFor").Double(Seconds(r.keep_firing_for_ms));
  }
  if (r.alerting || !r.labels.empty()) WriteLabels(&w->Key("labels"), r.labels);
  if (r.alerting) {
    WritePairs(&w->Key("annotations"), r.annotations);
    WriteAlerts(&w->Key("alerts"), r.alerts, exclude_alerts);
  }
  w->Key("health").String(alerting::RuleHealthName(r.health));
  if (!r.last_error.empty()) w->Key("lastError").String(r.last_error);
  w->Key("evaluationTime").Double(r.evaluation_time_seconds);
  w->Key("lastEvaluation").String(FormatApiInstant(r.last_evaluation_ms));
  w->Key("type").String(r.alerting ? "alerting" : "recording").EndObject();
}

// Which groups and rules a request asks for.
struct RuleFilter {
  std::vector<std::string> names, groups, files;
  std::vector<std::vector<Matcher>> matcher_sets;
  std::string type;
  bool exclude_alerts = false;

  static bool Among(const std::vector<std::string>& set, const std::string& v) {
    return set.empty() || std::find(set.begin(), set.end(), v) != set.end();
  }
  bool Wants(const RuleGroupSnapshot& g) const {
    return Among(groups, g.name) && Among(files, g.file);
  }
  bool Wants(const RuleSnapshot& r) const {
    if (!Among(names, r.name)) return false;
    if (type == "alert" && !r.alerting) return false;
    if (type == "record" && r.alerting) return false;
    return matcher_sets.empty() ||
           std::any_of(matcher_sets.begin(), matcher_sets.end(),
                       [&](const auto& m) { return MatchesAll(m, r.labels); });
  }
  bool narrows_rules() const { return !names.empty() || !matcher_sets.empty() || !type.empty(); }
};

void WriteGroup(JsonWriter* w, const RuleGroupSnapshot& g,
                const std::vector<const RuleSnapshot*>& rules, bool exclude_alerts) {
  w->BeginObject().Key("name").String(g.name).Key("file").String(g.file);
  w->Key("rules").BeginArray();
  for (const RuleSnapshot* r : rules) WriteRule(w, *r, exclude_alerts);
  w->EndArray().Key("interval").Double(Seconds(g.interval_ms)).Key("limit").Int(g.limit);
  w->Key("evaluationTime").Double(g.evaluation_time_seconds);
  w->Key("lastEvaluation").String(FormatApiInstant(g.last_evaluation_ms)).EndObject();
}

// Names a group across requests, whatever else is added or removed meanwhile.
std::string GroupToken(const RuleGroupSnapshot& g) {
  const Labels id{{"file", g.file}, {"group", g.name}};
  char buf[20];
  const auto end = std::to_chars(buf, buf + sizeof buf, id.Hash(), 16).ptr;
  return {buf, end};
}

// Pages through groups: at most group_limit of them, beginning at group_next_token.
struct RulePage {
  size_t limit = 0;
  std::string_view from;
};

RulePage ReadPage(const Request& request, ParamReader* p) {
  RulePage page{0, request.Param("group_next_token")};
  const std::string_view text = request.Param("group_limit");
  if (text.empty()) {
    if (!page.from.empty()) {
      p->Fail("group_next_token",
              "group_limit needs to be present in order to paginate over the groups");
    }
    return page;
  }
  const auto limit = ParseApiInteger(text);
  if (!limit.ok()) {
    p->Fail("group_limit", "group_limit needs to be a valid number: strconv.ParseInt: " +
                               limit.status().message());
  } else if (*limit <= 0) {
    p->Fail("group_limit", "group_limit needs to be greater than 0");
  } else {
    page.limit = static_cast<size_t>(*limit);
  }
  return page;
}

ApiResult WriteGroups(const std::vector<RuleGroupSnapshot>& groups, const RuleFilter& filter,
                      const RulePage& page) {
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginObject().Key("groups").BeginArray();
  bool begun = page.from.empty();
  size_t written = 0;
  std::string next_token;
  for (const RuleGroupSnapshot& g : groups) {
    begun = begun || GroupToken(g) == page.from;
    if (!begun || !filter.Wants(g)) continue;
    std::vector<const RuleSnapshot*> rules;
    for (const RuleSnapshot& r : g.rules) {
      if (filter.Wants(r)) rules.push_back(&r);
    }
    if (rules.empty() && filter.narrows_rules()) continue;
    if (page.limit > 0 && written == page.limit) {
      next_token = GroupToken(g);
      break;
    }
    ++written;
    WriteGroup(&w, g, rules, filter.exclude_alerts);
  }
  w.EndArray();
  if (!next_token.empty()) w.Key("groupNextToken").String(next_token);
  w.EndObject();
  if (!begun) {
    return ApiResult::BadParameter(
        "group_next_token",
        "invalid group_next_token '" + std::string(page.from) + "'. were rule groups changed?");
  }
  return out;
}

ApiResult Rules(const ApiContext& c, const Request& request) {
  ParamReader p(request);
  RuleFilter filter;
  filter.names = request.Params("rule_name[]");
  filter.groups = request.Params("rule_group[]");
  filter.files = request.Params("file[]");
  filter.matcher_sets = p.Matchers();
  filter.type = request.Param("type");
  filter.exclude_alerts = p.Switch("exclude_alerts", "error converting exclude_alerts");
  const RulePage page = ReadPage(request, &p);
  if (!p.ok()) return p.error();
  if (!filter.type.empty() && filter.type != "alert" && filter.type != "record") {
    return ApiResult::BadParameter("type", "not supported value " + QuoteGo(filter.type));
  }
  std::vector<RuleGroupSnapshot> groups;
  if (c.alerting) groups = c.alerting->RuleGroups();
  std::sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
    return std::tie(a.file, a.name) < std::tie(b.file, b.name);
  });
  return WriteGroups(groups, filter, page);
}

ApiResult Alerts(const ApiContext& c, const Request&) {
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginObject().Key("alerts").BeginArray();
  if (c.alerting) {
    for (const ActiveAlert& a : c.alerting->ActiveAlerts()) WriteAlert(&w, a);
  }
  w.EndArray().EndObject();
  return out;
}

ApiResult Alertmanagers(const ApiContext& c, const Request&) {
  alerting::NotifierSnapshot known;
  if (c.alerting) known = c.alerting->Alertmanagers();
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginObject().Key("activeAlertmanagers").BeginArray();
  for (const auto& a : known.active) w.BeginObject().Key("url").String(a.url).EndObject();
  w.EndArray().Key("droppedAlertmanagers").BeginArray();
  for (const auto& url : known.dropped_urls) w.BeginObject().Key("url").String(url).EndObject();
  w.EndArray().EndObject();
  return out;
}

}  // namespace

void RegisterRulesApi(Api* api) {
  const ApiContext* c = api->context();
  api->Add("GET", "/rules", Lane::kControl, [c](const Request& r) { return Rules(*c, r); });
  api->Add("GET", "/alerts", Lane::kControl, [c](const Request& r) { return Alerts(*c, r); });
  api->Add("GET", "/alertmanagers", Lane::kControl,
           [c](const Request& r) { return Alertmanagers(*c, r); });
}

}  // namespace deckwatch::server
