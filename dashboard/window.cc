#include "dashboard/window.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <GLFW/glfw3.h>
#include <backends/imgui_impl_glfw.h>
#include <backends/imgui_impl_opengl3.h>
#include <imgui.h>

namespace deckwatch::dashboard {
namespace {

constexpr int kFetchThreads = 6;
constexpr size_t kMaxQueuedFetches = 256;
constexpr int kFramesPerWake = 3;  // ImGui needs a frame or two until hover and layout settle
constexpr float kZoomStep = 1.1F;

// What GLFW's callbacks reach through the window's user pointer.
struct WindowState {
  App* app = nullptr;
  float zoom = 1;  // of the user, over what the monitor asks for
  // ImGui 1.86 looks at keys once per frame: a key pressed and let go between two frames would
  // never have been down. So after a press, releases wait until a frame has seen it, in their
  // order.
  bool has_fresh_press = false;
  std::vector<int> releases_due = {};
};

struct GlfwSession {
  bool ok = glfwInit() == GLFW_TRUE;
  ~GlfwSession() {
    if (ok) glfwTerminate();
  }
};

std::string GlfwError(const std::string& what) {
  const char* reason = nullptr;
  glfwGetError(&reason);
  return what + (reason != nullptr ? std::string(": ") + reason : "");
}

// XWayland tells 96 dpi for every panel, so the monitor's size in millimetres is asked as well.
float MonitorScale(GLFWwindow* window) {
  float scale = 1, unused = 1;
  glfwGetWindowContentScale(window, &scale, &unused);
  GLFWmonitor* monitor = glfwGetPrimaryMonitor();
  if (monitor == nullptr) return scale;
  int width_mm = 0, height_mm = 0;
  glfwGetMonitorPhysicalSize(monitor, &width_mm, &height_mm);
  const GLFWvidmode* mode = glfwGetVideoMode(monitor);
  if (mode == nullptr || width_mm < 100) return scale;  // no size, or a made-up one
  const float dpi = static_cast<float>(mode->width) / (static_cast<float>(width_mm) / 25.4F);
  const float guess = std::floor(dpi / 96 * 4) / 4;
  return guess >= 1.5F ? std::clamp(guess, scale, 3.F) : scale;
}

void HandleShortcut(WindowState& state, int key, int mods) {
  const bool ctrl = (mods & GLFW_MOD_CONTROL) != 0, shift = (mods & GLFW_MOD_SHIFT) != 0;
  if (ctrl && (key == GLFW_KEY_EQUAL || key == GLFW_KEY_KP_ADD)) {
    state.zoom = std::min(3.F, state.zoom * kZoomStep);
  } else if (ctrl && (key == GLFW_KEY_MINUS || key == GLFW_KEY_KP_SUBTRACT)) {
    state.zoom = std::max(0.5F, state.zoom / kZoomStep);
  } else if (ctrl && key == GLFW_KEY_0) {
    state.zoom = 1;
  }
  if (ImGui::GetIO().WantTextInput) return;
  if (ctrl && key == GLFW_KEY_Z) state.app->OnKey(shift ? Key::kForward : Key::kBack);
  if (ctrl) return;
  switch (key) {
    case GLFW_KEY_SPACE: state.app->OnKey(Key::kLive); break;
    case GLFW_KEY_L: state.app->OnKey(Key::kLock); break;
    case GLFW_KEY_1: state.app->OnKey(Key::kHealth); break;
    case GLFW_KEY_2: state.app->OnKey(Key::kExplore); break;
    case GLFW_KEY_LEFT_BRACKET: state.app->OnKey(Key::kBack); break;
    case GLFW_KEY_RIGHT_BRACKET: state.app->OnKey(Key::kForward); break;
    default: break;
  }
}

void OnKey(GLFWwindow* window, int key, int scancode, int action, int mods) {
  auto& state = *static_cast<WindowState*>(glfwGetWindowUserPointer(window));
  if (action == GLFW_RELEASE && state.has_fresh_press) {
    state.releases_due.push_back(key);
    return;
  }
  ImGui_ImplGlfw_KeyCallback(window, key, scancode, action, mods);
  if (action == GLFW_RELEASE) return;
  state.has_fresh_press = true;
  HandleShortcut(state, key, mods);
}

void DeliverReleases(GLFWwindow* window, WindowState* state) {
  for (const int key : state->releases_due) {
    ImGui_ImplGlfw_KeyCallback(window, key, 0, GLFW_RELEASE, 0);
  }
  state->releases_due.clear();
  state->has_fresh_press = false;
}

GLFWwindow* OpenWindow() {
  glfwWindowHint(GLFW_CONTEXT_VERSION_MAJOR, 3);
  glfwWindowHint(GLFW_CONTEXT_VERSION_MINOR, 3);
  glfwWindowHint(GLFW_OPENGL_PROFILE, GLFW_OPENGL_CORE_PROFILE);
  glfwWindowHint(GLFW_SCALE_TO_MONITOR, GLFW_TRUE);
  GLFWwindow* window = glfwCreateWindow(1600, 900, "Deckwatch", nullptr, nullptr);
  if (window == nullptr) return nullptr;
  glfwMakeContextCurrent(window);
  glfwSwapInterval(1);
  return window;
}

void DrawFrame(GLFWwindow* window, App* app, const Theme& theme) {
  ImGui_ImplOpenGL3_NewFrame();
  ImGui_ImplGlfw_NewFrame();
  ImGui::NewFrame();
  app->Frame(theme);
  ImGui::Render();
  int width = 0, height = 0;
  glfwGetFramebufferSize(window, &width, &height);
  glViewport(0, 0, width, height);
  ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
  glfwSwapBuffers(window);
}

void Loop(GLFWwindow* window, App* app, WindowState* state) {
  float loaded_scale = 0;
  Theme theme;
  while (glfwWindowShouldClose(window) == GLFW_FALSE) {
    const float scale = MonitorScale(window) * state->zoom;
    if (scale != loaded_scale) {
      theme = LoadTheme(scale);
      ImGui_ImplOpenGL3_DestroyFontsTexture();
      ImGui_ImplOpenGL3_CreateFontsTexture();
      loaded_scale = scale;
    }
    for (int i = 0; i < kFramesPerWake; ++i) {
      DrawFrame(window, app, theme);
      DeliverReleases(window, state);
      glfwPollEvents();
    }
    double timeout_s = static_cast<double>(app->MsToNextRefresh()) / 1000 + 0.001;
    if (ImGui::GetIO().WantTextInput) timeout_s = std::min(timeout_s, 0.4);  // the caret blinks
    glfwWaitEventsTimeout(timeout_s);
    while (glfwGetWindowAttrib(window, GLFW_ICONIFIED) == GLFW_TRUE &&
           glfwWindowShouldClose(window) == GLFW_FALSE) {
      glfwWaitEventsTimeout(60);
    }
  }
}

}  // namespace

Status RunWindow(const AppOptions& options, Transport transport, const Clock* clock) {
  const GlfwSession session;
  if (!session.ok) return Status::Unavailable(GlfwError("no display"));
  GLFWwindow* window = OpenWindow();
  if (window == nullptr) return Status::Unavailable(GlfwError("no window with OpenGL 3.3"));
  ImGui::CreateContext();
  ImGui::GetIO().IniFilename = nullptr;
  {
    ThreadPool pool("fetch", kFetchThreads, kMaxQueuedFetches);
    App app(options, std::move(transport), &pool, clock, glfwPostEmptyEvent);
    WindowState state{.app = &app};
    glfwSetWindowUserPointer(window, &state);
    ImGui_ImplGlfw_InitForOpenGL(window, true);
    glfwSetKeyCallback(window, OnKey);  // in place of ImGui's, which it calls
    ImGui_ImplOpenGL3_Init("#version 150");
    Loop(window, &app, &state);
    ImGui_ImplOpenGL3_Shutdown();
    ImGui_ImplGlfw_Shutdown();
  }
  ImGui::DestroyContext();
  glfwDestroyWindow(window);
  return Status::Ok();
}

}  // namespace deckwatch::dashboard
