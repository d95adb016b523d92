#include <algorithm>
#include <cmath>

#include "dashboard/plot/plot.h"

namespace deckwatch::dashboard {

void DrawSparkline(const Canvas& canvas, const Rect& area, const Series& series, TimeRange window,
                   int64_t gap_ms, ImU32 color) {
  if (area.w < 2 || area.h < 2 || window.span_ms() <= 0) return;
  KeptSamples kept;
  Decimate(series.t_ms, series.value, window, gap_ms, static_cast<int>(area.w), &kept);
  double lo = 0, hi = 0;
  for (const uint32_t i : kept.index) {
    lo = std::min(lo, series.value[i]);
    hi = std::max(hi, series.value[i]);
  }
  if (hi == lo) hi = lo + 1;
  const double x_scale = area.w / static_cast<double>(window.span_ms());
  const double y_scale = (area.h - 2) / (hi - lo);
  const float floor_y = area.bottom() - 1 + static_cast<float>(lo * y_scale);
  Mesh mesh;
  size_t begin = 0;
  std::vector<ImVec2> points;
  std::vector<float> base;
  for (const uint32_t end : kept.run_end) {
    points.clear();
    for (size_t k = begin; k < end; ++k) {
      const uint32_t i = kept.index[k];
      points.push_back(
          {area.x +
               static_cast<float>(static_cast<double>(series.t_ms[i] - window.from_ms) * x_scale),
           area.bottom() - 1 - static_cast<float>((series.value[i] - lo) * y_scale)});
    }
    base.assign(points.size(), floor_y);
    if (points.size() == 1) {
      mesh.Dot(points[0], color, canvas.theme().scale * 1.5F);
    } else {
      mesh.Area(points, base, WithAlpha(color, 0.4F), area.y, area.bottom());
      mesh.Polyline(points, color, canvas.theme().scale);
    }
    begin = end;
  }
  canvas.list()->PushClipRect(area.min(), area.max(), true);
  mesh.AppendTo(canvas.list());
  canvas.list()->PopClipRect();
}

}  // namespace deckwatch::dashboard
