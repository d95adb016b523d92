#include "alerting/manager.h"

#include <algorithm>
#include <map>
#include <set>

#include "alerting/am_config.h"
#include "alerting/dispatcher.h"
#include "alerting/notifier.h"
#include "alerting/outbox.h"
#include "alerting/rule_group.h"
#include "alerting/rules_config.h"
#include "alerting/webhook.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/mutex.h"

namespace deckwatch::alerting {
namespace {

constexpr int64_t kMaxWaitMs = 10'000;  // so that a wall clock set back or forth is noticed soon
constexpr int64_t kPoolFullWaitMs = 100;
constexpr int64_t kStoreRetryMs = 1000;
constexpr size_t kMaxQueuedTasks = 4096;
// An Alertmanager outside takes an alert for resolved when it misses so many sendings. (Prometheus:
// rules/alerting.go, sendAlerts.)
constexpr int64_t kSendingsUntilResolved = 4;

struct LoadedConfig {
  std::vector<RuleGroupConfig> groups;
  std::shared_ptr<const AmConfig> alertmanager;  // null: none
};

Result<LoadedConfig> Load(const ManagerConfig& config) {
  LoadedConfig loaded;
  for (const std::string& file : config.rule_files) {
    TRY_ASSIGN(std::vector<RuleGroupConfig> groups, ParseRuleFile(file));
    for (RuleGroupConfig& g : groups) {
      if (g.interval_ms == 0) g.interval_ms = config.evaluation_interval_ms;
      if (g.query_offset_ms < 0) g.query_offset_ms = config.rule_query_offset_ms;
      loaded.groups.push_back(std::move(g));
    }
  }
  if (config.alertmanager_file.empty()) return loaded;
  TRY_ASSIGN(AmConfig am, ParseAmConfigFile(config.alertmanager_file));
  for (const Receiver& r : am.receivers) {
    for (const Integration& i : r.integrations) {
      if (i.webhook != nullptr) continue;
      LogWarn("this receiver type cannot be sent to yet: its notifications count as failed",
              {{"receiver", r.name}, {"type", i.type}});
    }
  }
  loaded.alertmanager = std::make_shared<const AmConfig>(std::move(am));
  return loaded;
}

}  // namespace

struct Manager::Impl {
  Impl(ManagerOptions o, ManagerDependencies d) : options(o), deps(std::move(d)) {}

  // ---- what other threads leave for the planner, and what it shows them
  struct Mail {
    std::vector<Alert> alerts;
    std::vector<RuleGroup*> evaluated;
    std::vector<std::pair<uint64_t, SendOutcome>> sent;
    struct Command {
      std::function<Status()> run;
      bool* done;  // guarded by the mutex
      Status* status;
    };
    std::vector<Command> commands;
    bool empty() const {
      return alerts.empty() && evaluated.empty() && sent.empty() && commands.empty();
    }
  };
  using Groups = std::vector<std::shared_ptr<RuleGroup>>;

  mutable Mutex mutex;
  CondVar wake, answered;
  Mail mail GUARDED_BY(mutex);
  bool started GUARDED_BY(mutex) = false;
  std::shared_ptr<const Groups> shown_groups GUARDED_BY(mutex) = std::make_shared<Groups>();
  std::vector<AlertGroupSnapshot> shown_alerts GUARDED_BY(mutex);
  AlertingCounters shown_counters GUARDED_BY(mutex);

  // ---- the planner's own
  struct Scheduled {
    std::shared_ptr<RuleGroup> group;
    int64_t next_ms = 0;
    bool running = false;
  };
  const ManagerOptions options;
  const ManagerDependencies deps;
  std::unique_ptr<Outbox> outbox;
  std::unique_ptr<Dispatcher> dispatcher;
  std::unique_ptr<Notifier> notifier;  // thread-safe: used by the evaluators too
  std::shared_ptr<const RuleEnvironment> env;
  std::shared_ptr<const AmConfig> alertmanager;
  std::map<const WebhookConfig*, HttpTransport> transports;
  std::vector<Scheduled> groups;
  std::vector<Alert> waiting_alerts;  // not stored yet
  std::vector<Mail::Command> waiting_commands;
  bool reconciled = false;
  AlertingCounters counters;
  uint64_t shown_version = 0;

