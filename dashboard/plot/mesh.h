// Anti-aliased lines and filled areas as plain quads, built once per change of data or view and
// copied into ImGui's draw list each frame.
//
// ImDrawList::AddPolyline is not used for metric lines: at acute angles its joints thin out, and a
// spike of one sample disappears. Here each segment is a quad of its own, textured with the atlas's
// baked line, a little longer than the segment so that neighbours overlap.
#pragma once

#include <span>
#include <vector>

#include <imgui.h>

namespace deckwatch::dashboard {

class Mesh {
 public:
  void Clear() { vertices_.clear(); }
  bool empty() const { return vertices_.empty(); }

  // Uses the texture of the current ImGui context's font atlas.
  void Line(ImVec2 a, ImVec2 b, ImU32 color, float width);
  void Polyline(std::span<const ImVec2> points, ImU32 color, float width);
  void Dot(ImVec2 at, ImU32 color, float radius);

  // Fills between two lines with the same x. The colour's alpha is `alpha_at(y)` interpolated
  // between `y_opaque` (full alpha) and `y_clear` (none); equal values mean full alpha everywhere.
  void Area(std::span<const ImVec2> top, std::span<const float> base_y, ImU32 color, float y_opaque,
            float y_clear);

  void AppendTo(ImDrawList* list) const;

 private:
  void Quad(ImVec2 a, ImVec2 b, ImVec2 c, ImVec2 d, ImVec2 uv_ab, ImVec2 uv_cd, ImU32 color);
  std::vector<ImDrawVert> vertices_;  // four per quad
};

// `color` with its alpha scaled by `alpha` in [0, 1].
ImU32 WithAlpha(ImU32 color, float alpha);

}  // namespace deckwatch::dashboard
