// Named times at which notifications are muted or active. (Alertmanager: timeinterval/.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/yaml.h"

namespace deckwatch::alerting {

// Matches when every list that is not empty has a range holding the time. Times of day include
// their start and exclude their end; all other ranges include both.
struct TimeInterval {
  struct Range {
    int begin = 0, end = 0;
    bool operator==(const Range&) const = default;
  };
  std::vector<Range> minutes;        // of the day, 0 .. 1440
  std::vector<Range> weekdays;       // 0 = Sunday
  std::vector<Range> days_of_month;  // 1 .. 31, or -1 .. -31 from the end
  std::vector<Range> months;         // 1 .. 12
  std::vector<Range> years;
  std::string location;  // IANA name; "" = UTC, "Local" = this machine's

  bool Contains(int64_t t_ms) const;
};

struct NamedTimeIntervals {
  std::string name;
  std::vector<TimeInterval> intervals;  // any of them
  bool Contains(int64_t t_ms) const;
};

Status ParseTimeIntervals(const YamlNode& node, std::string_view file, NamedTimeIntervals* out);

}  // namespace deckwatch::alerting
