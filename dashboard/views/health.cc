#include "dashboard/views/health.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace deckwatch::dashboard {
namespace {

// Loopback and the host's ends of container links count the same bytes a second time.
const std::string kRealDevices =
    R"({device!~"lo|veth.*|docker.*|br-.*|cali.*|flannel.*|cni.*|ifb.*"})";
const std::string kRealDisks = R"({device!~"loop.*|ram.*|zram.*|dm-.*|sr.*"})";

constexpr const char* kHostGiver =
    " Deckwatch's own host collector (target deckwatch://host) or node_exporter gives it.";

std::string Absent(const std::string& metric) {
  return metric + " is absent on this server." + kHostGiver;
}

// Of a panel that leaves out devices: what it shows may be missing while the metric is there.
std::string AbsentOfReal(const std::string& metric, const std::string& devices) {
  return metric + " has no series of a " + devices + " that is not virtual." + kHostGiver;
}

PanelSpec CpuPanel() {
  return {.id = "cpu",
          .title = "CPU by mode",
          .unit = "percentunit",
          .queries = {{"sum by (mode) (rate(node_cpu_seconds_total{mode!=\"idle\"}[$rate])) / "
                       "scalar(sum(rate(node_cpu_seconds_total[$rate])))",
                       "{{mode}}"}},
          .stacked = true,
          .min = 0,
          .max = 0.1,
          .ceiling = 1,  // rates are extrapolated and may add up to a little more
          .warn = 0.8,
          .bad = 0.95,
          .colors = {{"user", SeriesColor(0)},
                     {"system", SeriesColor(2)},
                     {"iowait", SeriesColor(1)},
                     {"nice", SeriesColor(3)},
                     {"softirq", SeriesColor(5)},
                     {"irq", SeriesColor(4)},
                     {"steal", SeriesColor(7)}},
          .absent = Absent("node_cpu_seconds_total")};
}

PanelSpec MemoryPanel() {
  return {.id = "memory",
          .title = "Memory",
          .unit = "bytes",
          .queries = {{"sum(node_memory_MemTotal_bytes - node_memory_MemFree_bytes - "
                       "node_memory_Buffers_bytes - node_memory_Cached_bytes - "
                       "node_memory_SReclaimable_bytes)",
                       "used"},
                      {"sum(node_memory_Buffers_bytes)", "buffers"},
                      {"sum(node_memory_Cached_bytes + node_memory_SReclaimable_bytes)", "cached"},
                      {"sum(node_memory_MemFree_bytes)", "free"}},
          .stacked = true,
          .min = 0,
          .colors = {{"used", SeriesColor(0)},
                     {"buffers", SeriesColor(1)},
                     {"cached", SeriesColor(4)},
                     {"free", IM_COL32(84, 92, 106, 255)}},
          .absent = Absent("node_memory_MemTotal_bytes")};
}

PanelSpec NetworkPanel() {
  return {.id = "network",
          .title = "Network: received up, sent down",
          .unit = "Bps",
          .queries = {{"sum by (device) (rate(node_network_receive_bytes_total" + kRealDevices +
                           "[$rate]))",
                       "{{device}} received", 1, "{{device}}"},
                      {"sum by (device) (rate(node_network_transmit_bytes_total" + kRealDevices +
                           "[$rate]))",
                       "{{device}} sent", -1, "{{device}}"}},
          .absent = AbsentOfReal("node_network_receive_bytes_total", "network device")};
}

PanelSpec DiskPanel() {
  return {
      .id = "disk",
      .title = "Disk I/O: read up, written down",
      .unit = "Bps",
      .queries = {{"sum by (device) (rate(node_disk_read_bytes_total" + kRealDisks + "[$rate]))",
                   "{{device}} read", 1, "{{device}}"},
                  {"sum by (device) (rate(node_disk_written_bytes_total" + kRealDisks + "[$rate]))",
                   "{{device}} written", -1, "{{device}}"}},
      .absent = AbsentOfReal("node_disk_read_bytes_total", "disk")};
}

PanelSpec PressurePanel() {
  return {.id = "pressure",
          .title = "Pressure: share of time stalled",
          .unit = "percentunit",
          .queries = {{"max(rate(node_pressure_cpu_waiting_seconds_total[$rate]))", "CPU"},
                      {"max(rate(node_pressure_memory_waiting_seconds_total[$rate]))", "memory"},
                      {"max(rate(node_pressure_io_waiting_seconds_total[$rate]))", "I/O"}},
          .min = 0,
          .max = 0.01,
          .colors = {{"CPU", SeriesColor(0)}, {"memory", SeriesColor(4)}, {"I/O", SeriesColor(1)}},
          .absent = Absent("node_pressure_cpu_waiting_seconds_total")};
}

const std::array kTiles = {
    TileSpec{"CPU used",
             "sum(rate(node_cpu_seconds_total{mode!=\"idle\"}[$rate])) / "
             "sum(rate(node_cpu_seconds_total[$rate]))",
             "percentunit", 0.8, 0.95, "node_cpu_seconds_total"},
    TileSpec{"Memory used",
             "1 - sum(node_memory_MemAvailable_bytes) / sum(node_memory_MemTotal_bytes)",
             "percentunit", 0.85, 0.95, "node_memory_MemTotal_bytes"},
    TileSpec{"Fullest disk",
             "max(1 - node_filesystem_avail_bytes" + RealFilesystems() +
                 " / node_filesystem_size_bytes" + RealFilesystems() + ")",
             "percentunit", 0.8, 0.92, "node_filesystem_size_bytes"},
    TileSpec{"Load per core",
             "sum(node_load1) / scalar(count(node_cpu_seconds_total{mode=\"idle\"}))", "short", 1,
             2, "node_load1"},
    TileSpec{"Network",
             "sum(rate(node_network_receive_bytes_total" + kRealDevices +
                 "[$rate])) + sum(rate(node_network_transmit_bytes_total" + kRealDevices +
                 "[$rate]))",
             "Bps",
             {},
             {},
             "node_network_receive_bytes_total"},
    TileSpec{"Busiest disk", "max(rate(node_disk_io_time_seconds_total" + kRealDisks + "[$rate]))",
             "percentunit", 0.7, 0.9, "node_disk_io_time_seconds_total"}};

const RankSpec kByCpu = {"Containers by CPU", "container_cpu_usage_seconds_total", "cores",
                         SeriesColor(0), true};
const RankSpec kByMemory = {"Containers by memory", "container_memory_working_set_bytes", "bytes",
                            SeriesColor(4), false};

}  // namespace

