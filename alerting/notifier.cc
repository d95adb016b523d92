#include "alerting/notifier.h"

#include <algorithm>
#include <deque>

#include "base/executor.h"
#include "base/json.h"
#include "base/log.h"

namespace deckwatch::alerting {
namespace {

constexpr int64_t kMaxWaitMs = 10'000;
constexpr size_t kMaxAnswerBytes = 1 << 20;

// One alert as Alertmanager's API takes it; shared by the queues it waits in.
using Piece = std::shared_ptr<const std::string>;

void WritePairs(JsonWriter* w, const KeyValues& pairs) {
  w->BeginObject();
  for (const auto& [key, value] : pairs) w->Key(key).String(value);
  w->EndObject();
}

std::string PostableAlert(const Alert& alert, const LabelsBuilder& labels, int64_t valid_until_ms) {
  const int64_t ends_at_ms = alert.ends_at_ms != 0 ? alert.ends_at_ms : valid_until_ms;
  std::string json;
  JsonWriter w(&json);
  WritePairs(&w.BeginObject().Key("annotations"), alert.annotations);
  w.Key("endsAt").String(FormatRfc3339Ms(ends_at_ms));
  w.Key("startsAt").String(FormatRfc3339Ms(alert.starts_at_ms));
  if (!alert.generator_url.empty()) w.Key("generatorURL").String(alert.generator_url);
  WritePairs(&w.Key("labels"), labels.pairs());
  w.EndObject();
  return json;
}

std::string RequestBody(const std::vector<Piece>& batch) {
  std::string body = "[";
  for (const Piece& piece : batch) {
    if (body.size() > 1) body += ',';
    body += *piece;
  }
  return body + "]";
}

void AddAbsent(const Labels& more, LabelsBuilder* labels) {
  for (const LabelRef label : more) {
    if (labels->Get(label.name).empty()) labels->Set(label.name, label.value);
  }
}

}  // namespace

// One Alertmanager: its queue, and the thread that empties it.
class Notifier::Target {
 public:
  Target(std::string url, const NotifierOptions& options, const Clock* clock)
      : url_(std::move(url)), options_(options), clock_(clock) {
    counts_.url = url_;
    if (options_.threads == NotifierOptions::Threads::kOwn) {
      worker_ = StartThread("alertmanager", [this](const std::stop_token& stop) { Run(stop); });
    }
  }
  ~Target() { abort_.request_stop(); }  // then worker_ joins

  const std::string& url() const { return url_; }

  void Configure(HttpTransport transport, int64_t timeout_ms) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    transport_ = std::move(transport);
    timeout_ms_ = timeout_ms;
  }

  void Put(const std::vector<Piece>& pieces) EXCLUDES(mutex_);

  // Sends one batch; false when there was none or it was not taken.
  bool SendBatch() EXCLUDES(mutex_);

  // Asks the worker to empty the queue and end, and waits for that.
  void RequestStop() { worker_.request_stop(); }
  void AwaitEnd(int64_t timeout_ms) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    wake_.WaitFor(mutex_, {}, timeout_ms, [this]() REQUIRES(mutex_) { return ended_; });
  }

  NotifierSnapshot::Target counts() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    NotifierSnapshot::Target out = counts_;
    out.queued = queue_.size();
    return out;
  }

 private:
  void Run(const std::stop_token& stop) EXCLUDES(mutex_);
  Status Post(const std::vector<Piece>& batch, const HttpTransport& transport,
              int64_t timeout_ms) const;

  const std::string url_;
  const NotifierOptions options_;
  const Clock* const clock_;
  std::stop_source abort_;  // ends the request under way

  mutable Mutex mutex_;
  CondVar wake_;
  HttpTransport transport_ GUARDED_BY(mutex_);
  int64_t timeout_ms_ GUARDED_BY(mutex_) = 0;
  std::deque<Piece> queue_ GUARDED_BY(mutex_);
  NotifierSnapshot::Target counts_ GUARDED_BY(mutex_);
  bool ended_ GUARDED_BY(mutex_) = false;

  std::jthread worker_;  // last: ends before the rest goes
};

void Notifier::Target::Put(const std::vector<Piece>& pieces) {
  size_t dropped = 0;
  {
    MutexLock lock(mutex_);
    queue_.insert(queue_.end(), pieces.begin(), pieces.end());
    if (queue_.size() > options_.queue_capacity) dropped = queue_.size() - options_.queue_capacity;
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(dropped));
    counts_.dropped += dropped;
  }
  wake_.NotifyAll();
  if (dropped > 0) {
    LogWarn("Alertmanager's queue is full, its oldest alerts are dropped",
            {{"alertmanager", url_}, {"count", dropped}});
  }
}

bool Notifier::Target::SendBatch() {
  std::vector<Piece> batch;
  HttpTransport transport;
  int64_t timeout_ms = 0;
  {
    MutexLock lock(mutex_);
    const auto end =
        queue_.begin() + static_cast<std::ptrdiff_t>(std::min(queue_.size(), options_.batch_size));
    batch.assign(queue_.begin(), end);
    queue_.erase(queue_.begin(), end);
    transport = transport_;
    timeout_ms = timeout_ms_;
  }
  if (batch.empty()) return false;
  const int64_t begin_ns = clock_->MonotonicNs();
  const Status status = Post(batch, transport, timeout_ms);
  const int64_t latency_ns = clock_->MonotonicNs() - begin_ns;
  if (!status.ok()) {
    LogError("alerts not sent", {{"alertmanager", url_}, {"count", batch.size()}, {"err", status}});
  }
  MutexLock lock(mutex_);
  if (status.ok()) {
    counts_.sent += batch.size();
    ++counts_.requests;
    counts_.latency_ns += latency_ns;
  } else {
    counts_.errors += batch.size();
    counts_.dropped += batch.size();
  }
  return status.ok();
}

