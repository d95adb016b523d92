#include "scraper/metadata_pool.h"

#include <algorithm>
#include <functional>
#include <string>
#include <tuple>
#include <utility>

namespace deckwatch::scraper {

namespace {

auto Fields(const MetricMetadata& m) {
  return std::tie(m.name, m.type, m.help, m.unit);
}

bool Equal(const std::vector<MetricMetadata>& a, const std::vector<MetricMetadata>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return Fields(x) == Fields(y); });
}

size_t HashOf(const std::vector<MetricMetadata>& families) {
  size_t hash = families.size();
  const auto mix = [&](size_t h) { hash = (hash ^ h) * 0x9e3779b97f4a7c15u; };
  for (const MetricMetadata& m : families) {
    mix(std::hash<std::string>()(m.name));
    mix(std::hash<std::string>()(m.help));
    mix(std::hash<std::string>()(m.unit) + static_cast<size_t>(m.type));
  }
  return hash;
}

}  // namespace

SharedMetadata MetadataPool::Share(std::vector<MetricMetadata> families) {
  families.shrink_to_fit();
  const size_t hash = HashOf(families);
  MutexLock lock(mutex_);
  auto& place = lists_[hash];
  SharedMetadata known = place.lock();
  if (known != nullptr && Equal(*known, families)) return known;
  auto fresh = std::make_shared<const std::vector<MetricMetadata>>(std::move(families));
  place = fresh;
  if (lists_.size() > sweep_at_) {
    std::erase_if(lists_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = 64 + 2 * lists_.size();
  }
  return fresh;
}

}  // namespace deckwatch::scraper
