// One rule group: evaluates its rules in order, keeps the alerts of each, writes their series, and
// hands changed alerts on. Alert state is rows in the StateStore, committed before it is acted on.
// Source of the behaviour: Prometheus, rules/group.go, rules/alerting.go, rules/recording.go.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/alert.h"
#include "alerting/alert_states.h"
#include "alerting/rules_config.h"
#include "alerting/seams.h"
#include "alerting/snapshot.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/state_store.h"
#include "base/storage.h"

namespace deckwatch::alerting {

// What every group shares; must outlive them.
struct RuleEnvironment {
  GroupQueries query;
  Appender* appender = nullptr;
  StateStore* state = nullptr;
  const Clock* clock = nullptr;
  Labels external_labels;
  std::string external_url;
  int64_t resend_delay_ms = 60'000;
  int64_t outage_tolerance_ms = 3'600'000;
  int64_t for_grace_period_ms = 600'000;
};

// Evaluate and Adopt are for one thread at a time; the rest is thread-safe.
class RuleGroup {
 public:
  // `config` with its defaults filled in. Loads the state rows of its rules: alerts that were
  // pending or firing are so again. A group without rules takes leave of what had its name: its
  // first evaluation resolves the alerts, marks the series stale and deletes the rows.
  static Result<std::unique_ptr<RuleGroup>> Create(RuleGroupConfig config,
                                                   std::shared_ptr<const RuleEnvironment> env);
  ~RuleGroup();

  // One pass at `ts_ms`, a point of the grid. A rule that fails keeps its alerts and says so in the
  // snapshot. Returns the alerts to send: new, changed, or due again.
  std::vector<Alert> Evaluate(int64_t ts_ms);

  // First point of this group's grid after `now_ms`: groups of one interval are spread over it by a
  // hash of file and name, the same after every restart.
  int64_t NextEvaluationMs(int64_t now_ms) const;
  void CountMissed(uint64_t evaluations);

  // Takes over, from the group that had this name before a reload, the series it has written, so
  // that those no longer written get their stale markers.
  void Adopt(RuleGroup* old);

  const RuleGroupConfig& config() const { return config_; }
  std::string key() const { return GroupKey(config_); }
  static std::string GroupKey(const RuleGroupConfig& config);
  // The names of all groups that have rows.
  static Result<std::vector<RuleGroupConfig>> StoredGroups(const StateStore& state);
  RuleGroupSnapshot Snapshot() const;
  struct Totals {
    uint64_t rule_evaluations = 0, failures = 0, missed = 0;
  };
  Totals totals() const;

 private:
  struct Rule;
  struct Sample {
    Labels labels;
    double value = 0;
    HistogramPtr histogram;
  };
  RuleGroup(RuleGroupConfig config, std::shared_ptr<const RuleEnvironment> env);

  Status Load();
  void RestoreOnce(int64_t ts_ms);
  void ResolveLeftovers(int64_t ts_ms, std::vector<Alert>* to_send);
  Status EvaluateRule(Rule* rule, int64_t ts_ms, std::vector<Alert>* to_send);
  Status Record(const Rule& rule, const query::QueryResult& result, std::vector<Sample>* samples);
  Status Alarm(Rule* rule, const query::QueryResult& result, int64_t ts_ms,
               std::vector<Sample>* samples, std::vector<Alert>* to_send);
  Status Commit(const Rule& rule, const RuleAlerts& next) const;
  Status Write(Rule* rule, std::vector<Sample> samples, int64_t t_ms);
  void Publish(int64_t ts_ms, double seconds, uint64_t failures);

  const RuleGroupConfig config_;
  const std::shared_ptr<const RuleEnvironment> env_;
  const QueryFunction query_;
  std::vector<Rule> rules_;
  // Of rules that are gone: alerts (with their rows' keys) to be resolved, series to be marked.
  std::vector<std::pair<std::string, Alert>> leftover_alerts_;
  std::set<Labels> leftover_series_;
  int64_t last_evaluation_ms_ = 0;  // from the row: before this start

  mutable Mutex mutex_;
  RuleGroupSnapshot snapshot_ GUARDED_BY(mutex_);
};

}  // namespace deckwatch::alerting