Status Notifier::Target::Post(const std::vector<Piece>& batch, const HttpTransport& transport,
                              int64_t timeout_ms) const {
  HttpRequest request;
  request.method = "POST";
  request.url = url_;
  request.body = RequestBody(batch);
  request.content_type = "application/json";
  request.timeout_ms = timeout_ms;
  request.max_body_bytes = kMaxAnswerBytes;
  request.stop = abort_.get_token();
  TRY_ASSIGN(const HttpResponse response, transport(request));
  if (response.status / 100 == 2) return Status::Ok();
  return Status::Unavailable("bad response status " + std::to_string(response.status) + ": " +
                             response.body.substr(0, 200));
}

void Notifier::Target::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      MutexLock lock(mutex_);
      wake_.WaitFor(mutex_, stop, kMaxWaitMs,
                    [this]() REQUIRES(mutex_) { return !queue_.empty(); });
    }
    if (!stop.stop_requested()) SendBatch();
  }
  while (!abort_.stop_requested() && SendBatch()) {
  }
  size_t left = 0;
  {
    MutexLock lock(mutex_);
    left = queue_.size();
    ended_ = true;
  }
  wake_.NotifyAll();
  if (left > 0) {
    LogWarn("Alertmanager gone or stopping, its alerts are dropped",
            {{"alertmanager", url_}, {"count", left}});
  }
}

Notifier::Notifier(NotifierOptions options, HttpTransportFactory transport, const Clock* clock)
    : options_(options), transport_(std::move(transport)), clock_(clock) {}

Notifier::~Notifier() {
  const auto current = routing();
  for (const Routing::Set& set : current->sets) {
    for (const auto& target : set.targets) target->RequestStop();
  }
  if (options_.threads == NotifierOptions::Threads::kNone) return;
  const int64_t deadline_ms = clock_->MonotonicMs() + options_.drain_ms;
  for (const Routing::Set& set : current->sets) {
    for (const auto& target : set.targets) {
      target->AwaitEnd(std::max<int64_t>(0, deadline_ms - clock_->MonotonicMs()));
    }
  }
}

std::shared_ptr<const Notifier::Routing> Notifier::routing() const {
  MutexLock lock(mutex_);
  return routing_;
}

void Notifier::Configure(const NotifierConfig& config, Labels external_labels) {
  // A URL may be in several sets; each has its own target.
  std::multimap<std::string, std::shared_ptr<Target>> before;
  for (const Routing::Set& set : routing()->sets) {
    for (const auto& target : set.targets) before.emplace(target->url(), target);
  }
  auto next = std::make_shared<Routing>();
  next->alert_relabel = config.alert_relabel;
  next->external_labels = std::move(external_labels);
  for (const AlertmanagerSet& set : config.sets) {
    next->sets.push_back({.alert_relabel = set.alert_relabel, .targets = {}});
    next->dropped_urls.insert(next->dropped_urls.end(), set.dropped_urls.begin(),
                              set.dropped_urls.end());
    const HttpTransport transport = transport_(set.http);
    for (const std::string& url : set.urls) {
      const auto known = before.lower_bound(url);
      std::shared_ptr<Target> target;
      if (known != before.end() && known->first == url) {
        target = before.extract(known).mapped();
      } else {
        target = std::make_shared<Target>(url, options_, clock_);
      }
      target->Configure(transport, set.timeout_ms);
      next->sets.back().targets.push_back(std::move(target));
    }
  }
  std::shared_ptr<const Routing> old = std::move(next);
  {
    MutexLock lock(mutex_);
    std::swap(routing_, old);
  }
}

void Notifier::Send(std::span<const Alert> alerts, int64_t valid_until_ms) {
  const auto current = routing();
  if (current->sets.empty()) return;
  std::vector<std::pair<const Alert*, Labels>> kept;
  LabelsBuilder labels;
  for (const Alert& alert : alerts) {
    labels.Reset(alert.labels);
    AddAbsent(current->external_labels, &labels);
    if (Relabel(current->alert_relabel, &labels)) kept.emplace_back(&alert, labels.Build());
  }
  for (const Routing::Set& set : current->sets) {
    if (set.targets.empty()) continue;
    std::vector<Piece> pieces;
    for (const auto& [alert, common] : kept) {
      labels.Reset(common);
      if (!Relabel(set.alert_relabel, &labels)) continue;
      pieces.push_back(
          std::make_shared<const std::string>(PostableAlert(*alert, labels, valid_until_ms)));
    }
    if (pieces.empty()) continue;
    for (const auto& target : set.targets) target->Put(pieces);
  }
}

void Notifier::SendQueued() {
  const auto current = routing();
  for (const Routing::Set& set : current->sets) {
    for (const auto& target : set.targets) {
      while (target->counts().queued > 0) target->SendBatch();
    }
  }
}

NotifierSnapshot Notifier::Snapshot() const {
  const auto current = routing();
  NotifierSnapshot out;
  out.dropped_urls = current->dropped_urls;
  out.queue_capacity = options_.queue_capacity;
  for (const Routing::Set& set : current->sets) {
    for (const auto& target : set.targets) out.active.push_back(target->counts());
  }
  return out;
}

}  // namespace deckwatch::alerting
