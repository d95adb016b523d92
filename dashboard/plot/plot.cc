#include "dashboard/plot/plot.h"

#include <algorithm>
#include <cmath>

namespace deckwatch::dashboard {
namespace {

constexpr float kMinDragPixels = 5;
constexpr float kLegendWidth = 326;  // the same for all, so that plots of a column line up

void DashedHLine(const Canvas& canvas, float x0, float x1, float y, ImU32 color) {
  const float dash = canvas.Px(6), gap = canvas.Px(4);
  for (float x = x0; x < x1; x += dash + gap) {
    canvas.HLine(x, std::min(x + dash, x1), y, color);
  }
}

}  // namespace

void PlotLink::EndFrame() {
  if (!cursor_locked) cursor_ms = next_cursor_ms;
  next_cursor_ms.reset();
}

void Plot::Draw(const Canvas& canvas, const char* id, const Rect& area, const PlotModel& model,
                LegendPlace legend, PlotLink* link) {
  ImGui::PushID(id);
  Rect plot_area = area;
  Rect legend_area;
  if (legend == LegendPlace::kRight) {
    legend_area =
        plot_area.CutRight(std::min(canvas.Px(kLegendWidth), area.w * 0.45F), canvas.Px(12));
  } else if (legend == LegendPlace::kBottom) {
    const float row_h = canvas.Px(kLegendRowHeight);  // whole rows only
    const float rows =
        std::min(static_cast<float>(model.lines.size()) + 1, std::floor(area.h * 0.4F / row_h));
    legend_area = plot_area.CutBottom(rows * row_h, canvas.Px(4));
  }
  scene_.Update(canvas, plot_area, model, link->window, hidden_);
  Interact(canvas, link);
  DrawAxes(canvas, model);
  const Rect& plot = scene_.plot();
  canvas.list()->PushClipRect({plot.x, plot.y - 2}, {plot.right(), plot.bottom() + 2}, true);
  scene_.mesh().AppendTo(canvas.list());
  if (model.warn) DrawThreshold(canvas, *model.warn, kWarnColor);
  if (model.bad) DrawThreshold(canvas, *model.bad, kBadColor);
  DrawCrosshair(canvas, model, *link);
  canvas.list()->PopClipRect();
  if (legend != LegendPlace::kNone) DrawLegend(canvas, legend_area, model, *link);
  ImGui::PopID();
}

void Plot::DrawAxes(const Canvas& canvas, const PlotModel& model) const {
  const Rect& plot = scene_.plot();
  const Theme& theme = canvas.theme();
  for (const double tick : scene_.axis().ticks) {
    const float y = scene_.YOf(tick);
    canvas.HLine(plot.x, plot.right(), y, kGridColor);
    // Downward series have positive values: their side of the axis is labelled so.
    const bool mirrored = tick < 0 && std::any_of(model.lines.begin(), model.lines.end(),
                                                  [](const PlotLine& l) { return l.sign < 0; });
    const std::string label = FormatTick(*model.unit, mirrored ? -tick : tick, scene_.axis().step);
    const Rect box = {plot.x - canvas.Px(90), y - canvas.Px(9), canvas.Px(82), canvas.Px(18)};
    canvas.Text(theme.small, box, kMutedColor, label, Align::kRight);
  }
  for (const TimeTick& tick : scene_.time_ticks()) {
    const float x = scene_.XOf(tick.t_ms);
    canvas.VLine(x, plot.y, plot.bottom(), kGridColor);
    const float half = canvas.Width(theme.small, tick.label) / 2 + 1;
    if (x - half < plot.x - canvas.Px(30) || x + half > plot.right() + canvas.Px(4)) continue;
    const Rect box = {x - half, plot.bottom() + canvas.Px(3), half * 2, canvas.Px(16)};
    canvas.Text(theme.small, box, kMutedColor, tick.label, Align::kCenter);
  }
}

void Plot::DrawThreshold(const Canvas& canvas, double value, ImU32 color) const {
  if (value <= scene_.axis().min || value >= scene_.axis().max) return;
  const Rect& plot = scene_.plot();
  const float y = scene_.YOf(value);
  DashedHLine(canvas, plot.x, plot.right(), y, WithAlpha(color, 0.7F));
}

void Plot::Interact(const Canvas& canvas, PlotLink* link) {
  const Rect& plot = scene_.plot();
  hovered_ = false;
  if (plot.w < 4 || plot.h < 4) return;
  ImGui::SetCursorScreenPos(plot.min());
  ImGui::InvisibleButton("plot", {plot.w, plot.h},
                         ImGuiButtonFlags_MouseButtonLeft | ImGuiButtonFlags_MouseButtonMiddle);
  const ImGuiIO& io = ImGui::GetIO();
  const bool is_active = ImGui::IsItemActive();
  hovered_ = ImGui::IsItemHovered() || is_active;
  const float mouse_x = std::clamp(io.MousePos.x, plot.x, plot.right());
  if (hovered_) link->next_cursor_ms = scene_.TimeAt(mouse_x);
  if (ImGui::IsItemActivated()) {
    drag_ = io.KeyAlt || io.MouseDown[ImGuiMouseButton_Middle] ? Drag::kPan : Drag::kSelect;
    drag_from_x_ = mouse_x;
  }
  if (drag_ == Drag::kPan && is_active && io.MouseDelta.x != 0) {
    const double ms_per_pixel = static_cast<double>(link->window.span_ms()) / plot.w;
    link->time.Pan(-std::llround(io.MouseDelta.x * ms_per_pixel), link->now_ms);
  }
  if (drag_ == Drag::kSelect && is_active && std::abs(mouse_x - drag_from_x_) >= kMinDragPixels) {
    const float left = std::min(mouse_x, drag_from_x_);
    canvas.Fill({left, plot.y, std::abs(mouse_x - drag_from_x_), plot.h},
                WithAlpha(kAccentColor, 0.22F));
  }
  if (ImGui::IsItemDeactivated()) {
    if (drag_ == Drag::kSelect && std::abs(mouse_x - drag_from_x_) >= kMinDragPixels) {
      link->time.Show({scene_.TimeAt(drag_from_x_), scene_.TimeAt(mouse_x)});
    }
    drag_ = Drag::kNone;
  }
  if (!ImGui::IsItemHovered()) return;
  if (ImGui::IsMouseDoubleClicked(ImGuiMouseButton_Left)) link->time.Back();
  if (io.MouseWheel != 0 && (io.KeyCtrl || !link->wheel_scrolls)) {
    link->time.ZoomAround(scene_.TimeAt(mouse_x), std::pow(0.8, io.MouseWheel), link->now_ms);
  }
}

void Plot::DrawCrosshair(const Canvas& canvas, const PlotModel& model, const PlotLink& link) const {
  if (!link.cursor_ms) return;
  const Rect& plot = scene_.plot();
  const float x = scene_.XOf(*link.cursor_ms);
  if (x < plot.x || x > plot.right()) return;
  canvas.VLine(x, plot.y, plot.bottom(), WithAlpha(kTextColor, 0.35F));
  for (size_t i = 0; i < model.lines.size(); ++i) {
    const auto hit = scene_.Find(i, *link.cursor_ms);
    if (!hit) continue;
    canvas.list()->AddCircleFilled(hit->at, canvas.Px(4), kPanelColor);
    canvas.list()->AddCircleFilled(hit->at, canvas.Px(3), model.lines[i].color);
  }
  if (hovered_ && drag_ != Drag::kPan) DrawTooltip(canvas, model, *link.cursor_ms);
}

void Plot::DrawTooltip(const Canvas& canvas, const PlotModel& model, int64_t t_ms) const {
  struct Row {
    size_t line;
    double value;
    std::string text;
  };
  std::vector<Row> rows;
  for (size_t i = 0; i < model.lines.size(); ++i) {
    if (const auto hit = scene_.Find(i, t_ms)) {
      rows.push_back({i, hit->value, FormatValue(*model.unit, hit->value)});
    }
  }
  if (rows.empty()) return;
  constexpr size_t kMaxRows = 24;
  const size_t shown = std::min(rows.size(), kMaxRows);
  std::partial_sort(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(shown), rows.end(),
                    [](const Row& a, const Row& b) { return a.value > b.value; });
  const Theme& theme = canvas.theme();
  float name_width = canvas.Width(theme.small, FormatLocal(t_ms)), value_width = 0;
  for (size_t i = 0; i < shown; ++i) {
    name_width = std::max(name_width, canvas.Width(theme.body, model.lines[rows[i].line].name));
    value_width = std::max(value_width, canvas.Width(theme.strong, rows[i].text));
  }
  name_width = std::min(name_width, canvas.Px(420));
  const float row_h = canvas.Px(20);
  const float w = name_width + value_width + canvas.Px(62);
  const float h = row_h * static_cast<float>(shown + 1 + (rows.size() > shown)) + canvas.Px(14);
  const ImVec2 mouse = ImGui::GetIO().MousePos, screen = ImGui::GetIO().DisplaySize;
  Rect box = {mouse.x + canvas.Px(18), mouse.y + canvas.Px(12), w, h};
  if (box.right() > screen.x) box.x = mouse.x - canvas.Px(18) - w;
  box.y = std::max(0.F, std::min(box.y, screen.y - h - canvas.Px(4)));
  const Canvas over(ImGui::GetForegroundDrawList(), theme);
  over.Fill({box.x + 2, box.y + 3, box.w, box.h}, IM_COL32(0, 0, 0, 110), canvas.Px(5));
  over.Fill(box, kRaisedColor, canvas.Px(5));
  over.Frame(box, kBorderColor, canvas.Px(5));
  Rect inside = box.Inset(canvas.Px(12), canvas.Px(7));
  over.Text(theme.small, inside.CutTop(row_h), kMutedColor, FormatLocal(t_ms));
  for (size_t i = 0; i < shown; ++i) {
    Rect row = inside.CutTop(row_h);
    const Rect mark = row.CutLeft(canvas.Px(12), canvas.Px(8));
    over.Fill({mark.x, mark.y + row_h / 2 - canvas.Px(1.5F), mark.w, canvas.Px(3)},
              model.lines[rows[i].line].color, 1);
    over.Text(theme.strong, row.CutRight(value_width, canvas.Px(12)), kTextColor, rows[i].text,
              Align::kRight);
    over.Text(theme.body, row, kTextColor, model.lines[rows[i].line].name);
  }
  if (rows.size() > shown) {
    over.Text(theme.small, inside, kMutedColor,
              std::to_string(rows.size() - shown) + " more, lower");
  }
}

}  // namespace deckwatch::dashboard
