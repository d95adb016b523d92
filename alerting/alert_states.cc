#include "alerting/alert_states.h"

#include "alerting/row.h"
#include "base/bytes.h"

namespace deckwatch::alerting {
namespace {

constexpr int64_t kResolvedRetentionMs = 15 * 60'000;
constexpr int kGraceEvaluations = 2;
constexpr uint8_t kRowVersion = 1;

// Whether an alert that did not match at `ts_ms` stays as it is.
bool Holds(const HoldOptions& options, int64_t ts_ms, RuleAlert* a) {
  if (a->state == AlertState::kInactive) return false;
  if (a->grace_evaluations > 0) {
    --a->grace_evaluations;
    return true;
  }
  if (a->state != AlertState::kFiring || options.keep_firing_for_ms == 0) return false;
  if (a->keep_firing_since_ms == 0) a->keep_firing_since_ms = ts_ms;
  return ts_ms - a->keep_firing_since_ms < options.keep_firing_for_ms;
}

// True when an absent alert is to be forgotten.
bool AdvanceAbsent(const HoldOptions& options, int64_t ts_ms, RuleAlert* a) {
  if (Holds(options, ts_ms, a)) return false;
  if (a->state == AlertState::kPending) return true;
  if (a->state == AlertState::kFiring) {
    a->state = AlertState::kInactive;
    a->resolved_at_ms = ts_ms;
    a->keep_firing_since_ms = 0;
    return false;
  }
  return a->last_sent_ms != 0 && ts_ms - a->resolved_at_ms > kResolvedRetentionMs;
}

}  // namespace

void AdvanceAlerts(const HoldOptions& options, const std::map<Labels, AlertInstance>& seen,
                   int64_t ts_ms, RuleAlerts* alerts) {
  for (const auto& [labels, instance] : seen) {
    RuleAlert& a = (*alerts)[labels];
    if (a.active_at_ms == 0 || a.state == AlertState::kInactive) {
      a = RuleAlert{};
      a.active_at_ms = ts_ms;
    }
    a.annotations = instance.annotations;
    a.value = instance.value;
    a.keep_firing_since_ms = 0;
    a.grace_evaluations = 0;
  }
  for (auto it = alerts->begin(); it != alerts->end();) {
    RuleAlert& a = it->second;
    if (!seen.contains(it->first) && AdvanceAbsent(options, ts_ms, &a)) {
      it = alerts->erase(it);
      continue;
    }
    if (a.state == AlertState::kPending && seen.contains(it->first) &&
        ts_ms - a.active_at_ms >= options.hold_ms) {
      a.state = AlertState::kFiring;
      a.fired_at_ms = ts_ms;
    }
    ++it;
  }
}

bool NeedsSending(const RuleAlert& alert, int64_t ts_ms, int64_t resend_delay_ms) {
  if (alert.state == AlertState::kPending) return false;
  if (alert.resolved_at_ms > alert.last_sent_ms) return true;
  return alert.last_sent_ms + resend_delay_ms < ts_ms;
}

void RestoreAlerts(const RestoreOptions& options, int64_t ts_ms, RuleAlerts* alerts) {
  const int64_t outage_ms = ts_ms - options.last_evaluation_ms;
  for (auto it = alerts->begin(); it != alerts->end();) {
    RuleAlert& a = it->second;
    if (a.state == AlertState::kPending && outage_ms > options.outage_tolerance_ms) {
      it = alerts->erase(it);
      continue;
    }
    a.grace_evaluations = kGraceEvaluations;
    if (a.state == AlertState::kPending) {
      const int64_t left_ms = options.hold_ms - (options.last_evaluation_ms - a.active_at_ms);
      if (left_ms > 0 && options.hold_ms >= options.grace_period_ms &&
          left_ms < options.grace_period_ms) {
        a.active_at_ms = ts_ms + options.grace_period_ms - options.hold_ms;
      } else if (left_ms > 0) {
        a.active_at_ms += outage_ms;
      }
    }
    ++it;
  }
}

std::string EncodeRuleAlert(const Labels& labels, const RuleAlert& alert) {
  std::string out(1, static_cast<char>(kRowVersion));
  out += static_cast<char>(alert.state);
  for (int64_t t :
       {alert.active_at_ms, alert.fired_at_ms, alert.resolved_at_ms, alert.keep_firing_since_ms}) {
    PutSignedVarint(&out, t);
  }
  PutDouble(&out, alert.value);
  PutString(&out, labels.encoded());
  PutKeyValues(&out, alert.annotations);
  return out;
}

Status DecodeRuleAlert(std::string_view row, Labels* labels, RuleAlert* alert) {
  Reader r(row);
  uint8_t version = 0, state = 0;
  std::string_view encoded;
  r.GetByte(&version), r.GetByte(&state);
  for (int64_t* t : {&alert->active_at_ms, &alert->fired_at_ms, &alert->resolved_at_ms,
                     &alert->keep_firing_since_ms}) {
    r.GetSignedVarint(t);
  }
  r.GetDouble(&alert->value);
  r.GetString(&encoded);
  const bool annotations = GetKeyValues(&r, &alert->annotations);
  if (!annotations || !r.ok() || !r.AtEnd() || version != kRowVersion || state > 2) {
    return Status::Corruption("alert state row is malformed");
  }
  alert->state = static_cast<AlertState>(state);
  TRY_ASSIGN(*labels, Labels::FromEncoded(encoded));
  return Status::Ok();
}

}  // namespace deckwatch::alerting
