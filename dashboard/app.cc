#include "dashboard/app.h"

#include <algorithm>

#include "dashboard/views/explore.h"
#include "dashboard/views/health.h"

namespace deckwatch::dashboard {
namespace {

constexpr int64_t kMinute = 60'000;
constexpr int64_t kDefaultSpanMs = 60 * kMinute;
constexpr int64_t kAgeStepMs = 5000;
constexpr int kPointsPerPlot = 600;

// Long enough to hold four scrapes and one step, as Grafana's $__rate_interval, and at least a
// minute.
std::string RateWindow(const Feed::TargetsReading& targets, int64_t step_ms) {
  int64_t interval_ms = 15'000;
  if (targets.data) {
    for (const Target& t : *targets.data) interval_ms = std::max(interval_ms, t.interval_ms);
  }
  const int64_t window = std::max({kMinute, 4 * interval_ms, step_ms + interval_ms});
  return std::to_string(window / 1000) + "s";
}

}  // namespace

struct App::Page {
  Page(const AppOptions& options, const std::string& url, const Transport& transport,
       ThreadPool* pool, const Clock* clock, const std::function<void()>& wake)
      : feed(url, transport, pool, clock, wake), explore(options.query) {
    fits_range = options.range_ms == 0;
    link.time = TimeView(fits_range ? kDefaultSpanMs : options.range_ms);
    link.now_ms = clock->WallMs();
  }
  Feed feed;
  HealthView health;
  ExploreView explore;
  PlotLink link;
  bool fits_range = false;  // until the user chooses a range
  int64_t data_age_ms = 0;
};

App::App(AppOptions options, Transport transport, ThreadPool* pool, const Clock* clock,
         std::function<void()> wake)
    : options_(std::move(options)), clock_(clock), view_(options_.view) {
  CHECK(!options_.servers.empty());
  for (const std::string& url : options_.servers) {
    pages_.push_back(std::make_unique<Page>(options_, url, transport, pool, clock, wake));
  }
  next_refresh_ms_ = clock_->MonotonicMs() + options_.refresh_ms;
}

App::~App() = default;

Feed* App::feed() {
  return &pages_[current_]->feed;
}

void App::RefreshNow() {
  Page& page = *pages_[current_];
  page.link.now_ms = clock_->WallMs();
  page.feed.Refresh();
  next_refresh_ms_ = clock_->MonotonicMs() + options_.refresh_ms;
}

void App::TickIfDue() {
  if (clock_->MonotonicMs() >= next_refresh_ms_) RefreshNow();
}

int64_t App::MsToNextRefresh() const {
  return std::max<int64_t>(0, next_refresh_ms_ - clock_->MonotonicMs());
}

// How long the server has been scraping, as far as the last hour tells; 0 before the first sample.
void App::MeasureAge(Page* page) {
  const int64_t minute_ms = page->link.now_ms / kMinute * kMinute;
  const TimeRange hour = {minute_ms - kDefaultSpanMs, minute_ms + kMinute};
  const auto& past = page->feed.Range("count(up)", hour, kAgeStepMs);
  if (!past.data || past.data->series.empty()) return;
  page->data_age_ms = page->link.now_ms - past.data->series[0].t_ms.front();
}

// A server that started minutes ago has an almost empty hour: show as much as there is.
void App::FitRange(Page* page) {
  PlotLink& link = page->link;
  if (!link.time.live() || link.time.CanGoBack()) page->fits_range = false;
  if (!page->fits_range || page->data_age_ms == 0) return;
  int64_t span = kDefaultSpanMs;
  for (const int64_t candidate : {30 * kMinute, 15 * kMinute, 5 * kMinute}) {
    if (page->data_age_ms < candidate) span = candidate;
  }
  if (span != link.time.span_ms()) link.time = TimeView(span);  // no step of history
}

void App::Frame(const Theme& theme) {
  const int64_t begin_ns = clock_->MonotonicNs();
  TickIfDue();
  Page& page = *pages_[current_];
  MeasureAge(&page);
  FitRange(&page);
  PlotLink& link = page.link;
  const TimeRange exact = link.time.Window(link.now_ms);
  link.step_ms = NiceStepMs(exact, kPointsPerPlot);
  link.window = {exact.from_ms / link.step_ms * link.step_ms,
                 exact.to_ms / link.step_ms * link.step_ms};

  const ImVec2 size = ImGui::GetIO().DisplaySize;
  ImGui::SetNextWindowPos({0, 0});
  ImGui::SetNextWindowSize(size);
  ImGui::Begin("deckwatch", nullptr,
               ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove |
                   ImGuiWindowFlags_NoSavedSettings | ImGuiWindowFlags_NoBringToFrontOnFocus |
                   ImGuiWindowFlags_NoNav);
  const Canvas canvas(ImGui::GetWindowDrawList(), theme);
  const PageContext context{canvas, &page.feed, &link,
                            RateWindow(page.feed.Targets(), link.step_ms)};
  Rect rest = {0, 0, size.x, size.y};
  DrawTopBar(context, rest.CutTop(canvas.Px(44)));
  DrawStatusLine(context, rest.CutBottom(canvas.Px(26)));
  if (page.feed.state().away) DrawAwayBanner(context, rest.CutTop(canvas.Px(30)));
  DrawView(context, rest);
  ImGui::End();

  page.feed.Update();
  link.EndFrame();
  const double ms = static_cast<double>(clock_->MonotonicNs() - begin_ns) / 1e6;
  frame_ms_ = frame_ms_ == 0 ? ms : frame_ms_ * 0.9 + ms * 0.1;
}

void App::DrawView(const PageContext& page, const Rect& area) {
  const Canvas& canvas = page.canvas;
  const float margin = canvas.Px(8);
  const bool is_health = view_ == ViewKind::kHealth;
  const float wanted = is_health ? HealthView::MinHeight(canvas) : canvas.Px(300);
  const float height = std::max(area.h, wanted);
  ImGui::SetCursorScreenPos(area.min());
  ImGui::BeginChild("view", {area.w, area.h}, false, ImGuiWindowFlags_NoBackground);
  const Canvas inner(ImGui::GetWindowDrawList(), canvas.theme());
  const PageContext context{inner, page.feed, page.link, page.rate};
  page.link->wheel_scrolls = height > area.h;
  const float bar = height > area.h ? canvas.Px(12) : 0;
  const Rect content = {area.x + margin, area.y + margin - ImGui::GetScrollY(),
                        area.w - 2 * margin - bar, height - 2 * margin};
  if (is_health) {
    pages_[current_]->health.Draw(context, content);
  } else {
    pages_[current_]->explore.Draw(context, content);
  }
  ImGui::SetCursorPos({0, height - 1});
  ImGui::Dummy({1, 1});
  ImGui::EndChild();
}

void App::OnKey(Key key) {
  PlotLink& link = pages_[current_]->link;
  switch (key) {
    case Key::kBack: link.time.Back(); break;
    case Key::kForward: link.time.Forward(); break;
    case Key::kLive: link.time.GoLive(link.time.span_ms()); break;
    case Key::kLock: link.cursor_locked = !link.cursor_locked && link.cursor_ms; break;
    case Key::kHealth: view_ = ViewKind::kHealth; break;
    case Key::kExplore: view_ = ViewKind::kExplore; break;
  }
}

bool App::Settled() const {
  return pages_[current_]->feed.state().in_flight == 0;
}

bool App::HasHistory() const {
  Page& page = *pages_[current_];
  const auto& targets = page.feed.Targets();
  if (!targets.data || targets.data->empty()) return false;
  int64_t interval_ms = 0;
  for (const Target& t : *targets.data) {
    if (t.last_scrape_ms == 0) return false;
    interval_ms = std::max(interval_ms, t.interval_ms);
  }
  return page.data_age_ms >= 3 * interval_ms;
}

}  // namespace deckwatch::dashboard
