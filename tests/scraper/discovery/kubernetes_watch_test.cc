// The watcher against an API server that misbehaves in every way that was recorded, and in more.
#include <map>
#include <random>
#include <sstream>

#include <gmock/gmock.h>

#include "scraper/discovery/kubernetes/watch.h"
#include "tests/scraper/discovery/discovery_testing.h"

namespace deckwatch::scraper::kubernetes {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Pods by key, as text that shows every label.
using State = std::map<std::string, std::string>;

std::string TextOf(const Object& o) {
  std::string out = o.labels.ToString();
  for (const Container& c : o.containers) out += " " + c.name + "=" + c.id;
  return out;
}

// Runs a watcher and keeps what it says.
class WatchedState {
 public:
  explicit WatchedState(WatchOptions options) : options_(std::move(options)) {
    options_.min_backoff_ms = 1;
    options_.max_backoff_ms = 4;
    sink_.replace = [this](std::vector<Object> all) {
      Change([&]() REQUIRES(mutex_) {
        state_.clear();
        for (const Object& o : all) state_[o.Key()] = TextOf(o);
        ++lists_;
      });
    };
    sink_.put = [this](Object o) {
      Change([&]() REQUIRES(mutex_) { state_[o.Key()] = TextOf(o); });
    };
    sink_.remove = [this](const std::string& key) {
      Change([&]() REQUIRES(mutex_) { state_.erase(key); });
    };
    thread_ = StartThread("watch", [this](const std::stop_token& stop) {
      RunWatch(options_, &client_, stop, sink_);
    });
  }
  ~WatchedState() { thread_.request_stop(); }

