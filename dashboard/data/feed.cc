#include "dashboard/data/feed.h"

#include <algorithm>

#include "base/mutex.h"
#include "dashboard/data/decode.h"

namespace deckwatch::dashboard {
namespace {

constexpr size_t kMaxQueryBytes = 256 << 20;  // 7 M samples as JSON
constexpr size_t kMaxListBytes = 32 << 20;
constexpr int64_t kTimeoutMs = 30'000;
constexpr uint64_t kForgetAfterUpdates = 600;

std::string Seconds(int64_t ms) {
  std::string text = std::to_string(ms / 1000);
  if (ms % 1000 != 0) text += "." + std::to_string(1000 + ms % 1000).substr(1);
  return text;
}

}  // namespace

// What is asked, and what was asked last. The base holds what does not depend on the answer's type.
struct Feed::Question {
  virtual ~Question() = default;
  virtual void Accept(Arrival arrival, int64_t now_ms, uint64_t version) = 0;
  virtual void Reject(Status error) = 0;

  struct Want {
    TimeRange window;
    int64_t step_ms = 0;
    bool operator==(const Want&) const = default;
  };
  // Due when what is wanted differs from what was last attempted; lists and failed questions also
  // at each refresh.
  bool Due(uint64_t generation) const {
    return !in_flight && (attempted_generation == 0 || want != attempted ||
                          ((is_list || failed) && attempted_generation != generation));
  }

  std::string key, path, expr;
  Decoder decoder = nullptr;
  bool is_list = false;
  Want want, attempted;
  uint64_t attempted_generation = 0;  // 0 = never
  bool in_flight = false;
  bool failed = false;
  uint64_t last_wanted = 0;
};

struct Feed::Arrival {
  std::string key;
  Question::Want want;
  Status error;
  bool from_transport = false;  // the error is the way's, not the server's
  Payload payload;
  size_t bytes = 0;
};

struct Feed::Inbox {
  Mutex mutex;
  CondVar arrived;
  std::vector<Arrival> items GUARDED_BY(mutex);
  int in_flight GUARDED_BY(mutex) = 0;
  std::function<void()> wake;  // set before the first request, then only read
};

template <typename T>
struct Feed::Entry : Feed::Question {
  Reading<T> reading;

