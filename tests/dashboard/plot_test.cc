#include "dashboard/plot/plot.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/dashboard/null_ui.h"

namespace deckwatch::dashboard {
namespace {

constexpr int64_t kNow = 1'795'188'000'000;
constexpr TimeRange kWindow = {kNow - 600'000, kNow};

// One plot over most of an 800 × 400 screen, with two lines.
class PlotTest : public testing::Test {
 protected:
  PlotTest() {
    auto data = std::make_shared<QueryResult>();
    for (const double level : {10.0, 20.0}) {
      Series s;
      for (int64_t t = kWindow.from_ms; t <= kWindow.to_ms; t += 1000) {
        s.t_ms.push_back(t);
        s.value.push_back(level);
      }
      data->series.push_back(std::move(s));
    }
    model_.owners.push_back(data);
    model_.lines = {{"low", kGoodColor, &data->series[0], 1},
                    {"high", kBadColor, &data->series[1], 1}};
    model_.gap_ms = 1500;
    model_.version = 1;
    link_.time = TimeView(600'000);
    link_.now_ms = kNow;
  }

  void Step() {
    ui_.Frame([this] {
      link_.window = link_.time.Window(link_.now_ms);
      ImGui::SetNextWindowPos({0, 0});
      ImGui::SetNextWindowSize({800, 400});
      ImGui::Begin("page", nullptr, ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove);
      const Canvas canvas(ImGui::GetWindowDrawList(), ui_.theme());
      plot_.Draw(canvas, "plot", {0, 0, 800, 400}, model_, LegendPlace::kBottom, &link_);
      ImGui::End();
    });
    link_.EndFrame();
  }

  NullUi ui_{800, 400};
  Plot plot_;
  PlotModel model_;
  PlotLink link_;
};

TEST_F(PlotTest, ShowsAxesAndLegend) {
  Step();
  EXPECT_TRUE(ui_.Shows("low"));
  EXPECT_TRUE(ui_.Shows("high"));
  EXPECT_TRUE(ui_.Shows("mean"));
  EXPECT_TRUE(ui_.Shows("20"));
  EXPECT_GT(ui_.vertex_count(), 1000);
}

TEST_F(PlotTest, DragSelectsTimeAndDoubleClickReturns) {
  ui_.MoveTo(300, 150);
  Step();
  Step();
  ASSERT_TRUE(link_.cursor_ms.has_value());
  const int64_t from = *link_.cursor_ms;
  ui_.Button(0, true);
  Step();
  ui_.MoveTo(500, 150);
  Step();
  Step();
  const int64_t to = *link_.cursor_ms;
  ui_.Button(0, false);
  Step();
  EXPECT_FALSE(link_.time.live());
  EXPECT_EQ(link_.time.Window(kNow), (TimeRange{from, to}));

  for (const bool down : {true, false, true, false}) {
    ui_.Button(0, down);
    Step();
  }
  EXPECT_TRUE(link_.time.live());
}

TEST_F(PlotTest, AClickIsNoZoom) {
  ui_.MoveTo(300, 150);
  for (const bool down : {false, true, false}) {
    ui_.Button(0, down);
    Step();
  }
  EXPECT_TRUE(link_.time.live());
}

TEST_F(PlotTest, WheelZoomsAtThePointer) {
  ui_.MoveTo(400, 150);
  Step();
  Step();
  const int64_t under_pointer = *link_.cursor_ms;
  ImGui::GetIO().MouseWheel = 1;
  Step();
  EXPECT_LT(link_.time.span_ms(), 600'000);
  Step();
  Step();
  EXPECT_NEAR(static_cast<double>(*link_.cursor_ms), static_cast<double>(under_pointer), 1000);
}

TEST_F(PlotTest, AltDragPans) {
  ImGui::GetIO().KeyAlt = true;
  ui_.MoveTo(300, 150);
  Step();
  ui_.Button(0, true);
  Step();
  ui_.MoveTo(400, 150);
  Step();
  ui_.Button(0, false);
  Step();
  EXPECT_FALSE(link_.time.live());
  EXPECT_EQ(link_.time.span_ms(), 600'000);
  EXPECT_LT(link_.time.Window(kNow).to_ms, kNow);
}

TEST_F(PlotTest, TooltipSortsByValue) {
  ui_.MoveTo(400, 100);
  for (int i = 0; i < 3; ++i) Step();
  const DrawnText* high = ui_.Find("high");
  const DrawnText* low = ui_.Find("low");
  ASSERT_TRUE(high != nullptr && low != nullptr);
  EXPECT_LT(high->min.y, low->min.y);
  EXPECT_TRUE(ui_.Shows("2026-11-20"));
}

TEST_F(PlotTest, LegendClickShowsOneLineAlone) {
  Step();
  const int all = ui_.vertex_count();
  ui_.MoveTo(*ui_.Find("low"));
  for (const bool down : {false, true, false, false}) {
    ui_.Button(0, down);
    Step();
  }
  ui_.MoveTo(-1, -1);
  Step();
  EXPECT_LT(ui_.vertex_count(), all);
  ui_.MoveTo(*ui_.Find("low"));
  for (const bool down : {false, true, false, false}) {
    ui_.Button(0, down);
    Step();
  }
  ui_.MoveTo(-1, -1);
  Step();
  EXPECT_EQ(ui_.vertex_count(), all);
}

TEST_F(PlotTest, ALockedCrosshairStays) {
  ui_.MoveTo(400, 100);
  Step();
  Step();
  link_.cursor_locked = true;
  const int64_t locked = *link_.cursor_ms;
  ui_.MoveTo(200, 100);
  Step();
  Step();
  EXPECT_EQ(*link_.cursor_ms, locked);
}

}  // namespace
}  // namespace deckwatch::dashboard
