// Families of pages, shared between targets: a thousand nodes expose the same help texts.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/storage.h"

namespace deckwatch::scraper {

using SharedMetadata = std::shared_ptr<const std::vector<MetricMetadata>>;

// Thread-safe.
class MetadataPool {
 public:
  // An equal list that is in use somewhere, else this one.
  SharedMetadata Share(std::vector<MetricMetadata> families);

 private:
  Mutex mutex_;
  std::unordered_map<size_t, std::weak_ptr<const std::vector<MetricMetadata>>> lists_
      GUARDED_BY(mutex_);
  size_t sweep_at_ GUARDED_BY(mutex_) = 64;
};

}  // namespace deckwatch::scraper
