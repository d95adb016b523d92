// When a target is scraped: on a fixed grid of its own, so that targets spread evenly over the
// interval, a restart changes nothing, and timestamps repeat exactly one interval apart.
#pragma once

#include <algorithm>
#include <cstdint>

namespace deckwatch::scraper {

// The first time after `now_ms` that is `phase_ms` past a multiple of the interval.
inline int64_t NextOnGrid(int64_t now_ms, int64_t interval_ms, int64_t phase_ms) {
  const int64_t in_cycle = ((now_ms - phase_ms) % interval_ms + interval_ms) % interval_ms;
  return now_ms - in_cycle + interval_ms;
}

// The timestamp of a scrape that was due at `due_ms` and starts at `now_ms`: the grid's own time
// when the start is hardly late, so that storage sees equal steps; the true time otherwise.
inline int64_t SnapToGrid(int64_t now_ms, int64_t due_ms, int64_t interval_ms) {
  const int64_t tolerance_ms = std::max<int64_t>(2, std::min<int64_t>(interval_ms / 100, 50));
  return now_ms >= due_ms && now_ms - due_ms <= tolerance_ms ? due_ms : now_ms;
}

}  // namespace deckwatch::scraper
