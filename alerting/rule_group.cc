#include "alerting/rule_group.h"

#include <algorithm>

#include "alerting/rule_template.h"
#include "alerting/template_builtins.h"
#include "base/bytes.h"
#include "base/log.h"

namespace deckwatch::alerting {
namespace {

// Rows: "rules/<file>;<group>" NUL -> last evaluation (signed varint), and
//       "rules/<file>;<group>" NUL <rule> NUL <fingerprint> -> EncodeRuleAlert.
constexpr std::string_view kRowPrefix = "rules/";
constexpr std::string_view kAlertName = "alertname";

std::string GroupPrefix(const std::string& group_key) {
  return std::string(kRowPrefix) + group_key + '\0';
}

Labels ToLabels(const KeyValues& pairs) {
  LabelsBuilder b;
  for (const auto& [name, value] : pairs) b.Set(name, value);
  return b.Build();
}

// A scalar counts as one sample without labels.
Result<std::vector<query::ResultSeries>> Samples(const query::QueryResult& result) {
  if (result.type == query::ValueType::kVector) return result.series;
  if (result.type != query::ValueType::kScalar) {
    return Status::InvalidArgument("rule result is not a vector or scalar");
  }
  query::ResultSeries one;
  one.t_ms = {result.scalar_t_ms};
  one.value = {result.scalar};
  return std::vector<query::ResultSeries>{std::move(one)};
}

Status CheckLimit(int64_t limit, size_t n, const char* what) {
  if (limit <= 0 || n <= static_cast<size_t>(limit)) return Status::Ok();
  return Status::ResourceExhausted("exceeded limit of " + std::to_string(limit) + " with " +
                                   std::to_string(n) + " " + what);
}

double Seconds(int64_t from_ns, int64_t to_ns) {
  return static_cast<double>(to_ns - from_ns) / 1e9;
}

}  // namespace

struct RuleGroup::Rule {
  RuleConfig config;
  std::vector<RuleTemplate> labels, annotations;  // parallel to those of `config`; alerting only
  std::string row_prefix;
  RuleAlerts alerts;
  std::set<Labels> series;  // written by the last evaluation
  RuleHealth health = RuleHealth::kUnknown;
  std::string last_error;
  bool incomplete = false;  // so was the last evaluation: said once
  double seconds = 0;
  int64_t last_evaluation_ms = 0;
};

RuleGroup::RuleGroup(RuleGroupConfig config, std::shared_ptr<const RuleEnvironment> env)
    : config_(std::move(config)),
      env_(std::move(env)),
      query_(env_->query(config_.file, config_.name)) {}
RuleGroup::~RuleGroup() = default;

std::string RuleGroup::GroupKey(const RuleGroupConfig& config) {
  return config.file + ";" + config.name;
}

Result<std::unique_ptr<RuleGroup>> RuleGroup::Create(RuleGroupConfig config,
                                                     std::shared_ptr<const RuleEnvironment> env) {
  std::unique_ptr<RuleGroup> group(new RuleGroup(std::move(config), std::move(env)));
  // Rules of one name and label set are told apart by their order.
  std::map<std::string, int> seen;
  for (const RuleConfig& rule : group->config_.rules) {
    const std::string id = rule.name + ToLabels(rule.labels).ToString();
    group->rules_.emplace_back();
    Rule& made = group->rules_.back();
    made.config = rule;
    made.row_prefix = GroupPrefix(group->key()) + id + "#" + std::to_string(seen[id]++) + '\0';
    if (!rule.alerting) continue;
    for (const auto& [name, text] : rule.labels) made.labels.emplace_back(rule.name, text);
    for (const auto& [name, text] : rule.annotations) {
      made.annotations.emplace_back(rule.name, text);
    }
  }
  TRY(group->Load());
  group->Publish(0, 0, 0);
  return group;
}

Status RuleGroup::Load() {
  const std::string prefix = GroupPrefix(key());
  Status status;
  TRY(env_->state->Scan(prefix, [&](std::string_view row_key, std::string_view row) {
    if (row_key.size() == prefix.size()) {
      Reader r(row);
      if (!r.GetSignedVarint(&last_evaluation_ms_)) status = Status::Corruption("rule group row");
      return status.ok();
    }
    Labels labels;
    RuleAlert alert;
    status = DecodeRuleAlert(row, &labels, &alert);
    if (!status.ok()) return false;
    const auto rule = std::ranges::find_if(
        rules_, [&](const Rule& r) { return row_key.starts_with(r.row_prefix); });
    if (rule != rules_.end()) {
      rule->alerts.emplace(std::move(labels), std::move(alert));
    } else {
      leftover_alerts_.emplace_back(std::string(row_key),
                                    Alert{.labels = std::move(labels),
                                          .annotations = std::move(alert.annotations),
                                          .starts_at_ms = alert.fired_at_ms,
                                          .ends_at_ms = alert.resolved_at_ms,
                                          .updated_at_ms = 0,
                                          .generator_url = ""});
    }
    return true;
  }));
  return status.Annotate("rule group " + key());
}

Result<std::vector<RuleGroupConfig>> RuleGroup::StoredGroups(const StateStore& state) {
  std::vector<RuleGroupConfig> groups;
  TRY(state.Scan(kRowPrefix, [&](std::string_view row_key, std::string_view) {
    row_key.remove_prefix(kRowPrefix.size());
    const std::string_view key = row_key.substr(0, row_key.find('\0'));
    if (groups.empty() || GroupKey(groups.back()) != key) {
      const size_t split = std::min(key.rfind(';'), key.size());
      groups.emplace_back();
      groups.back().file = key.substr(0, split);
      groups.back().name = key.substr(std::min(split + 1, key.size()));
    }
    return true;
  }));
  return groups;
}

int64_t RuleGroup::NextEvaluationMs(int64_t now_ms) const {
  const int64_t interval = config_.interval_ms;
  const auto shift = static_cast<int64_t>(StableHash(key()) % static_cast<uint64_t>(interval));
  const int64_t since = now_ms - shift;
  const int64_t floor = since - ((since % interval) + interval) % interval;
  return floor + shift + interval;
}

void RuleGroup::CountMissed(uint64_t evaluations) {
  MutexLock lock(mutex_);
  snapshot_.missed_evaluations += evaluations;
}

void RuleGroup::Adopt(RuleGroup* old) {
  for (Rule& before : old->rules_) {
    const auto now = std::ranges::find(rules_, before.row_prefix, &Rule::row_prefix);
    std::set<Labels>& series = now != rules_.end() ? now->series : leftover_series_;
    series.merge(before.series);
    if (now == rules_.end()) continue;
    for (auto& [labels, alert] : now->alerts) {
      const auto known = before.alerts.find(labels);
      if (known != before.alerts.end()) alert = known->second;
    }
  }
  leftover_series_.merge(old->leftover_series_);
  last_evaluation_ms_ = 0;  // no outage: nothing to restore
}

std::vector<Alert> RuleGroup::Evaluate(int64_t ts_ms) {
  const int64_t begin_ns = env_->clock->MonotonicNs();
  std::vector<Alert> to_send;
  uint64_t failures = 0;
  RestoreOnce(ts_ms);
  ResolveLeftovers(ts_ms, &to_send);
  for (Rule& rule : rules_) {
    const int64_t rule_begin_ns = env_->clock->MonotonicNs();
    const Status status = EvaluateRule(&rule, ts_ms, &to_send);
    rule.seconds = Seconds(rule_begin_ns, env_->clock->MonotonicNs());
    rule.last_evaluation_ms = ts_ms;
    rule.health = status.ok() ? RuleHealth::kOk : RuleHealth::kError;
    rule.last_error = status.message();
    if (!status.ok()) {
      ++failures;
      LogWarn("rule failed", {{"file", config_.file},
                              {"group", config_.name},
                              {"rule", rule.config.name},
                              {"err", status}});
    }
  }
  StateChange mark{GroupPrefix(key()), std::nullopt};
  if (!rules_.empty()) {
    mark.value.emplace();
    PutSignedVarint(&*mark.value, ts_ms);
  }
  if (Status s = env_->state->Apply({mark}); !s.ok()) {
    LogError("rule group state not stored", {{"group", key()}, {"err", s}});
  }
  Publish(ts_ms, Seconds(begin_ns, env_->clock->MonotonicNs()), failures);
  return to_send;
}

// The first evaluation after a restart: what was read from the rows is fitted to the time now.
void RuleGroup::RestoreOnce(int64_t ts_ms) {
  const int64_t last_ms = std::exchange(last_evaluation_ms_, 0);
  if (last_ms == 0) return;
  for (Rule& rule : rules_) {
    RuleAlerts restored = rule.alerts;
    RestoreAlerts({.hold_ms = rule.config.hold_ms,
                   .last_evaluation_ms = last_ms,
                   .outage_tolerance_ms = env_->outage_tolerance_ms,
                   .grace_period_ms = env_->for_grace_period_ms},
                  ts_ms, &restored);
    const Status status = Commit(rule, restored);
    if (!status.ok()) LogError("restored alerts not stored", {{"group", key()}, {"err", status}});
    rule.alerts = std::move(restored);
  }
}

// What rules that are gone have left behind ends now.
void RuleGroup::ResolveLeftovers(int64_t ts_ms, std::vector<Alert>* to_send) {
  if (!leftover_series_.empty()) {
    Rule gone;
    gone.series = std::exchange(leftover_series_, {});
    const Status s = Write(&gone, {}, ts_ms - config_.query_offset_ms);
    if (!s.ok()) LogWarn("stale markers not stored", {{"group", key()}, {"err", s}});
  }
  if (leftover_alerts_.empty()) return;
  std::vector<StateChange> changes;
  for (const auto& [row_key, alert] : leftover_alerts_) changes.push_back({row_key, std::nullopt});
  for (auto& [row_key, alert] : leftover_alerts_) {
    if (alert.starts_at_ms == 0) continue;  // was only pending
    if (alert.ends_at_ms == 0) alert.ends_at_ms = ts_ms;
    alert.updated_at_ms = ts_ms;
    to_send->push_back(alert);
  }
  if (env_->state->Apply(changes).ok()) leftover_alerts_.clear();
}

Status RuleGroup::EvaluateRule(Rule* rule, int64_t ts_ms, std::vector<Alert>* to_send) {
  const int64_t t_ms = ts_ms - config_.query_offset_ms;
  TRY_ASSIGN(const query::QueryResult result, query_(rule->config.expr, t_ms));
  if (result.incomplete && !rule->incomplete) {
    LogWarn("rule evaluated without samples that are lost",
            {{"file", config_.file},
             {"group", config_.name},
             {"rule", rule->config.name},
             {"lost", result.annotations.warnings.back()}});
  }
  rule->incomplete = result.incomplete;
  std::vector<Sample> samples;
  if (rule->config.alerting) {
    TRY(Alarm(rule, result, ts_ms, &samples, to_send));
  } else {
    TRY(Record(*rule, result, &samples));
  }
  return Write(rule, std::move(samples), t_ms);
}

Status RuleGroup::Record(const Rule& rule, const query::QueryResult& result,
                         std::vector<Sample>* samples) {
  TRY_ASSIGN(const std::vector<query::ResultSeries> series, Samples(result));
  TRY(CheckLimit(config_.limit, series.size(), "series"));
  std::set<Labels> seen;
  LabelsBuilder builder;
  for (const query::ResultSeries& s : series) {
    builder.Reset(s.labels);
    builder.Set(kMetricName, rule.config.name);
    for (const auto& [name, value] : rule.config.labels) builder.Set(name, value);
    Labels labels = builder.Build();
    if (!seen.insert(labels).second) {
      return Status::InvalidArgument(
          "vector contains metrics with the same labelset after applying rule labels");
    }
    samples->push_back({std::move(labels), s.value.empty() ? 0 : s.value[0],
                        s.histogram.empty() ? nullptr : s.histogram[0]});
  }
  return Status::Ok();
}

Status RuleGroup::Alarm(Rule* rule, const query::QueryResult& result, int64_t ts_ms,
                        std::vector<Sample>* samples, std::vector<Alert>* to_send) {
  TRY_ASSIGN(const std::vector<query::ResultSeries> series, Samples(result));
  const TemplateContext context{.query = &query_,
                                .now_ms = ts_ms - config_.query_offset_ms,
                                .external_url = env_->external_url};
  std::map<Labels, AlertInstance> seen;
  for (const query::ResultSeries& s : series) {
    const double value = s.value.empty() ? 0 : s.value[0];
    const RuleTemplateData data(s.labels, value, env_->external_labels, env_->external_url);
    LabelsBuilder builder(s.labels);
    builder.Del(kMetricName);
    for (size_t i = 0; i < rule->labels.size(); ++i) {
      builder.Set(rule->config.labels[i].first, rule->labels[i].Expand(data, context));
    }
    builder.Set(kAlertName, rule->config.name);
    AlertInstance instance{.annotations = {}, .value = value};
    for (size_t i = 0; i < rule->annotations.size(); ++i) {
      instance.annotations.emplace_back(rule->config.annotations[i].first,
                                        rule->annotations[i].Expand(data, context));
    }
    // An alert that is silent is worse than one that may be wrong, and says so.
    if (result.incomplete) {
      instance.annotations.emplace_back("incomplete", result.annotations.warnings.back());
      std::ranges::sort(instance.annotations);
    }
    if (!seen.emplace(builder.Build(), std::move(instance)).second) {
      return Status::InvalidArgument(
          "vector contains metrics with the same labelset after applying alert labels");
    }
  }
  // Worked out on a copy: a breached limit or a failed commit leaves everything as it was.
  TRY(CheckLimit(config_.limit, seen.size(), "alerts"));
  RuleAlerts next = rule->alerts;
  AdvanceAlerts(
      {.hold_ms = rule->config.hold_ms, .keep_firing_for_ms = rule->config.keep_firing_for_ms},
      seen, ts_ms, &next);
  TRY(Commit(*rule, next));
  rule->alerts = std::move(next);

  const std::string url = env_->external_url + TableLink(rule->config.query);
  for (auto& [labels, a] : rule->alerts) {
    if (a.state != AlertState::kInactive) {
      LabelsBuilder builder(labels);
      builder.Set(kMetricName, "ALERTS_FOR_STATE");
      samples->push_back({builder.Build(), static_cast<double>(a.active_at_ms / 1000), nullptr});
      builder.Set(kMetricName, "ALERTS").Set("alertstate", AlertStateName(a.state));
      samples->push_back({builder.Build(), 1, nullptr});
    }
    if (!NeedsSending(a, ts_ms, env_->resend_delay_ms)) continue;
    a.last_sent_ms = ts_ms;
    to_send->push_back({.labels = labels,
                        .annotations = a.annotations,
                        .starts_at_ms = a.fired_at_ms,
                        .ends_at_ms = a.resolved_at_ms,
                        .updated_at_ms = ts_ms,
                        .generator_url = url});
  }
  return Status::Ok();
}

Status RuleGroup::Commit(const Rule& rule, const RuleAlerts& next) const {
  std::vector<StateChange> changes;
  const auto row_key = [&](const Labels& labels) {
    return rule.row_prefix + FingerprintHex(Fingerprint(labels));
  };
  for (const auto& [labels, alert] : rule.alerts) {
    if (!next.contains(labels)) changes.push_back({row_key(labels), std::nullopt});
  }
  for (const auto& [labels, alert] : next) {
    const auto before = rule.alerts.find(labels);
    if (before == rule.alerts.end() || !before->second.SameRow(alert)) {
      changes.push_back({row_key(labels), EncodeRuleAlert(labels, alert)});
    }
  }
  return changes.empty() ? Status::Ok() : env_->state->Apply(changes).Annotate("store alert state");
}

// Stores the samples, and stale markers for what the rule wrote last time but not now.
Status RuleGroup::Write(Rule* rule, std::vector<Sample> samples, int64_t t_ms) {
  std::set<Labels> written;
  for (const Sample& s : samples) written.insert(s.labels);
  for (const Labels& l : rule->series) {
    if (!written.contains(l)) samples.push_back({l, StaleNan(), nullptr});
  }
  if (samples.empty()) return Status::Ok();
  std::vector<LabelsView> labels;
  for (const Sample& s : samples) labels.push_back(s.labels);
  std::vector<SeriesRef> refs(samples.size(), kNoSeries);
  const uint64_t group = StableHash(key()) | 1;  // 0 would mean "derive it"
  const Status resolved = env_->appender->Resolve(labels, group, refs);
  if (!resolved.ok() && resolved.code() != StatusCode::kResourceExhausted) return resolved;
  WriteBatch batch;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (samples[i].histogram != nullptr) {
      batch.histograms.push_back({refs[i], t_ms, samples[i].histogram});
    } else {
      batch.Add(refs[i], t_ms, samples[i].value);
    }
  }
  TRY_ASSIGN(const AppendResult result, env_->appender->Commit(batch));
  rule->series = std::move(written);
  // Forgotten between Resolve and Commit: rare, and the next evaluation names the series again.
  const uint64_t forgotten = result.unknown_ref.size() + result.unknown_histogram.size();
  if (result.too_old + result.too_far_ahead + result.conflicting + forgotten > 0) {
    LogWarn("samples of a rule were refused", {{"rule", rule->config.name},
                                               {"too_old", result.too_old},
                                               {"too_far_ahead", result.too_far_ahead},
                                               {"conflicting", result.conflicting},
                                               {"forgotten", forgotten}});
  }
  return resolved;
}

