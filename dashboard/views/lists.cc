// The right-hand column of the health home: alert inbox, targets by job, file systems.
#include <algorithm>
#include <map>
#include <set>

#include "dashboard/views/health.h"

namespace deckwatch::dashboard {
namespace {

constexpr float kPanelFrame = 46;  // title and paddings of a panel
constexpr float kAlertHeight = 62;
constexpr float kTargetRow = 20;
constexpr float kDiskRow = 38;

void DrawAlertCard(const Canvas& canvas, Rect card, const Alert& alert, int64_t now_ms) {
  const Theme& theme = canvas.theme();
  const ImU32 color = SeverityColor(alert.severity);
  card.h -= canvas.Px(6);
  canvas.Fill(card, kRaisedColor, canvas.Px(4));
  canvas.Fill({card.x, card.y, canvas.Px(3), card.h}, WithAlpha(color, alert.firing ? 1 : 0.45F),
              canvas.Px(2));
  Rect inside = card.Inset(canvas.Px(12), canvas.Px(7));
  Rect head = inside.CutTop(canvas.Px(19), canvas.Px(3));
  const std::string age =
      alert.active_since_ms > 0 ? FormatAge(now_ms - alert.active_since_ms) : "";
  canvas.Text(theme.small, head.CutRight(canvas.Px(44)), color, age, Align::kRight);
  if (!alert.firing) {
    canvas.Text(theme.small, head.CutRight(canvas.Px(56)), kMutedColor, "pending", Align::kRight);
  }
  canvas.Text(theme.strong, head, kTextColor, alert.name);
  std::string text = alert.summary;
  if (text.empty()) {
    for (const auto& [name, value] : alert.labels) {
      text += (text.empty() ? "" : " · ") + name + "=" + value;
    }
  }
  canvas.Text(theme.small, inside.CutTop(canvas.Px(17)), kMutedColor, text);
}

void AlertTooltip(const Alert& alert) {
  ImGui::BeginTooltip();
  ImGui::PushTextWrapPos(ImGui::GetFontSize() * 40);
  ImGui::TextUnformatted((alert.name + " is " + (alert.firing ? "firing" : "pending") + " since " +
                          FormatLocal(alert.active_since_ms))
                             .c_str());
  for (const auto* pairs : {&alert.labels, &alert.annotations}) {
    ImGui::Separator();
    for (const auto& [name, value] : *pairs) {
      ImGui::TextUnformatted((name + ": " + value).c_str());
    }
  }
  ImGui::PopTextWrapPos();
  ImGui::EndTooltip();
}

ImU32 HealthColor(const Target& t) {
  return t.health == "up" ? kGoodColor : t.health == "down" ? kBadColor : kWarnColor;
}

void StatusDot(const Canvas& canvas, const Rect& box, ImU32 color) {
  canvas.list()->AddCircleFilled({box.x + canvas.Px(4), box.y + box.h / 2}, canvas.Px(3.5F), color);
}

// A row of the target list: a job with its count, or one of its targets.
struct TargetLine {
  const Target* target = nullptr;  // null: a job
  std::string job;
  int up = 0, total = 0;
};

// Jobs with their targets; where there are many, only those that are not up are listed by name.
std::vector<TargetLine> TargetLines(const std::vector<Target>& targets) {
  constexpr size_t kListAll = 16;
  std::vector<TargetLine> out;
  size_t header = 0;
  for (const Target& t : targets) {  // sorted by job
    if (out.empty() || out[header].job != t.job) {
      header = out.size();
      out.push_back({.job = t.job});
    }
    ++out[header].total;
    out[header].up += t.health == "up";
    if (t.health != "up" || targets.size() <= kListAll) out.push_back({.target = &t, .job = t.job});
  }
  return out;
}

void DrawJobRow(const Canvas& canvas, Rect row, const TargetLine& line) {
  const Theme& theme = canvas.theme();
  const bool all_up = line.up == line.total;
  canvas.Text(theme.small, row.CutRight(canvas.Px(70), canvas.Px(6)),
              all_up ? kMutedColor : kBadColor,
              std::to_string(line.up) + " / " + std::to_string(line.total) + " up", Align::kRight);
  canvas.Text(theme.small, row, kTextColor, line.job);
}

void DrawTargetRow(const Canvas& canvas, Rect row, const Target& t, int64_t now_ms) {
  const Theme& theme = canvas.theme();
  row.CutLeft(canvas.Px(10));
  StatusDot(canvas, row.CutLeft(canvas.Px(8), canvas.Px(8)), HealthColor(t));
  const bool is_late =
      t.interval_ms > 0 && t.last_scrape_ms > 0 && now_ms - t.last_scrape_ms > 3 * t.interval_ms;
  const bool is_new = t.last_scrape_ms == 0;
  const std::string age = is_new ? "not scraped yet" : FormatAge(now_ms - t.last_scrape_ms);
  canvas.Text(theme.small, row.CutRight(canvas.Px(is_new ? 96 : 40), canvas.Px(6)),
              is_late ? kWarnColor : kMutedColor, age, Align::kRight);
  const float used = canvas.Text(theme.small, row, kMutedColor, t.instance);
  row.CutLeft(used, canvas.Px(8));
  canvas.Text(theme.small, row, kBadColor, t.last_error);
}

struct Disk {
  std::string name;
  double size = 0, free = 0;
};

const Reading<QueryResult>& AskDisks(const PageContext& page, const char* metric) {
  return page.feed->Range(metric + RealFilesystems(), page.link->window, page.link->step_ms);
}

// One entry per device of a host: bind mounts show the same device many times, the shortest path
// names it.
std::vector<Disk> Disks(const PageContext& page) {
  std::map<std::pair<std::string, std::string>, Disk> by_device;
  std::set<std::string> hosts;
  const auto collect = [&](const char* metric, double Disk::*field) {
    const auto& reading = AskDisks(page, metric);
    if (!reading.data) return;
    for (const Series& s : reading.data->series) {
      const auto value = CurrentValue(reading, s);
      if (!value) continue;
      const std::string host(s.labels.Get("instance")), mount(s.labels.Get("mountpoint"));
      const std::string device(s.labels.Get(s.labels.Has("device") ? "device" : "mountpoint"));
      Disk& disk = by_device[{host, device}];
      if (disk.name.empty() || mount.size() < disk.name.size()) disk.name = mount;
      disk.*field = *value;
      hosts.insert(host);
    }
  };
  collect("node_filesystem_size_bytes", &Disk::size);
  collect("node_filesystem_avail_bytes", &Disk::free);
  std::vector<Disk> out;
  for (auto& [key, disk] : by_device) {
    if (!(disk.size > 0)) continue;
    if (hosts.size() > 1) disk.name += "  on " + key.first;
    out.push_back(disk);
  }
  std::sort(out.begin(), out.end(),
            [](const Disk& a, const Disk& b) { return a.free / a.size < b.free / b.size; });
  return out;
}

}  // namespace

void ScrollRows(const Canvas& canvas, const char* id, const Rect& area, size_t count, float row_h,
                const std::function<void(const Canvas&, Rect row, size_t i)>& draw) {
  ImGui::SetCursorScreenPos(area.min());
  ImGui::BeginChild(id, {area.w, area.h}, false, ImGuiWindowFlags_NoBackground);
  const Canvas inner(ImGui::GetWindowDrawList(), canvas.theme());
  const float scroll = ImGui::GetScrollY();
  const float bar = static_cast<float>(count) * row_h > area.h ? canvas.Px(12) : canvas.Px(2);
  for (size_t i = 0; i < count; ++i) {
    const Rect row = {area.x, area.y - scroll + static_cast<float>(i) * row_h, area.w - bar, row_h};
    if (row.bottom() >= area.y && row.y <= area.bottom()) draw(inner, row, i);
  }
  ImGui::SetCursorPos({0, std::max(0.F, static_cast<float>(count) * row_h - 1)});
  ImGui::Dummy({1, 1});
  ImGui::EndChild();
}

float InboxHeight(const PageContext& page) {
  const auto& alerts = page.feed->Alerts();
  const float cards = alerts.data ? static_cast<float>(alerts.data->size()) * kAlertHeight : 0;
  return page.canvas.Px(kPanelFrame + std::max(cards, 44.F) + 22);
}

void DrawInbox(const PageContext& page, const Rect& area) {
  const Canvas& canvas = page.canvas;
  const Theme& theme = canvas.theme();
  Rect inside = canvas.Panel(area, "Alerts");
  const auto& alerts = page.feed->Alerts();
  const auto& rules = page.feed->Rules();
  Rect head = {inside.x, area.y + canvas.Px(8), inside.w, canvas.Px(20)};
  if (alerts.data) {
    const auto firing = std::count_if(alerts.data->begin(), alerts.data->end(),
                                      [](const Alert& a) { return a.firing; });
    const auto pending = static_cast<ptrdiff_t>(alerts.data->size()) - firing;
    canvas.Text(theme.small, head, kMutedColor,
                std::to_string(firing) + " firing · " + std::to_string(pending) + " pending",
                Align::kRight);
  }
  if (rules.data) {
    Rect foot = inside.CutBottom(canvas.Px(18), canvas.Px(4));
    const bool failing = !rules.data->errors.empty();
    std::string text = std::to_string(rules.data->alerting) + " alerting and " +
                       std::to_string(rules.data->recording) + " recording rules";
    if (rules.data->last_evaluation_ms > 0) {
      text += ", run " + FormatAge(page.feed->NowMs() - rules.data->last_evaluation_ms) + " ago";
    }
    canvas.Text(theme.small, foot, failing ? kBadColor : kFaintColor,
                failing ? rules.data->errors.front() : text);
  }
  if (!alerts.data) {
    canvas.Paragraph(theme.body, inside, kMutedColor, NoDataText(*page.feed, alerts, ""));
    return;
  }
  if (alerts.data->empty()) {
    canvas.Paragraph(theme.body, inside, kMutedColor,
                     rules.data && rules.data->alerting == 0
                         ? "No alerting rule is loaded: rule_files in the server's configuration "
                           "names none."
                         : "Nothing is firing or pending.");
    return;
  }
  ScrollRows(canvas, "inbox", inside, alerts.data->size(), canvas.Px(kAlertHeight),
             [&](const Canvas& inner, const Rect& row, size_t i) {
               const Alert& alert = (*alerts.data)[i];
               DrawAlertCard(inner, row, alert, page.feed->NowMs());
               if (ImGui::IsMouseHoveringRect(row.min(), row.max())) AlertTooltip(alert);
             });
}

float TargetsHeight(const PageContext& page) {
  const auto& targets = page.feed->Targets();
  const size_t rows = targets.data ? std::max<size_t>(1, TargetLines(*targets.data).size()) : 1;
  return page.canvas.Px(kPanelFrame + kTargetRow * static_cast<float>(rows));
}

void DrawTargets(const PageContext& page, const Rect& area) {
  const Canvas& canvas = page.canvas;
  const Rect inside = canvas.Panel(area, "Targets");
  const auto& targets = page.feed->Targets();
  if (!targets.data || targets.data->empty()) {
    canvas.Text(canvas.theme().small, inside, kMutedColor,
                NoDataText(*page.feed, targets, "No target is configured or discovered."));
    return;
  }
  const std::vector<TargetLine> lines = TargetLines(*targets.data);
  ScrollRows(canvas, "targets", inside, lines.size(), canvas.Px(kTargetRow),
             [&](const Canvas& inner, Rect row, size_t i) {
               if (lines[i].target == nullptr) {
                 DrawJobRow(inner, row, lines[i]);
                 return;
               }
               const Target& t = *lines[i].target;
               DrawTargetRow(inner, row, t, page.feed->NowMs());
               if (!t.last_error.empty() && ImGui::IsMouseHoveringRect(row.min(), row.max())) {
                 ImGui::SetTooltip("%s\n%s", t.scrape_url.c_str(), t.last_error.c_str());
               }
             });
}

float FilesystemsHeight(const PageContext& page) {
  const size_t rows = std::max<size_t>(1, Disks(page).size());
  return page.canvas.Px(kPanelFrame + kDiskRow * static_cast<float>(rows));
}

void DrawFilesystems(const PageContext& page, const Rect& area) {
  const Canvas& canvas = page.canvas;
  const Theme& theme = canvas.theme();
  const Rect inside = canvas.Panel(area, "File systems");
  const std::vector<Disk> disks = Disks(page);
  if (disks.empty()) {
    const char* metric = "node_filesystem_size_bytes";
    canvas.Text(
        theme.small, inside, kMutedColor,
        NoDataText(*page.feed, AskDisks(page, metric), std::string(metric) + " is absent."));
    return;
  }
  ScrollRows(canvas, "disks", inside, disks.size(), canvas.Px(kDiskRow),
             [&](const Canvas& inner, Rect row, size_t i) {
               const double used = 1 - disks[i].free / disks[i].size;
               const ImU32 color = used >= 0.92 ? kBadColor : used >= 0.8 ? kWarnColor : kGoodColor;
               Rect text = row.CutTop(inner.Px(20));
               const Unit& bytes = UnitById("bytes");
               inner.Text(theme.small, text.CutRight(inner.Px(150), inner.Px(6)), kMutedColor,
                          FormatValue(bytes, disks[i].free) + " of " +
                              FormatValue(bytes, disks[i].size) + " free",
                          Align::kRight);
               inner.Text(theme.small, text, kTextColor, disks[i].name);
               Rect bar = {row.x, row.y + inner.Px(3), row.w, inner.Px(6)};
               inner.Fill(bar, kRaisedColor, inner.Px(3));
               bar.w *= static_cast<float>(std::clamp(used, 0.0, 1.0));
               inner.Fill(bar, color, inner.Px(3));
             });
}

}  // namespace deckwatch::dashboard
