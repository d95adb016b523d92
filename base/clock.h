// Time, always from here: the wall clock for timestamps, the monotonic clock for waiting and
// measuring.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace deckwatch {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t WallMs() const = 0;       // since the Unix epoch
  virtual int64_t MonotonicMs() const = 0;  // never goes back
  virtual int64_t MonotonicNs() const = 0;
  static const Clock* Real();  // lives for ever
};

// Stands still until told to move. Thread-safe.
class FakeClock : public Clock {
 public:
  explicit FakeClock(int64_t wall_ms) : wall_ms_(wall_ms) {}
  int64_t WallMs() const override { return wall_ms_; }
  int64_t MonotonicMs() const override { return monotonic_ms_; }
  int64_t MonotonicNs() const override { return monotonic_ms_ * 1'000'000; }
  void AdvanceMs(int64_t ms) { wall_ms_ += ms, monotonic_ms_ += ms; }
  void StepWallMs(int64_t ms) { wall_ms_ += ms; }  // someone set the clock

 private:
  std::atomic<int64_t> wall_ms_;
  std::atomic<int64_t> monotonic_ms_{0};
};

// Prometheus durations ("1h30m", "15s", "0", units y w d h m s ms, each at most once, in falling
// order).
Result<int64_t> ParseDurationMs(std::string_view text);
// The shortest such text: 5400000 -> "1h30m", 0 -> "0s".
std::string FormatDurationMs(int64_t ms);

// "2026-11-20T15:04:05.123Z", always UTC with milliseconds.
std::string FormatRfc3339Ms(int64_t t_ms);
// RFC 3339 with 'Z' or an offset, fraction optional.
Result<int64_t> ParseRfc3339Ms(std::string_view text);

}  // namespace deckwatch
