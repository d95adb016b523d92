#include "base/http_client.h"

#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/executor.h"

namespace deckwatch {
namespace {

using ::testing::HasSubstr;

// A real server on a port of its own.
class TestServer {
 public:
  explicit TestServer(const std::function<void(httplib::Server&)>& routes) {
    routes(server_);
    server_.set_tcp_nodelay(true);
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = StartThread("test-server", [this](std::stop_token) { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~TestServer() { server_.stop(); }
  std::string Url(std::string_view target) const {
    return "http://127.0.0.1:" + std::to_string(port_) + std::string(target);
  }

 private:
  httplib::Server server_;
  int port_ = 0;
  std::jthread thread_;
};

// Accepts connections and answers each with `bytes`, then keeps silent until the client goes away.
class RawServer {
 public:
  explicit RawServer(std::string bytes) : bytes_(std::move(bytes)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in addr{};
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof addr;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&addr), sizeof addr), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&addr), &length);
    port_ = ntohs(addr.sin_port);
    thread_ = StartThread("raw-server", [this](std::stop_token) { Serve(); });
  }
  ~RawServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  std::string Url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }

 private:
  void Serve() {
    for (int fd; (fd = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(fd)) {
      char buffer[4096];
      if (::recv(fd, buffer, sizeof buffer, 0) <= 0) continue;
      (void)!::send(fd, bytes_.data(), bytes_.size(), MSG_NOSIGNAL);
      while (::recv(fd, buffer, sizeof buffer, 0) > 0) {
      }
    }
  }
  std::string bytes_;
  int listener_ = -1;
  int port_ = 0;
  std::jthread thread_;
};

HttpRequest Get(std::string url) {
  HttpRequest request;
  request.url = std::move(url);
  return request;
}

TEST(Url, ParsesWhatConfigurationsContain) {
  const auto check = [](std::string_view text, std::string_view scheme, std::string_view host,
                        int port, std::string_view target) {
    SCOPED_TRACE(text);
    auto url = Url::Parse(text);
    ASSERT_TRUE(url.ok()) << url.status().message();
    EXPECT_EQ(url->scheme, scheme);
    EXPECT_EQ(url->host, host);
    EXPECT_EQ(url->port, port);
    EXPECT_EQ(url->target, target);
  };
  check("http://example.org", "http", "example.org", 80, "/");
  check("HTTPS://example.org/a?b=c#d", "https", "example.org", 443, "/a?b=c");
  check("http://[::1]:9090/x", "http", "::1", 9090, "/x");
  check("http://u:p@h:81?q", "http", "h", 81, "/?q");
  check("unix:///run/docker.sock", "unix", "/run/docker.sock", 0, "/");
  check("unix:///run/docker.sock:/v1.41/info", "unix", "/run/docker.sock", 0, "/v1.41/info");
}

TEST(Url, RefusesWhatCannotBeAsked) {
  for (const char* text :
       {"", "example.org", "ftp://h/", "http://", "http://h:0/", "http://h:65536", "http://h:9x/",
        "http://[::1", "http://a b/", "http://h/\r\nX: y", "unix://relative.sock"}) {
    EXPECT_FALSE(Url::Parse(text).ok()) << text;
  }
}

TEST(Url, PrintsWithoutUserInfo) {
  EXPECT_EQ(Url::Parse("http://user:secret@[::1]:80/x")->ToString(), "http://[::1]/x");
  EXPECT_EQ(Url::Parse("unix:///s:/t")->ToString(), "unix:///s:/t");
}

TEST(Url, EscapesAndUnescapes) {
  EXPECT_EQ(UrlEncode("a b/ü&="), "a%20b%2F%C3%BC%26%3D");
  EXPECT_EQ(*UrlDecode("a%20b%2f+c"), "a b/ c");
  EXPECT_FALSE(UrlDecode("%4").ok());
  EXPECT_FALSE(UrlDecode("%zz").ok());
}

TEST(HttpClient, GetsAndPosts) {
  TestServer server([](httplib::Server& s) {
    s.Get("/hello", [](const httplib::Request&, httplib::Response& r) {
      r.status = 404;
      r.set_header("X-Answer", "42");
      r.set_content("none", "text/plain");
    });
    s.Post("/echo", [](const httplib::Request& q, httplib::Response& r) {
      r.set_content(q.get_header_value("Content-Type") + "|" + q.body, "text/plain");
    });
  });
  HttpClient client{{}};
  auto got = client.Do(Get(server.Url("/hello")));
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->status, 404);
  EXPECT_EQ(got->Header("x-answer"), "42");
  EXPECT_EQ(got->body, "none");
  HttpRequest post = Get(server.Url("/echo"));
  post.method = "POST";
  post.body = "{}";
  post.content_type = "application/json";
  EXPECT_EQ(client.Do(post)->body, "application/json|{}");
}

