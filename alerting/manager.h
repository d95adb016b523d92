// The alerting room as the server sees it: rule files and alertmanager.yml in, notifications out,
// snapshots for the API.
//
//   rule groups ──alerts─┬► dispatcher ──notifications──► outbox ──► webhook senders
//       │ ▲              └──────│────────────────────────────│─────► notifier: Alertmanagers
//       outside ▼ │ samples             └──────── state rows ────────┘
//   Appender / GroupQueries                 StateStore
//
// One thread plans (it owns dispatcher and outbox); a pool evaluates rule groups and sends. All
// state is rows in the StateStore, committed before it is acted on: a restart forgets nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "alerting/notifier_config.h"
#include "alerting/seams.h"
#include "alerting/snapshot.h"
#include "base/clock.h"
#include "base/labels.h"
#include "base/state_store.h"
#include "base/status.h"
#include "base/storage.h"

namespace deckwatch::alerting {

struct ManagerOptions {
  int64_t resend_delay_ms = 60'000;         // --rules.alert.resend-delay
  int64_t outage_tolerance_ms = 3'600'000;  // --rules.alert.for-outage-tolerance
  int64_t for_grace_period_ms = 600'000;    // --rules.alert.for-grace-period
  int evaluation_threads = 4;               // 0: RunDue does all the work itself (tests)
  int sender_threads = 4;
  size_t notifier_queue_capacity = 10'000;  // --alertmanager.notification-queue-capacity
  size_t notifier_batch_size = 256;         // --alertmanager.notification-batch-size
};

// Must outlive the manager. `transport` may be empty: then base/http_client is used.
struct ManagerDependencies {
  GroupQueries query;
  Appender* appender = nullptr;
  StateStore* state = nullptr;
  const Clock* clock = nullptr;
  HttpTransportFactory transport;
};

// What a reload brings. Paths are already globbed and absolute.
struct ManagerConfig {
  std::vector<std::string> rule_files;
  int64_t evaluation_interval_ms = 60'000;  // global.evaluation_interval
  int64_t rule_query_offset_ms = 0;         // global.rule_query_offset
  Labels external_labels;
  std::string external_url;       // without a trailing slash
  std::string alertmanager_file;  // "" = no built-in notification
  NotifierConfig notifier;        // the `alerting` section: Alertmanagers outside
};

// Thread-safe.
class Manager {
 public:
  // Corruption or Io when stored state cannot be read.
  static Result<std::unique_ptr<Manager>> Open(ManagerOptions options,
                                               ManagerDependencies dependencies);
  ~Manager();  // stops, then joins

  // Reads, checks and puts all of `config` to work, or changes nothing and returns the first error
  // (file:line:key: reason). Rules that are unchanged keep their state; alerts of rules that are
  // gone are resolved. Waits for evaluations under way.
  Status Apply(const ManagerConfig& config);

  // Starts working by itself. Before, and in tests with evaluation_threads = 0, RunDue does
  // everything that is due now and returns the wall time at which something is due next.
  void Start();
  int64_t RunDue();

  std::vector<RuleGroupSnapshot> RuleGroups() const;  // by file, then place in the file
  std::vector<ActiveAlert> ActiveAlerts() const;      // pending and firing, of all rules
  std::vector<AlertGroupSnapshot> AlertGroups() const;
  AlertingCounters Counters() const;
  NotifierSnapshot Alertmanagers() const;  // those outside

 private:
  struct Impl;
  explicit Manager(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace deckwatch::alerting
