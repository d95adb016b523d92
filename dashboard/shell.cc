// The frame around the views: top bar, banner, status line.
#include <algorithm>
#include <array>
#include <cstdio>

#include "dashboard/app.h"
#include "dashboard/views/panel.h"

namespace deckwatch::dashboard {
namespace {

struct Preset {
  const char* text;
  int64_t span_ms;
};
constexpr int64_t kMinute = 60'000, kHour = 60 * kMinute, kDay = 24 * kHour;
constexpr std::array kPresets = {Preset{"5m", 5 * kMinute}, Preset{"15m", 15 * kMinute},
                                 Preset{"1h", kHour},       Preset{"6h", 6 * kHour},
                                 Preset{"24h", kDay},       Preset{"7d", 7 * kDay}};

// A button cut from the left of `bar`.
bool Chip(const Canvas& canvas, Rect* bar, const char* id, std::string_view text, bool is_on) {
  const Theme& theme = canvas.theme();
  const float width = canvas.Width(theme.body, text) + canvas.Px(20);
  const Rect box = bar->CutLeft(width, canvas.Px(4)).Inset(0, canvas.Px(8));
  const Hit hit = HitArea(id, box);
  if (is_on || hit.hovered) canvas.Fill(box, is_on ? kRaisedColor : kHoverColor, canvas.Px(4));
  canvas.Text(theme.body, box, is_on ? kTextColor : kMutedColor, text, Align::kCenter);
  return hit.clicked;
}

// A triangle pointing left or right, faint when there is nothing to go to.
bool HistoryArrow(const Canvas& canvas, Rect* bar, const char* id, bool to_left, bool is_enabled) {
  const Rect box = bar->CutLeft(canvas.Px(24), canvas.Px(2)).Inset(0, canvas.Px(8));
  const Hit hit = HitArea(id, box);
  if (hit.hovered && is_enabled) canvas.Fill(box, kHoverColor, canvas.Px(4));
  const float d = canvas.Px(4) * (to_left ? -1.F : 1.F);
  const ImVec2 c = {box.x + box.w / 2, box.y + box.h / 2};
  const ImU32 color = is_enabled ? kTextColor : kFaintColor;
  const ImVec2 tip = {c.x + d, c.y}, upper = {c.x - d, c.y - canvas.Px(5)},
               lower = {c.x - d, c.y + canvas.Px(5)};
  canvas.list()->AddTriangleFilled(tip, to_left ? lower : upper, to_left ? upper : lower, color);
  return hit.clicked && is_enabled;
}

}  // namespace

void App::DrawTopBar(const PageContext& page, const Rect& area) {
  const Canvas& canvas = page.canvas;
  const Theme& theme = canvas.theme();
  canvas.Fill(area, kBarColor);
  canvas.HLine(area.x, area.right(), area.bottom() - 1, kBorderColor);
  Rect bar = area.Inset(canvas.Px(14), 0);
  // The mark: three bars of a small chart.
  const Rect mark = bar.CutLeft(canvas.Px(18), canvas.Px(8));
  for (int i = 0; i < 3; ++i) {
    const float h = canvas.Px(7) + canvas.Px(5) * static_cast<float>(i);
    canvas.Fill({mark.x + canvas.Px(6) * static_cast<float>(i),
                 mark.y + mark.h / 2 + canvas.Px(8) - h, canvas.Px(4), h},
                SeriesColor(static_cast<size_t>(i) + 3), 1);
  }
  const float used = canvas.Text(theme.strong, bar, kTextColor, "Deckwatch");
  bar.CutLeft(used, canvas.Px(20));
  if (Chip(canvas, &bar, "health", "Health", view_ == ViewKind::kHealth)) view_ = ViewKind::kHealth;
  if (Chip(canvas, &bar, "explore", "Explore", view_ == ViewKind::kExplore)) {
    view_ = ViewKind::kExplore;
  }
  Rect controls = bar.CutRight(std::min(bar.w, canvas.Px(720)), canvas.Px(16));
  if (pages_.size() > 1) {
    for (size_t i = 0; i < pages_.size() && bar.w > canvas.Px(80); ++i) {
      ImGui::PushID(static_cast<int>(i));
      if (Chip(canvas, &bar, "server", options_.servers[i], i == current_)) current_ = i;
      ImGui::PopID();
    }
  }
  DrawTimeControls(page, controls);
}

void App::DrawTimeControls(const PageContext& page, Rect area) {
  const Canvas& canvas = page.canvas;
  const Theme& theme = canvas.theme();
  TimeView& time = page.link->time;
  // From the right: live switch, presets, range, history.
  const float live_width = canvas.Px(76);
  Rect live = area.CutRight(live_width, canvas.Px(8)).Inset(0, canvas.Px(8));
  const Hit hit = HitArea("live", live);
  canvas.Fill(live, hit.hovered ? kHoverColor : kRaisedColor, canvas.Px(4));
  canvas.list()->AddCircleFilled({live.x + canvas.Px(14), live.y + live.h / 2}, canvas.Px(4),
                                 time.live() ? kGoodColor : kFaintColor);
  live.CutLeft(canvas.Px(24));
  canvas.Text(theme.body, live, time.live() ? kGoodColor : kMutedColor,
              time.live() ? "Live" : "Fixed");
  if (hit.clicked) {
    if (time.live()) {
      time.Show(page.link->window);
    } else {
      time.GoLive(time.span_ms());
    }
  }
  float presets_width = 0;
  for (const Preset& p : kPresets)
    presets_width += canvas.Width(theme.body, p.text) + canvas.Px(24);
  Rect presets = area.CutRight(presets_width, canvas.Px(8));
  for (const Preset& p : kPresets) {
    const bool is_on = time.live() && time.span_ms() == p.span_ms;
    if (Chip(canvas, &presets, p.text, p.text, is_on)) time.GoLive(p.span_ms);
  }
  const std::string range =
      FormatRange(page.link->window) + " " + ZoneName(page.link->window.to_ms);
  Rect text = area.CutRight(canvas.Width(theme.body, range) + 1, canvas.Px(10));
  canvas.Text(theme.body, text, kTextColor, range, Align::kRight);
  Rect arrows = area.CutRight(canvas.Px(52));
  if (HistoryArrow(canvas, &arrows, "back", true, time.CanGoBack())) time.Back();
  if (HistoryArrow(canvas, &arrows, "forward", false, time.CanGoForward())) time.Forward();
}

void App::DrawAwayBanner(const PageContext& page, const Rect& area) {
  const Canvas& canvas = page.canvas;
  const FeedState& state = page.feed->state();
  canvas.Fill(area, IM_COL32(84, 28, 36, 255));
  std::string text = "Server away since " + FormatLocal(state.away_since_ms) + " (" +
                     FormatAge(page.feed->NowMs() - state.away_since_ms) +
                     "): " + state.last_error + ".";
  if (state.reached) text += " Showing the data of " + FormatLocal(state.last_success_ms) + ".";
  canvas.Text(canvas.theme().strong, area.Inset(canvas.Px(14), 0), kTextColor, text);
}

void App::DrawStatusLine(const PageContext& page, const Rect& area) {
  const Canvas& canvas = page.canvas;
  const Theme& theme = canvas.theme();
  const FeedState& state = page.feed->state();
  canvas.Fill(area, kBarColor);
  canvas.HLine(area.x, area.right(), area.y, kBorderColor);
  Rect line = area.Inset(canvas.Px(14), 0);
  const ImU32 color = state.away ? kBadColor : state.reached ? kGoodColor : kFaintColor;
  const Rect dot = line.CutLeft(canvas.Px(8), canvas.Px(8));
  canvas.list()->AddCircleFilled({dot.x + canvas.Px(4), dot.y + dot.h / 2}, canvas.Px(3.5F), color);
  std::string left = page.feed->url();
  if (const auto& version = page.feed->BuildVersion(); version.data)
    left += "  ·  version " + *version.data;
  left += state.reached
              ? "  ·  data " + FormatAge(page.feed->NowMs() - state.last_success_ms) + " old"
          : state.away ? "  ·  not reached"
                       : "  ·  connecting";
  char right[160];
  std::snprintf(right, sizeof(right), "%d in flight  ·  %.1f MB received  ·  frame %.1f ms",
                state.in_flight, static_cast<double>(state.bytes_received) / 1e6, frame_ms_);
  canvas.Text(theme.small, line.CutRight(canvas.Px(380), canvas.Px(12)), kMutedColor, right,
              Align::kRight);
  const float used = canvas.Text(theme.small, line, kMutedColor, left);
  line.CutLeft(used, canvas.Px(24));
  canvas.Text(theme.small, line, kFaintColor,
              "drag zooms  ·  wheel zooms at the pointer  ·  Alt-drag pans  ·  double click goes "
              "back  ·  L locks the crosshair",
              Align::kCenter);
}

}  // namespace deckwatch::dashboard
