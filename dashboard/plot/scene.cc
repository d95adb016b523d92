#include "dashboard/plot/scene.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace deckwatch::dashboard {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The sample nearest to `t_ms`, or -1 when it is further than `reach_ms` away.
ptrdiff_t Nearest(std::span<const int64_t> t, int64_t t_ms, int64_t reach_ms) {
  if (t.empty()) return -1;
  auto it = std::lower_bound(t.begin(), t.end(), t_ms);
  if (it == t.end() || (it != t.begin() && t_ms - *(it - 1) <= *it - t_ms)) --it;
  return std::abs(*it - t_ms) <= reach_ms ? it - t.begin() : -1;
}

LineStats StatsOf(const Series& s, TimeRange window) {
  LineStats out{kNan, kNan, kNan};
  double sum = 0;
  size_t n = 0;
  const auto begin = std::lower_bound(s.t_ms.begin(), s.t_ms.end(), window.from_ms);
  for (size_t i = begin - s.t_ms.begin(); i < s.t_ms.size() && s.t_ms[i] <= window.to_ms; ++i) {
    const double v = s.value[i];
    if (std::isnan(v)) continue;
    sum += v;
    ++n;
    out.max = n == 1 ? v : std::max(out.max, v);
    out.last = v;
  }
  if (n > 0) out.mean = sum / static_cast<double>(n);
  return out;
}

}  // namespace

void PlotScene::Update(const Canvas& canvas, const Rect& area, const PlotModel& model,
                       TimeRange window, const std::set<std::string>& hidden) {
  if (model_ == &model && version_ == model.version && window_ == window && area_ == area &&
      hidden_ == hidden) {
    return;
  }
  const bool same_data = model_ == &model && version_ == model.version && hidden_ == hidden;
  model_ = &model;
  version_ = model.version;
  window_ = window;
  area_ = area;
  hidden_ = hidden;
  if (!same_data) BuildTraces(hidden);
  for (Trace& trace : traces_) {
    Decimate(trace.t_ms, trace.top, window, model.gap_ms, static_cast<int>(area.w), &trace.kept);
  }
  BuildAxes(canvas, area);
  BuildMesh(canvas);
  BuildStats();
}

void PlotScene::BuildTraces(const std::set<std::string>& hidden) {
  traces_.clear();
  stack_ = {};
  std::vector<const Series*> shown;
  std::vector<double> signs;
  for (size_t i = 0; i < model_->lines.size(); ++i) {
    const PlotLine& line = model_->lines[i];
    if (hidden.contains(line.name)) continue;
    Trace trace;
    trace.line = i;
    trace.t_ms = line.series->t_ms;
    trace.top = line.series->value;
    if (line.sign < 0 && !model_->stacked) {
      trace.flipped.assign(line.series->value.begin(), line.series->value.end());
      for (double& v : trace.flipped) v = -v;
      trace.top = trace.flipped;
    }
    shown.push_back(line.series);
    signs.push_back(line.sign);
    traces_.push_back(std::move(trace));
  }
  if (!model_->stacked) return;
  stack_ = StackSeries(shown, signs);
  for (size_t k = 0; k < traces_.size(); ++k) {
    traces_[k].t_ms = stack_.t_ms;
    traces_[k].top = stack_.top[k];
    traces_[k].base = stack_.base[k];
  }
}

