// A thin layer over ImDrawList for what the pages are made of: rectangles cut from rectangles, text
// that fits, and hit areas. All coordinates are physical pixels; take lengths through Theme::Px.
#pragma once

#include <string>
#include <string_view>

#include <imgui.h>

#include "dashboard/ui/theme.h"

namespace deckwatch::dashboard {

struct Rect {
  float x = 0, y = 0, w = 0, h = 0;
  float right() const { return x + w; }
  float bottom() const { return y + h; }
  ImVec2 min() const { return {x, y}; }
  ImVec2 max() const { return {x + w, y + h}; }
  Rect Inset(float dx, float dy) const { return {x + dx, y + dy, w - 2 * dx, h - 2 * dy}; }
  bool Contains(ImVec2 p) const { return p.x >= x && p.x < right() && p.y >= y && p.y < bottom(); }
  bool operator==(const Rect&) const = default;

  // Cuts a strip off one side, leaves the rest in this rectangle, with `gap` between the two.
  Rect CutTop(float height, float gap = 0);
  Rect CutBottom(float height, float gap = 0);
  Rect CutLeft(float width, float gap = 0);
  Rect CutRight(float width, float gap = 0);
  // The i-th of n equal columns, `gap` apart, on whole pixels.
  Rect Column(int i, int n, float gap) const;
};

enum class Align { kLeft, kCenter, kRight };

class Canvas {
 public:
  Canvas(ImDrawList* list, const Theme& theme) : list_(list), theme_(theme) {}

  const Theme& theme() const { return theme_; }
  ImDrawList* list() const { return list_; }
  float Px(float logical) const { return theme_.Px(logical); }

  void Fill(const Rect& r, ImU32 color, float rounding = 0) const;
  void Frame(const Rect& r, ImU32 color, float rounding = 0) const;
  void HLine(float x0, float x1, float y, ImU32 color) const;
  void VLine(float x, float y0, float y1, ImU32 color) const;

  float Width(ImFont* font, std::string_view text) const;
  // One line, vertically centred in `r`; cut with "…" when it does not fit.
  // Returns the width drawn.
  float Text(ImFont* font, const Rect& r, ImU32 color, std::string_view text,
             Align align = Align::kLeft) const;
  // Several lines, wrapped to the width of `r`, from its top; what does not fit is left out.
  float Paragraph(ImFont* font, const Rect& r, ImU32 color, std::string_view text) const;

  // The frame every panel has; returns the area inside.
  Rect Panel(const Rect& r, std::string_view title) const;

 private:
  ImDrawList* list_;
  const Theme& theme_;
};

// Text as long as fits into `width`, with "…" for the rest. Never splits a UTF-8 sequence.
std::string Elide(ImFont* font, std::string_view text, float width);

struct Hit {
  bool hovered = false;
  bool clicked = false;
};
// An invisible button over `r` in the current window.
Hit HitArea(const char* id, const Rect& r);

}  // namespace deckwatch::dashboard
