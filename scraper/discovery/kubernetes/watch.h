// Keeps one kind of object up to date: lists it page by page, then watches from the version of the
// list. Whatever goes wrong on the way, the mirror converges again:
//   the stream ends or breaks        -> watch again from the last version seen (bookmarks count)
//   410, as an event or as a status  -> list again
//   other errors, silence            -> wait a little (doubling), try again; after five, list again
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/http_client.h"
#include "scraper/discovery/kubernetes/objects.h"

namespace deckwatch::scraper::kubernetes {

struct WatchOptions {
  std::string base_url;  // of the API server, without a slash at the end
  Kind kind = Kind::kPod;
  std::string ns;  // "" = all namespaces
  std::string label_selector, field_selector;
  int64_t min_backoff_ms = 800, max_backoff_ms = 30'000;
  int64_t page_objects = 500;
};

// Called on the thread of RunWatch.
struct WatchSink {
  std::function<void(std::vector<Object>)> replace;  // everything there is
  std::function<void(Object)> put;
  std::function<void(const std::string& key)> remove;
};

// Runs until `stop`. `client` must outlive the call; it may be shared.
void RunWatch(const WatchOptions& options, HttpClient* client, const std::stop_token& stop,
              const WatchSink& sink);

}  // namespace deckwatch::scraper::kubernetes
