#include "scraper/own_metrics.h"

#include <string_view>

namespace deckwatch::scraper {

void OwnCounters::Count(const ScrapeReport& report) {
  ++scrapes_;
  if (!report.status.ok()) {
    ++failed_;
    if (report.status.code() == StatusCode::kResourceExhausted) {
      ++(report.stats.scraped == 0 ? body_limit_ : limit_);
    }
  }
  if (!report.commit.ok()) ++commit_failed_;
  samples_ += report.appended;
  duplicates_ += static_cast<uint64_t>(report.stats.duplicates);
  out_of_bounds_ += static_cast<uint64_t>(report.stats.too_far_ahead);
  rejected_ += report.rejected;
  unresolved_ += static_cast<uint64_t>(report.stats.unresolved);
  lines_ += static_cast<uint64_t>(report.stats.scraped);
  predicted_ += static_cast<uint64_t>(report.stats.predicted);
}

void OwnCounters::CountSync(size_t rejected_targets) {
  ++syncs_;
  rejected_targets_ += rejected_targets;
}

std::string OwnCounters::Render(size_t pools, size_t targets) const {
  std::string out;
  const auto add = [&](std::string_view name, std::string_view type, std::string_view help,
                       uint64_t value) {
    const std::string n(name);
    out += "# HELP " + n + " " + std::string(help) + "\n# TYPE " + n + " " + std::string(type) +
           "\n" + n + " " + std::to_string(value) + "\n";
  };
  add("prometheus_target_scrape_pools_total", "counter", "Scrape pool creations.", pools);
  add("prometheus_target_scrape_pool_reloads_total", "counter", "Configurations applied.",
      reloads_);
  add("prometheus_target_sync_total", "counter", "Target syncs after discovery or reload.", syncs_);
  add("prometheus_target_sync_failed_total", "counter", "Discovered targets that were refused.",
      rejected_targets_);
  add("prometheus_target_scrapes_sample_duplicate_timestamp_total", "counter",
      "Samples left out because their series came twice in one scrape.", duplicates_);
  add("prometheus_target_scrapes_sample_out_of_bounds_total", "counter",
      "Samples left out because they lie too far in the future.", out_of_bounds_);
  add("prometheus_target_scrapes_sample_out_of_order_total", "counter",
      "Samples that the store rejected.", rejected_);
  add("prometheus_target_scrapes_exceeded_body_size_limit_total", "counter",
      "Scrapes that failed because their body was too large.", body_limit_);
  add("prometheus_target_scrapes_exceeded_sample_limit_total", "counter",
      "Scrapes that failed because of a sample or label limit.", limit_);
  add("deckwatch_targets", "gauge", "Active targets.", targets);
  add("deckwatch_scrapes_total", "counter", "Scrapes ended, good or bad.", scrapes_);
  add("deckwatch_scrapes_failed_total", "counter", "Scrapes that failed.", failed_);
  add("deckwatch_scrape_samples_appended_total", "counter", "Samples committed.", samples_);
  add("deckwatch_scrape_samples_scraped_total", "counter", "Sample lines read.", lines_);
  add("deckwatch_scrape_lines_predicted_total", "counter",
      "Sample lines whose series was known from their place in the last page.", predicted_);
  add("deckwatch_scrape_samples_without_series_total", "counter",
      "Samples left out because the store had no room for their series.", unresolved_);
  add("deckwatch_scrape_commits_failed_total", "counter", "Scrapes that the store refused.",
      commit_failed_);
  return out;
}

}  // namespace deckwatch::scraper
