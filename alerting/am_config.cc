#include "alerting/am_config.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include <glob.h>

#include "alerting/am_matchers.h"
#include "alerting/am_receivers.h"

namespace deckwatch::alerting {
namespace {

constexpr int kMaxRouteDepth = 64;

// `matchers`, a list of texts, plus the older maps of equalities and of regular expressions.
Status ParseMatcherKeys(const YamlNode& node, YamlDecoder* d, const std::string& list,
                        const std::string& equal, const std::string& regex,
                        std::vector<Matcher>* out) {
  std::vector<std::string> texts;
  KeyValues equals, regexes;
  d->Strings(list, &texts).StringMap(equal, &equals).StringMap(regex, &regexes);
  for (const auto& [name, value] : equals) out->push_back(Matcher::Equal(name, value));
  const YamlNode* map = node.Find(regex);
  for (const auto& [name, value] : regexes) {
    if (map->Find(name)->IsNull()) return d->ErrorAt(regex, "empty regex for label " + name);
    if (!IsLegacyMetricName(name)) return d->ErrorAt(regex, "invalid label name " + QuoteGo(name));
    Result<Matcher> m = Matcher::Create(MatchType::kRegex, name, value);
    if (!m.ok()) return d->ErrorAt(regex, m.status().message());
    out->push_back(std::move(*m));
  }
  for (const std::string& text : texts) {
    Result<std::vector<Matcher>> matchers = ParseAlertMatchers(text);
    if (!matchers.ok()) return d->ErrorAt(list, matchers.status().message());
    out->insert(out->end(), matchers->begin(), matchers->end());
  }
  return Status::Ok();
}

Status ParseGroupBy(YamlDecoder* d, Route* route) {
  std::vector<std::string> names;
  if (!d->Has("group_by")) return Status::Ok();
  d->Strings("group_by", &names);
  route->group_by_all = std::ranges::find(names, "...") != names.end();
  if (route->group_by_all && names.size() > 1) {
    return d->ErrorAt("group_by",
                      "cannot have wildcard group_by (`...`) and other labels at the same time");
  }
  std::ranges::sort(names);
  if (std::ranges::adjacent_find(names) != names.end()) {
    return d->ErrorAt("group_by", "duplicated label");
  }
  for (const std::string& name : names) {
    if (name.empty() || !IsValidUtf8(name)) {
      return d->ErrorAt("group_by", "invalid label name " + QuoteGo(name));
    }
  }
  route->group_by = route->group_by_all ? std::vector<std::string>() : std::move(names);
  return Status::Ok();
}

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status::NotFound("open " + path + ": no such file or not readable");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class ConfigParser {
 public:
  explicit ConfigParser(const std::string& file) : file_(file) {}

  Result<AmConfig> Run(const YamlNode& root) {
    YamlDecoder d(root, file_, "alertmanager configuration");
    AmGlobal global;
    d.Child("global", [&](const YamlNode& n) { return ParseAmGlobal(n, file_, &global); });
    d.Strings("templates", &config_.templates);
    d.Each("receivers", [&](const YamlNode& n) { return OneReceiver(n, global); });
    for (const char* key : {"mute_time_intervals", "time_intervals"}) {
      d.Each(key, [&](const YamlNode& n) { return OneTimeInterval(n); });
    }
    d.Each("inhibit_rules", [&](const YamlNode& n) { return OneInhibitRule(n); });
    d.Child("route", [&](const YamlNode& n) { return Root(n); });
    d.Ignore("event_recorder").Ignore("tracing");
    TRY(d.Finish());
    const YamlNode* route = root.Find("route");
    if (route == nullptr || route->IsNull()) return d.Error("no routes provided");
    config_.resolve_timeout_ms = global.resolve_timeout_ms;
    for (std::string& t : config_.templates) t = ResolvePath(file_, t);
    return std::move(config_);
  }

 private:
  Status OneReceiver(const YamlNode& node, const AmGlobal& global) {
    Receiver receiver;
    TRY(ParseReceiver(node, file_, global, &receiver));
    if (config_.FindReceiver(receiver.name) != nullptr) {
      return YamlDecoder(node, file_, "receiver")
          .ErrorAt("name", "notification config name " + QuoteGo(receiver.name) + " is not unique");
    }
    config_.receivers.push_back(std::move(receiver));
    return Status::Ok();
  }

  Status OneTimeInterval(const YamlNode& node) {
    NamedTimeIntervals intervals;
    TRY(ParseTimeIntervals(node, file_, &intervals));
    if (config_.FindTimeIntervals(intervals.name) != nullptr) {
      return YamlDecoder(node, file_, "time_intervals")
          .ErrorAt("name", "time interval " + QuoteGo(intervals.name) + " is not unique");
    }
    config_.time_intervals.push_back(std::move(intervals));
    return Status::Ok();
  }

  Status OneInhibitRule(const YamlNode& node) {
    YamlDecoder d(node, file_, "inhibit_rule");
    InhibitRule rule;
    d.String("name", &rule.name).Strings("equal", &rule.equal);
    TRY(ParseMatcherKeys(node, &d, "source_matchers", "source_match", "source_match_re",
                         &rule.source_matchers));
    TRY(ParseMatcherKeys(node, &d, "target_matchers", "target_match", "target_match_re",
                         &rule.target_matchers));
    TRY(d.Finish());
    for (const std::string& name : rule.equal) {
      if (name.empty() || !IsValidUtf8(name)) {
        return d.ErrorAt("equal", "invalid label name " + QuoteGo(name));
      }
    }
    config_.inhibit_rules.push_back(std::move(rule));
    return Status::Ok();
  }

  Status Root(const YamlNode& node) {
    if (node.IsNull()) return Status::Ok();
    config_.route.key = "{}";
    TRY(OneRoute(node, &config_.route, 0));
    const YamlDecoder d(node, file_, "route");
    const Route& root = config_.route;
    if (root.receiver.empty()) return d.Error("root route must specify a default receiver");
    if (!root.matchers.empty()) return d.Error("root route must not have any matchers");
    if (root.continues) return d.ErrorAt("continue", "cannot have continue in root route");
    if (!root.mute_time_intervals.empty()) {
      return d.Error("root route must not have any mute time intervals");
    }
    if (!root.active_time_intervals.empty()) {
      return d.Error("root route must not have any active time intervals");
    }
    return Status::Ok();
  }

  // `route` holds what it inherits.
  Status OneRoute(const YamlNode& node, Route* route, int depth) {
    YamlDecoder d(node, file_, "route");
    if (depth > kMaxRouteDepth) return d.Error("routes are nested too deeply");
    d.String("receiver", &route->receiver).Bool("continue", &route->continues);
    d.Duration("group_wait", &route->group_wait_ms);
    d.Duration("group_interval", &route->group_interval_ms);
    d.Duration("repeat_interval", &route->repeat_interval_ms);
    d.Strings("mute_time_intervals", &route->mute_time_intervals);
    d.Strings("active_time_intervals", &route->active_time_intervals);
    d.StringMap("labels", &route->labels);
    TRY(ParseGroupBy(&d, route));
    TRY(ParseMatcherKeys(node, &d, "matchers", "match", "match_re", &route->matchers));
    if (depth > 0) route->key += "/" + MatchersToString(route->matchers);
    d.Each("routes", [&](const YamlNode& n) {
      Route child = *route;
      child.matchers.clear(), child.routes.clear();
      child.mute_time_intervals.clear(), child.active_time_intervals.clear();
      child.continues = false;
      TRY(OneRoute(n, &child, depth + 1));
      route->routes.push_back(std::move(child));
      return Status::Ok();
    });
    TRY(d.Finish());
    return CheckRoute(d, *route);
  }

  Status CheckRoute(const YamlDecoder& d, const Route& route) const {
    if (route.group_interval_ms == 0) {
      return d.ErrorAt("group_interval", "group_interval cannot be zero");
    }
    if (route.repeat_interval_ms == 0) {
      return d.ErrorAt("repeat_interval", "repeat_interval cannot be zero");
    }
    if (!route.receiver.empty() && config_.FindReceiver(route.receiver) == nullptr) {
      return d.ErrorAt("receiver",
                       "undefined receiver " + QuoteGo(route.receiver) + " used in route");
    }
    for (const auto* names : {&route.mute_time_intervals, &route.active_time_intervals}) {
      for (const std::string& name : *names) {
        if (config_.FindTimeIntervals(name) == nullptr) {
          return d.Error("undefined time interval " + QuoteGo(name) + " used in route");
        }
      }
    }
    return Status::Ok();
  }

  const std::string& file_;
  AmConfig config_;
};

}  // namespace

std::vector<const Route*> Route::Match(LabelsView alert) const {
  if (!MatchesAll(matchers, alert)) return {};
  std::vector<const Route*> out;
  for (const Route& child : routes) {
    const std::vector<const Route*> taken = child.Match(alert);
    out.insert(out.end(), taken.begin(), taken.end());
    if (!taken.empty() && !child.continues) break;
  }
  if (out.empty()) out.push_back(this);
  return out;
}

Labels Route::GroupLabels(LabelsView alert) const {
  LabelsBuilder b(alert);
  if (!group_by_all) b.Keep(group_by);
  return b.Build();
}

const Receiver* AmConfig::FindReceiver(std::string_view name) const {
  const auto it = std::ranges::find(receivers, name, &Receiver::name);
  return it == receivers.end() ? nullptr : &*it;
}

const NamedTimeIntervals* AmConfig::FindTimeIntervals(std::string_view name) const {
  const auto it = std::ranges::find(time_intervals, name, &NamedTimeIntervals::name);
  return it == time_intervals.end() ? nullptr : &*it;
}

Result<AmConfig> ParseAmConfig(std::string_view text, const std::string& file) {
  TRY_ASSIGN(const YamlNode root, ParseYaml(text, file));
  TRY_ASSIGN(AmConfig config, ConfigParser(file).Run(root));
  config.text = text;
  return config;
}

Result<AmConfig> ParseAmConfigFile(const std::string& path) {
  TRY_ASSIGN(const std::string text, ReadFile(path));
  TRY_ASSIGN(AmConfig config, ParseAmConfig(text, path));
  for (const std::string& pattern : config.templates) {
    glob_t found{};
    const bool any = glob(pattern.c_str(), 0, nullptr, &found) == 0;
    const std::vector<std::string> files(found.gl_pathv,
                                         found.gl_pathv + (any ? found.gl_pathc : 0));
    globfree(&found);
    for (const std::string& file : files) {
      TRY_ASSIGN(const std::string templates, ReadFile(file));
      TRY(config.template_set.Add(file, templates));
    }
  }
  return config;
}

}  // namespace deckwatch::alerting
