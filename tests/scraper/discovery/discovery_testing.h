// What the tests of discovery mechanisms share.
#pragma once

#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <httplib.h>

#include "base/executor.h"
#include "base/json.h"
#include "base/mutex.h"
#include "scraper/discovery/discoverer.h"

namespace deckwatch::scraper {

inline std::string ReadTestData(const std::string& name) {
  std::ifstream in(std::string(TEST_DATA_DIR) + "/" + name, std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

inline Json ReadTestJson(const std::string& name) {
  auto json = Json::Parse(ReadTestData(name));
  EXPECT_TRUE(json.ok()) << name << ": " << json.status().message();
  return json.ok() ? *json : Json();
}

// Label sets as text, one per line, for readable differences.
inline std::multiset<std::string> Texts(const std::vector<Labels>& labels) {
  std::multiset<std::string> out;
  for (const Labels& l : labels) out.insert(l.ToString());
  return out;
}

inline std::multiset<std::string> ExpectedTexts(const Json& list) {
  std::multiset<std::string> out;
  for (const Json& target : list.AsArray()) {
    LabelsBuilder b;
    for (const auto& [name, value] : target.AsObject()) b.Set(name, value.AsString());
    out.insert(b.Build().ToString());
  }
  EXPECT_FALSE(out.empty());
  return out;
}

// A group's targets with the group's labels added.
inline std::vector<Labels> FullTargets(const TargetGroup& group) {
  std::vector<Labels> out;
  for (const Labels& target : group.targets) {
    LabelsBuilder b(group.labels);
    for (const LabelRef l : target) b.Set(l.name, l.value);
    out.push_back(b.Build());
  }
  return out;
}

// A real HTTP server on a port of its own. `routes` runs before it starts.
class TestServer {
 public:
  explicit TestServer(const std::function<void(httplib::Server&)>& routes) {
    server_.set_tcp_nodelay(true);
    routes(server_);
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = StartThread("test-server", [this](std::stop_token) { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~TestServer() { server_.stop(); }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  httplib::Server server_;
  int port_ = 0;
  std::jthread thread_;
};

// Runs the mechanism that `yaml` configures and keeps the groups it has told of.
class RunningDiscovery {
 public:
  RunningDiscovery(DiscoveryParser parse, const std::string& yaml) {
    auto node = ParseYaml(yaml, "test.yml");
    EXPECT_TRUE(node.ok()) << node.status().message();
    auto config = parse(*node, "test.yml");
    EXPECT_TRUE(config.ok()) << config.status().message();
    discoverer_ = (*config)->Start(Clock::Real());
    thread_ = StartThread("discovery", [this](std::stop_token stop) {
      discoverer_->Run(stop, [this](std::vector<TargetGroup> groups) { Take(std::move(groups)); });
    });
  }
  ~RunningDiscovery() { Stop(); }
  void Stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

  // Waits until `done` is true of all targets (ten seconds at most) and returns them.
  std::multiset<std::string> WaitFor(
      const std::function<bool(const std::multiset<std::string>&)>& done) {
    MutexLock lock(mutex_);
    changed_.WaitFor(mutex_, {}, 10'000, [&]() REQUIRES(mutex_) { return done(All()); });
    return All();
  }
  std::multiset<std::string> WaitForCount(size_t n) {
    return WaitFor([n](const auto& all) { return all.size() == n; });
  }
  int deliveries() {
    MutexLock lock(mutex_);
    return deliveries_;
  }

 private:
  void Take(std::vector<TargetGroup> groups) {
    {
      MutexLock lock(mutex_);
      ++deliveries_;
      for (TargetGroup& g : groups) groups_[g.source] = std::move(g);
    }
    changed_.NotifyAll();
  }
  std::multiset<std::string> All() REQUIRES(mutex_) {
    std::multiset<std::string> out;
    for (const auto& [source, group] : groups_) {
      for (const Labels& l : FullTargets(group)) out.insert(l.ToString());
    }
    return out;
  }

  Mutex mutex_;
  CondVar changed_;
  std::map<std::string, TargetGroup> groups_ GUARDED_BY(mutex_);
  int deliveries_ GUARDED_BY(mutex_) = 0;
  std::unique_ptr<Discoverer> discoverer_;
  std::jthread thread_;
};

inline std::string ParseError(DiscoveryParser parse, const std::string& yaml) {
  auto node = ParseYaml(yaml, "test.yml");
  EXPECT_TRUE(node.ok()) << node.status().message();
  auto config = parse(*node, "test.yml");
  return config.ok() ? "" : config.status().message();
}

inline std::string KeyOf(DiscoveryParser parse, const std::string& yaml,
                         const std::string& file = "test.yml") {
  auto node = ParseYaml(yaml, file);
  auto config = parse(*node, file);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? (*config)->key() : "";
}

}  // namespace deckwatch::scraper
