#include "scraper/discovery/kubernetes/watch.h"

#include <algorithm>
#include <random>

#include "base/log.h"
#include "scraper/discovery/refresh.h"

namespace deckwatch::scraper::kubernetes {
namespace {

constexpr int kFailuresBeforeList = 5;
constexpr int kGone = 410;
constexpr size_t kMaxEventBytes = 16 << 20;
constexpr size_t kMaxPageBytes = 256 << 20;
// Bookmarks come about every minute. A longer silence is a dead connection, or costs one request.
constexpr int64_t kMaxSilenceMs = 150'000;

enum class Next { kWatch, kWait, kList };

class Watcher {
 public:
  Watcher(const WatchOptions& options, HttpClient* client, std::stop_token stop,
          const WatchSink& sink)
      : options_(options), client_(client), stop_(std::move(stop)), sink_(sink) {
    const KindInfo& info = InfoOf(options.kind);
    url_ = options.base_url + std::string(info.api);
    if (!options.ns.empty() && info.namespaced) url_ += "/namespaces/" + UrlEncode(options.ns);
    url_ += "/" + std::string(info.resource) + "?";
    if (!options.label_selector.empty()) {
      url_ += "labelSelector=" + UrlEncode(options.label_selector) + "&";
    }
    if (!options.field_selector.empty()) {
      url_ += "fieldSelector=" + UrlEncode(options.field_selector) + "&";
    }
  }

  void Run() {
    while (!stop_.stop_requested()) {
      if (const Status listed = List(); !listed.ok()) {
        Complain("list", listed);
        Wait();
        continue;
      }
      failures_ = 0;
      for (Next next = Next::kWatch; !stop_.stop_requested() && next != Next::kList;) {
        next = Watch();
        if (next != Next::kWait) continue;
        if (++failures_ > kFailuresBeforeList) next = Next::kList;
        Wait();
      }
    }
  }

 private:
  HttpRequest Request(const std::string& parameters) const {
    HttpRequest request;
    request.url = url_ + parameters;
    request.headers = {{"Accept", "application/json"}};
    request.stop = stop_;
    return request;
  }

  // An answer's status as an error, with the API's own message when there is one.
  static Status ApiError(const HttpResponse& answer) {
    std::string message = "HTTP status " + std::to_string(answer.status);
    const auto json = Json::Parse(answer.body);
    if (json.ok()) message += ": " + (*json)["message"].AsString();
    if (answer.status == kGone) return Status::NotFound(std::move(message));
    return Status::Unavailable(std::move(message));
  }

  Status List() {
    std::vector<Object> all;
    std::string token;
    do {
      HttpRequest request = Request("limit=" + std::to_string(options_.page_objects) +
                                    (token.empty() ? "" : "&continue=" + UrlEncode(token)));
      request.max_body_bytes = kMaxPageBytes;
      TRY_ASSIGN(const HttpResponse answer, client_->Do(request));
      if (answer.status != 200) return ApiError(answer);
      TRY_ASSIGN(const Json page, Json::Parse(answer.body));
      const Json& meta = page["metadata"];
      for (const Json& item : page["items"].AsArray()) {
        all.push_back(ParseObject(options_.kind, item));
      }
      token = meta["continue"].AsString();
      version_ = meta["resourceVersion"].AsString();
    } while (!token.empty());
    sink_.replace(std::move(all));
    return Status::Ok();
  }

  Next Watch() {
    std::string pending;  // the part of a line that has come so far
    bool progress = false;
    Next next = Next::kWatch;
    HttpRequest request =
        Request("watch=1&allowWatchBookmarks=true&resourceVersion=" + UrlEncode(version_) +
                "&timeoutSeconds=" + std::to_string(300 + random_() % 300));
    request.timeout_ms = 0;
    request.idle_timeout_ms = kMaxSilenceMs;
    request.on_body = [&](std::string_view piece) {
      for (size_t end; (end = piece.find('\n')) != std::string_view::npos;
           piece.remove_prefix(end + 1)) {
        pending += piece.substr(0, end);
        next = OnEvent(pending);
        pending.clear();
        if (next != Next::kWatch) return false;
        progress = true;
      }
      pending += piece;
      return pending.size() <= kMaxEventBytes;
    };
    const auto answer = client_->Do(request);
    if (progress) failures_ = 0, backoff_ms_ = 0;
    if (next != Next::kWatch || stop_.stop_requested()) return next;
    if (!answer.ok()) {
      LogDebug("kubernetes watch broke off",
               {{"resource", InfoOf(options_.kind).resource}, {"err", answer.status()}});
      return progress ? Next::kWatch : Next::kWait;
    }
    if (answer->status == 200) return progress ? Next::kWatch : Next::kWait;
    Complain("watch", ApiError(*answer));
    return answer->status == kGone ? Next::kList : Next::kWait;
  }

  Next OnEvent(const std::string& line) {
    if (line.find_first_not_of(" \r") == std::string::npos) return Next::kWatch;
    const auto event = Json::Parse(line);
    if (!event.ok()) return Next::kList;
    const std::string& type = (*event)["type"].AsString();
    const Json& object = (*event)["object"];
    if (type == "ERROR") {
      LogInfo("kubernetes watch ended by the server", {{"resource", InfoOf(options_.kind).resource},
                                                       {"reason", object["message"].AsString()}});
      return object["code"].AsInt() == kGone ? Next::kList : Next::kWait;
    }
    const std::string& version = object["metadata"]["resourceVersion"].AsString();
    if (!version.empty()) version_ = version;
    if (type == "ADDED" || type == "MODIFIED") {
      sink_.put(ParseObject(options_.kind, object));
    } else if (type == "DELETED") {
      sink_.remove(ParseObject(options_.kind, object).Key());
    }
    return Next::kWatch;
  }

  // Doubling, with up to a fifth more so that many watchers do not come at once.
  void Wait() {
    backoff_ms_ = std::clamp(backoff_ms_ * 2, options_.min_backoff_ms, options_.max_backoff_ms);
    WaitForStop(stop_, backoff_ms_ + static_cast<int64_t>(random_() % (backoff_ms_ / 5 + 1)));
  }

  void Complain(std::string_view what, const Status& why) const {
    if (stop_.stop_requested()) return;
    LogWarn("kubernetes discovery: request failed, trying again",
            {{"request", what}, {"resource", InfoOf(options_.kind).resource}, {"err", why}});
  }

  const WatchOptions& options_;
  HttpClient* const client_;
  const std::stop_token stop_;
  const WatchSink& sink_;
  std::string url_;
  std::string version_;
  int failures_ = 0;
  int64_t backoff_ms_ = 0;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace

void RunWatch(const WatchOptions& options, HttpClient* client, const std::stop_token& stop,
              const WatchSink& sink) {
  Watcher(options, client, stop, sink).Run();
}

}  // namespace deckwatch::scraper::kubernetes
