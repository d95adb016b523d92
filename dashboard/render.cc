#include "dashboard/render.h"

#include <imgui.h>

#include "base/mutex.h"
#include "dashboard/png.h"

namespace deckwatch::dashboard {
namespace {

constexpr int kFetchThreads = 6;
constexpr size_t kMaxQueuedFetches = 256;
constexpr int64_t kRetryMs = 300;

struct ImGuiSession {
  ImGuiSession() {
    ImGui::CreateContext();
    ImGui::GetIO().IniFilename = nullptr;
    ImGui::GetIO().BackendFlags |= ImGuiBackendFlags_RendererHasVtxOffset;
  }
  ~ImGuiSession() { ImGui::DestroyContext(); }
};

void DrawFrame(App* app, const Theme& theme) {
  ImGui::NewFrame();
  app->Frame(theme);
  ImGui::Render();
}

void Pause(int64_t ms) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(mutex);
  never.WaitFor(mutex, {}, ms, [] { return false; });
}

// Draws until a frame neither took in nor asked for anything: what arrives may lead to new
// questions.
void SettleFrames(App* app, const Theme& theme, const Clock& clock, int64_t deadline_ms) {
  int quiet_frames = 0;
  while (quiet_frames < 3) {
    const int64_t left_ms = deadline_ms - clock.MonotonicMs();
    if (left_ms <= 0) return;
    const bool was_settled = app->Settled();
    app->feed()->WaitIdle(left_ms);
    DrawFrame(app, theme);
    quiet_frames = was_settled && app->Settled() ? quiet_frames + 1 : 0;
  }
}

}  // namespace

Status RenderPicture(const RenderOptions& options, Transport transport, const Clock* clock) {
  const int64_t deadline_ms = clock->MonotonicMs() + options.wait_ms;
  const ImGuiSession session;
  ImGuiIO& io = ImGui::GetIO();
  io.DisplaySize = {static_cast<float>(options.width), static_cast<float>(options.height)};
  io.DeltaTime = 1.F / 60;
  io.MousePos = {-FLT_MAX, -FLT_MAX};
  const Theme theme = LoadTheme(options.scale);

  ThreadPool pool("fetch", kFetchThreads, kMaxQueuedFetches);
  AppOptions app_options = options.app;
  app_options.refresh_ms = INT32_MAX;
  App app(app_options, std::move(transport), &pool, clock, {});
  DrawFrame(&app, theme);  // sends the questions; OpenGL starts while they are under way
  TRY_ASSIGN(const auto offscreen, Offscreen::Create(options.width, options.height));
  SettleFrames(&app, theme, *clock, deadline_ms);
  while (!app.HasHistory() && clock->MonotonicMs() < deadline_ms) {
    Pause(kRetryMs);
    app.RefreshNow();
    DrawFrame(&app, theme);
    SettleFrames(&app, theme, *clock, deadline_ms);
  }
  DrawFrame(&app, theme);
  TRY(WritePng(offscreen->Draw(ImGui::GetDrawData()), options.out));
  const FeedState& state = app.feed()->state();
  if (!state.reached) {
    return Status::Unavailable(app.feed()->url() + " was not reached: " + state.last_error);
  }
  return Status::Ok();
}

}  // namespace deckwatch::dashboard
