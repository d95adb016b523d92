// The HTTP server: requests in, responses out. cpp-httplib stays in http_server.cc, behind
// HttpFront, which alone touches sockets.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "server/http_front.h"

namespace deckwatch::server {

struct Request {
  std::string method;                                       // GET, HEAD, POST, PUT, DELETE, OPTIONS
  std::string path;                                         // decoded, without the route prefix
  std::vector<std::pair<std::string, std::string>> params;  // of URL and form body
  std::vector<std::pair<std::string, std::string>> headers;  // as sent
  std::string body;        // decompressed when it came as gzip or deflate; a form is in params too
  std::string path_value;  // what `*` of the route matched
  std::string peer;        // address of the client
  std::stop_token stop;    // requested when the client goes away

  std::string_view Header(std::string_view name) const;  // any case; "" when absent
  std::string_view Param(std::string_view name) const;   // first one; "" when absent
  std::vector<std::string> Params(std::string_view name) const;
  // False when a page of another origin sent it: what changes something must refuse that, as a
  // browser sends such requests with the user's access and without asking.
  bool SameOrigin() const;
};

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;  // gzipped on the way when the client accepts it
  std::vector<std::pair<std::string, std::string>> headers;

  void Text(int code, std::string_view text);
};

using Handler = std::function<void(const Request&, Response*)>;

// Which threads run a handler, so that a pile of heavy queries or writes never delays a health
// check.
enum class Lane { kControl, kQuery, kIngest };

struct HttpServerOptions {
  FrontOptions front;
  std::string route_prefix;  // "" or "/prefix": only paths below it are served
  int control_threads = 2;
  int query_threads = 20;  // --query.max-concurrency
  int ingest_threads = 4;
  size_t max_queue = 512;  // per lane; more is answered 503
};

struct HttpCounters {
  struct Key {
    std::string handler;  // the route's pattern
    int code;
    auto operator<=>(const Key&) const = default;
  };
  struct Value {
    uint64_t requests = 0;
    uint64_t bytes = 0;  // of response bodies, before compression
    int64_t total_ns = 0;
  };
  std::map<Key, Value> by_handler;
  FrontStats front;
};

class HttpServer {
 public:
  // Binds the addresses; requests are taken from Start on.
  static Result<std::unique_ptr<HttpServer>> Create(HttpServerOptions options);
  ~HttpServer();

  // `pattern` is a path; one segment may be `*`. `methods` are separated by spaces.
  // OPTIONS is answered with them where it is not among them. Before Start only.
  void Route(std::string_view methods, std::string_view pattern, Lane lane, Handler handler);

  // Called for paths that no route has, with 404 in the response. Before Start only.
  void SetFallback(Handler handler);

  // Runs before every handler; false means that it has filled the response. Before Start only.
  void SetGate(std::function<bool(const Request&, Response*)> gate);

  void Start();
  // Waits at most `grace_ms` for requests in flight. No handler runs afterwards.
  void Stop(int64_t grace_ms);

  std::vector<int> ports() const;  // one per listen address
  HttpCounters counters() const;   // thread-safe

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace deckwatch::server
