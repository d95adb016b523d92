// From series to something drawable: what of the model is visible, scaled to pixels, as one mesh
// with its axes and the figures of the legend. Built when data, window, size or hidden series
// change, not per frame.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dashboard/plot/decimate.h"
#include "dashboard/plot/mesh.h"
#include "dashboard/plot/ticks.h"
#include "dashboard/ui/canvas.h"

namespace deckwatch::dashboard {

struct PlotLine {
  std::string name;
  ImU32 color = 0;
  const Series* series = nullptr;  // kept alive by PlotModel::owners
  double sign = 1;                 // -1 draws downward; the legend shows the value as it is
};

struct PlotModel {
  std::vector<std::shared_ptr<const QueryResult>> owners;
  std::vector<PlotLine> lines;
  const Unit* unit = &UnitById("short");
  bool stacked = false;
  float fill = 0.15F;               // opacity of the area at its strongest
  std::optional<double> min, max;   // the axis never shows less than this
  std::optional<double> ceiling;    // nor more than this
  std::optional<double> warn, bad;  // dashed threshold lines, when in sight
  int64_t gap_ms = 60'000;          // neighbours further apart are not joined
  uint64_t version = 0;             // changes whenever anything above does
};

struct LineStats {
  double mean = 0, max = 0, last = 0;  // over the visible window; NaN when nothing is visible
};

class PlotScene {
 public:
  // Rebuilds when the arguments differ from the last call. `area` holds axis labels and plot.
  void Update(const Canvas& canvas, const Rect& area, const PlotModel& model, TimeRange window,
              const std::set<std::string>& hidden);

  const Rect& plot() const { return plot_; }  // the inner rectangle
  const Mesh& mesh() const { return mesh_; }
  const ValueAxis& axis() const { return axis_; }
  const std::vector<TimeTick>& time_ticks() const { return time_ticks_; }
  const std::vector<LineStats>& stats() const { return stats_; }  // parallel to model.lines
  bool empty() const { return mesh_.empty(); }

  float XOf(int64_t t_ms) const;
  float YOf(double value) const;
  int64_t TimeAt(float x) const;
  // Where line `i` is drawn at about `t_ms` and its value there; nothing in a gap or when hidden.
  struct Hit {
    double value;
    ImVec2 at;
  };
  std::optional<Hit> Find(size_t line, int64_t t_ms) const;

 private:
  // What is drawn of one line: columns in screen meaning (signed, stacked).
  struct Trace {
    size_t line = 0;
    std::span<const int64_t> t_ms;
    std::span<const double> top;
    std::span<const double> base;  // empty: down to zero or the axis
    KeptSamples kept;
    std::vector<double> flipped;  // owns `top` for sign -1
  };
  void BuildTraces(const std::set<std::string>& hidden);
  void BuildAxes(const Canvas& canvas, const Rect& area);
  void BuildMesh(const Canvas& canvas);
  void AddRun(const Trace& trace, std::span<const uint32_t> run, float line_width);
  void BuildStats();

  const PlotModel* model_ = nullptr;  // only during Update and until the next change of version
  uint64_t version_ = 0;
  TimeRange window_;
  Rect area_;
  std::set<std::string> hidden_;

  std::vector<Trace> traces_;
  Stack stack_;
  Rect plot_;
  ValueAxis axis_;
  std::vector<TimeTick> time_ticks_;
  std::vector<LineStats> stats_;
  Mesh mesh_;
  std::vector<ImVec2> run_points_;  // scratch
  std::vector<float> run_base_;
};

}  // namespace deckwatch::dashboard