  State WaitUntil(const std::function<bool(const State&, int lists)>& done) {
    MutexLock lock(mutex_);
    changed_.WaitFor(mutex_, {}, 10'000, [&]() REQUIRES(mutex_) { return done(state_, lists_); });
    return state_;
  }

 private:
  void Change(const std::function<void()>& f) {
    {
      MutexLock lock(mutex_);
      f();
    }
    changed_.NotifyAll();
  }

  WatchOptions options_;
  HttpClient client_{HttpClientConfig()};
  WatchSink sink_;
  Mutex mutex_;
  CondVar changed_;
  State state_ GUARDED_BY(mutex_);
  int lists_ GUARDED_BY(mutex_) = 0;
  std::jthread thread_;
};

WatchOptions Pods(const RawServer& api) {
  WatchOptions options;
  options.base_url = api.url();
  return options;
}

// The value of a query parameter of a request, decoded; "" when absent.
std::string Parameter(const std::string& head, const std::string& name) {
  const std::string line = head.substr(0, head.find("\r\n"));
  for (const std::string mark : {"?", "&"}) {
    const size_t at = line.find(mark + name + "=");
    if (at == std::string::npos) continue;
    const size_t begin = at + name.size() + 2;
    return *UrlDecode(line.substr(begin, line.find_first_of("& ", begin) - begin));
  }
  return "";
}

bool IsWatch(const std::string& head) {
  return Parameter(head, "watch") == "1";
}

struct Event {
  std::string line;
  int64_t version = 0;
};

// The recorded list and what happened after it: the truth at every version.
class Recording {
 public:
  Recording() : list_(ReadTestJson("kubernetes/watch/pods-list.json")) {
    std::istringstream lines(ReadTestData("kubernetes/watch/pods-events.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      auto json = Json::Parse(line);
      EXPECT_TRUE(json.ok());
      events_.push_back(
          {line + "\n", std::stoll((*json)["object"]["metadata"]["resourceVersion"].AsString())});
    }
    EXPECT_GT(events_.size(), 20u);
  }
  const std::vector<Event>& events() const { return events_; }
  int64_t first_version() const {
    return std::stoll(list_["metadata"]["resourceVersion"].AsString());
  }

  // All objects after the first `n` events, the plain way.
  std::map<std::string, Json> ObjectsAfter(size_t n) const {
    std::map<std::string, Json> out;
    for (const Json& pod : list_["items"].AsArray()) {
      out[ParseObject(Kind::kPod, pod).Key()] = pod;
    }
    for (size_t i = 0; i < n; ++i) {
      const Json event = *Json::Parse(events_[i].line);
      const std::string key = ParseObject(Kind::kPod, event["object"]).Key();
      const std::string& type = event["type"].AsString();
      if (type == "DELETED") out.erase(key);
      if (type == "ADDED" || type == "MODIFIED") out[key] = event["object"];
    }
    return out;
  }
  State StateAfter(size_t n) const {
    State out;
    for (const auto& [key, json] : ObjectsAfter(n)) {
      out[key] = TextOf(ParseObject(Kind::kPod, json));
    }
    return out;
  }
  std::string ListAfter(size_t n) const {
    Json::Array items;
    for (const auto& [key, json] : ObjectsAfter(n)) items.push_back(json);
    const int64_t version = n == 0 ? first_version() : events_[n - 1].version;
    return Json(Json::Object{{"items", Json(std::move(items))},
                             {"metadata", Json(Json::Object{{"resourceVersion",
                                                             Json(std::to_string(version))}})}})
        .Dump();
  }

 private:
  Json list_;
  std::vector<Event> events_;
};

constexpr char kGoneEvent[] =
    R"({"type":"ERROR","object":{"kind":"Status","message":"too old resource version","code":410}})"
    "\n";

TEST(KubernetesWatch, FollowsListAndEvents) {
  const Recording recording;
  RawServer api([&](const std::string& head) -> RawServer::Reply {
    if (!IsWatch(head)) return {RawServer::Answer(200, recording.ListAfter(0))};
    std::string bytes = RawServer::ChunkedHead();
    if (Parameter(head, "resourceVersion") == std::to_string(recording.first_version())) {
      for (const Event& e : recording.events()) bytes += RawServer::Chunk(e.line);
    }
    return {bytes, true};
  });
  WatchedState watched(Pods(api));
  const State end = recording.StateAfter(recording.events().size());
  EXPECT_EQ(watched.WaitUntil([&](const State& s, int) { return s == end; }), end);
}

// Whatever is cut, refused or forgotten on the way, the state converges to the truth.
TEST(KubernetesWatch, ConvergesThroughCutConnectionsAndErrors) {
  const Recording recording;
  const uint32_t seed = 20261120;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  size_t reached = 0;  // events that have happened
  int requests = 0;
  RawServer api([&](const std::string& head) -> RawServer::Reply {
    const bool calm = ++requests > 150;
    const int mood = calm ? 0 : static_cast<int>(random() % 10);
    if (mood == 9) return {RawServer::Answer(random() % 2 ? 500 : 429, "{}")};
    reached = calm ? recording.events().size()
                   : std::min(recording.events().size(), reached + random() % 2);
    if (!IsWatch(head)) return {RawServer::Answer(200, recording.ListAfter(reached))};
    if (mood == 8) return {RawServer::Answer(410, R"({"message":"gone"})")};
    if (mood == 7) return {RawServer::ChunkedHead() + RawServer::Chunk(kGoneEvent)};
    std::string body;
    for (size_t i = 0; i < reached; ++i) {
      const Event& e = recording.events()[i];
      if (e.version > std::stoll(Parameter(head, "resourceVersion"))) body += e.line;
    }
    std::string bytes = RawServer::ChunkedHead();
    while (!body.empty()) {  // chunks need not end where lines do
      const size_t size = std::min<size_t>(body.size(), 1 + random() % 3000);
      bytes += RawServer::Chunk(body.substr(0, size));
      body.erase(0, size);
    }
    if (calm) return {bytes, true};
    if (mood < 3) return {bytes + "0\r\n\r\n"};
    return {bytes.substr(0, random() % (bytes.size() + 1))};
  });
  WatchedState watched(Pods(api));
  const State end = recording.StateAfter(recording.events().size());
  EXPECT_EQ(watched.WaitUntil([&](const State& s, int) { return s == end; }), end);
}

TEST(KubernetesWatch, ReadsRecordedAnswersByteForByte) {
  std::vector<std::string> versions;  // that watches started from
  RawServer api([&](const std::string& head) -> RawServer::Reply {
    if (!IsWatch(head)) return {ReadTestData("kubernetes/watch/list-pods-chunked.bin")};
    versions.push_back(Parameter(head, "resourceVersion"));
    if (versions.size() == 1) return {ReadTestData("kubernetes/watch/watch-pods-shop.bin")};
    if (versions.size() == 2) return {ReadTestData("kubernetes/watch/watch-410.bin")};
    return {RawServer::ChunkedHead() +
                RawServer::Chunk(R"({"type":"ADDED","object":{"metadata":{"name":"last"}}})"
                                 "\n"),
            true};
  });
  WatchOptions options = Pods(api);
  options.ns = "shop";
  WatchedState watched(options);
  watched.WaitUntil([&](const State& s, int) { return s.count("last") == 1; });
  // From the list, from the last bookmark, and from the list again after the 410.
  EXPECT_THAT(api.Read(versions), ElementsAre("2857", "2838", "2857"));
}

TEST(KubernetesWatch, ListsInPagesAndStartsOverWhenATokenExpires) {
  const Recording recording;
  std::vector<std::string> tokens;
  RawServer api([&](const std::string& head) -> RawServer::Reply {
    if (IsWatch(head)) return {RawServer::ChunkedHead(), true};
    tokens.push_back(Parameter(head, "continue"));
    const auto page = [](const char* name, const char* token) {
      return RawServer::Answer(200, std::string(R"({"items":[{"metadata":{"name":")") + name +
                                        R"("}}],"metadata":{"resourceVersion":"7","continue":")" +
                                        token + R"("}})");
    };
    switch (tokens.size()) {
      case 1: return {page("a", "t/1=")};
      case 2:
        return {
            RawServer::Answer(410, R"({"message":"The provided continue parameter is too old"})")};
      case 3: return {page("b", "t2")};
      default: return {page("c", "")};
    }
  });
  WatchedState watched(Pods(api));
  const State state = watched.WaitUntil([](const State&, int lists) { return lists == 1; });
  EXPECT_THAT(api.Read(tokens), ElementsAre("", "t/1=", "", "t2"));
  ASSERT_EQ(state.size(), 2u);
  EXPECT_EQ(state.begin()->first, "b");
}

