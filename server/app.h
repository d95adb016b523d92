// The server put together: store, engine, scraper, alerting and HTTP, in their order of life.
//
//   start: listen (answers 503) -> open store -> engine, scraper, alerting -> apply the
//          configuration -> ready
//   stop:  HTTP, then scraper, then alerting, then store: nothing is cut off from what it uses
#pragma once

#include <memory>
#include <vector>

#include "base/status.h"
#include "server/flags.h"

namespace deckwatch::server {

class App {
 public:
  // Everything up to ready. The error says which part failed; nothing keeps running then.
  static Result<std::unique_ptr<App>> Start(const ServeFlags& flags);
  ~App();  // stops

  // Loads the configuration again and puts it to work, all of it or nothing. Thread-safe; one
  // reload at a time.
  Status Reload();

  std::vector<int> ports() const;  // one per listen address

 private:
  struct Impl;
  explicit App(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace deckwatch::server
