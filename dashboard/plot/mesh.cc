#include "dashboard/plot/mesh.h"

#include <algorithm>
#include <cmath>

namespace deckwatch::dashboard {
namespace {

// The baked line texture of width 1 is three pixels across: the stroke and a soft pixel on each
// side.
constexpr float kTextureWidth = 1;
constexpr float kSoftEdge = 1;
constexpr float kOverlap = 0.35F;
constexpr size_t kQuadsPerChunk = 8192;  // 32,768 vertices: 16-bit indices reach 65,535

}  // namespace

ImU32 WithAlpha(ImU32 color, float alpha) {
  const float a =
      static_cast<float>(color >> IM_COL32_A_SHIFT & 0xFF) * std::clamp(alpha, 0.F, 1.F);
  return (color & ~IM_COL32_A_MASK) | static_cast<ImU32>(a + 0.5F) << IM_COL32_A_SHIFT;
}

void Mesh::Quad(ImVec2 a, ImVec2 b, ImVec2 c, ImVec2 d, ImVec2 uv_ab, ImVec2 uv_cd, ImU32 color) {
  vertices_.push_back({a, uv_ab, color});
  vertices_.push_back({b, uv_ab, color});
  vertices_.push_back({c, uv_cd, color});
  vertices_.push_back({d, uv_cd, color});
}

void Mesh::Line(ImVec2 a, ImVec2 b, ImU32 color, float width) {
  const ImVec4& uv = ImGui::GetIO().Fonts->TexUvLines[static_cast<int>(kTextureWidth)];
  float dx = b.x - a.x, dy = b.y - a.y;
  const float length = std::sqrt(dx * dx + dy * dy);
  if (length < 1e-4F) {
    dx = 1, dy = 0;
  } else {
    dx /= length, dy /= length;
  }
  const float half = width * 0.5F + kSoftEdge;
  const float nx = -dy * half, ny = dx * half;
  a = {a.x - dx * kOverlap, a.y - dy * kOverlap};
  b = {b.x + dx * kOverlap, b.y + dy * kOverlap};
  Quad({a.x + nx, a.y + ny}, {b.x + nx, b.y + ny}, {b.x - nx, b.y - ny}, {a.x - nx, a.y - ny},
       {uv.x, uv.y}, {uv.z, uv.w}, color);
}

void Mesh::Polyline(std::span<const ImVec2> points, ImU32 color, float width) {
  vertices_.reserve(vertices_.size() + points.size() * 4);
  for (size_t i = 1; i < points.size(); ++i) Line(points[i - 1], points[i], color, width);
}

void Mesh::Dot(ImVec2 at, ImU32 color, float radius) {
  Line({at.x - radius * 0.5F, at.y}, {at.x + radius * 0.5F, at.y}, color, radius * 2);
}

void Mesh::Area(std::span<const ImVec2> top, std::span<const float> base_y, ImU32 color,
                float y_opaque, float y_clear) {
  const ImVec2 white = ImGui::GetIO().Fonts->TexUvWhitePixel;
  const float range = y_opaque - y_clear;
  const auto shade = [&](float y) {
    return range == 0 ? color : WithAlpha(color, (y - y_clear) / range);
  };
  vertices_.reserve(vertices_.size() + top.size() * 4);
  for (size_t i = 1; i < top.size(); ++i) {
    const ImVec2 a = top[i - 1], b = top[i];
    vertices_.push_back({a, white, shade(a.y)});
    vertices_.push_back({b, white, shade(b.y)});
    vertices_.push_back({{b.x, base_y[i]}, white, shade(base_y[i])});
    vertices_.push_back({{a.x, base_y[i - 1]}, white, shade(base_y[i - 1])});
  }
}

void Mesh::AppendTo(ImDrawList* list) const {
  const size_t quads = vertices_.size() / 4;
  for (size_t begin = 0; begin < quads; begin += kQuadsPerChunk) {
    const size_t n = std::min(kQuadsPerChunk, quads - begin);
    list->PrimReserve(static_cast<int>(n * 6), static_cast<int>(n * 4));
    std::copy_n(vertices_.data() + begin * 4, n * 4, list->_VtxWritePtr);
    auto next = static_cast<unsigned>(list->_VtxCurrentIdx);
    for (size_t q = 0; q < n; ++q, next += 4) {
      for (const unsigned corner : {0U, 1U, 2U, 0U, 2U, 3U}) {
        *list->_IdxWritePtr++ = static_cast<ImDrawIdx>(next + corner);
      }
    }
    list->_VtxWritePtr += n * 4;
    list->_VtxCurrentIdx = next;
  }
}

}  // namespace deckwatch::dashboard
