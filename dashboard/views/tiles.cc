#include <algorithm>
#include <cmath>

#include "dashboard/views/health.h"

namespace deckwatch::dashboard {
namespace {

struct TileFace {
  std::string title, value, note;
  ImU32 color = kMutedColor;
};

// Everything but the sparkline; returns where that goes.
Rect DrawFace(const Canvas& canvas, const Rect& area, const TileFace& face) {
  canvas.Fill(area, kPanelColor, canvas.Px(4));
  canvas.Fill({area.x, area.y, canvas.Px(3), area.h}, face.color, canvas.Px(2));
  Rect inside = area.Inset(canvas.Px(13), canvas.Px(9));
  canvas.Text(canvas.theme().small, inside.CutTop(canvas.Px(17)), kMutedColor, face.title);
  if (!face.note.empty()) {
    canvas.Text(canvas.theme().small, inside.CutBottom(canvas.Px(15)), kFaintColor, face.note);
  }
  const float value_width = canvas.Width(canvas.theme().large, face.value);
  Rect value = inside;
  const Rect figure = value.CutLeft(std::min(value_width + 1, inside.w), canvas.Px(12));
  canvas.Text(canvas.theme().large, figure, face.color, face.value);
  const float below = face.note.empty() ? 10 : 26;
  return {value.x, area.y + canvas.Px(24), value.w, area.h - canvas.Px(24 + below)};
}

ImU32 ThresholdColor(const TileSpec& spec, double value) {
  if (spec.bad && value >= *spec.bad) return kBadColor;
  if (spec.warn && value >= *spec.warn) return kWarnColor;
  return spec.bad ? kGoodColor : kAccentColor;
}

void Spark(const PageContext& page, const Rect& area, const Reading<QueryResult>& reading,
           ImU32 color) {
  if (!reading.data || reading.data->series.empty()) return;
  DrawSparkline(page.canvas, area, reading.data->series[0], page.link->window,
                reading.step_ms * 3 / 2, color);
}

const Reading<QueryResult>& Ask(const PageContext& page, const std::string& expr) {
  return page.feed->Range(ExpandRate(expr, page.rate), page.link->window, page.link->step_ms);
}

}  // namespace

void DrawTile(const PageContext& page, const Rect& area, const TileSpec& spec) {
  const auto& reading = Ask(page, spec.expr);
  TileFace face{.title = spec.title, .value = "–", .note = {}};
  if (reading.data && !reading.data->series.empty()) {
    const Series& series = reading.data->series[0];
    if (const auto value = CurrentValue(reading, series)) {
      face.value = FormatValue(UnitById(spec.unit), *value);
      face.color = ThresholdColor(spec, *value);
    } else {
      face.note = "ended " + FormatAge(reading.window.to_ms - series.t_ms.back()) + " ago";
    }
  } else {
    face.note = NoDataText(*page.feed, reading, spec.absent + " absent");
  }
  Spark(page, DrawFace(page.canvas, area, face), reading, face.color);
}

void DrawTargetsTile(const PageContext& page, const Rect& area) {
  const auto& targets = page.feed->Targets();
  const auto& history = Ask(page, "sum(up)");
  TileFace face{.title = "Targets up", .value = "–", .note = {}};
  if (targets.data) {
    const auto total = static_cast<ptrdiff_t>(targets.data->size());
    const ptrdiff_t up = std::count_if(targets.data->begin(), targets.data->end(),
                                       [](const Target& t) { return t.health == "up"; });
    const ptrdiff_t down = std::count_if(targets.data->begin(), targets.data->end(),
                                         [](const Target& t) { return t.health == "down"; });
    face.value = std::to_string(up) + " / " + std::to_string(total);
    face.color = down > 0 ? kBadColor : up == total && total > 0 ? kGoodColor : kWarnColor;
    if (total == 0) face.note = "no target is configured";
  }
  Spark(page, DrawFace(page.canvas, area, face), history, face.color);
}

void DrawAlertsTile(const PageContext& page, const Rect& area) {
  const auto& alerts = page.feed->Alerts();
  const auto& history = Ask(page, "count(ALERTS{alertstate=\"firing\"}) or vector(0)");
  TileFace face{.title = "Firing alerts", .value = "–", .note = {}};
  if (alerts.data) {
    int firing[3] = {};
    for (const Alert& a : *alerts.data) firing[static_cast<int>(a.severity)] += a.firing;
    const int total = firing[0] + firing[1] + firing[2];
    face.value = std::to_string(total);
    face.color = firing[0] > 0   ? kBadColor
                 : firing[1] > 0 ? kWarnColor
                 : total > 0     ? kAccentColor
                                 : kGoodColor;
    const char* const names[] = {" critical", " warning", " info"};
    for (int i = 0; i < 3; ++i) {
      if (firing[i] == 0) continue;
      face.note += (face.note.empty() ? "" : ", ") + std::to_string(firing[i]) + names[i];
    }
  }
  Spark(page, DrawFace(page.canvas, area, face), history, face.color);
}

}  // namespace deckwatch::dashboard
