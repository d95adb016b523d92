#include "dashboard/views/panel.h"

#include <algorithm>
#include <cmath>

namespace deckwatch::dashboard {
namespace {

constexpr size_t kMaxLines = 400;  // more cannot be told apart; the rest is counted in the title

double LastValue(const Series& s) {
  return s.value.empty() || std::isnan(s.value.back()) ? -HUGE_VAL : s.value.back();
}

}  // namespace

std::optional<double> CurrentValue(const Reading<QueryResult>& reading, const Series& series) {
  if (series.t_ms.empty()) return std::nullopt;
  if (series.t_ms.back() < reading.window.to_ms - reading.step_ms * 3 / 2) return std::nullopt;
  return series.value.back();
}

std::string ExpandRate(std::string expr, std::string_view rate) {
  constexpr std::string_view kName = "$rate";
  for (size_t at = 0; (at = expr.find(kName, at)) != expr.npos; at += rate.size()) {
    expr.replace(at, kName.size(), rate);
  }
  return expr;
}

std::string ExpandLegend(std::string_view legend, const Labels& labels) {
  std::string out;
  while (!legend.empty()) {
    const size_t open = legend.find("{{");
    const size_t close = open == legend.npos ? open : legend.find("}}", open);
    if (close == legend.npos) break;
    out += legend.substr(0, open);
    out += labels.Get(legend.substr(open + 2, close - open - 2));
    legend.remove_prefix(close + 2);
  }
  return out + std::string(legend);
}

std::vector<std::string> DistinctNames(const std::vector<Series>& series) {
  std::map<std::pair<std::string_view, std::string_view>, size_t> uses;
  for (const Series& s : series) {
    for (const LabelRef label : s.labels) ++uses[{label.name, label.value}];
  }
  std::vector<std::string> common;
  for (const auto& [label, count] : uses) {
    if (count == series.size() && series.size() > 1) common.emplace_back(label.first);
  }
  std::vector<std::string> out;
  for (const Series& s : series) {
    out.push_back(LabelsBuilder(s.labels).Drop(common).Build().ToString());
  }
  return out;
}

void Panel::Draw(const PageContext& page, const Rect& area, LegendPlace legend) {
  Refresh(page);
  const Canvas& canvas = page.canvas;
  canvas.Panel(area, "");
  Rect inside = area.Inset(canvas.Px(12), canvas.Px(8));
  Rect title = inside.CutTop(canvas.Px(20), canvas.Px(4));
  const float used = canvas.Text(canvas.theme().strong, title, kTextColor, spec_.title);
  title.CutLeft(used + canvas.Px(12));
  if (!error_.ok() && !model_.lines.empty()) {
    canvas.Text(canvas.theme().small, title, kBadColor, error_.message(), Align::kRight);
  } else if (!warning_.empty()) {
    canvas.Text(canvas.theme().small, title, kWarnColor, warning_, Align::kRight);
  }
  if (model_.lines.empty()) {
    DrawNotice(page, inside);
    return;
  }
  plot_.Draw(canvas, spec_.id.c_str(), inside, model_, legend, page.link);
}

void Panel::Refresh(const PageContext& page) {
  std::vector<const Reading<QueryResult>*> readings;
  std::vector<uint64_t> versions;
  asked_ = true;
  error_ = Status::Ok();
  for (const PanelQuery& query : spec_.queries) {
    const auto& reading =
        page.feed->Range(ExpandRate(query.expr, page.rate), page.link->window, page.link->step_ms);
    readings.push_back(&reading);
    versions.push_back(reading.version);
    asked_ = asked_ && reading.asked;
    if (!reading.error.ok()) error_ = reading.error;
  }
  if (versions == seen_versions_) return;
  seen_versions_ = std::move(versions);
  Rebuild(page, readings);
}

void Panel::Rebuild(const PageContext& page,
                    const std::vector<const Reading<QueryResult>*>& readings) {
  model_ = {};
  model_.unit = &UnitById(spec_.unit);
  model_.stacked = spec_.stacked;
  model_.fill = spec_.stacked ? 0.5F : spec_.fill;
  model_.min = spec_.min;
  model_.max = spec_.max;
  model_.ceiling = spec_.ceiling;
  model_.warn = spec_.warn;
  model_.bad = spec_.bad;
  model_.gap_ms = page.link->step_ms * 3 / 2;
  model_.version = next_version_++;
  warning_.clear();
  colors_ = {spec_.colors.begin(), spec_.colors.end()};
  taken_.clear();
  for (const auto& [name, color] : spec_.colors) taken_.insert(color);
  for (size_t i = 0; i < readings.size(); ++i) {
    if (!readings[i]->data) continue;
    const auto& data = readings[i]->data;
    model_.gap_ms = readings[i]->step_ms * 3 / 2;
    model_.owners.push_back(data);
    AddLines(spec_.queries[i], *data);
    if (!data->warnings.empty()) warning_ = data->warnings.front();
  }
  if (!spec_.stacked) {
    std::stable_sort(model_.lines.begin(), model_.lines.end(),
                     [](const PlotLine& a, const PlotLine& b) {
                       return LastValue(*a.series) > LastValue(*b.series);
                     });
  }
  if (model_.lines.size() > kMaxLines) {
    warning_ = "showing " + std::to_string(kMaxLines) + " of " +
               std::to_string(model_.lines.size()) + " series, the highest";
    model_.lines.resize(kMaxLines);
  }
  // Fills of many lines lie on top of each other: together they stay as light as a few.
  constexpr size_t kFullFills = 3;
  if (!spec_.stacked && model_.lines.size() > kFullFills) {
    model_.fill *= static_cast<float>(kFullFills) / static_cast<float>(model_.lines.size());
  }
}

void Panel::AddLines(const PanelQuery& query, const QueryResult& data) {
  std::vector<std::string> names;
  if (query.legend.empty()) names = DistinctNames(data.series);
  for (size_t i = 0; i < data.series.size(); ++i) {
    const Series& s = data.series[i];
    std::string name = names.empty() ? ExpandLegend(query.legend, s.labels) : names[i];
    if (name.empty() || name == "{}") name = spec_.title;
    const ImU32 color =
        ColorOf(query.color_by.empty() ? name : ExpandLegend(query.color_by, s.labels));
    model_.lines.push_back({std::move(name), color, &s, query.sign});
  }
}

// By name, the same everywhere; but two names of one panel get different colours while there are
// enough.
ImU32 Panel::ColorOf(const std::string& key) {
  if (const auto it = colors_.find(key); it != colors_.end()) return it->second;
  size_t index = SeriesColorIndex(key);
  if (taken_.size() < kPaletteSize) {
    while (taken_.contains(SeriesColor(index))) ++index;
  }
  taken_.insert(SeriesColor(index));
  return colors_[key] = SeriesColor(index);
}

void Panel::DrawNotice(const PageContext& page, const Rect& area) const {
  const Canvas& canvas = page.canvas;
  const bool failed = !error_.ok();
  const bool away = page.feed->state().away;
  const std::string text = failed && away ? "It is drawn as soon as the server answers."
                           : failed       ? error_.message()
                           : asked_       ? spec_.absent
                                          : "Loading…";
  const float width = std::min(area.w * 0.85F, canvas.Px(620));
  const Rect box = {area.x + (area.w - width) / 2, area.y + area.h * 0.36F, width, area.h * 0.6F};
  Rect line = box;
  if (asked_ || failed) {
    canvas.Text(canvas.theme().strong, line.CutTop(canvas.Px(22)), failed ? kBadColor : kMutedColor,
                !failed ? "No data"
                : away  ? "The server is away"
                        : "Query failed");
  }
  canvas.Paragraph(canvas.theme().body, line, kMutedColor, text);
}

}  // namespace deckwatch::dashboard