void RuleGroup::Publish(int64_t ts_ms, double seconds, uint64_t failures) {
  RuleGroupSnapshot next{.name = config_.name,
                         .file = config_.file,
                         .interval_ms = config_.interval_ms,
                         .limit = config_.limit,
                         .evaluation_time_seconds = seconds,
                         .last_evaluation_ms = ts_ms,
                         .evaluations = ts_ms != 0,
                         .evaluation_failures = failures,
                         .missed_evaluations = 0,
                         .rules = {}};
  for (const Rule& rule : rules_) {
    RuleSnapshot r{.alerting = rule.config.alerting,
                   .name = rule.config.name,
                   .query = rule.config.query,
                   .labels = ToLabels(rule.config.labels),
                   .health = rule.health,
                   .last_error = rule.last_error,
                   .evaluation_time_seconds = rule.seconds,
                   .last_evaluation_ms = rule.last_evaluation_ms,
                   .state = AlertState::kInactive,
                   .hold_ms = rule.config.hold_ms,
                   .keep_firing_for_ms = rule.config.keep_firing_for_ms,
                   .annotations = rule.config.annotations,
                   .alerts = {}};
    for (const auto& [labels, a] : rule.alerts) {
      if (a.state == AlertState::kInactive) continue;
      r.state = std::max(r.state, a.state);
      r.alerts.push_back({.labels = labels,
                          .annotations = a.annotations,
                          .state = a.state,
                          .active_at_ms = a.active_at_ms,
                          .keep_firing_since_ms = a.keep_firing_since_ms,
                          .value = a.value});
    }
    next.rules.push_back(std::move(r));
  }
  MutexLock lock(mutex_);
  next.evaluations += snapshot_.evaluations;
  next.evaluation_failures += snapshot_.evaluation_failures;
  next.missed_evaluations = snapshot_.missed_evaluations;
  snapshot_ = std::move(next);
}

RuleGroup::Totals RuleGroup::totals() const {
  MutexLock lock(mutex_);
  return {.rule_evaluations = snapshot_.evaluations * snapshot_.rules.size(),
          .failures = snapshot_.evaluation_failures,
          .missed = snapshot_.missed_evaluations};
}

RuleGroupSnapshot RuleGroup::Snapshot() const {
  MutexLock lock(mutex_);
  return snapshot_;
}

}  // namespace deckwatch::alerting
