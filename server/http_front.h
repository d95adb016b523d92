// The connection side of the server: accepts, reads whole requests, writes whole answers.
//
// One thread and epoll own every connection; handlers never see a socket, so a slow or hostile peer
// costs bytes (bounded), never a worker. A worker's answer goes to the socket at once as far as it
// fits, so that most requests wake the connection thread only once. Deadlines: `head_timeout_ms` to
// finish a head, `request_timeout_ms` to finish a request, the same again to take the answer; idle
// connections are dropped after `idle_timeout_ms`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "server/http_framing.h"

namespace deckwatch::server {

struct FrontOptions {
  std::vector<std::string> listen_addresses = {"127.0.0.1:0"};  // "host:port", ":port", "[::]:port"
  HttpLimits limits;
  size_t max_connections = 1024;
  size_t max_connections_per_peer = 64;      // loopback is exempt
  size_t max_buffered_bytes = 256ull << 20;  // of requests not yet complete, all connections
  int64_t head_timeout_ms = 10'000;
  int64_t request_timeout_ms = 60'000;
  int64_t idle_timeout_ms = 120'000;
  const Clock* clock = Clock::Real();
};

struct FrontStats {
  uint64_t accepted = 0;
  uint64_t refused = 0;  // over a connection limit
  uint64_t bad = 0;      // refused by the framer
  uint64_t timed_out = 0;
  uint64_t open = 0;
};

class HttpFront {
 public:
  // The bytes of one whole response, in two parts to spare a large body a copy; `close` ends the
  // connection after it.
  struct Answer {
    std::string head;
    std::string body;
    bool close = false;
  };
  // Thread-safe, may be called once from any thread; sends what the socket takes at once.
  using Reply = std::function<void(Answer)>;
  // Called on the connection thread with each request: must hand the work over and return at once.
  // `stop` is requested when the peer goes away or the front stops.
  using Sink =
      std::function<void(RawRequest request, std::string peer, std::stop_token stop, Reply reply)>;

  // Binds and listens. Io naming the address when that fails.
  static Result<std::unique_ptr<HttpFront>> Listen(FrontOptions options);
  ~HttpFront();

  void Start(Sink sink);
  // Stops accepting, waits at most `grace_ms` for requests in flight, then cancels and closes.
  void Stop(int64_t grace_ms);

  std::vector<int> ports() const;  // one per listen address
  FrontStats stats() const;        // thread-safe

 private:
  struct Impl;
  explicit HttpFront(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  // shared with Replies that may come after Stop
};

}  // namespace deckwatch::server
