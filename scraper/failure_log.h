// scrape_failure_log_file: one JSON line per failed scrape.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace deckwatch::scraper {

// Appends {"time":…,"level":"ERROR","msg":error,"job_name":job,"target":url}. The file is opened
// for each line and written at once, so that it may be rotated and lines of several threads do not
// mix.
Status LogFailure(const std::string& path, int64_t t_ms, std::string_view job, std::string_view url,
                  std::string_view error);

}  // namespace deckwatch::scraper
