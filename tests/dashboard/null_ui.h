// An ImGui context without window and graphics, in the manner of ImGui's example_null: frames are
// laid out and turned into draw lists that nobody rasterises.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <imgui.h>

#include "dashboard/ui/theme.h"

namespace deckwatch::dashboard {

class NullUi {
 public:
  NullUi(float width, float height) {
    ImGui::CreateContext();
    ImGuiIO& io = ImGui::GetIO();
    io.IniFilename = nullptr;
    io.BackendFlags |= ImGuiBackendFlags_RendererHasVtxOffset;
    io.DisplaySize = {width, height};
    io.DeltaTime = 1.F / 60;
    io.MousePos = {-FLT_MAX, -FLT_MAX};
    theme_ = LoadTheme(1);
    theme_.drawn = &drawn_;
  }
  ~NullUi() { ImGui::DestroyContext(); }

  const Theme& theme() const { return theme_; }

  void Frame(const std::function<void()>& draw) {
    drawn_.clear();
    ImGui::NewFrame();
    draw();
    ImGui::Render();
  }
  int vertex_count() const { return ImGui::GetDrawData()->TotalVtxCount; }

  // What the last frame wrote.
  const DrawnText* Find(std::string_view text) const {
    for (const DrawnText& d : drawn_) {
      if (d.text.find(text) != std::string::npos) return &d;
    }
    return nullptr;
  }
  bool Shows(std::string_view text) const { return Find(text) != nullptr; }

  void MoveTo(float x, float y) { ImGui::GetIO().MousePos = {x, y}; }
  void MoveTo(const DrawnText& text) {
    MoveTo((text.min.x + text.max.x) / 2, (text.min.y + text.max.y) / 2);
  }
  void Button(int button, bool down) { ImGui::GetIO().MouseDown[button] = down; }

 private:
  Theme theme_;
  std::vector<DrawnText> drawn_;
};

}  // namespace deckwatch::dashboard
