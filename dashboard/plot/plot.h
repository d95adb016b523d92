// A time-series plot with axes, legend table, crosshair and tooltip; drag selects a stretch of
// time, the wheel zooms at the pointer, middle or Alt drag pans, double click goes back.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "dashboard/plot/scene.h"
#include "dashboard/plot/time_view.h"

namespace deckwatch::dashboard {

// What the panels of a page share: the time they show and the crosshair. One per page; `window` and
// `now_ms` are set before each frame, EndFrame() called after it.
struct PlotLink {
  TimeView time{3'600'000};
  TimeRange window;  // time.Window(), on the grid of `step_ms`
  int64_t step_ms = 15'000;
  int64_t now_ms = 0;
  bool wheel_scrolls = false;  // the page scrolls: zooming then needs Ctrl

  std::optional<int64_t> cursor_ms;
  bool cursor_locked = false;

  void EndFrame();
  std::optional<int64_t> next_cursor_ms;  // set by the plot under the pointer
};

inline constexpr float kLegendRowHeight = 20;  // logical pixels

enum class LegendPlace { kNone, kBottom, kRight };

class Plot {
 public:
  // Draws into `area` of the current window. `id` is unique on the page; `model` stays the same
  // object between calls and changes its version with its content.
  void Draw(const Canvas& canvas, const char* id, const Rect& area, const PlotModel& model,
            LegendPlace legend, PlotLink* link);

 private:
  enum class Drag { kNone, kSelect, kPan };
  void DrawAxes(const Canvas& canvas, const PlotModel& model) const;
  void DrawThreshold(const Canvas& canvas, double value, ImU32 color) const;
  void Interact(const Canvas& canvas, PlotLink* link);
  void DrawCrosshair(const Canvas& canvas, const PlotModel& model, const PlotLink& link) const;
  void DrawTooltip(const Canvas& canvas, const PlotModel& model, int64_t t_ms) const;
  void DrawLegend(const Canvas& canvas, const Rect& area, const PlotModel& model,
                  const PlotLink& link);
  void LegendRow(const Canvas& canvas, const Rect& row, const PlotModel& model, size_t line,
                 const PlotLink& link);
  void ToggleLine(const PlotModel& model, size_t line, bool only_this_one);

  PlotScene scene_;
  std::set<std::string> hidden_;
  Drag drag_ = Drag::kNone;
  float drag_from_x_ = 0;
  bool hovered_ = false;
};

// A small line without axes, scaled to its own range with zero drawn in, for tiles and table rows.
void DrawSparkline(const Canvas& canvas, const Rect& area, const Series& series, TimeRange window,
                   int64_t gap_ms, ImU32 color);

}  // namespace deckwatch::dashboard
