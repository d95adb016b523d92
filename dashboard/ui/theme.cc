#include "dashboard/ui/theme.h"

#include <array>
#include <filesystem>
#include <initializer_list>

#include <imgui_freetype.h>

namespace deckwatch::dashboard {
namespace {

constexpr std::array<ImU32, kPaletteSize> kPalette = {
    IM_COL32(92, 176, 226, 255),  IM_COL32(240, 180, 66, 255),  IM_COL32(232, 97, 122, 255),
    IM_COL32(104, 199, 130, 255), IM_COL32(170, 136, 238, 255), IM_COL32(238, 136, 82, 255),
    IM_COL32(80, 208, 190, 255),  IM_COL32(222, 126, 196, 255), IM_COL32(110, 136, 246, 255),
    IM_COL32(184, 204, 84, 255),  IM_COL32(206, 174, 138, 255)};

// Latin, Greek, Cyrillic, punctuation, arrows, mathematics: what label values and units are made
// of.
constexpr std::array<ImWchar, 13> kTextGlyphs = {
    0x20, 0x24F, 0x370, 0x3FF, 0x400, 0x4FF, 0x2010, 0x2044, 0x2190, 0x2193, 0x221E, 0x2248, 0};
constexpr std::array<ImWchar, 7> kFigureGlyphs = {0x20, 0xFF, 0x3BC, 0x3BC, 0x2013, 0x2013, 0};

ImFont* AddFont(std::initializer_list<const char*> files, float pixels, const ImWchar* glyphs) {
  ImFontAtlas* atlas = ImGui::GetIO().Fonts;
  ImFontConfig config;
  config.FontBuilderFlags = ImGuiFreeTypeBuilderFlags_LightHinting;
  for (const char* file : files) {
    std::error_code error;
    if (std::filesystem::is_regular_file(file, error)) {
      return atlas->AddFontFromFileTTF(file, pixels, &config, glyphs);
    }
  }
  config.SizePixels = pixels;
  return atlas->AddFontDefault(&config);
}

void ApplyStyle(const Theme& theme) {
  ImGuiStyle style;
  ImGui::StyleColorsDark(&style);
  style.WindowPadding = {0, 0};
  style.WindowBorderSize = 0;
  style.FrameRounding = 4;
  style.FramePadding = {10, 6};
  style.PopupRounding = 5;
  style.ScrollbarSize = 10;
  style.ScrollbarRounding = 5;
  const auto set = [&](ImGuiCol which, ImU32 color) {
    style.Colors[which] = ImGui::ColorConvertU32ToFloat4(color);
  };
  set(ImGuiCol_WindowBg, kPageColor);
  set(ImGuiCol_ChildBg, IM_COL32(0, 0, 0, 0));
  set(ImGuiCol_PopupBg, kRaisedColor);
  set(ImGuiCol_Border, kBorderColor);
  set(ImGuiCol_FrameBg, kRaisedColor);
  set(ImGuiCol_FrameBgHovered, kHoverColor);
  set(ImGuiCol_FrameBgActive, kHoverColor);
  set(ImGuiCol_Header, kHoverColor);
  set(ImGuiCol_HeaderHovered, kHoverColor);
  set(ImGuiCol_HeaderActive, kHoverColor);
  set(ImGuiCol_Text, kTextColor);
  set(ImGuiCol_TextSelectedBg, IM_COL32(60, 90, 150, 255));
  set(ImGuiCol_ScrollbarBg, IM_COL32(0, 0, 0, 0));
  set(ImGuiCol_ScrollbarGrab, kHoverColor);
  style.ScaleAllSizes(theme.scale);
  ImGui::GetStyle() = style;
}

}  // namespace

ImU32 SeverityColor(Severity severity) {
  switch (severity) {
    case Severity::kCritical: return kBadColor;
    case Severity::kWarning: return kWarnColor;
    default: return kAccentColor;
  }
}

ImU32 SeriesColor(size_t n) {
  return kPalette[n % kPalette.size()];
}

size_t SeriesColorIndex(std::string_view name) {
  uint32_t hash = 2166136261U;  // FNV-1a: stable across runs and machines
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619U;
  return (hash >> 8) % kPalette.size();
}

Theme LoadTheme(float scale) {
  Theme theme;
  theme.scale = scale;
  ImFontAtlas* atlas = ImGui::GetIO().Fonts;
  atlas->Clear();
  atlas->FontBuilderIO = ImGuiFreeType::GetBuilderForFreeType();
  atlas->TexGlyphPadding = 1;
  constexpr const char* kInter = "/usr/share/fonts/opentype/inter/Inter-Regular.otf";
  constexpr const char* kInterStrong = "/usr/share/fonts/opentype/inter/Inter-SemiBold.otf";
  constexpr const char* kMono =
      "/usr/share/fonts/truetype/jetbrains-mono/JetBrainsMono-Regular.ttf";
  constexpr const char* kSans = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
  constexpr const char* kSansStrong = "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf";
  constexpr const char* kSansMono = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf";
  const ImWchar* text = kTextGlyphs.data();
  theme.body = AddFont({kInter, kSans}, theme.Px(14), text);
  theme.small = AddFont({kInter, kSans}, theme.Px(12.5F), text);
  theme.strong = AddFont({kInterStrong, kSansStrong}, theme.Px(14), text);
  theme.large = AddFont({kInterStrong, kSansStrong}, theme.Px(28), kFigureGlyphs.data());
  theme.mono = AddFont({kMono, kSansMono}, theme.Px(15), text);
  atlas->Build();
  ApplyStyle(theme);
  return theme;
}

}  // namespace deckwatch::dashboard