TEST(KubernetesWatch, ListsAgainWhenWatchesKeepFailing) {
  int lists = 0, watches = 0;
  RawServer api([&](const std::string& head) -> RawServer::Reply {
    if (!IsWatch(head)) {
      ++lists;
      return {RawServer::Answer(200, R"({"items":[],"metadata":{"resourceVersion":"1"}})")};
    }
    ++watches;  // as the API server answers a version that is no number
    return {RawServer::Answer(500, R"({"message":"strconv.ParseUint: invalid syntax"})")};
  });
  WatchedState watched(Pods(api));
  watched.WaitUntil([&](const State&, int n) { return n == 3; });
  EXPECT_GE(api.Read(lists), 3);
  EXPECT_GE(api.Read(watches), 12);
}

TEST(KubernetesWatch, AsksForNamespaceAndSelectors) {
  std::string first;
  RawServer api([&](const std::string& head) -> RawServer::Reply {
    if (first.empty()) first = head;
    if (IsWatch(head)) return {RawServer::ChunkedHead(), true};
    return {RawServer::Answer(200, R"({"items":[],"metadata":{"resourceVersion":"1"}})")};
  });
  {
    WatchOptions options = Pods(api);
    options.kind = Kind::kEndpointSlice;
    options.ns = "shop";
    options.label_selector = "app in (web,db)";
    options.field_selector = "spec.nodeName=node1";
    WatchedState watched(options);
    watched.WaitUntil([](const State&, int lists) { return lists == 1; });
  }
  const std::string asked = api.Read(first);
  EXPECT_THAT(asked, HasSubstr("GET /apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?"));
  EXPECT_EQ(Parameter(asked, "labelSelector"), "app in (web,db)");
  EXPECT_EQ(Parameter(asked, "fieldSelector"), "spec.nodeName=node1");
}

}  // namespace
}  // namespace deckwatch::scraper::kubernetes