  std::stop_source stopping;                        // ends requests under way
  std::unique_ptr<ThreadPool> evaluators, senders;  // null: the planner does it itself
  std::jthread planner;                             // last: stops before the rest goes

  void Post(const std::function<void(Mail*)>& put) EXCLUDES(mutex) {
    {
      MutexLock lock(mutex);
      put(&mail);
    }
    wake.NotifyAll();
  }

  // ---- one round of the planner; returns when the next is due
  int64_t Round();
  void TakeMail();
  void RunCommands();
  void StartEvaluations(int64_t now_ms);
  void StartSends(int64_t now_ms);
  void Reconcile(int64_t now_ms);
  int64_t NextDueMs(int64_t now_ms) const;
  void Show(int64_t now_ms);
  bool Busy() const { return std::ranges::any_of(groups, &Scheduled::running); }

  // ---- reload
  Status Reconfigure(const ManagerConfig& config, LoadedConfig loaded);
  Result<std::vector<std::shared_ptr<RuleGroup>>> MakeGone(
      const std::vector<Scheduled>& next, const std::shared_ptr<const RuleEnvironment>& new_env);
  Scheduled* FindGroup(const std::string& key);
};

// ---- planning

int64_t Manager::Impl::Round() {
  TakeMail();
  const int64_t now_ms = deps.clock->WallMs();
  if (!Busy()) RunCommands();
  if (waiting_commands.empty()) StartEvaluations(now_ms);
  if (!waiting_alerts.empty()) {
    const Status status = dispatcher->Put(waiting_alerts, now_ms);
    if (status.ok()) {
      waiting_alerts.clear();
    } else {
      LogError("alerts not stored, trying again", {{"err", status}});
    }
  }
  Reconcile(now_ms);
  dispatcher->Flush(now_ms);
  StartSends(now_ms);
  if (senders == nullptr) notifier->SendQueued();
  Show(now_ms);
  return NextDueMs(now_ms);
}

void Manager::Impl::TakeMail() {
  Mail taken;
  {
    MutexLock lock(mutex);
    std::swap(taken, mail);
  }
  for (const RuleGroup* group : taken.evaluated) {
    for (Scheduled& s : groups) {
      if (s.group.get() == group) s.running = false;
    }
  }
  waiting_alerts.insert(waiting_alerts.end(), taken.alerts.begin(), taken.alerts.end());
  waiting_commands.insert(waiting_commands.end(), taken.commands.begin(), taken.commands.end());
  for (const auto& [id, outcome] : taken.sent) {
    const bool delivered = outcome.kind == SendOutcome::Kind::kDelivered;
    const auto given_up = outbox->Complete(id, outcome, deps.clock->WallMs());
    counters.notifications_delivered += delivered;
    counters.notifications_failed += given_up.has_value();
    counters.notification_attempts_failed += !delivered && !given_up;
    if (delivered) continue;
    LogWarn(given_up ? "notification given up" : "notification failed, trying again",
            {{"err", outcome.reason}});
    if (given_up) dispatcher->Refused(*given_up);
  }
}

void Manager::Impl::RunCommands() {
  for (const Mail::Command& command : std::exchange(waiting_commands, {})) {
    Status status = command.run();
    MutexLock lock(mutex);
    *command.status = std::move(status);
    *command.done = true;
  }
  answered.NotifyAll();
}

void Manager::Impl::StartEvaluations(int64_t now_ms) {
  for (Scheduled& s : groups) {
    if (s.running || s.next_ms > now_ms) continue;
    const int64_t interval_ms = s.group->config().interval_ms;
    const int64_t missed = (now_ms - s.next_ms) / interval_ms;
    const int64_t ts_ms = s.next_ms + missed * interval_ms;
    const int64_t valid_until_ms =
        ts_ms + kSendingsUntilResolved * std::max(interval_ms, options.resend_delay_ms);
    const auto evaluate = [this, group = s.group, ts_ms, valid_until_ms] {
      std::vector<Alert> alerts = group->Evaluate(ts_ms);
      notifier->Send(alerts, valid_until_ms);
      Post([&](Mail* m) {
        m->alerts.insert(m->alerts.end(), alerts.begin(), alerts.end());
        m->evaluated.push_back(group.get());
      });
    };
    s.running = true;
    if (evaluators == nullptr) {
      evaluate();
    } else if (!evaluators->TrySubmit(evaluate)) {
      s.running = false;
      continue;
    }
    s.next_ms = ts_ms + interval_ms;
    if (missed > 0) s.group->CountMissed(static_cast<uint64_t>(missed));
  }
}

void Manager::Impl::StartSends(int64_t now_ms) {
  for (const OutboxItem* claimed : outbox->Claim(now_ms)) {
    const Notification& n = claimed->notification;
    std::shared_ptr<const WebhookConfig> webhook;
    const Receiver* receiver =
        alertmanager == nullptr ? nullptr : alertmanager->FindReceiver(n.receiver);
    for (const Integration& i :
         receiver == nullptr ? std::vector<Integration>() : receiver->integrations) {
      if (i.type == n.integration_type && i.index == n.integration_index) webhook = i.webhook;
    }
    const auto transport = transports.find(webhook.get());
    const auto send = [this, item = *claimed, webhook, env = env, am = alertmanager,
                       http = transport == transports.end() ? nullptr : transport->second] {
      SendOutcome outcome{SendOutcome::Kind::kRefused, "its receiver is no longer configured", 0};
      if (webhook != nullptr) {
        outcome = SendWebhook(*webhook, am->template_set, http, item, env->external_url,
                              deps.clock->WallMs(), stopping.get_token());
      }
      Post([&](Mail* m) { m->sent.emplace_back(item.id, std::move(outcome)); });
    };
    if (senders == nullptr) {
      send();
    } else if (!senders->TrySubmit(send)) {
      Post([&](Mail* m) {
        m->sent.emplace_back(claimed->id,
                             SendOutcome{SendOutcome::Kind::kRetry, "all senders are busy", 0});
      });
    }
  }
}

// Once after the start, when every group has been evaluated: alerts that no rule knows any more are
// over. (Their rule may have gone, or their resolve been lost, while we were down.)
void Manager::Impl::Reconcile(int64_t now_ms) {
  if (reconciled || env == nullptr || !waiting_alerts.empty()) return;
  std::set<uint64_t> live;
  for (const Scheduled& s : groups) {
    const RuleGroupSnapshot snapshot = s.group->Snapshot();
    if (snapshot.last_evaluation_ms == 0 || s.running) return;
    for (const RuleSnapshot& rule : snapshot.rules) {
      for (const ActiveAlert& a : rule.alerts) live.insert(Fingerprint(a.labels));
    }
  }
  reconciled = dispatcher->ResolveAllBut(live, now_ms).ok();
}

int64_t Manager::Impl::NextDueMs(int64_t now_ms) const {
  int64_t next = std::min(dispatcher->NextDueMs(), outbox->NextDueMs());
  if (!waiting_alerts.empty()) next = std::min(next, now_ms + kStoreRetryMs);
  for (const Scheduled& s : groups) {
    if (s.running) continue;
    const bool pool_was_full = s.next_ms <= now_ms;
    next = std::min(next, pool_was_full ? now_ms + kPoolFullWaitMs : s.next_ms);
  }
  return next;
}

void Manager::Impl::Show(int64_t now_ms) {
  AlertingCounters c = counters;
  for (const Scheduled& s : groups) {
    const RuleGroup::Totals t = s.group->totals();
    c.rule_evaluations += t.rule_evaluations;
    c.rule_evaluation_failures += t.failures;
    c.group_missed_iterations += t.missed;
  }
  const Dispatcher::Counters d = dispatcher->counters(now_ms);
  c.alerts_received = d.received;
  c.notifications_suppressed = d.suppressed;
  c.notifications_failed += d.unsupported;
  c.outbox_pending = outbox->size();
  c.alert_groups = d.groups;
  c.alerts_firing = d.firing;
  const bool changed = std::exchange(shown_version, dispatcher->version()) != dispatcher->version();
  std::vector<AlertGroupSnapshot> alerts;
  if (changed) alerts = dispatcher->Snapshot(now_ms);
  MutexLock lock(mutex);
  if (changed) shown_alerts = std::move(alerts);
  shown_counters = c;
}

// ---- reload

Manager::Impl::Scheduled* Manager::Impl::FindGroup(const std::string& key) {
  for (Scheduled& s : groups) {
    if (s.group->key() == key) return &s;
  }
  return nullptr;
}

// A group without rules for each one that is not in `next` but was running or has rows.
Result<std::vector<std::shared_ptr<RuleGroup>>> Manager::Impl::MakeGone(
    const std::vector<Scheduled>& next, const std::shared_ptr<const RuleEnvironment>& new_env) {
  std::set<std::string> seen;
  for (const Scheduled& s : next) seen.insert(s.group->key());
  TRY_ASSIGN(std::vector<RuleGroupConfig> before, RuleGroup::StoredGroups(*deps.state));
  for (const Scheduled& s : groups) before.push_back(s.group->config());
  std::vector<std::shared_ptr<RuleGroup>> gone;
  for (RuleGroupConfig& config : before) {
    if (!seen.insert(RuleGroup::GroupKey(config)).second) continue;
    config.rules.clear();
    TRY_ASSIGN(std::shared_ptr<RuleGroup> group, RuleGroup::Create(std::move(config), new_env));
    gone.push_back(std::move(group));
  }
  return gone;
}

Status Manager::Impl::Reconfigure(const ManagerConfig& config, LoadedConfig loaded) {
  const int64_t now_ms = deps.clock->WallMs();
  auto new_env = std::make_shared<const RuleEnvironment>(
      RuleEnvironment{.query = deps.query,
                      .appender = deps.appender,
                      .state = deps.state,
                      .clock = deps.clock,
                      .external_labels = config.external_labels,
                      .external_url = config.external_url,
                      .resend_delay_ms = options.resend_delay_ms,
                      .outage_tolerance_ms = options.outage_tolerance_ms,
                      .for_grace_period_ms = options.for_grace_period_ms});
  const bool same_env = env != nullptr && env->external_labels == new_env->external_labels &&
                        env->external_url == new_env->external_url;
  // Everything that can fail comes first.
  std::vector<Scheduled> next;
  for (RuleGroupConfig& g : loaded.groups) {
    const Scheduled* old = FindGroup(RuleGroup::GroupKey(g));
    if (old != nullptr && same_env && old->group->config() == g) {
      next.push_back(*old);
      continue;
    }
    TRY_ASSIGN(std::shared_ptr<RuleGroup> group, RuleGroup::Create(std::move(g), new_env));
    const int64_t next_ms = group->NextEvaluationMs(now_ms);
    next.push_back({.group = std::move(group), .next_ms = next_ms, .running = false});
  }
  TRY_ASSIGN(const std::vector<std::shared_ptr<RuleGroup>> gone, MakeGone(next, new_env));

  const auto adopt = [&](const std::shared_ptr<RuleGroup>& group) {
    Scheduled* old = FindGroup(group->key());
    if (old != nullptr && old->group != group) group->Adopt(old->group.get());
  };
  notifier->Configure(config.notifier, config.external_labels);
  for (const Scheduled& s : next) adopt(s.group);
  for (const auto& group : gone) {
    adopt(group);
    const std::vector<Alert> alerts = group->Evaluate(now_ms);
    notifier->Send(alerts, now_ms);  // all are resolved
    waiting_alerts.insert(waiting_alerts.end(), alerts.begin(), alerts.end());
  }
  groups = std::move(next);
  env = std::move(new_env);
  alertmanager = std::move(loaded.alertmanager);
  transports.clear();
  for (const Receiver& r :
       alertmanager == nullptr ? std::vector<Receiver>() : alertmanager->receivers) {
    for (const Integration& i : r.integrations) {
      if (i.webhook != nullptr) transports[i.webhook.get()] = deps.transport(i.webhook->http);
    }
  }
  dispatcher->Configure(alertmanager, now_ms);
  auto shown = std::make_shared<Groups>();
  for (const Scheduled& s : groups) shown->push_back(s.group);
  MutexLock lock(mutex);
  shown_groups = std::move(shown);
  return Status::Ok();
}

// ---- the outside

Manager::Manager(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Manager::~Manager() {
  impl_->stopping.request_stop();
  impl_->planner = {};
}

Result<std::unique_ptr<Manager>> Manager::Open(ManagerOptions options,
                                               ManagerDependencies dependencies) {
  if (!dependencies.transport) dependencies.transport = MakeHttpClientTransport();
  auto impl = std::make_unique<Impl>(options, std::move(dependencies));
  TRY_ASSIGN(impl->outbox, Outbox::Open(impl->deps.state));
  TRY_ASSIGN(impl->dispatcher, Dispatcher::Open(impl->deps.state, impl->outbox.get(), nullptr));
  const bool threads = options.evaluation_threads > 0;
  impl->notifier = std::make_unique<Notifier>(
      NotifierOptions{
          .queue_capacity = options.notifier_queue_capacity,
          .batch_size = options.notifier_batch_size,
          .threads = threads ? NotifierOptions::Threads::kOwn : NotifierOptions::Threads::kNone},
      impl->deps.transport, impl->deps.clock);
  if (threads) {
    impl->evaluators =
        std::make_unique<ThreadPool>("rules", options.evaluation_threads, kMaxQueuedTasks);
    impl->senders = std::make_unique<ThreadPool>("notify", std::max(1, options.sender_threads),
                                                 kMaxQueuedTasks);
  }
  return std::unique_ptr<Manager>(new Manager(std::move(impl)));
}

Status Manager::Apply(const ManagerConfig& config) {
  TRY_ASSIGN(LoadedConfig loaded, Load(config));
  Impl* impl = impl_.get();
  bool started = false, done = false;
  Status status;
  {
    MutexLock lock(impl->mutex);
    started = impl->started;
  }
  if (!started) return impl->Reconfigure(config, std::move(loaded));
  impl->Post([&](Impl::Mail* m) {
    m->commands.push_back(
        {[&] { return impl->Reconfigure(config, std::move(loaded)); }, &done, &status});
  });
  MutexLock lock(impl->mutex);
  while (!done) {
    impl->answered.WaitFor(impl->mutex, {}, kMaxWaitMs, [&] { return done; });
  }
  return status;
}

void Manager::Start() {
  Impl* impl = impl_.get();
  {
    MutexLock lock(impl->mutex);
    impl->started = true;
  }
  impl->planner = StartThread("alerting", [impl](std::stop_token stop) {
    while (!stop.stop_requested()) {
      const int64_t next_ms = impl->Round();
      const int64_t wait_ms = next_ms - impl->deps.clock->WallMs();
      MutexLock lock(impl->mutex);
      impl->wake.WaitFor(impl->mutex, stop, std::clamp<int64_t>(wait_ms, 0, kMaxWaitMs),
                         [impl]() REQUIRES(impl->mutex) { return !impl->mail.empty(); });
    }
  });
}

int64_t Manager::RunDue() {
  while (true) {
    const int64_t next_ms = impl_->Round();
    MutexLock lock(impl_->mutex);
    if (impl_->mail.empty()) return next_ms;
  }
}

std::vector<RuleGroupSnapshot> Manager::RuleGroups() const {
  std::shared_ptr<const Impl::Groups> groups;
  {
    MutexLock lock(impl_->mutex);
    groups = impl_->shown_groups;
  }
  std::vector<RuleGroupSnapshot> out;
  for (const auto& g : *groups) out.push_back(g->Snapshot());
  return out;
}

std::vector<ActiveAlert> Manager::ActiveAlerts() const {
  std::vector<ActiveAlert> out;
  for (const RuleGroupSnapshot& g : RuleGroups()) {
    for (const RuleSnapshot& r : g.rules) out.insert(out.end(), r.alerts.begin(), r.alerts.end());
  }
  return out;
}

std::vector<AlertGroupSnapshot> Manager::AlertGroups() const {
  MutexLock lock(impl_->mutex);
  return impl_->shown_alerts;
}

NotifierSnapshot Manager::Alertmanagers() const {
  return impl_->notifier->Snapshot();
}

AlertingCounters Manager::Counters() const {
  MutexLock lock(impl_->mutex);
  return impl_->shown_counters;
}

}  // namespace deckwatch::alerting
