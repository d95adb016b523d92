#include "dashboard/data/decode.h"

#include <algorithm>

#include "base/clock.h"
#include "base/json.h"

namespace deckwatch::dashboard {
namespace {

// The "data" member of a successful answer.
Result<Json> ParseData(std::string_view body) {
  auto root = Json::Parse(body);
  if (!root.ok()) return Status::Corruption(root.status().message());
  if ((*root)["status"].AsString() == "error") {
    return Status::InvalidArgument((*root)["error"].AsString());
  }
  if (!root->Has("data")) return Status::Corruption("answer has no data");
  return (*root)["data"];
}

int64_t TimeMs(const Json& text) {
  const auto t = ParseRfc3339Ms(text.AsString());
  return t.ok() && *t > 0 ? *t : 0;  // Go's zero time means "never"
}

LabelPairs Pairs(const Json& object, std::initializer_list<std::string_view> without) {
  LabelPairs out;
  for (const auto& [name, value] : object.AsObject()) {
    if (std::find(without.begin(), without.end(), name) == without.end()) {
      out.emplace_back(name, value.AsString());
    }
  }
  return out;
}

Severity ToSeverity(const std::string& text) {
  if (text == "critical" || text == "page" || text == "error") return Severity::kCritical;
  if (text == "info" || text == "none") return Severity::kInfo;
  return Severity::kWarning;
}

}  // namespace

Result<std::vector<Target>> DecodeTargets(std::string_view body) {
  TRY_ASSIGN(const Json data, ParseData(body));
  if (!data["activeTargets"].IsArray()) return Status::Corruption("targets: no activeTargets");
  std::vector<Target> out;
  for (const Json& t : data["activeTargets"].AsArray()) {
    Target target;
    target.job = t["labels"]["job"].AsString();
    target.instance = t["labels"]["instance"].AsString();
    target.scrape_url = t["scrapeUrl"].AsString();
    target.health = t["health"].AsString();
    target.last_error = t["lastError"].AsString();
    target.last_scrape_ms = TimeMs(t["lastScrape"]);
    target.last_duration_s = t["lastScrapeDuration"].AsDouble();
    const auto interval = ParseDurationMs(t["scrapeInterval"].AsString());
    if (interval.ok()) target.interval_ms = *interval;
    out.push_back(std::move(target));
  }
  std::sort(out.begin(), out.end(), [](const Target& a, const Target& b) {
    return std::tie(a.job, a.instance) < std::tie(b.job, b.instance);
  });
  return out;
}

Result<std::vector<Alert>> DecodeAlerts(std::string_view body) {
  TRY_ASSIGN(const Json data, ParseData(body));
  if (!data["alerts"].IsArray()) return Status::Corruption("alerts: no alerts");
  std::vector<Alert> out;
  for (const Json& a : data["alerts"].AsArray()) {
    Alert alert;
    alert.name = a["labels"]["alertname"].AsString();
    alert.severity = ToSeverity(a["labels"]["severity"].AsString());
    alert.firing = a["state"].AsString() == "firing";
    alert.active_since_ms = TimeMs(a["activeAt"]);
    alert.labels = Pairs(a["labels"], {"alertname", "severity"});
    alert.annotations = Pairs(a["annotations"], {});
    for (const char* key : {"summary", "message", "description"}) {
      if (alert.summary.empty()) alert.summary = a["annotations"][key].AsString();
    }
    out.push_back(std::move(alert));
  }
  // Worst first; of equals the newest, which is what the person on call has not seen yet.
  std::sort(out.begin(), out.end(), [](const Alert& a, const Alert& b) {
    return std::tuple(!a.firing, a.severity, -a.active_since_ms, a.name) <
           std::tuple(!b.firing, b.severity, -b.active_since_ms, b.name);
  });
  return out;
}

Result<RuleSummary> DecodeRules(std::string_view body) {
  TRY_ASSIGN(const Json data, ParseData(body));
  if (!data["groups"].IsArray()) return Status::Corruption("rules: no groups");
  RuleSummary out;
  for (const Json& group : data["groups"].AsArray()) {
    ++out.groups;
    out.last_evaluation_ms = std::max(out.last_evaluation_ms, TimeMs(group["lastEvaluation"]));
    for (const Json& rule : group["rules"].AsArray()) {
      ++(rule["type"].AsString() == "alerting" ? out.alerting : out.recording);
      if (const std::string& error = rule["lastError"].AsString(); !error.empty()) {
        out.errors.push_back(rule["name"].AsString() + ": " + error);
      }
    }
  }
  return out;
}

Result<std::string> DecodeBuildVersion(std::string_view body) {
  TRY_ASSIGN(const Json data, ParseData(body));
  return data["version"].AsString();
}

Result<std::vector<std::string>> DecodeNames(std::string_view body) {
  TRY_ASSIGN(const Json data, ParseData(body));
  if (!data.IsArray()) return Status::Corruption("label values: not a list");
  std::vector<std::string> out;
  for (const Json& name : data.AsArray()) out.push_back(name.AsString());
  return out;
}

}  // namespace deckwatch::dashboard
