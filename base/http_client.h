// A blocking HTTP/1.1 client for everything that is not the scrape loop: Kubernetes, Docker socket,
// webhooks, desktop. cpp-httplib stays in http_client.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/http_config.h"
#include "base/status.h"

namespace deckwatch {

struct Url {
  std::string scheme;  // "http", "https" or "unix"
  std::string host;    // without brackets; for unix: the socket's path
  int port = 0;        // 80 / 443 by default
  std::string target;  // path and query, begins with '/'
  std::string user_info;

  // http://host[:port]/path, https://…, unix:///run/docker.sock[:/path]; InvalidArgument otherwise.
  static Result<Url> Parse(std::string_view text);
  std::string ToString() const;  // without user info
};

std::string UrlEncode(std::string_view s);  // query-component escaping
Result<std::string> UrlDecode(std::string_view s);

struct HttpRequest {
  std::string method = "GET";
  std::string url;  // absolute, as Url::Parse takes it
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string content_type;     // for a body
  int64_t timeout_ms = 30'000;  // whole request; 0 = none (watches), then idle_timeout_ms rules
  int64_t idle_timeout_ms = 30'000;  // longest silence while reading
  size_t max_body_bytes = 64 << 20;  // after decompression; more is ResourceExhausted
  // When set, a 2xx body is handed over piece by piece as it comes (not kept); false ends the
  // request with Cancelled.
  std::function<bool(std::string_view)> on_body;
  std::stop_token stop;  // request_stop ends it soon, with Cancelled
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string_view Header(std::string_view name) const;  // case-insensitive; "" when absent
};

// Thread-safe; keeps idle connections per host and reuses them. Auth is never sent to another host
// on a redirect.
class HttpClient {
 public:
  explicit HttpClient(HttpClientConfig config);
  ~HttpClient();

  // OK for every status code that arrived; errors are of the transport, named with host and reason
  // (DeadlineExceeded, Unavailable: cannot connect, Cancelled, ResourceExhausted, Io).
  Result<HttpResponse> Do(const HttpRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace deckwatch
