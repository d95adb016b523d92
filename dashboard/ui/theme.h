// Colours, fonts and sizes: one place decides how everything looks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <imgui.h>

#include "dashboard/data/model.h"

namespace deckwatch::dashboard {

// Surfaces from back to front, then text from strong to faint.
inline constexpr ImU32 kPageColor = IM_COL32(13, 15, 19, 255);
inline constexpr ImU32 kBarColor = IM_COL32(19, 22, 28, 255);
inline constexpr ImU32 kPanelColor = IM_COL32(22, 25, 31, 255);
inline constexpr ImU32 kRaisedColor = IM_COL32(30, 34, 42, 255);
inline constexpr ImU32 kHoverColor = IM_COL32(40, 45, 55, 255);
inline constexpr ImU32 kBorderColor = IM_COL32(38, 43, 52, 255);
inline constexpr ImU32 kGridColor = IM_COL32(255, 255, 255, 15);
inline constexpr ImU32 kTextColor = IM_COL32(222, 227, 235, 255);
inline constexpr ImU32 kMutedColor = IM_COL32(147, 156, 170, 255);
inline constexpr ImU32 kFaintColor = IM_COL32(96, 104, 118, 255);
inline constexpr ImU32 kAccentColor = IM_COL32(96, 152, 247, 255);

inline constexpr ImU32 kGoodColor = IM_COL32(101, 196, 116, 255);
inline constexpr ImU32 kWarnColor = IM_COL32(246, 168, 55, 255);
inline constexpr ImU32 kBadColor = IM_COL32(243, 79, 100, 255);

ImU32 SeverityColor(Severity severity);

// A colour for the n-th series, from a palette whose neighbours differ for colour-blind eyes as
// well.
inline constexpr size_t kPaletteSize = 11;
ImU32 SeriesColor(size_t n);
// The same name has the same place in the palette, in every panel and after every refresh.
size_t SeriesColorIndex(std::string_view name);

// A text as it was put on the screen.
struct DrawnText {
  std::string text;
  ImVec2 min, max;  // the box it had to fit
};

struct Theme {
  float scale = 1;  // physical pixels per logical pixel
  ImFont* body = nullptr;
  ImFont* small = nullptr;
  ImFont* strong = nullptr;  // semi-bold, body size
  ImFont* large = nullptr;   // figures of tiles
  ImFont* mono = nullptr;    // expressions

  // When set, Canvas records here what it writes: how tests read a page and find what to click.
  std::vector<DrawnText>* drawn = nullptr;

  // Logical to physical pixels, whole.
  float Px(float logical) const {
    return static_cast<float>(static_cast<int>(logical * scale + 0.5F));
  }
};

// Fills the current context's font atlas and style for `scale`. Inter and JetBrains Mono where they
// are installed, else DejaVu, else ImGui's own font: no file is required. May be called again when
// the scale changes; the caller then uploads the atlas anew.
Theme LoadTheme(float scale);

}  // namespace deckwatch::dashboard
