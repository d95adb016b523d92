// What the outside sees of rules and notification groups: plain values, copied out at a moment.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "alerting/alert.h"
#include "base/labels.h"

namespace deckwatch::alerting {

enum class AlertState { kInactive, kPending, kFiring };
std::string_view AlertStateName(AlertState state);  // "inactive", "pending", "firing"

enum class RuleHealth { kUnknown, kOk, kError };
std::string_view RuleHealthName(RuleHealth health);  // "unknown", "ok", "err"

// An element of /api/v1/alerts and of a rule's `alerts`.
struct ActiveAlert {
  Labels labels;
  KeyValues annotations;
  AlertState state = AlertState::kPending;
  int64_t active_at_ms = 0;
  int64_t keep_firing_since_ms = 0;  // 0: not being kept
  double value = 0;
};

// An element of /api/v1/rules's `rules`.
struct RuleSnapshot {
  bool alerting = false;
  std::string name;   // record or alert
  std::string query;  // as PromQL prints it
  Labels labels;
  RuleHealth health = RuleHealth::kUnknown;
  std::string last_error;
  double evaluation_time_seconds = 0;
  int64_t last_evaluation_ms = 0;  // 0: never
  // Alerting rules only.
  AlertState state = AlertState::kInactive;  // the highest of its alerts
  int64_t hold_ms = 0;                       // `for`; API: duration, in seconds
  int64_t keep_firing_for_ms = 0;
  KeyValues annotations;  // templates, unexpanded
  std::vector<ActiveAlert> alerts;
};

// An element of /api/v1/rules's `groups`.
struct RuleGroupSnapshot {
  std::string name;
  std::string file;
  int64_t interval_ms = 0;
  int64_t limit = 0;
  double evaluation_time_seconds = 0;
  int64_t last_evaluation_ms = 0;  // 0: never
  uint64_t evaluations = 0;
  uint64_t evaluation_failures = 0;  // rules that failed, summed over evaluations
  uint64_t missed_evaluations = 0;
  std::vector<RuleSnapshot> rules;
};

// An element of Alertmanager's /api/v2/alerts/groups.
struct AlertGroupSnapshot {
  std::string receiver;
  std::string key;  // groupKey of the webhook payload
  Labels labels;
  int64_t next_flush_ms = 0;
  struct Member {
    Alert alert;
    uint64_t fingerprint = 0;
    bool resolved = false;
    std::vector<uint64_t> inhibited_by;    // fingerprints of the firing sources
    std::vector<std::string> silenced_by;  // silence ids
    std::vector<std::string> muted_by;     // names of time intervals
  };
  std::vector<Member> alerts;
};

// Alertmanagers outside, and what became of the alerts for each; totals since it was first
// configured.
struct NotifierSnapshot {
  struct Target {
    std::string url;
    uint64_t sent = 0;     // alerts in requests that were answered with 2xx
    uint64_t errors = 0;   // alerts in requests that were not
    uint64_t dropped = 0;  // those, and alerts that did not fit into the queue
    size_t queued = 0;
    uint64_t requests = 0;   // answered with 2xx
    int64_t latency_ns = 0;  // of these, summed
  };
  std::vector<Target> active;
  std::vector<std::string> dropped_urls;
  size_t queue_capacity = 0;
};

// Own figures for /metrics; all are totals since start unless they say otherwise.
struct AlertingCounters {
  uint64_t rule_evaluations = 0;
  uint64_t rule_evaluation_failures = 0;
  uint64_t group_missed_iterations = 0;
  uint64_t alerts_received = 0;  // firing and resolved, by the dispatcher
  uint64_t notifications_delivered = 0;
  uint64_t notification_attempts_failed = 0;  // will be tried again
  uint64_t notifications_failed = 0;          // given up
  uint64_t notifications_suppressed = 0;      // inhibited, silenced or muted alerts, per flush
  uint64_t outbox_pending = 0;                // now
  uint64_t alert_groups = 0;                  // now
  uint64_t alerts_firing = 0;                 // now, in the dispatcher
};

}  // namespace deckwatch::alerting
