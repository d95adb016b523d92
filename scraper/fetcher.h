// Many HTTP GETs at once on one thread: libcurl's multi interface, hidden in fetcher.cc.
// Connections are kept open between scrapes and shared by all targets of a host.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"
#include "scraper/config.h"

namespace deckwatch::scraper {

struct FetchRequest {
  std::string url;
  std::string unix_socket;
  ScrapeConfigPtr config;  // HTTP settings, Accept header, body limit
  int64_t timeout_ms = 0;  // for everything, name look-up to last byte
  size_t expected_bytes = 0;
};

struct FetchResult {
  Status status;  // ResourceExhausted: the body exceeds the limit; DeadlineExceeded; Io
  std::string content_type;
  std::string body;  // decompressed
};

// Not thread-safe except for Wake.
class Fetcher {
 public:
  Fetcher();
  ~Fetcher();  // running requests are dropped without a call
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  // `done` is called from Run, never from here.
  void Start(const FetchRequest& request, std::function<void(FetchResult)> done);
  // Moves data; returns when a request made progress, Wake was called or `max_wait_ms` are over.
  void Run(int64_t max_wait_ms);
  void Wake();  // thread-safe
  size_t running() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace deckwatch::scraper