TEST(HttpClient, ReusesConnections) {
  std::vector<int> ports;
  TestServer server([&](httplib::Server& s) {
    s.Get("/", [&](const httplib::Request& q, httplib::Response& r) {
      ports.push_back(q.remote_port);
      r.set_content("x", "text/plain");
    });
  });
  HttpClient client{{}};
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.Do(Get(server.Url("/"))).ok());
  EXPECT_THAT(ports, ::testing::Each(ports[0]));
}

TEST(HttpClient, TriesAgainWhenAnIdleConnectionWasClosed) {
  TestServer server([&](httplib::Server& s) {
    s.set_keep_alive_max_count(2);
    s.Get("/", [](const httplib::Request&, httplib::Response& r) { r.set_content("x", "a/b"); });
  });
  HttpClient client{{}};
  for (int i = 0; i < 7; ++i) {
    auto got = client.Do(Get(server.Url("/")));
    ASSERT_TRUE(got.ok()) << i << ": " << got.status().message();
  }
}

TEST(HttpClient, SpeaksOverUnixSockets) {
  const std::string path = ::testing::TempDir() + "dw_http_" + std::to_string(::getpid()) + ".sock";
  httplib::Server server;
  server.set_address_family(AF_UNIX);
  server.Get("/v1/x", [](const httplib::Request&, httplib::Response& r) {
    r.set_content("over unix", "text/plain");
  });
  ASSERT_TRUE(server.bind_to_port(path, 80));
  auto thread = StartThread("unix", [&](std::stop_token) { server.listen_after_bind(); });
  while (!server.is_running()) std::this_thread::yield();
  const auto ask = [&] { return HttpClient{{}}.Do(Get("unix://" + path + ":/v1/x")); };
  const auto got = ask();
  EXPECT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got.ok() ? got->body : "", "over unix");
  server.stop();
  thread.join();
  std::filesystem::remove(path);
  EXPECT_EQ(ask().status().code(), StatusCode::kUnavailable);
}

TEST(HttpClient, SaysThatNobodyListens) {
  HttpClient client{{}};
  auto got = client.Do(Get("http://127.0.0.1:1/x"));
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(got.status().message(), HasSubstr("127.0.0.1:1"));
}

TEST(HttpClient, KeepsTheTotalDeadlineAgainstASilentServer) {
  RawServer server("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
  HttpClient client{{}};
  HttpRequest request = Get(server.Url());
  request.timeout_ms = 50;
  const int64_t start = Clock::Real()->MonotonicMs();
  auto got = client.Do(request);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.status().code(), StatusCode::kDeadlineExceeded) << got.status().message();
  EXPECT_LT(Clock::Real()->MonotonicMs() - start, 5'000);
}

TEST(HttpClient, EndsASilentStreamAfterTheIdleTimeout) {
  RawServer server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  HttpClient client{{}};
  HttpRequest request = Get(server.Url());
  request.timeout_ms = 0;
  request.idle_timeout_ms = 50;
  std::string seen;
  request.on_body = [&](std::string_view piece) {
    seen += piece;
    return true;
  };
  auto got = client.Do(request);
  EXPECT_FALSE(got.ok());
  EXPECT_EQ(seen, "abc");
}

TEST(HttpClient, StopsAWatchFromAnotherThread) {
  RawServer server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  HttpClient client{{}};
  HttpRequest request = Get(server.Url());
  request.timeout_ms = 0;
  request.idle_timeout_ms = 60'000;
  std::stop_source source;
  request.stop = source.get_token();
  std::jthread stopper;
  request.on_body = [&](std::string_view) {
    stopper = StartThread("stopper", [&](std::stop_token) { source.request_stop(); });
    return true;
  };
  auto got = client.Do(request);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.status().code(), StatusCode::kCancelled) << got.status().message();
}

TEST(HttpClient, StopsOverUnixSocketsToo) {
  const std::string path = ::testing::TempDir() + "dw_stop_" + std::to_string(::getpid()) + ".sock";
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un addr{};
  addr.sun_family = AF_UNIX;
  path.copy(addr.sun_path, sizeof addr.sun_path - 1);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&addr), sizeof addr), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  std::stop_source source;
  auto stopper = StartThread("stopper", [&](std::stop_token) {
    const int fd = ::accept(listener, nullptr, nullptr);
    char buffer[512];
    (void)!::recv(fd, buffer, sizeof buffer, 0);
    source.request_stop();
    ::close(fd);
  });
  HttpClient client{{}};
  HttpRequest request = Get("unix://" + path);
  request.stop = source.get_token();
  auto got = client.Do(request);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.status().code(), StatusCode::kCancelled) << got.status().message();
  stopper.join();
  ::close(listener);
  std::filesystem::remove(path);
}

