// The cluster health home: what anyone wants to know first, without any set-up. Tiles, host panels,
// containers by use, alerts, targets, file systems.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dashboard/views/panel.h"

namespace deckwatch::dashboard {

class HealthView {
 public:
  HealthView();
  void Draw(const PageContext& page, const Rect& area);

  // How tall the page wants to be; more room than that makes plots taller, less makes it scroll.
  static float MinHeight(const Canvas& canvas) { return canvas.Px(880); }

 private:
  void DrawTiles(const PageContext& page, const Rect& area);
  void DrawPanels(const PageContext& page, Rect area);
  void DrawSide(const PageContext& page, Rect area);

  std::vector<Panel> panels_;
  Panel pressure_;
};

// One figure with its recent past. Values from `warn` and `bad` on are coloured so.
struct TileSpec {
  std::string title, expr, unit;
  std::optional<double> warn = {}, bad = {};
  std::string absent;  // short: who gives the metric
};
void DrawTile(const PageContext& page, const Rect& area, const TileSpec& spec);
void DrawTargetsTile(const PageContext& page, const Rect& area);
void DrawAlertsTile(const PageContext& page, const Rect& area);

// The matcher (with braces) for file systems that live on a disk.
const std::string& RealFilesystems();

// The parts of the right-hand column and of the last row. Those of the column give back the height
// they would like to have for the present data.
float InboxHeight(const PageContext& page);
void DrawInbox(const PageContext& page, const Rect& area);
float HostsHeight(const PageContext& page);
void DrawHosts(const PageContext& page, const Rect& area);
float TargetsHeight(const PageContext& page);
void DrawTargets(const PageContext& page, const Rect& area);
float FilesystemsHeight(const PageContext& page);
void DrawFilesystems(const PageContext& page, const Rect& area);

// A region that scrolls when its rows are taller than it is; `draw` is called for visible rows.
void ScrollRows(const Canvas& canvas, const char* id, const Rect& area, size_t count, float row_h,
                const std::function<void(const Canvas&, Rect row, size_t i)>& draw);

// Containers by the last value of `metric`, highest first, each with its past in the window.
struct RankSpec {
  std::string title, metric, unit;
  ImU32 color;
  bool is_counter = false;  // rate() is applied
};
float RankingHeight(const PageContext& page, const RankSpec& spec);
void DrawRanking(const PageContext& page, const Rect& area, const RankSpec& spec);

}  // namespace deckwatch::dashboard
