// Hosts: with a few of them a table with bars, with many a map of cells coloured by CPU use.
#include <algorithm>
#include <cmath>
#include <map>

#include "dashboard/views/health.h"

namespace deckwatch::dashboard {
namespace {

constexpr size_t kMaxRows = 6;
constexpr float kHostRow = 24, kCell = 44, kCellHeight = 26;
constexpr float kFrame = 46;

struct Host {
  std::string name;
  double cpu = NAN, memory = NAN, load = NAN;
};

constexpr const char* kCpuExpr =
    "sum by (instance) (rate(node_cpu_seconds_total{mode!=\"idle\"}[$rate])) / "
    "sum by (instance) (rate(node_cpu_seconds_total[$rate]))";

const Reading<QueryResult>& Ask(const PageContext& page, const char* expr) {
  return page.feed->Range(ExpandRate(expr, page.rate), page.link->window, page.link->step_ms);
}

std::vector<Host> Hosts(const PageContext& page) {
  std::map<std::string, Host> by_name;
  const auto collect = [&](const char* expr, double Host::*field) {
    const auto& reading = Ask(page, expr);
    if (!reading.data) return;
    for (const Series& s : reading.data->series) {
      const auto value = CurrentValue(reading, s);
      if (value) by_name[std::string(s.labels.Get("instance"))].*field = *value;
    }
  };
  collect(kCpuExpr, &Host::cpu);
  collect(
      "1 - sum by (instance) (node_memory_MemAvailable_bytes) / "
      "sum by (instance) (node_memory_MemTotal_bytes)",
      &Host::memory);
  collect("sum by (instance) (node_load1)", &Host::load);
  std::vector<Host> out;
  for (auto& [name, host] : by_name) {
    host.name = name.empty() ? "this host" : name;
    out.push_back(std::move(host));
  }
  return out;
}

ImU32 UseColor(double part) {
  return part >= 0.9 ? kBadColor : part >= 0.75 ? kWarnColor : kGoodColor;
}

// A percentage over a bar of its length.
void Meter(const Canvas& canvas, Rect area, double part) {
  const Rect figure = area.CutRight(canvas.Px(44), canvas.Px(6));
  canvas.Text(canvas.theme().small, figure, kTextColor, FormatValue(UnitById("percentunit"), part),
              Align::kRight);
  Rect bar = {area.x, area.y + std::floor((area.h - canvas.Px(6)) / 2), area.w, canvas.Px(6)};
  canvas.Fill(bar, kRaisedColor, canvas.Px(3));
  if (!(part > 0)) return;
  bar.w *= static_cast<float>(std::min(part, 1.0));
  canvas.Fill(bar, UseColor(part), canvas.Px(3));
}

void DrawTable(const Canvas& canvas, Rect area, const std::vector<Host>& hosts) {
  const Theme& theme = canvas.theme();
  for (const Host& host : hosts) {
    Rect row = area.CutTop(canvas.Px(kHostRow));
    if (row.bottom() > area.bottom() + 1) return;
    canvas.Text(theme.small, row.CutRight(canvas.Px(36)), kMutedColor,
                FormatValue(UnitById("none"), host.load), Align::kRight);
    const Rect meters = row.CutRight(row.w * 0.62F, canvas.Px(8));
    Meter(canvas, meters.Column(0, 2, canvas.Px(10)), host.cpu);
    Meter(canvas, meters.Column(1, 2, canvas.Px(10)), host.memory);
    canvas.Text(theme.small, row, kTextColor, host.name);
  }
}

size_t CellsPerRow(const Canvas& canvas, float width) {
  return static_cast<size_t>(std::max(1.F, width / canvas.Px(kCell)));
}

void DrawMap(const Canvas& canvas, const Rect& area, const std::vector<Host>& hosts) {
  const size_t per_row = CellsPerRow(canvas, area.w);
  const size_t rows = (hosts.size() + per_row - 1) / per_row;
  ScrollRows(
      canvas, "hosts", area, rows, canvas.Px(kCellHeight),
      [&](const Canvas& inner, Rect row, size_t r) {
        for (size_t i = r * per_row; i < std::min(hosts.size(), (r + 1) * per_row); ++i) {
          const Rect cell = row.CutLeft(inner.Px(kCell)).Inset(inner.Px(1.5F), inner.Px(1.5F));
          const ImU32 color = std::isnan(hosts[i].cpu) ? kFaintColor : UseColor(hosts[i].cpu);
          inner.Fill(cell, WithAlpha(color, 0.55F), inner.Px(3));
          inner.Text(inner.theme().small, cell, kTextColor,
                     FormatValue(UnitById("percentunit"), std::round(hosts[i].cpu * 100) / 100),
                     Align::kCenter);
          if (ImGui::IsMouseHoveringRect(cell.min(), cell.max())) {
            ImGui::SetTooltip("%s", hosts[i].name.c_str());
          }
        }
      });
}

}  // namespace

float HostsHeight(const PageContext& page) {
  const Canvas& canvas = page.canvas;
  const size_t count = Hosts(page).size();
  if (count <= kMaxRows)
    return canvas.Px(kFrame + kHostRow * std::max(1.F, static_cast<float>(count)));
  constexpr float kColumnWidth = 330;  // at least; wider columns need fewer rows
  const size_t per_row = CellsPerRow(canvas, canvas.Px(kColumnWidth));
  return canvas.Px(kFrame) +
         canvas.Px(kCellHeight) * static_cast<float>((count + per_row - 1) / per_row);
}

void DrawHosts(const PageContext& page, const Rect& area) {
  const Canvas& canvas = page.canvas;
  const std::vector<Host> hosts = Hosts(page);
  const bool is_map = hosts.size() > kMaxRows;
  const Rect inside = canvas.Panel(area, is_map ? "Hosts by CPU" : "Hosts");
  if (hosts.empty()) {
    canvas.Text(canvas.theme().small, inside, kMutedColor,
                NoDataText(*page.feed, Ask(page, kCpuExpr), "node_cpu_seconds_total is absent."));
    return;
  }
  if (is_map) {
    DrawMap(canvas, inside, hosts);
    return;
  }
  Rect head = {inside.x, area.y + canvas.Px(8), inside.w, canvas.Px(20)};
  const Theme& theme = canvas.theme();
  canvas.Text(theme.small, head.CutRight(canvas.Px(36)), kFaintColor, "load", Align::kRight);
  const Rect heads = head.CutRight(head.w * 0.62F, canvas.Px(8));
  canvas.Text(theme.small, heads.Column(0, 2, canvas.Px(10)), kFaintColor, "CPU", Align::kRight);
  canvas.Text(theme.small, heads.Column(1, 2, canvas.Px(10)), kFaintColor, "memory", Align::kRight);
  DrawTable(canvas, inside, hosts);
}

}  // namespace deckwatch::dashboard