const std::string& RealFilesystems() {
  static const std::string selector =
      R"({fstype!~"tmpfs|ramfs|overlay|squashfs|devtmpfs|nsfs|fuse.*|autofs|iso9660"})";
  return selector;
}

HealthView::HealthView() : pressure_(PressurePanel()) {
  for (PanelSpec& spec :
       std::array<PanelSpec, 4>{CpuPanel(), MemoryPanel(), NetworkPanel(), DiskPanel()}) {
    panels_.emplace_back(std::move(spec));
  }
}

void HealthView::Draw(const PageContext& page, const Rect& area) {
  const Canvas& canvas = page.canvas;
  const float gap = canvas.Px(8);
  Rect rest = area;
  DrawTiles(page, rest.CutTop(canvas.Px(84), gap));
  const Rect side = rest.CutRight(std::max(canvas.Px(330), rest.w * 0.205F), gap);
  DrawPanels(page, rest);
  DrawSide(page, side);
}

void HealthView::DrawSide(const PageContext& page, Rect area) {
  const Canvas& canvas = page.canvas;
  const float gap = canvas.Px(8);
  struct Part {
    void (*draw)(const PageContext&, const Rect&);
    float wanted, least;
  };
  // An alert must never be squeezed out by lists: the inbox comes first, the others share the rest.
  std::array<Part, 4> parts = {Part{DrawInbox, InboxHeight(page), area.h * 0.4F},
                               Part{DrawHosts, HostsHeight(page), canvas.Px(90)},
                               Part{DrawTargets, TargetsHeight(page), canvas.Px(110)},
                               Part{DrawFilesystems, FilesystemsHeight(page), canvas.Px(84)}};
  float spare = area.h - gap * static_cast<float>(parts.size() - 1);
  for (const Part& part : parts) spare -= part.wanted;
  for (size_t i = parts.size(); i-- > 0 && spare < 0;) {
    const float give = std::clamp(parts[i].wanted - parts[i].least, 0.F, -spare);
    parts[i].wanted -= give;
    spare += give;
  }
  const float plot_height = spare - gap;
  const bool has_plot = plot_height >= canvas.Px(140);
  if (!has_plot) parts[0].wanted += spare;
  for (const Part& part : parts) part.draw(page, area.CutTop(std::floor(part.wanted), gap));
  if (has_plot) pressure_.Draw(page, area, LegendPlace::kBottom);
}

void HealthView::DrawTiles(const PageContext& page, const Rect& area) {
  const float gap = page.canvas.Px(8);
  constexpr int kCount = static_cast<int>(kTiles.size()) + 2;
  DrawTargetsTile(page, area.Column(0, kCount, gap));
  DrawAlertsTile(page, area.Column(1, kCount, gap));
  for (int i = 2; i < kCount; ++i) {
    DrawTile(page, area.Column(i, kCount, gap), kTiles[static_cast<size_t>(i) - 2]);
  }
}

void HealthView::DrawPanels(const PageContext& page, Rect area) {
  const Canvas& canvas = page.canvas;
  const float gap = canvas.Px(8);
  const float ranking_height =
      std::min(std::max(RankingHeight(page, kByCpu), RankingHeight(page, kByMemory)), area.h / 3);
  const float row_height = std::floor((area.h - ranking_height) / 2 - gap);
  const float panel_width = area.w / 2;
  // A plot shows more when it is wide, so the legend stands beside it only where rows are low.
  const bool is_low = row_height < canvas.Px(300) && panel_width >= canvas.Px(680);
  const LegendPlace legend = is_low ? LegendPlace::kRight : LegendPlace::kBottom;
  for (size_t row = 0; row < panels_.size(); row += 2) {
    const Rect strip = area.CutTop(row_height, gap);
    panels_[row].Draw(page, strip.Column(0, 2, gap), legend);
    panels_[row + 1].Draw(page, strip.Column(1, 2, gap), legend);
  }
  DrawRanking(page, area.Column(0, 2, gap), kByCpu);
  DrawRanking(page, area.Column(1, 2, gap), kByMemory);
}

}  // namespace deckwatch::dashboard
