#include "alerting/dispatcher.h"

#include <algorithm>

#include "alerting/row.h"
#include "base/log.h"

namespace deckwatch::alerting {
namespace {

// Rows: "alerts/" + fingerprint -> version 1, alert
//       "groups/" + id          -> version 1, varint next flush, byte "has flushed"
//       "nflog/" + lane         -> EncodeLogEntry
constexpr std::string_view kAlertPrefix = "alerts/";
constexpr std::string_view kGroupPrefix = "groups/";
constexpr std::string_view kLogPrefix = "nflog/";
constexpr uint8_t kRowVersion = 1;

constexpr int64_t kLogRetentionMs = 120LL * 3'600'000;
constexpr int64_t kExpiryPassMs = 15 * 60'000;

std::string AlertRow(const Alert& alert) {
  std::string row(1, static_cast<char>(kRowVersion));
  PutAlert(&row, alert);
  return row;
}

std::string GroupRow(int64_t next_flush_ms, bool flushed) {
  std::string row(1, static_cast<char>(kRowVersion));
  PutSignedVarint(&row, next_flush_ms);
  row += static_cast<char>(flushed);
  return row;
}

std::string Key(std::string_view prefix, std::string_view rest) {
  return std::string(prefix) + std::string(rest);
}

// Go's model.LabelSet.String: `{a="b", c="d"}`.
std::string GroupKey(const Route& route, const Labels& labels) {
  std::string text;
  for (const LabelRef& l : labels) {
    text += (text.empty() ? "" : ", ") + std::string(l.name) + "=" + QuoteGo(l.value);
  }
  return route.key + ":{" + text + "}";
}

bool SameContent(const Alert& a, const Alert& b) {
  return a.starts_at_ms == b.starts_at_ms && a.ends_at_ms == b.ends_at_ms &&
         a.annotations == b.annotations && a.generator_url == b.generator_url;
}

}  // namespace

struct Dispatcher::Pending {
  std::vector<StateChange> changes;
  std::map<std::string, LogEntry> log;
  std::vector<OutboxItem> items;
  uint64_t unsupported = 0;
};

Result<std::unique_ptr<Dispatcher>> Dispatcher::Open(StateStore* state, Outbox* outbox,
                                                     SilenceFunction silences) {
  std::unique_ptr<Dispatcher> d(new Dispatcher(state, outbox, std::move(silences)));
  TRY(d->Load());
  return d;
}

Status Dispatcher::Load() {
  Status status;
  TRY(state_->Scan(kAlertPrefix, [&](std::string_view, std::string_view row) {
    Reader r(row);
    Alert alert;
    uint8_t version = 0;
    if (!r.GetByte(&version) || version != kRowVersion || !GetAlert(&r, &alert) || !r.AtEnd()) {
      status = Status::Corruption("alert row is malformed");
      return false;
    }
    alerts_.emplace(Fingerprint(alert.labels), std::move(alert));
    return true;
  }));
  TRY(status);
  TRY(state_->Scan(kGroupPrefix, [&](std::string_view key, std::string_view row) {
    Reader r(row);
    uint8_t version = 0, flushed = 0;
    int64_t next = 0;
    if (!r.GetByte(&version) || version != kRowVersion || !r.GetSignedVarint(&next) ||
        !r.GetByte(&flushed) || !r.AtEnd()) {
      status = Status::Corruption("alert group row is malformed");
      return false;
    }
    stored_times_[std::string(key.substr(kGroupPrefix.size()))] = {next, flushed != 0};
    return true;
  }));
  TRY(status);
  TRY(state_->Scan(kLogPrefix, [&](std::string_view key, std::string_view row) {
    Result<LogEntry> entry = DecodeLogEntry(row);
    status = entry.status();
    if (status.ok()) log_[std::string(key.substr(kLogPrefix.size()))] = std::move(*entry);
    return status.ok();
  }));
  return status;
}

// Two routes with the same matchers at the same place are told apart by their order.
void Dispatcher::NameRoutes(const Route& route) {
  int same = 0;
  for (const auto& [other, id] : route_ids_) same += other->key == route.key;
  route_ids_[&route] = route.key + (same == 0 ? "" : "#" + std::to_string(same));
  for (const Route& child : route.routes) NameRoutes(child);
}

void Dispatcher::Configure(std::shared_ptr<const AmConfig> config, int64_t now_ms) {
  for (const auto& [id, group] : groups_) stored_times_[id] = {group.next_flush_ms, group.flushed};
  ++version_;
  groups_.clear();
  route_ids_.clear();
  config_ = std::move(config);
  std::vector<StateChange> changes;
  if (config_ != nullptr) {
    NameRoutes(config_->route);
    for (const auto& [fingerprint, alert] : alerts_) Join(fingerprint, now_ms, &changes);
  }
  for (const auto& [id, times] : stored_times_) {
    if (!groups_.contains(id)) changes.push_back({Key(kGroupPrefix, id), std::nullopt});
  }
  stored_times_.clear();
  if (changes.empty()) return;
  // Not fatal: rows of groups only save their times over a restart.
  if (Status s = state_->Apply(changes); !s.ok()) LogError("alert groups not stored", {{"err", s}});
}

// Puts an alert into the groups its routes ask for. A group that has not flushed yet does so at
// once when the alert has been waiting for group_wait already.
void Dispatcher::Join(uint64_t fingerprint, int64_t now_ms, std::vector<StateChange>* changes) {
  const Alert& alert = alerts_.at(fingerprint);
  for (const Route* route : config_->route.Match(alert.labels)) {
    const Labels labels = route->GroupLabels(alert.labels);
    const std::string id = route_ids_.at(route) + ":" + labels.ToString();
    const auto [it, is_new] = groups_.try_emplace(id);
    Group& group = it->second;
    if (is_new) {
      group.route = route;
      group.id = id;
      group.key = GroupKey(*route, labels);
      group.labels = labels;
      group.next_flush_ms = now_ms + route->group_wait_ms;
      if (const auto known = stored_times_.find(id); known != stored_times_.end()) {
        std::tie(group.next_flush_ms, group.flushed) = known->second;
      }
    }
    group.members.insert(fingerprint);
    const bool late = !group.flushed && alert.starts_at_ms + route->group_wait_ms < now_ms;
    if (late && group.next_flush_ms > now_ms) group.next_flush_ms = now_ms;
    if (is_new || late) {
      changes->push_back({Key(kGroupPrefix, id), GroupRow(group.next_flush_ms, group.flushed)});
    }
  }
}

// What an alert becomes together with the one known under its labels: while that one lasts, the
// start stays the earliest.
Alert Dispatcher::Merge(const Alert& alert, int64_t now_ms) const {
  Alert merged = alert;
  merged.updated_at_ms = now_ms;
  const auto known = alerts_.find(Fingerprint(alert.labels));
  if (known == alerts_.end()) return merged;
  const Alert& before = known->second;
  const bool overlaps = before.ends_at_ms == 0 || before.ends_at_ms >= alert.starts_at_ms;
  if (overlaps) merged.starts_at_ms = std::min(before.starts_at_ms, alert.starts_at_ms);
  return merged;
}

Status Dispatcher::Put(const std::vector<Alert>& alerts, int64_t now_ms) {
  std::vector<StateChange> changes;
  std::map<uint64_t, Alert> next;
  for (const Alert& alert : alerts) {
    const uint64_t fingerprint = Fingerprint(alert.labels);
    const auto known = alerts_.find(fingerprint);
    const bool is_known = known != alerts_.end() || next.contains(fingerprint);
    if (!is_known && alert.ResolvedAt(now_ms)) continue;  // nobody was told of it
    Alert merged = Merge(alert, now_ms);
    if (known == alerts_.end() || !SameContent(known->second, merged)) {
      changes.push_back({Key(kAlertPrefix, FingerprintHex(fingerprint)), AlertRow(merged)});
    }
    next[fingerprint] = std::move(merged);
  }
  if (!changes.empty()) TRY(state_->Apply(changes));
  counters_.received += alerts.size();
  version_ += !next.empty();
  std::vector<StateChange> group_changes;
  for (auto& [fingerprint, alert] : next) {
    alerts_[fingerprint] = std::move(alert);
    if (config_ != nullptr) Join(fingerprint, now_ms, &group_changes);
  }
  if (group_changes.empty()) return Status::Ok();
  if (Status s = state_->Apply(group_changes); !s.ok()) {
    LogError("alert groups not stored", {{"err", s}});  // they are made again from their alerts
  }
  return Status::Ok();
}

Status Dispatcher::ResolveAllBut(const std::set<uint64_t>& live, int64_t now_ms) {
  std::vector<Alert> ended;
  for (const auto& [fingerprint, alert] : alerts_) {
    if (alert.ends_at_ms != 0 || live.contains(fingerprint)) continue;
    ended.push_back(alert);
    ended.back().ends_at_ms = now_ms;
  }
  return ended.empty() ? Status::Ok() : Put(ended, now_ms);
}

Inhibitor Dispatcher::MakeInhibitor(int64_t now_ms) const {
  static const std::vector<InhibitRule> kNone;
  std::vector<const Alert*> firing;
  for (const auto& [fingerprint, alert] : alerts_) {
    if (!alert.ResolvedAt(now_ms)) firing.push_back(&alert);
  }
  return Inhibitor(config_ == nullptr ? kNone : config_->inhibit_rules, firing);
}

std::vector<std::string> Dispatcher::MutedByTime(const Route& route, int64_t now_ms) const {
  std::vector<std::string> muted;
  for (const std::string& name : route.mute_time_intervals) {
    if (config_->FindTimeIntervals(name)->Contains(now_ms)) muted.push_back(name);
  }
  const auto active = [&](const std::string& name) {
    return config_->FindTimeIntervals(name)->Contains(now_ms);
  };
  const std::vector<std::string>& names = route.active_time_intervals;
  if (!names.empty() && std::ranges::none_of(names, active)) {
    muted.insert(muted.end(), names.begin(), names.end());
  }
  return muted;
}

AlertGroupSnapshot::Member Dispatcher::Judge(const Alert& alert, const Inhibitor& inhibitor,
                                             int64_t now_ms) const {
  AlertGroupSnapshot::Member m;
  m.alert = alert;
  m.fingerprint = Fingerprint(alert.labels);
  m.resolved = alert.ResolvedAt(now_ms);
  if (const uint64_t source = inhibitor.InhibitedBy(alert); source != 0) {
    m.inhibited_by.push_back(source);
  }
  if (silences_) m.silenced_by = silences_(alert, now_ms);
  return m;
}

void Dispatcher::Flush(int64_t now_ms) {
  if (config_ == nullptr) return ForgetResolved(now_ms);
  std::vector<Group*> due;
  for (auto& [id, group] : groups_) {
    if (group.next_flush_ms <= now_ms) due.push_back(&group);
  }
  if (!due.empty()) {
    ++version_;
    const Inhibitor inhibitor = MakeInhibitor(now_ms);
    for (Group* group : due) {
      const Status status = FlushGroup(group, inhibitor, now_ms);
      if (!status.ok()) {
        LogError("alert group not flushed", {{"group", group->key}, {"err", status}});
        group->next_flush_ms = now_ms + group->route->group_interval_ms;
      }
    }
    for (Group* group : due) Prune(group, now_ms);
  }
  ExpireLog(now_ms);
}

// Without a configuration there are no groups to keep resolved alerts for.
void Dispatcher::ForgetResolved(int64_t now_ms) {
  std::vector<StateChange> changes;
  std::erase_if(alerts_, [&](const auto& a) {
    if (!a.second.ResolvedAt(now_ms)) return false;
    changes.push_back({Key(kAlertPrefix, FingerprintHex(a.first)), std::nullopt});
    return true;
  });
  if (changes.empty()) return;
  if (Status s = state_->Apply(changes); !s.ok()) LogError("alert rows not deleted", {{"err", s}});
}

Status Dispatcher::FlushGroup(Group* group, const Inhibitor& inhibitor, int64_t now_ms) {
  const bool muted = !MutedByTime(*group->route, now_ms).empty();
  std::vector<Alert> alerts;
  std::vector<uint64_t> suppressed;
  for (uint64_t fingerprint : group->members) {
    AlertGroupSnapshot::Member m = Judge(alerts_.at(fingerprint), inhibitor, now_ms);
    if (muted || !m.inhibited_by.empty() || !m.silenced_by.empty()) {
      suppressed.push_back(fingerprint);
      continue;
    }
    if (!m.resolved) m.alert.ends_at_ms = 0;  // one that may end later by itself is firing now
    alerts.push_back(std::move(m.alert));
  }
  SortAlerts(&alerts);
  Pending pending;
  if (!alerts.empty()) {
    for (const Integration& i : config_->FindReceiver(group->route->receiver)->integrations) {
      Notify(*group, i, alerts, suppressed, now_ms, &pending);
    }
  }
  const int64_t next_flush_ms = now_ms + group->route->group_interval_ms;
  pending.changes.push_back({Key(kGroupPrefix, group->id), GroupRow(next_flush_ms, true)});
  TRY(state_->Apply(pending.changes));
  group->next_flush_ms = next_flush_ms;
  group->flushed = true;
  for (auto& [lane, entry] : pending.log) log_[lane] = std::move(entry);
  for (OutboxItem& item : pending.items) outbox_->Add(std::move(item));
  counters_.suppressed += suppressed.size();
  counters_.unsupported += pending.unsupported;
  return Status::Ok();
}

std::string Dispatcher::LaneOf(const Group& group, const Integration& integration) const {
  Notification n;
  n.group_key = group.key;
  n.receiver = group.route->receiver;
  n.integration_type = integration.type;
  n.integration_index = integration.index;
  return n.Lane();
}

// Decides for one integration and adds what follows to `pending`.
void Dispatcher::Notify(const Group& group, const Integration& integration,
                        const std::vector<Alert>& alerts, const std::vector<uint64_t>& muted,
                        int64_t now_ms, Pending* pending) {
  const std::string lane = LaneOf(group, integration);
  const auto known = log_.find(lane);
  const LogEntry* last = known == log_.end() ? nullptr : &known->second;
  GroupState now;
  for (const Alert& a : alerts) {
    (a.ends_at_ms == 0 ? now.firing : now.resolved).push_back(Fingerprint(a.labels));
  }
  // What is muted goes on as it was last told: its end is told when it is muted no more.
  std::ranges::copy_if(muted, std::back_inserter(now.firing),
                       [&](uint64_t f) { return last != nullptr && last->SaidFiring(f); });
  std::ranges::sort(now.firing);
  std::ranges::sort(now.resolved);
  const int64_t repeat_ms = group.route->repeat_interval_ms;
  const NotificationReason reason =
      WhyNotify(last, now, integration.send_resolved, repeat_ms, now_ms);
  if (reason == NotificationReason::kNone) return;

  LogEntry entry{.change = std::max<uint64_t>(now_ms, last == nullptr ? 0 : last->change + 1),
                 .time_ms = now_ms,
                 .expires_ms = now_ms + std::min(2 * repeat_ms, kLogRetentionMs),
                 .firing = now.firing,
                 .resolved = now.resolved};
  Notification n{.receiver = group.route->receiver,
                 .integration_type = integration.type,
                 .integration_index = integration.index,
                 .group_key = group.key,
                 .group_labels = group.labels,
                 .route_labels = group.route->labels,
                 .reason = reason,
                 .created_at_ms = now_ms,
                 .alerts = alerts};
  // Ends are told once, and only to those who want to hear of them.
  std::erase_if(n.alerts, [&](const Alert& a) {
    return a.ends_at_ms != 0 && (!integration.send_resolved ||
                                 (last != nullptr && last->SaidResolved(Fingerprint(a.labels))));
  });
  // A repeat says nothing that a message still waiting does not say.
  const bool waiting = reason == NotificationReason::kRepeat && outbox_->HasLane(lane);
  if (waiting) entry.change = last->change;
  if (integration.webhook == nullptr) {
    ++pending->unsupported;
  } else if (!n.alerts.empty() && !waiting) {
    OutboxItem item = outbox_->Prepare(std::move(n), entry.change,
                                       last == nullptr ? std::nullopt : std::optional(*last));
    pending->changes.push_back(Outbox::RowOf(item));
    pending->items.push_back(std::move(item));
  }
  pending->changes.push_back({Key(kLogPrefix, lane), EncodeLogEntry(entry)});
  pending->log[lane] = std::move(entry);
}

bool Dispatcher::SomeoneThinksFiring(const Group& group, uint64_t fingerprint) const {
  for (const Integration& i : config_->FindReceiver(group.route->receiver)->integrations) {
    const std::string lane = LaneOf(group, i);
    const auto entry = log_.find(lane);
    if (entry != log_.end() && entry->second.SaidFiring(fingerprint)) return true;
    if (outbox_->HasLane(lane)) return true;  // may be refused, and is then told again
  }
  return false;
}

// Resolved alerts leave once every receiver knows; a group without alerts goes.
void Dispatcher::Prune(Group* group, int64_t now_ms) {
  std::vector<StateChange> changes;
  std::vector<uint64_t> left;
  for (uint64_t fingerprint : group->members) {
    if (alerts_.at(fingerprint).ResolvedAt(now_ms) && !SomeoneThinksFiring(*group, fingerprint)) {
      left.push_back(fingerprint);
    }
  }
  for (uint64_t fingerprint : left) {
    group->members.erase(fingerprint);
    const auto has = [&](const auto& g) { return g.second.members.contains(fingerprint); };
    if (std::ranges::any_of(groups_, has)) continue;
    alerts_.erase(fingerprint);
    changes.push_back({Key(kAlertPrefix, FingerprintHex(fingerprint)), std::nullopt});
  }
  if (group->members.empty()) {
    changes.push_back({Key(kGroupPrefix, group->id), std::nullopt});
    groups_.erase(std::string(group->id));
  }
  if (changes.empty()) return;
  // Rows that stay are read again at the next start, and leave then.
  if (Status s = state_->Apply(changes); !s.ok()) LogError("alert rows not deleted", {{"err", s}});
}

int64_t Dispatcher::NextDueMs() const {
  int64_t next = INT64_MAX;
  for (const auto& [id, group] : groups_) next = std::min(next, group.next_flush_ms);
  return next;
}

void Dispatcher::Refused(const OutboxItem& item) {
  const auto entry = log_.find(item.lane);
  if (entry == log_.end() || entry->second.change != item.change) return;  // told of more since
  StateChange change{Key(kLogPrefix, item.lane), std::nullopt};
  if (item.before) {
    const uint64_t last_change = entry->second.change;
    entry->second = *item.before;
    entry->second.change = last_change;  // never used twice
    change.value = EncodeLogEntry(entry->second);
  } else {
    log_.erase(entry);
  }
  if (Status s = state_->Apply({change}); !s.ok()) {
    LogError("notification log not stored", {{"err", s}});
  }
}

// Entries of groups that are gone are dropped when their time is over.
void Dispatcher::ExpireLog(int64_t now_ms) {
  if (now_ms < next_expiry_ms_) return;
  next_expiry_ms_ = now_ms + kExpiryPassMs;
  std::set<std::string> live;
  for (const auto& [id, group] : groups_) {
    for (const Integration& i : config_->FindReceiver(group.route->receiver)->integrations) {
      live.insert(LaneOf(group, i));
    }
  }
  std::vector<StateChange> changes;
  std::erase_if(log_, [&](const auto& entry) {
    if (entry.second.expires_ms > now_ms || live.contains(entry.first)) return false;
    changes.push_back({Key(kLogPrefix, entry.first), std::nullopt});
    return true;
  });
  if (changes.empty()) return;
  if (Status s = state_->Apply(changes); !s.ok()) LogError("log rows not deleted", {{"err", s}});
}

std::vector<AlertGroupSnapshot> Dispatcher::Snapshot(int64_t now_ms) const {
  std::vector<AlertGroupSnapshot> out;
  const Inhibitor inhibitor = MakeInhibitor(now_ms);
  for (const auto& [id, group] : groups_) {
    AlertGroupSnapshot s{.receiver = group.route->receiver,
                         .key = group.key,
                         .labels = group.labels,
                         .next_flush_ms = group.next_flush_ms,
                         .alerts = {}};
    const std::vector<std::string> muted = MutedByTime(*group.route, now_ms);
    for (uint64_t fingerprint : group.members) {
      s.alerts.push_back(Judge(alerts_.at(fingerprint), inhibitor, now_ms));
      s.alerts.back().muted_by = muted;
    }
    out.push_back(std::move(s));
  }
  return out;
}

Dispatcher::Counters Dispatcher::counters(int64_t now_ms) const {
  Counters c = counters_;
  c.groups = groups_.size();
  c.firing =
      std::ranges::count_if(alerts_, [&](const auto& a) { return !a.second.ResolvedAt(now_ms); });
  return c;
}

}  // namespace deckwatch::alerting
