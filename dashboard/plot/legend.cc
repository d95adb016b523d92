// The legend table under or beside a plot: mean, max and last of every line, or its value at the
// locked crosshair. Click shows one line alone, Ctrl-click hides or shows one.
#include <algorithm>

#include "dashboard/plot/plot.h"

namespace deckwatch::dashboard {
namespace {

constexpr float kColumnWidth = 63, kWideColumn = 104;
constexpr float kWideLegend = 420;  // from this width on there is room for long units

Rect FigureColumn(const Canvas& canvas, Rect* row, bool is_wide) {
  return row->CutRight(canvas.Px(is_wide ? kWideColumn : kColumnWidth), canvas.Px(2));
}

}  // namespace

void Plot::DrawLegend(const Canvas& canvas, const Rect& area, const PlotModel& model,
                      const PlotLink& link) {
  const Theme& theme = canvas.theme();
  const float row_h = canvas.Px(kLegendRowHeight);
  Rect body = area;
  Rect header = body.CutTop(row_h);
  const bool scrolls = static_cast<float>(model.lines.size()) * row_h > body.h;
  const float right = canvas.Px(scrolls ? 16 : 8);
  header.CutRight(right);
  const bool is_wide = area.w >= canvas.Px(kWideLegend);
  const bool at_cursor = link.cursor_ms.has_value();
  canvas.Text(theme.small, FigureColumn(canvas, &header, is_wide), kAccentColor,
              at_cursor ? "here" : "last", Align::kRight);
  canvas.Text(theme.small, FigureColumn(canvas, &header, is_wide), kAccentColor, "max",
              Align::kRight);
  canvas.Text(theme.small, FigureColumn(canvas, &header, is_wide), kAccentColor, "mean",
              Align::kRight);

  ImGui::SetCursorScreenPos(body.min());
  ImGui::BeginChild("legend", {body.w, body.h}, false, ImGuiWindowFlags_NoBackground);
  const Canvas inner(ImGui::GetWindowDrawList(), theme);
  const float scroll = ImGui::GetScrollY();
  const auto count = static_cast<int>(model.lines.size());
  const int first = std::clamp(static_cast<int>(scroll / row_h), 0, count);
  const int last = std::clamp(static_cast<int>((scroll + body.h) / row_h) + 1, 0, count);
  for (int i = first; i < last; ++i) {
    const Rect row = {body.x, body.y - scroll + static_cast<float>(i) * row_h, body.w - right,
                      row_h};
    LegendRow(inner, row, model, static_cast<size_t>(i), link);
  }
  ImGui::SetCursorPos({0, static_cast<float>(count) * row_h - 1});
  ImGui::Dummy({1, 1});
  ImGui::EndChild();
}

void Plot::LegendRow(const Canvas& canvas, const Rect& row_area, const PlotModel& model,
                     size_t line, const PlotLink& link) {
  const Theme& theme = canvas.theme();
  const PlotLine& l = model.lines[line];
  Rect row = row_area;
  ImGui::PushID(static_cast<int>(line));
  const Hit hit = HitArea("row", row);
  ImGui::PopID();
  if (hit.hovered) canvas.Fill(row, kHoverColor, canvas.Px(3));
  if (hit.clicked) ToggleLine(model, line, !ImGui::GetIO().KeyCtrl);
  const bool is_wide = row.w >= canvas.Px(kWideLegend - 8);
  const bool is_hidden = hidden_.contains(l.name);
  const ImU32 text = is_hidden ? kFaintColor : kTextColor;
  const LineStats& stats = scene_.stats()[line];
  std::string last = FormatValue(*model.unit, stats.last);
  if (link.cursor_ms) {
    const auto at = scene_.Find(line, *link.cursor_ms);
    last = at ? FormatValue(*model.unit, at->value) : "–";
  }
  canvas.Text(theme.small, FigureColumn(canvas, &row, is_wide), text, last, Align::kRight);
  canvas.Text(theme.small, FigureColumn(canvas, &row, is_wide), text,
              FormatValue(*model.unit, stats.max), Align::kRight);
  canvas.Text(theme.small, FigureColumn(canvas, &row, is_wide), text,
              FormatValue(*model.unit, stats.mean), Align::kRight);
  const Rect mark = row.CutLeft(canvas.Px(12), canvas.Px(8));
  canvas.Fill({mark.x, mark.y + row.h / 2 - canvas.Px(1.5F), mark.w, canvas.Px(3)},
              is_hidden ? kFaintColor : l.color, 1);
  canvas.Text(theme.small, row, text, l.name);
}

void Plot::ToggleLine(const PlotModel& model, size_t line, bool only_this_one) {
  const std::string& name = model.lines[line].name;
  if (!only_this_one) {
    if (hidden_.erase(name) == 0) hidden_.insert(name);
    return;
  }
  std::set<std::string> others;
  for (const PlotLine& l : model.lines) {
    if (l.name != name) others.insert(l.name);
  }
  hidden_ = hidden_ == others ? std::set<std::string>() : std::move(others);
}

}  // namespace deckwatch::dashboard
