// One target while it is scraped: shared by the event loop, the worker that writes its scrape, and
// readers of the API.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "scraper/manager.h"
#include "scraper/metadata_pool.h"
#include "scraper/target.h"
#include "scraper/target_writer.h"

namespace deckwatch::scraper {

struct ActiveTarget {
  // Owned by the event loop.
  Target target;
  ScrapeConfigPtr config;
  std::string forced_error;
  int64_t phase_ms = 0;
  int64_t due_ms = 0;        // the scrape to come
  bool busy = false;         // a scrape is on its way
  bool gone = false;         // no longer a target
  int64_t end_ms = 0;        // when gone: timestamp of the stale markers
  int64_t write_end_ms = 0;  // when gone: when to write them, should the target not come back

  // Owned by the event loop while not busy, by the one that scrapes while busy.
  std::unique_ptr<TargetWriter> writer;
  ScrapeConfigPtr written_config;  // the one that `writer` goes by

  // For readers.
  mutable Mutex mutex;
  TargetInfo info GUARDED_BY(mutex);
  SharedMetadata metadata GUARDED_BY(mutex);
};
using ActiveTargetPtr = std::shared_ptr<ActiveTarget>;

}  // namespace deckwatch::scraper
