// A titled time-series panel: what to ask, how to show it, and what to say when there is nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dashboard/data/feed.h"
#include "dashboard/plot/plot.h"

namespace deckwatch::dashboard {

// What every part of a page needs to draw itself.
struct PageContext {
  const Canvas& canvas;
  Feed* feed;
  PlotLink* link;
  std::string rate;  // window of rate() and the like, long enough for the scrape interval: "1m"
};

struct PanelQuery {
  std::string expr;           // "$rate" stands for PageContext::rate
  std::string legend;         // "{{label}}" is replaced; "" shows the whole label set
  double sign = 1;            // -1 draws downward
  std::string color_by = "";  // lines whose expansions of this are equal share a colour
};

struct PanelSpec {
  std::string id, title, unit;
  std::vector<PanelQuery> queries;
  bool stacked = false;
  float fill = 0.18F;
  std::optional<double> min = {}, max = {}, ceiling = {};  // see PlotModel
  std::optional<double> warn = {}, bad = {};
  std::vector<std::pair<std::string, ImU32>> colors = {};  // fixed ones, by legend
  std::string absent;  // shown when the answers are empty: which metric, who gives it
};

class Panel {
 public:
  explicit Panel(PanelSpec spec) : spec_(std::move(spec)) {}

  void Draw(const PageContext& page, const Rect& area, LegendPlace legend);

 private:
  // Asks all queries; true when the model was rebuilt or is still right, false when there is none
  // yet.
  void Refresh(const PageContext& page);
  void Rebuild(const PageContext& page, const std::vector<const Reading<QueryResult>*>& readings);
  void AddLines(const PanelQuery& query, const QueryResult& data);
  ImU32 ColorOf(const std::string& key);
  void DrawNotice(const PageContext& page, const Rect& area) const;

  PanelSpec spec_;
  Plot plot_;
  PlotModel model_;
  std::map<std::string, ImU32> colors_;  // by colour key, for the present model
  std::set<ImU32> taken_;
  std::vector<uint64_t> seen_versions_;
  uint64_t next_version_ = 1;
  Status error_;  // of the last attempts
  std::string warning_;
  bool asked_ = false;
};

// The value at the end of what was asked for; nothing when the series ended before, so that what is
// gone is not shown as if it were there.
std::optional<double> CurrentValue(const Reading<QueryResult>& reading, const Series& series);

// What stands where there is nothing to draw: the server's words for an error, that the answer is
// under way, or `absent` when the answer was empty.
template <typename T>
std::string NoDataText(const Feed& feed, const Reading<T>& reading, std::string absent) {
  if (!reading.error.ok()) {
    return feed.state().away ? "The server is away." : reading.error.message();
  }
  return reading.asked ? std::move(absent) : "Loading…";
}

// "$rate" replaced in `expr`.
std::string ExpandRate(std::string expr, std::string_view rate);
// "{{label}}" replaced by the series' labels.
std::string ExpandLegend(std::string_view legend, const Labels& labels);
// One name per series, as Prometheus prints label sets, without the labels that all have in common.
std::vector<std::string> DistinctNames(const std::vector<Series>& series);

}  // namespace deckwatch::dashboard