void PlotScene::BuildAxes(const Canvas& canvas, const Rect& area) {
  double lo = std::numeric_limits<double>::infinity(), hi = -lo;
  for (const Trace& trace : traces_) {
    for (const uint32_t i : trace.kept.index) {
      if (trace.t_ms[i] < window_.from_ms || trace.t_ms[i] > window_.to_ms) continue;
      lo = std::min(lo, trace.base.empty() ? trace.top[i] : trace.base[i]);
      hi = std::max(hi, trace.top[i]);
      if (!trace.base.empty()) lo = std::min(lo, trace.top[i]);
    }
  }
  if (lo > hi) lo = hi = 0;
  if (model_->min) lo = std::min(lo, *model_->min);
  if (model_->max) hi = std::max(hi, *model_->max);
  if (model_->ceiling) hi = std::min(hi, *model_->ceiling);
  const float label_height = canvas.Px(18);
  plot_ = area;
  plot_.CutBottom(label_height);
  plot_.CutTop(canvas.Px(4));
  plot_.CutRight(canvas.Px(2));
  axis_ = MakeValueAxis(lo, hi, static_cast<int>(plot_.h / canvas.Px(38)), *model_->unit);
  float gutter = canvas.Px(58);
  for (const double tick : axis_.ticks) {
    const std::string label = FormatTick(*model_->unit, std::abs(tick), axis_.step);
    gutter = std::max(gutter, canvas.Width(canvas.theme().small, label) + canvas.Px(10));
  }
  plot_.CutLeft(gutter);
  time_ticks_ = MakeTimeTicks(window_, std::max(1, static_cast<int>(plot_.w / canvas.Px(66))));
}

void PlotScene::BuildMesh(const Canvas& canvas) {
  mesh_.Clear();
  const float line_width = canvas.theme().scale * 1.3F;
  for (const Trace& trace : traces_) {
    size_t begin = 0;
    for (const uint32_t end : trace.kept.run_end) {
      AddRun(trace, std::span(trace.kept.index).subspan(begin, end - begin), line_width);
      begin = end;
    }
  }
}

void PlotScene::AddRun(const Trace& trace, std::span<const uint32_t> run, float line_width) {
  const ImU32 color = model_->lines[trace.line].color;
  const float floor_y = YOf(std::clamp(0.0, axis_.min, axis_.max));
  run_points_.clear();
  run_base_.clear();
  for (const uint32_t i : run) {
    run_points_.push_back({XOf(trace.t_ms[i]), YOf(trace.top[i])});
    run_base_.push_back(trace.base.empty() ? floor_y : YOf(trace.base[i]));
  }
  if (run_points_.size() == 1) {  // an isolated sample must not vanish
    mesh_.Dot(run_points_[0], color, line_width * 1.6F);
    return;
  }
  if (model_->fill > 0) {
    const bool downward = model_->lines[trace.line].sign < 0;
    const float from = model_->stacked ? 0 : downward ? plot_.bottom() : plot_.y;
    const float to = model_->stacked ? 0 : floor_y;
    mesh_.Area(run_points_, run_base_, WithAlpha(color, model_->fill), from, to);
  }
  mesh_.Polyline(run_points_, color, line_width);
}

void PlotScene::BuildStats() {
  stats_.clear();
  for (const PlotLine& line : model_->lines) stats_.push_back(StatsOf(*line.series, window_));
}

float PlotScene::XOf(int64_t t_ms) const {
  return plot_.x + static_cast<float>(static_cast<double>(t_ms - window_.from_ms) /
                                      static_cast<double>(window_.span_ms()) * plot_.w);
}

float PlotScene::YOf(double value) const {
  return plot_.bottom() -
         static_cast<float>((value - axis_.min) / (axis_.max - axis_.min) * plot_.h);
}

int64_t PlotScene::TimeAt(float x) const {
  const double part = (x - plot_.x) / std::max(1.F, plot_.w);
  return window_.from_ms + static_cast<int64_t>(part * static_cast<double>(window_.span_ms()));
}

std::optional<PlotScene::Hit> PlotScene::Find(size_t line, int64_t t_ms) const {
  for (const Trace& trace : traces_) {
    if (trace.line != line) continue;
    const ptrdiff_t i = Nearest(trace.t_ms, t_ms, model_->gap_ms);
    if (i < 0 || !std::isfinite(trace.top[i])) return std::nullopt;
    const double shown = trace.base.empty() ? trace.top[i] : trace.top[i] - trace.base[i];
    return Hit{shown * model_->lines[line].sign, {XOf(trace.t_ms[i]), YOf(trace.top[i])}};
  }
  return std::nullopt;
}

}  // namespace deckwatch::dashboard