TEST(HttpClient, LimitsTheBody) {
  TestServer server([](httplib::Server& s) {
    s.Get("/", [](const httplib::Request&, httplib::Response& r) {
      r.set_content(std::string(100'000, 'x'), "text/plain");
    });
  });
  HttpClient client{{}};
  HttpRequest request = Get(server.Url("/"));
  request.max_body_bytes = 99'999;
  auto got = client.Do(request);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.status().code(), StatusCode::kResourceExhausted);
  request.max_body_bytes = 100'000;
  EXPECT_TRUE(client.Do(request).ok());
}

TEST(HttpClient, StreamsGoodAnswersAndKeepsBadOnes) {
  TestServer server([](httplib::Server& s) {
    s.Get("/good",
          [](const httplib::Request&, httplib::Response& r) { r.set_content("yes", "a/b"); });
    s.Get("/bad", [](const httplib::Request&, httplib::Response& r) {
      r.status = 500;
      r.set_content("why", "a/b");
    });
  });
  HttpClient client{{}};
  std::string streamed;
  HttpRequest request = Get(server.Url("/good"));
  request.on_body = [&](std::string_view piece) {
    streamed += piece;
    return true;
  };
  auto good = client.Do(request);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(streamed, "yes");
  EXPECT_EQ(good->body, "");
  request.url = server.Url("/bad");
  EXPECT_EQ(client.Do(request)->body, "why");
  EXPECT_EQ(streamed, "yes");
  request.url = server.Url("/good");
  request.on_body = [](std::string_view) { return false; };
  EXPECT_EQ(client.Do(request).status().code(), StatusCode::kCancelled);
}

TEST(HttpClient, KeepsSecretsFromOtherHosts) {
  std::string seen = "nobody came";
  const auto record = [&](const httplib::Request& q, httplib::Response& r) {
    seen = q.get_header_value("Authorization") + "|" + q.get_header_value("X-Token");
    r.set_content("ok", "text/plain");
  };
  TestServer other([&](httplib::Server& s) { s.Get("/end", record); });
  TestServer server([&](httplib::Server& s) {
    s.Get("/away", [&](const httplib::Request&, httplib::Response& r) {
      r.set_redirect(other.Url("/end"));
    });
    s.Get("/stay", [&](const httplib::Request&, httplib::Response& r) { r.set_redirect("end"); });
    s.Get("/end", record);
    s.Get("/loop", [](const httplib::Request&, httplib::Response& r) { r.set_redirect("/loop"); });
  });
  HttpClientConfig config;
  config.authorization_type = "Bearer";
  config.credentials = Secret("topsecret");
  config.secret_headers = {{"X-Token", Secret("t")}};
  HttpClient client(config);
  ASSERT_TRUE(client.Do(Get(server.Url("/stay"))).ok());
  EXPECT_EQ(seen, "Bearer topsecret|t");
  ASSERT_TRUE(client.Do(Get(server.Url("/away"))).ok());
  EXPECT_EQ(seen, "|");
  EXPECT_THAT(client.Do(Get(server.Url("/loop"))).status().message(), HasSubstr("too many"));
}

TEST(HttpClient, GoesThroughAProxyUnlessToldNotTo) {
  RawServer proxy("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy");
  HttpClientConfig config;
  config.proxy_url = proxy.Url();
  config.no_proxy = "example.org, .corp.invalid";
  HttpClient client(config);
  auto got = client.Do(Get("http://service.invalid/x"));
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->body, "proxy");
  EXPECT_FALSE(client.Do(Get("http://api.corp.invalid/x")).ok());  // asked directly: no such host
}

TEST(HttpClient, RefusesForgedHeaders) {
  HttpClient client{{}};
  HttpRequest request = Get("http://127.0.0.1:1/");
  request.headers = {{"X-A", "b\r\nX-C: d"}};
  EXPECT_EQ(client.Do(request).status().code(), StatusCode::kInvalidArgument);
}

TEST(HttpClient, TakesUserInfoAsBasicAuth) {
  std::string seen;
  TestServer server([&](httplib::Server& s) {
    s.Get("/", [&](const httplib::Request& q, httplib::Response& r) {
      seen = q.get_header_value("Authorization");
      r.set_content("", "a/b");
    });
  });
  HttpClient client{{}};
  std::string url = server.Url("/");
  ASSERT_TRUE(client.Do(Get(url.insert(7, "Aladdin:open%20sesame@"))).ok());
  EXPECT_EQ(seen, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

}  // namespace
}  // namespace deckwatch