  void Accept(Arrival arrival, int64_t now_ms, uint64_t version) override {
    reading.data = std::make_shared<const T>(std::get<T>(std::move(arrival.payload)));
    reading.window = arrival.want.window;
    reading.step_ms = arrival.want.step_ms;
    reading.received_ms = now_ms;
    reading.version = version;
    reading.error = Status::Ok();
    reading.asked = true;
  }
  void Reject(Status error) override {
    reading.error = std::move(error);
    reading.asked = true;
  }
};

namespace {

// Any decoder as one that gives the variant.
template <auto Decode, typename Payload>
Result<Payload> As(std::string body) {
  auto decoded = Decode(std::move(body));
  if (!decoded.ok()) return decoded.status();
  return Payload(std::move(decoded).value());
}

HttpRequest MakeRequest(const std::string& url, const std::string& path, const std::string& expr,
                        TimeRange window, int64_t step_ms, std::stop_token stop) {
  HttpRequest request;
  request.url = url + path;
  request.timeout_ms = kTimeoutMs;
  request.idle_timeout_ms = kTimeoutMs;
  request.max_body_bytes = expr.empty() ? kMaxListBytes : kMaxQueryBytes;
  request.stop = std::move(stop);
  if (expr.empty()) return request;
  request.method = "POST";  // expressions may be longer than a URL may be
  request.content_type = "application/x-www-form-urlencoded";
  request.body = "query=" + UrlEncode(expr) + "&start=" + Seconds(window.from_ms) +
                 "&end=" + Seconds(window.to_ms) + "&step=" + Seconds(step_ms);
  return request;
}

}  // namespace

Feed::Feed(std::string base_url, Transport transport, ThreadPool* pool, const Clock* clock,
           std::function<void()> wake)
    : base_url_(std::move(base_url)),
      transport_(std::move(transport)),
      pool_(pool),
      clock_(clock),
      inbox_(std::make_shared<Inbox>()) {
  inbox_->wake = std::move(wake);
}

Feed::~Feed() {
  stop_.request_stop();
  while (!WaitIdle(1000)) {
  }
}

template <typename T>
Feed::Entry<T>& Feed::Find(const std::string& key) {
  std::unique_ptr<Question>& slot = questions_[key];
  if (!slot) {
    slot = std::make_unique<Entry<T>>();
    slot->key = key;
  }
  slot->last_wanted = update_count_;
  return static_cast<Entry<T>&>(*slot);  // the key's prefix fixes the type
}

template <typename T>
const Reading<T>& Feed::List(const std::string& path, Decoder decoder) {
  Entry<T>& entry = Find<T>(path);
  entry.path = path;
  entry.decoder = decoder;
  entry.is_list = true;
  return entry.reading;
}

const Reading<QueryResult>& Feed::Range(const std::string& expr, TimeRange window,
                                        int64_t step_ms) {
  Entry<QueryResult>& entry = Find<QueryResult>("range " + expr);
  entry.path = "/api/v1/query_range";
  entry.expr = expr;
  entry.decoder = As<DecodeQueryResult, Payload>;
  entry.want = {window, step_ms};
  return entry.reading;
}

const Reading<std::vector<Target>>& Feed::Targets() {
  return List<std::vector<Target>>("/api/v1/targets?state=active", As<DecodeTargets, Payload>);
}
const Reading<std::vector<Alert>>& Feed::Alerts() {
  return List<std::vector<Alert>>("/api/v1/alerts", As<DecodeAlerts, Payload>);
}
const Reading<RuleSummary>& Feed::Rules() {
  return List<RuleSummary>("/api/v1/rules", As<DecodeRules, Payload>);
}
const Reading<std::string>& Feed::BuildVersion() {
  return List<std::string>("/api/v1/status/buildinfo", As<DecodeBuildVersion, Payload>);
}
const Reading<std::vector<std::string>>& Feed::MetricNames() {
  return List<std::vector<std::string>>("/api/v1/label/__name__/values", As<DecodeNames, Payload>);
}

void Feed::Update() {
  std::vector<Arrival> arrivals;
  {
    MutexLock lock(inbox_->mutex);
    arrivals.swap(inbox_->items);
  }
  for (Arrival& arrival : arrivals) TakeIn(std::move(arrival));
  for (auto it = questions_.begin(); it != questions_.end();) {
    Question& question = *it->second;
    if (!question.in_flight && update_count_ - question.last_wanted > kForgetAfterUpdates) {
      it = questions_.erase(it);
      continue;
    }
    const bool wanted = question.last_wanted == update_count_;
    if (wanted && question.Due(generation_)) Start(&question);
    ++it;
  }
  ++update_count_;
}

void Feed::Start(Question* question) {
  const Question::Want want = question->want;
  auto work = [this, inbox = inbox_, key = question->key, want, decoder = question->decoder,
               request = MakeRequest(base_url_, question->path, question->expr, want.window,
                                     want.step_ms, stop_.get_token())] {
    Arrival arrival{.key = key, .want = want, .error = {}, .payload = {}};
    Result<HttpResponse> response = transport_(request);
    if (!response.ok()) {
      arrival.error = response.status();
      arrival.from_transport = true;
    } else {
      arrival.bytes = response->body.size();
      const int http_status = response->status;
      Result<Payload> payload = decoder(std::move(response->body));
      if (payload.ok()) {
        arrival.payload = std::move(payload).value();
      } else if (http_status / 100 != 2 && payload.status().code() == StatusCode::kCorruption) {
        arrival.error = Status::Unavailable("HTTP status " + std::to_string(http_status));
      } else {
        arrival.error = payload.status();
      }
    }
    {
      MutexLock lock(inbox->mutex);
      inbox->items.push_back(std::move(arrival));
    }
    if (inbox->wake) inbox->wake();
    MutexLock lock(inbox->mutex);  // last, so that a feed that waited may go
    --inbox->in_flight;
    inbox->arrived.NotifyAll();
  };
  {
    MutexLock lock(inbox_->mutex);
    ++inbox_->in_flight;
  }
  if (!pool_->TrySubmit(std::move(work))) {  // full: the next Update tries again
    MutexLock lock(inbox_->mutex);
    --inbox_->in_flight;
    return;
  }
  question->attempted = want;
  question->attempted_generation = generation_;
  question->in_flight = true;
  ++state_.in_flight;
}

void Feed::TakeIn(Arrival arrival) {
  NoteOutcome(arrival);
  const auto it = questions_.find(arrival.key);
  CHECK(it != questions_.end());  // questions in flight are not forgotten
  Question& question = *it->second;
  question.in_flight = false;
  question.failed = !arrival.error.ok();
  if (question.failed) {
    question.Reject(std::move(arrival.error));
  } else {
    question.Accept(std::move(arrival), clock_->WallMs(), next_version_++);
  }
}

void Feed::NoteOutcome(const Arrival& arrival) {
  --state_.in_flight;
  state_.bytes_received += arrival.bytes;
  const int64_t now_ms = clock_->WallMs();
  if (!arrival.from_transport) {
    state_.reached = true;
    state_.away = false;
    state_.last_success_ms = now_ms;
    return;
  }
  state_.last_error = arrival.error.message();
  if (!state_.away) state_.away_since_ms = state_.reached ? state_.last_success_ms : now_ms;
  state_.away = true;
}

bool Feed::WaitIdle(int64_t timeout_ms) {
  MutexLock lock(inbox_->mutex);
  return inbox_->arrived.WaitFor(inbox_->mutex, {}, timeout_ms, [this]() REQUIRES(inbox_->mutex) {
    return inbox_->in_flight == 0;
  });
}

}  // namespace deckwatch::dashboard
