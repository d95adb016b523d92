// One thing to scrape: what relabelling makes of a discovered label set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/labels.h"
#include "base/status.h"
#include "scraper/config.h"

namespace deckwatch::scraper {

struct Target {
  Labels discovered;  // as before relabelling, with the job's defaults filled in
  Labels labels;      // the public ones: they go on every series
  std::string url;
  std::string collector;    // not empty: a built-in collector of that name, no HTTP
  std::string unix_socket;  // not empty: connect there instead of to the URL's host
  int64_t interval_ms = 0;
  int64_t timeout_ms = 0;
  std::pair<uint64_t, uint64_t> identity;  // of labels and URL: equal targets are one target
};

// What a target group's entry becomes before relabelling: its own labels win over the group's.
Labels JoinGroupLabels(const Labels& target, const Labels& group);

// Fills in the job's defaults (job, __scheme__, __param_*, …), relabels and checks. Empty when
// relabelling dropped the target; `discovered` is filled either way. InvalidArgument when the
// result cannot be scraped (no address, bad duration, …). `host_name` becomes the instance of
// collectors.
Result<std::optional<Target>> MakeTarget(const Labels& found, const ScrapeConfig& config,
                                         const std::string& host_name, Labels* discovered);

}  // namespace deckwatch::scraper
