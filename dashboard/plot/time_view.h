// Which stretch of time all panels of a page show, and the way back: live (the last N minutes,
// following the clock) or fixed, with zoom, pan and history.
#pragma once

#include <cstdint>
#include <vector>

#include "dashboard/data/model.h"

namespace deckwatch::dashboard {

class TimeView {
 public:
  explicit TimeView(int64_t span_ms) : current_{.live = true, .span_ms = span_ms, .fixed = {}} {}

  // What is visible at `now_ms`.
  TimeRange Window(int64_t now_ms) const;
  bool live() const { return current_.live; }
  int64_t span_ms() const { return current_.live ? current_.span_ms : current_.fixed.span_ms(); }

  // Each of these is one step of history. Spans are kept between one second and twenty years.
  void GoLive(int64_t span_ms);
  void Show(TimeRange range);

  // Zoom by wheel and panning are many small moves of one gesture: moves less than half a second
  // apart make one step of history. `factor` < 1 zooms in, `at_ms` stays where it is.
  void ZoomAround(int64_t at_ms, double factor, int64_t now_ms);
  void Pan(int64_t delta_ms, int64_t now_ms);

  bool CanGoBack() const { return !back_.empty(); }
  bool CanGoForward() const { return !forward_.empty(); }
  void Back();
  void Forward();

 private:
  struct State {
    bool live = true;
    int64_t span_ms = 0;  // when live
    TimeRange fixed;      // when not
    bool operator==(const State&) const = default;
  };
  void Set(State next);
  void Move(TimeRange range, int64_t now_ms);

  State current_;
  std::vector<State> back_, forward_;
  int64_t last_move_ms_ = INT64_MIN / 2;
};

}  // namespace deckwatch::dashboard
