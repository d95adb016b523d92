// Keeps the answers of one server for the views.
//
// A view says each frame what it wants to see (`Range(expr, window)`) and gets the newest answer
// there is, without waiting. Between frames Update() starts the requests that are missing or out of
// date on the fetch pool, and takes in what arrived. So a view holds no data and no request states
// of its own: what it draws is a function of what it asks.
//
// One request per question is in flight at a time; while the window moves on (zooming, panning),
// the last answer stays visible and the newest window is asked for next. A question that was not
// asked for a while is forgotten.
//
// Threads: all methods belong to the UI thread. Workers hand results over through one inbox.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/http_client.h"
#include "dashboard/data/model.h"

namespace deckwatch::dashboard {

// How bytes reach the server: HttpClient::Do, or a recording in tests. Thread-safe.
using Transport = std::function<Result<HttpResponse>(const HttpRequest&)>;

// The newest answer to one question. `data` is the last good one (null before the first) and stays
// when a later attempt fails; `error` is the outcome of the last attempt.
template <typename T>
struct Reading {
  std::shared_ptr<const T> data;
  TimeRange window;         // what `data` covers
  int64_t step_ms = 0;      // resolution of `data`
  int64_t received_ms = 0;  // when `data` came
  uint64_t version = 0;     // changes with `data`
  Status error;
  bool asked = false;  // at least one attempt ended
};

struct FeedState {
  bool reached = false;       // any answer ever came
  bool away = false;          // the last answers were transport errors
  int64_t away_since_ms = 0;  // valid when away
  int64_t last_success_ms = 0;
  int in_flight = 0;
  uint64_t bytes_received = 0;
  std::string last_error;
};

class Feed {
 public:
  // `wake` is called from a worker when something arrived (to end the UI's wait). `pool`, `clock`
  // and `transport` outlive the feed.
  Feed(std::string base_url, Transport transport, ThreadPool* pool, const Clock* clock,
       std::function<void()> wake);
  ~Feed();  // cancels and waits for requests in flight
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  using TargetsReading = Reading<std::vector<Target>>;

  // The references are valid until the next Update().
  const Reading<QueryResult>& Range(const std::string& expr, TimeRange window, int64_t step_ms);
  const Reading<std::vector<Target>>& Targets();
  const Reading<std::vector<Alert>>& Alerts();
  const Reading<RuleSummary>& Rules();
  const Reading<std::string>& BuildVersion();
  const Reading<std::vector<std::string>>& MetricNames();

  // Makes the lists (targets, alerts, rules) and failed questions due again.
  void Refresh() { ++generation_; }

  // Takes in answers, starts requests. Call once per frame, outside drawing.
  void Update();
  // Waits until nothing is in flight or the time is over; true when idle. For the picture command.
  bool WaitIdle(int64_t timeout_ms);

  const FeedState& state() const { return state_; }
  const std::string& url() const { return base_url_; }
  int64_t NowMs() const { return clock_->WallMs(); }

 private:
  using Payload = std::variant<std::monostate, QueryResult, std::vector<Target>, std::vector<Alert>,
                               RuleSummary, std::string, std::vector<std::string>>;
  using Decoder = Result<Payload> (*)(std::string body);
  struct Question;
  struct Arrival;
  struct Inbox;
  template <typename T>
  struct Entry;

  template <typename T>
  Entry<T>& Find(const std::string& key);
  template <typename T>
  const Reading<T>& List(const std::string& path, Decoder decoder);
  void Start(Question* question);
  void TakeIn(Arrival arrival);
  void NoteOutcome(const Arrival& arrival);

  const std::string base_url_;
  const Transport transport_;
  ThreadPool* const pool_;
  const Clock* const clock_;
  const std::shared_ptr<Inbox> inbox_;
  std::stop_source stop_;
  std::map<std::string, std::unique_ptr<Question>> questions_;
  FeedState state_;
  uint64_t generation_ = 1;
  uint64_t update_count_ = 0;
  uint64_t next_version_ = 1;
};

}  // namespace deckwatch::dashboard
