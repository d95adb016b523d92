// A Prometheus-compatible server inside the test: answers the questions of the health home and of
// explore with made-up but deterministic series, so that pages can be drawn without a network.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "dashboard/data/feed.h"

namespace deckwatch::dashboard {

class FakeServer {
 public:
  // All alerts and scrapes lie shortly before `now_ms`.
  explicit FakeServer(int64_t now_ms) : now_ms_(now_ms) {}

  Transport transport() {
    return [this](const HttpRequest& request) { return Answer(request); };
  }

  // Transport errors from now on.
  void SetAway(bool away);
  // Answers with exactly this instead, for every path that contains `part`.
  void SetAnswer(const std::string& part, int status, const std::string& body);
  // Metrics whose queries give no series.
  void SetAbsent(const std::string& metric);

  int request_count() const;
  std::vector<std::string> queries() const;  // all expressions asked so far

 private:
  struct Canned {
    int status;
    std::string body;
  };
  Result<HttpResponse> Answer(const HttpRequest& request);
  std::string Body(const std::string& url, const std::string& form);

  const int64_t now_ms_;
  mutable Mutex mutex_;
  bool away_ GUARDED_BY(mutex_) = false;
  std::map<std::string, Canned> canned_ GUARDED_BY(mutex_);
  std::vector<std::string> absent_ GUARDED_BY(mutex_);
  std::vector<std::string> queries_ GUARDED_BY(mutex_);
  int requests_ GUARDED_BY(mutex_) = 0;
};

}  // namespace deckwatch::dashboard
