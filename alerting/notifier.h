// Sends alerts to Alertmanagers outside, as Prometheus does: each has its own bounded queue and its
// own thread, so a slow or absent one delays nobody. A request that fails is counted and not
// repeated: rules send every firing alert again after the resend delay, and a resolved one for 15
// minutes.
// Source of the behaviour: Prometheus, notifier/manager.go, notifier/sendloop.go.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "alerting/alert.h"
#include "alerting/notifier_config.h"
#include "alerting/seams.h"
#include "alerting/snapshot.h"
#include "base/clock.h"
#include "base/labels.h"
#include "base/mutex.h"

namespace deckwatch::alerting {

struct NotifierOptions {
  size_t queue_capacity = 10'000;  // alerts per Alertmanager; a full queue loses its oldest
  size_t batch_size = 256;         // alerts per request
  int64_t drain_ms = 5'000;        // after which stopping gives up what is still queued
  enum class Threads { kOwn, kNone } threads = Threads::kOwn;  // kNone: SendQueued does the work
};

// Thread-safe.
class Notifier {
 public:
  // `clock` must outlive this.
  Notifier(NotifierOptions options, HttpTransportFactory transport, const Clock* clock);
  ~Notifier();  // sends what is queued, for at most drain_ms, then stops

  // Replaces the Alertmanagers. One that stays, by its URL, keeps its queue and counts; what was
  // queued for one that goes is dropped.
  void Configure(const NotifierConfig& config, Labels external_labels);

  // Queues alerts for every Alertmanager: external labels added where absent, then relabelled. An
  // alert that has not ended is said to end at `valid_until_ms`, should nothing more be heard of
  // it. Never waits for a request.
  void Send(std::span<const Alert> alerts, int64_t valid_until_ms);

  // Without threads: sends all that is queued.
  void SendQueued();

  NotifierSnapshot Snapshot() const;

 private:
  class Target;
  // What Send needs; immutable.
  struct Routing {
    struct Set {
      RelabelRules alert_relabel;
      std::vector<std::shared_ptr<Target>> targets;
    };
    RelabelRules alert_relabel;
    Labels external_labels;
    std::vector<Set> sets;
    std::vector<std::string> dropped_urls;
  };
  std::shared_ptr<const Routing> routing() const;

  const NotifierOptions options_;
  const HttpTransportFactory transport_;
  const Clock* const clock_;
  mutable Mutex mutex_;
  std::shared_ptr<const Routing> routing_ GUARDED_BY(mutex_) = std::make_shared<Routing>();
};

}  // namespace deckwatch::alerting
