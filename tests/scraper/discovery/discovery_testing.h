// What the tests of discovery mechanisms share.
#pragma once

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

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

// Answers HTTP requests with bytes of the test's choosing, one request per connection.
class RawServer {
 public:
  struct Reply {
    std::string bytes;
    bool hold = false;  // keep the connection open and silent afterwards, instead of closing it
  };
  // Called for each request with its head ("GET /x HTTP/1.1\r\n…"), one at a time.
  using Handler = std::function<Reply(const std::string& head)>;

  explicit RawServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    acceptor_ = StartThread("raw-server", [this](std::stop_token) { Accept(); });
  }
  ~RawServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    {
      MutexLock lock(mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    connections_.clear();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // A copy of something that the handler writes to.
  template <typename T>
  T Read(const T& handlers) {
    MutexLock lock(mutex_);
    return handlers;
  }

  static std::string Answer(int status, const std::string& body) {
    return "HTTP/1.1 " + std::to_string(status) +
           " X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  static std::string ChunkedHead() {
    return "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
  }
  static std::string Chunk(const std::string& data) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    return size + data + "\r\n";
  }

 private:
  void Accept() {
    for (int fd; (fd = ::accept(listener_, nullptr, nullptr)) >= 0;) {
      MutexLock lock(mutex_);
      open_.insert(fd);
      connections_.push_back(StartThread("raw-conn", [this, fd](std::stop_token) { Serve(fd); }));
    }
  }
  void Serve(int fd) {
    std::string head;
    char buffer[4096];
    for (ssize_t n; head.find("\r\n\r\n") == std::string::npos &&
                    (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      head.append(buffer, static_cast<size_t>(n));
    }
    Reply reply;
    if (head.ends_with("\r\n\r\n")) {  // else the client went away before it had asked
      MutexLock lock(mutex_);
      reply = handler_(head);
    }
    (void)!::send(fd, reply.bytes.data(), reply.bytes.size(), MSG_NOSIGNAL);
    while (reply.hold && ::recv(fd, buffer, sizeof buffer, 0) > 0) {
    }
    MutexLock lock(mutex_);
    open_.erase(fd);
    ::close(fd);
  }

  const Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  Mutex mutex_;
  std::set<int> open_ GUARDED_BY(mutex_);
  std::vector<std::jthread> connections_;  // filled by the acceptor, read after it ended
  std::jthread acceptor_;
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
