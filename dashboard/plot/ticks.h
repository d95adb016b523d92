// Where axis lines go: at round values and at round moments of the local calendar.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dashboard/data/model.h"
#include "dashboard/plot/units.h"

namespace deckwatch::dashboard {

struct ValueAxis {
  double min = 0;
  double max = 1;
  double step = 0.2;  // distance of ticks: 1, 2 or 5 times a power of ten (of two for bytes)
  std::vector<double> ticks;  // within [min, max], rising
};

// An axis over at least [lo, hi] with at most about `max_ticks` lines, widened to whole ticks. Zero
// is drawn in when the data comes near it. Any finite input gives a usable axis (lo == hi too).
ValueAxis MakeValueAxis(double lo, double hi, int max_ticks, const Unit& unit);

struct TimeTick {
  int64_t t_ms;
  std::string label;  // "15:04", "15:04:05", "20 Nov", "Jan 2027", …
};

// At most about `max_ticks` ticks inside `range`, at round local times; days have 23, 24 or 25
// hours.
std::vector<TimeTick> MakeTimeTicks(TimeRange range, int max_ticks);

// "2026-11-20 15:04:05", local.
std::string FormatLocal(int64_t t_ms);
// "20 Nov 12:00 – 17:59" with as much date as needed, local.
std::string FormatRange(TimeRange range);
// "UTC", "CET", …: the zone in force at `t_ms`.
std::string ZoneName(int64_t t_ms);

// The resolution to ask a server for so that `range` gives about one sample per `max_points`: a
// round step, at least one second, never more points per series than Prometheus allows (11,000).
int64_t NiceStepMs(TimeRange range, int max_points);

}  // namespace deckwatch::dashboard
