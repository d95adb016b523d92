#include "dashboard/ui/canvas.h"

#include <algorithm>
#include <cmath>

namespace deckwatch::dashboard {
namespace {

float TextWidth(ImFont* font, const char* begin, const char* end) {
  return font->CalcTextSizeA(font->FontSize, FLT_MAX, 0, begin, end).x;
}

}  // namespace

Rect Rect::CutTop(float height, float gap) {
  const Rect cut = {x, y, w, std::min(height, h)};
  y += height + gap;
  h = std::max(0.F, h - height - gap);
  return cut;
}

Rect Rect::CutBottom(float height, float gap) {
  const Rect cut = {x, bottom() - height, w, height};
  h = std::max(0.F, h - height - gap);
  return cut;
}

Rect Rect::CutLeft(float width, float gap) {
  const Rect cut = {x, y, std::min(width, w), h};
  x += width + gap;
  w = std::max(0.F, w - width - gap);
  return cut;
}

Rect Rect::CutRight(float width, float gap) {
  const Rect cut = {right() - width, y, width, h};
  w = std::max(0.F, w - width - gap);
  return cut;
}

Rect Rect::Column(int i, int n, float gap) const {
  const float pitch = (w + gap) / static_cast<float>(n);
  const float left = std::floor(pitch * static_cast<float>(i));
  const float next = std::floor(pitch * static_cast<float>(i + 1));
  return {x + left, y, next - left - gap, h};
}

void Canvas::Fill(const Rect& r, ImU32 color, float rounding) const {
  list_->AddRectFilled(r.min(), r.max(), color, rounding);
}

void Canvas::Frame(const Rect& r, ImU32 color, float rounding) const {
  list_->AddRect(r.min(), r.max(), color, rounding);
}

void Canvas::HLine(float x0, float x1, float y, ImU32 color) const {
  list_->AddRectFilled({x0, std::floor(y)}, {x1, std::floor(y) + 1}, color);
}

void Canvas::VLine(float x, float y0, float y1, ImU32 color) const {
  list_->AddRectFilled({std::floor(x), y0}, {std::floor(x) + 1, y1}, color);
}

float Canvas::Width(ImFont* font, std::string_view text) const {
  return TextWidth(font, text.data(), text.data() + text.size());
}

float Canvas::Text(ImFont* font, const Rect& r, ImU32 color, std::string_view text,
                   Align align) const {
  if (text.empty() || r.w <= 0) return 0;
  if (theme_.drawn != nullptr) theme_.drawn->push_back({std::string(text), r.min(), r.max()});
  std::string elided;
  float width = Width(font, text);
  if (width > r.w) {
    elided = Elide(font, text, r.w);
    text = elided;
    width = Width(font, text);
  }
  float x = r.x;
  if (align == Align::kRight) x = r.right() - width;
  if (align == Align::kCenter) x = r.x + (r.w - width) / 2;
  const ImVec2 at = {std::floor(x), std::floor(r.y + (r.h - font->FontSize) / 2)};
  list_->AddText(font, font->FontSize, at, color, text.data(), text.data() + text.size());
  return width;
}

float Canvas::Paragraph(ImFont* font, const Rect& r, ImU32 color, std::string_view text) const {
  if (theme_.drawn != nullptr) theme_.drawn->push_back({std::string(text), r.min(), r.max()});
  const char* line = text.data();
  const char* const end = line + text.size();
  const float line_height = std::ceil(font->FontSize * 1.35F);
  float y = r.y;
  while (line < end && y + line_height <= r.bottom() + 1) {
    const char* stop = font->CalcWordWrapPositionA(1, line, end, r.w);
    if (stop == line) ++stop;  // not even one character fits: make progress anyway
    list_->AddText(font, font->FontSize, {std::floor(r.x), std::floor(y)}, color, line, stop);
    y += line_height;
    line = stop;
    while (line < end && (*line == ' ' || *line == '\n')) ++line;
  }
  return y - r.y;
}

Rect Canvas::Panel(const Rect& r, std::string_view title) const {
  Fill(r, kPanelColor, Px(4));
  Frame(r, kBorderColor, Px(4));
  Rect inside = r.Inset(Px(12), Px(8));
  if (!title.empty()) {
    Text(theme_.strong, inside.CutTop(Px(20), Px(6)), kTextColor, title);
  }
  return inside;
}

std::string Elide(ImFont* font, std::string_view text, float width) {
  constexpr std::string_view kDots = "…";
  const float room = width - TextWidth(font, kDots.data(), kDots.data() + kDots.size());
  if (room <= 0) return "";
  const char* rest = nullptr;
  font->CalcTextSizeA(font->FontSize, room, 0, text.data(), text.data() + text.size(), &rest);
  return std::string(text.data(), rest) + std::string(kDots);
}

Hit HitArea(const char* id, const Rect& r) {
  if (r.w <= 0 || r.h <= 0) return {};
  ImGui::SetCursorScreenPos(r.min());
  const bool clicked = ImGui::InvisibleButton(id, {r.w, r.h});
  return {ImGui::IsItemHovered(), clicked};
}

}  // namespace deckwatch::dashboard
