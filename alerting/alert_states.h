// The alerts of one alerting rule and how they change: inactive → pending → firing → resolved.
// Pure: no clock, no store, no templates.
//
//   absent ──seen──► pending ──`for` over──► firing ──gone, keep_firing_for over──► resolved ─15
//   min─► absent
//                       └──────gone──► absent                                          └──seen──►
//                       pending
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/alert.h"
#include "alerting/snapshot.h"
#include "base/labels.h"
#include "base/status.h"

namespace deckwatch::alerting {

struct RuleAlert {
  KeyValues annotations;
  AlertState state = AlertState::kPending;  // kInactive: resolved
  double value = 0;
  int64_t active_at_ms = 0;
  int64_t fired_at_ms = 0;
  int64_t resolved_at_ms = 0;
  int64_t keep_firing_since_ms = 0;
  // Not in the row: after a restart every alert is sent again, so none is lost between the commit
  // of its state and its sending.
  int64_t last_sent_ms = 0;
  // Evaluations for which an alert restored after a restart outlives its absence: scrapes and
  // recording rules may not have delivered yet.
  int grace_evaluations = 0;

  bool SameRow(const RuleAlert& o) const {
    return state == o.state && active_at_ms == o.active_at_ms && fired_at_ms == o.fired_at_ms &&
           resolved_at_ms == o.resolved_at_ms && keep_firing_since_ms == o.keep_firing_since_ms;
  }
};

// By the alert's labels, `alertname` included.
using RuleAlerts = std::map<Labels, RuleAlert>;

// One result sample of the rule's expression.
struct AlertInstance {
  KeyValues annotations;
  double value = 0;
};

struct HoldOptions {
  int64_t hold_ms = 0;
  int64_t keep_firing_for_ms = 0;
};

// Moves `alerts` on to `ts_ms`, at which exactly `seen` matched.
void AdvanceAlerts(const HoldOptions& options, const std::map<Labels, AlertInstance>& seen,
                   int64_t ts_ms, RuleAlerts* alerts);

// Whether an alert is to be sent at `ts_ms`: when it fires, when it is resolved, and every
// `resend_delay_ms` meanwhile.
bool NeedsSending(const RuleAlert& alert, int64_t ts_ms, int64_t resend_delay_ms);

struct RestoreOptions {
  int64_t hold_ms = 0;
  int64_t last_evaluation_ms = 0;   // before the restart
  int64_t outage_tolerance_ms = 0;  // pending alerts do not survive longer outages
  int64_t grace_period_ms = 0;      // a rule with `for` of at least this fires no sooner than this
};

// Prepares alerts read from rows for their first evaluation at `ts_ms`: the time of the outage does
// not count towards `for`. (Prometheus: Group.RestoreForState.)
void RestoreAlerts(const RestoreOptions& options, int64_t ts_ms, RuleAlerts* alerts);

// Row format: version 1, state byte, varints active_at fired_at resolved_at keep_firing_since,
// double value, labels, count, (key, value)*.
std::string EncodeRuleAlert(const Labels& labels, const RuleAlert& alert);
Status DecodeRuleAlert(std::string_view row, Labels* labels, RuleAlert* alert);

}  // namespace deckwatch::alerting
