// The whole desktop apart from the window system: pages, top bar, status line, refresh. Runs in any
// ImGui context: a GLFW window, an off-screen picture, or a test without graphics.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dashboard/data/feed.h"
#include "dashboard/ui/theme.h"

namespace deckwatch::dashboard {

enum class ViewKind { kHealth, kExplore };

struct AppOptions {
  std::vector<std::string> servers = {};  // base URLs, at least one
  ViewKind view = ViewKind::kHealth;
  std::string query = "up";  // of the explore view
  int64_t range_ms = 0;      // 0: an hour, or less while the server has less
  int64_t refresh_ms = 5000;
};

enum class Key { kBack, kForward, kLive, kLock, kHealth, kExplore };

class App {
 public:
  // `pool`, `clock` outlive the app; `wake` see Feed.
  App(AppOptions options, Transport transport, ThreadPool* pool, const Clock* clock,
      std::function<void()> wake);
  ~App();

  // Draws one frame over the whole display; between ImGui::NewFrame() and ImGui::Render(). Then
  // takes in what arrived and asks for what was missing.
  void Frame(const Theme& theme);

  void OnKey(Key key);  // when no text is being edited

  int64_t MsToNextRefresh() const;
  // For the picture: all shown data is there (or failed for good), and the server answered.
  bool Settled() const;
  // Every target was scraped, and for long enough that rates have a value.
  bool HasHistory() const;
  Feed* feed();  // of the shown server
  void RefreshNow();

 private:
  struct Page;  // one per server
  void TickIfDue();
  void MeasureAge(Page* page);
  void FitRange(Page* page);
  void DrawTopBar(const struct PageContext& page, const struct Rect& area);
  void DrawTimeControls(const struct PageContext& page, struct Rect area);
  void DrawAwayBanner(const struct PageContext& page, const struct Rect& area);
  void DrawStatusLine(const struct PageContext& page, const struct Rect& area);
  void DrawView(const struct PageContext& page, const struct Rect& area);

  AppOptions options_;
  const Clock* clock_;
  ViewKind view_;
  std::vector<std::unique_ptr<Page>> pages_;
  size_t current_ = 0;
  int64_t next_refresh_ms_ = 0;  // monotonic
  double frame_ms_ = 0;          // smoothed
};

}  // namespace deckwatch::dashboard
