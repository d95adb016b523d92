#include "server/http_server.h"

#include <latch>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/http_client.h"
#include "server/content_coding.h"

namespace deckwatch::server {
namespace {

// A client that sends bytes as they are and reads until the server closes.
class RawClient {
 public:
  explicit RawClient(int port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(static_cast<uint16_t>(port));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0;
  }
  ~RawClient() { Close(); }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  std::string ReadUntil(std::string_view end) {
    std::string got;
    char buf[4096];
    while (end.empty() || got.find(end) == std::string::npos) {
      const ssize_t n = recv(fd_, buf, sizeof buf, 0);
      ended_ = n == 0;
      if (n <= 0) break;
      got.append(buf, static_cast<size_t>(n));
    }
    return got;
  }
  void GiveUpAfter(timeval limit) {
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  bool connected() const { return connected_; }
  bool ended() const { return ended_; }  // the server closed

 private:
  int fd_;
  bool connected_;
  bool ended_ = false;
};

std::string Gunzip(const std::string& packed) {
  z_stream z{};
  inflateInit2(&z, 15 + 16);
  std::string out(1 << 20, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  z.avail_in = static_cast<uInt>(packed.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  inflateEnd(&z);
  return out;
}

std::string UnpackZstd(const std::string& packed) {
  std::string out(1 << 20, '\0');
  const size_t size = ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size());
  EXPECT_FALSE(ZSTD_isError(size));
  out.resize(size);
  return out;
}

TEST(ContentCoding, IsWhatTheClientPrefers) {
  const auto choose = [](std::string_view accept) { return CodingName(ChooseCoding(accept)); };
  EXPECT_EQ(choose(""), "identity");
  EXPECT_EQ(choose("br, deflate"), "identity");
  EXPECT_EQ(choose("gzip"), "gzip");
  EXPECT_EQ(choose("br;q=1.0, GZIP ;q=0.8"), "gzip");
  EXPECT_EQ(choose("gzip, deflate, br, zstd"), "zstd");
  EXPECT_EQ(choose("zstd;q=0.5, gzip;q=0.9"), "gzip");
  EXPECT_EQ(choose("gzip;q=0, zstd; q=0.001"), "zstd");
  EXPECT_EQ(choose("gzip;q=0"), "identity");
  EXPECT_EQ(choose("gzip;q=x"), "identity");
  EXPECT_EQ(choose("*"), "zstd");
  EXPECT_EQ(choose("zstd;q=0, *"), "gzip");
  EXPECT_EQ(choose("identity, *;q=0"), "identity");
}

class HttpServerTest : public testing::Test {
 protected:
  void SetUp() override {
    HttpServerOptions options;
    options.front.listen_addresses = {"127.0.0.1:0"};
    options.front.limits.max_body_bytes = 1 << 20;
    options.query_threads = 1;
    server_ = std::move(HttpServer::Create(options)).value();
    server_->Route("GET HEAD", "/hello", Lane::kControl, [](const Request& r, Response* out) {
      out->Text(200, "hello " + std::string(r.Param("who")));
    });
    server_->Route("GET POST", "/label/*/values", Lane::kControl,
                   [](const Request& r, Response* out) { out->Text(200, r.path_value); });
    server_->Route("POST", "/echo", Lane::kIngest, [](const Request& r, Response* out) {
      std::string text = r.body;
      for (const auto& [k, v] : r.params) text += "|" + k + "=" + v;
      out->Text(200, text);
    });
    server_->Route("GET", "/block", Lane::kQuery, [this](const Request& r, Response* out) {
      entered_.count_down();
      std::stop_callback gone(r.stop, [this] { gone_.count_down(); });
      gone_.wait();
      out->Text(200, "released");
    });
    server_->SetFallback([](const Request& r, Response* out) {
      if (r.path.starts_with("/other/")) out->Text(204, "");
    });
    server_->Start();
    url_ = "http://127.0.0.1:" + std::to_string(server_->ports()[0]);
  }

  HttpRequest Ask(const std::string& method, const std::string& path) {
    HttpRequest request;
    request.method = method;
    request.url = url_ + path;
    return request;
  }
  HttpResponse Get(const std::string& path) { return Do(Ask("GET", path)); }
  HttpResponse Do(const HttpRequest& request) {
    auto r = client_.Do(request);
    EXPECT_TRUE(r.ok()) << r.status().message();
    return r.ok() ? *r : HttpResponse{};
  }
  std::string Raw(std::string_view bytes) {
    RawClient c(server_->ports()[0]);
    c.Send(bytes);
    return c.ReadUntil("");
  }

  std::latch entered_{1};
  std::latch gone_{1};
  HttpClient client_{HttpClientConfig{}};
  std::unique_ptr<HttpServer> server_;
  std::string url_;
};

TEST_F(HttpServerTest, RoutesByPathAndMethod) {
  EXPECT_EQ(Get("/hello?who=w%C3%B6rld+x").body, "hello wörld x");
  EXPECT_EQ(Get("/label/a%20b/values").body, "a b");
  EXPECT_EQ(Get("/label/a/b/values").status, 404);
  EXPECT_EQ(Get("/nope").status, 404);
  const HttpResponse refused = Do(Ask("POST", "/hello"));
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.Header("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(Do(Ask("HEAD", "/hello")).status, 200);
  EXPECT_EQ(Do(Ask("HEAD", "/label/a/values")).status, 405);
  const HttpResponse methods = Do(Ask("OPTIONS", "/hello"));
  EXPECT_EQ(methods.status, 200);
  EXPECT_EQ(methods.Header("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(Do(Ask("OPTIONS", "/nope")).status, 404);
}

TEST_F(HttpServerTest, AFallbackAnswersForPathsThatAreNot) {
  EXPECT_EQ(Get("/other/x").status, 204);
  EXPECT_EQ(Get("/nope").status, 404);
}

TEST_F(HttpServerTest, ReadsTheFieldsOfPartsBehindThoseOfTheUrl) {
  HttpRequest form = Ask("POST", "/echo?a=1");
  form.body = "--x\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n2 3\r\n--x--\r\n";
  form.content_type = "multipart/form-data; boundary=x";
  EXPECT_NE(Do(form).body.find("|a=1|b=2 3"), std::string::npos) << Do(form).body;
}

TEST_F(HttpServerTest, ReadsFormsOfAnySizeWithinTheLimit) {
  const std::string big(100'000, 'x');
  HttpRequest form = Ask("POST", "/echo?a=1");
  form.body = "b=2+3&c=" + big;
  form.content_type = "application/x-www-form-urlencoded";
  EXPECT_NE(Do(form).body.find("|b=2 3|c=" + big + "|a=1"), std::string::npos);
}

TEST_F(HttpServerTest, InflatesBodiesUpToTheLimit) {
  const std::string head = "POST /echo HTTP/1.1\r\nConnection: close\r\nContent-Encoding: gzip\r\n";
  const auto post = [&](const std::string& packed) {
    return Raw(head + "Content-Length: " + std::to_string(packed.size()) + "\r\n\r\n" + packed);
  };
  EXPECT_NE(post(Gzip("packed text")).find("packed text"), std::string::npos);
  EXPECT_EQ(post(Gzip(std::string(50 << 20, 'a'))).substr(0, 12), "HTTP/1.1 413");
}

TEST_F(HttpServerTest, CompressesLargeAnswersWhenAsked) {
  const auto ask = [&](const std::string& who, const std::string& accept) {
    const std::string answer = Raw("GET /hello?who=" + who +
                                   " HTTP/1.1\r\nConnection: close\r\n"
                                   "Accept-Encoding: " +
                                   accept + "\r\n\r\n");
    const size_t body = answer.find("\r\n\r\n") + 4;
    return std::pair(answer.substr(0, body), answer.substr(body));
  };
  const std::string who(5000, 'x');
  const auto is_packed = [](const auto& answer, const std::string& coding) {
    const auto& [head, body] = answer;
    EXPECT_NE(head.find("Content-Encoding: " + coding + "\r\n"), std::string::npos);
    EXPECT_NE(head.find("Content-Length: " + std::to_string(body.size()) + "\r\n"),
              std::string::npos);
    EXPECT_NE(head.find("Vary: Accept-Encoding\r\n"), std::string::npos);
  };
  const auto gzip = ask(who, "br, gzip"), zstd = ask(who, "gzip, zstd");
  is_packed(gzip, "gzip");
  EXPECT_EQ(Gunzip(gzip.second), "hello " + who);
  is_packed(zstd, "zstd");
  EXPECT_EQ(UnpackZstd(zstd.second), "hello " + who);
  EXPECT_EQ(ask(who, "gzip;q=0").second, "hello " + who);
  EXPECT_EQ(ask("x", "gzip, zstd").first.find("Content-Encoding"), std::string::npos);
}

TEST_F(HttpServerTest, SendsLargeAnswersWhole) {
  HttpRequest request = Ask("POST", "/echo");
  for (const size_t size : {size_t{100'000}, size_t{1'000'000}}) {
    request.body = std::string(size, 'x') + "end";
    for (int i = 0; i < 8; ++i) EXPECT_EQ(Do(request).body, request.body);
  }
}

TEST_F(HttpServerTest, AnswersManyRequestsOfOneConnection) {
  RawClient c(server_->ports()[0]);
  for (int i = 0; i < 2000; ++i) {
    const std::string who = "<" + std::to_string(i) + ">";
    c.Send("GET /hello?who=" + who + " HTTP/1.1\r\n\r\n");
    const std::string answer = c.ReadUntil(who);
    ASSERT_NE(answer.find("hello " + who), std::string::npos) << i;
  }
}

TEST_F(HttpServerTest, RefusesOversizedAndMalformedRequestsWithAnAnswer) {
  EXPECT_EQ(
      Raw("POST /echo HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n" + std::string(2'000'000, 'x'))
          .substr(0, 12),
      "HTTP/1.1 413");
  EXPECT_EQ(Raw("GET / HTTP/1.1\r\nX: " + std::string(40'000, 'x') + "\r\n\r\n").substr(0, 12),
            "HTTP/1.1 431");
  EXPECT_EQ(server_->counters().front.bad, 2u);
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  const std::string answer = Raw(
      "GET /hello?who=1 HTTP/1.1\r\n\r\nGET /hello?who=2 HTTP/1.1\r\nConnection: close\r\n\r\n");
  const size_t one = answer.find("hello 1");
  EXPECT_NE(one, std::string::npos);
  EXPECT_GT(answer.find("hello 2"), one);
  EXPECT_NE(answer.find("hello 2"), std::string::npos);
}

TEST_F(HttpServerTest, SendsContinueWhenTheClientWaitsForIt) {
  RawClient c(server_->ports()[0]);
  c.Send(
      "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: "
      "3\r\n\r\n");
  EXPECT_EQ(c.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  c.Send("abc");
  EXPECT_NE(c.ReadUntil("").find("abc"), std::string::npos);
}

TEST_F(HttpServerTest, SlowQueriesAndIdleConnectionsDoNotDelayOthers) {
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 100; ++i) {
    slow.push_back(std::make_unique<RawClient>(server_->ports()[0]));
    slow.back()->Send("GET /hello HTTP/1.1\r\nX-Never");
  }
  RawClient query(server_->ports()[0]);
  query.Send("GET /block HTTP/1.1\r\n\r\n");
  entered_.wait();
  EXPECT_EQ(Get("/hello").status, 200);
  query.Close();  // the handler is told, and ends
  gone_.wait();
}

TEST_F(HttpServerTest, StopFinishesRequestsInFlight) {
  RawClient query(server_->ports()[0]);
  query.Send("GET /block HTTP/1.1\r\n\r\n");
  entered_.wait();
  server_->Stop(0);  // no grace: cancelled
  EXPECT_TRUE(gone_.try_wait());
  EXPECT_FALSE(client_.Do(Ask("GET", "/hello")).ok());
}

TEST(HttpFront, DropsAPeerThatNeverFinishesItsHead) {
  FakeClock clock(0);
  FrontOptions options;
  options.clock = &clock;
  auto front = std::move(HttpFront::Listen(options)).value();
  front->Start([](RawRequest, std::string, std::stop_token, HttpFront::Reply reply) {
    reply({"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", {}, false});
  });
  RawClient slow(front->ports()[0]);
  slow.Send("GET / HT");
  RawClient other(front->ports()[0]);
  other.Send("GET / HTTP/1.1\r\n\r\n");
  other.ReadUntil("\r\n\r\n");  // so the slow one was accepted before
  clock.AdvanceMs(10'001);
  RawClient third(front->ports()[0]);  // wakes the loop
  EXPECT_EQ(slow.ReadUntil(""), "");
  EXPECT_GE(front->stats().timed_out, 1u);
}

// The second answer comes while the first is being delivered, and calls to wake just then.
TEST(HttpFront, DeliversAnAnswerThatComesWhileItDeliversAnother) {
  auto front = std::move(HttpFront::Listen({})).value();
  int requests = 0;
  front->Start([&](RawRequest, std::string, std::stop_token, HttpFront::Reply reply) {
    reply({"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", {}, ++requests == 2});
  });
  RawClient client(front->ports()[0]);
  timeval limit{5, 0};
  client.GiveUpAfter(limit);
  client.Send("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
  client.ReadUntil("");
  EXPECT_TRUE(client.ended());
}

TEST(HttpFront, RefusesConnectionsOverTheLimit) {
  FrontOptions options;
  options.max_connections = 2;
  auto front = std::move(HttpFront::Listen(options)).value();
  front->Start([](RawRequest, std::string, std::stop_token, HttpFront::Reply reply) {
    reply({"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", {}, false});
  });
  RawClient a(front->ports()[0]), b(front->ports()[0]), c(front->ports()[0]);
  EXPECT_EQ(c.ReadUntil(""), "");
  EXPECT_EQ(front->stats().refused, 1u);
}

TEST(HttpFront, NamesTheAddressItCannotListenOn) {
  FrontOptions options;
  options.listen_addresses = {"256.1.1.1:80"};
  EXPECT_NE(HttpFront::Listen(options).status().message().find("256.1.1.1:80"), std::string::npos);
}

}  // namespace
}  // namespace deckwatch::server
