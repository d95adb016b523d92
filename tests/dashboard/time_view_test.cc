#include "dashboard/plot/time_view.h"

#include <gtest/gtest.h>

namespace deckwatch::dashboard {
namespace {

constexpr int64_t kHour = 3'600'000;
constexpr int64_t kNow = 1'795'188'000'000;

TEST(TimeView, FollowsTheClockWhenLive) {
  const TimeView view(kHour);
  EXPECT_TRUE(view.live());
  EXPECT_EQ(view.Window(kNow), (TimeRange{kNow - kHour, kNow}));
  EXPECT_EQ(view.Window(kNow + 5000), (TimeRange{kNow + 5000 - kHour, kNow + 5000}));
}

TEST(TimeView, GoesBackAndForwardThroughZooms) {
  TimeView view(kHour);
  view.Show({kNow - 1000'000, kNow - 500'000});
  view.Show({kNow - 800'000, kNow - 700'000});
  view.Back();
  EXPECT_EQ(view.Window(kNow), (TimeRange{kNow - 1000'000, kNow - 500'000}));
  view.Back();
  EXPECT_TRUE(view.live());
  EXPECT_FALSE(view.CanGoBack());
  view.Back();  // nothing happens
  EXPECT_TRUE(view.live());
  view.Forward();
  view.Forward();
  EXPECT_EQ(view.Window(kNow), (TimeRange{kNow - 800'000, kNow - 700'000}));
  EXPECT_FALSE(view.CanGoForward());
}

TEST(TimeView, ForgetsTheWayForwardAfterANewZoom) {
  TimeView view(kHour);
  view.Show({kNow - 1000'000, kNow});
  view.Back();
  view.Show({kNow - 2000'000, kNow});
  EXPECT_FALSE(view.CanGoForward());
}

TEST(TimeView, KeepsTheMomentUnderThePointerWhenZooming) {
  TimeView view(kHour);
  const int64_t at = kNow - kHour / 4;
  view.ZoomAround(at, 0.5, kNow);
  const TimeRange window = view.Window(kNow);
  EXPECT_EQ(window.span_ms(), kHour / 2);
  EXPECT_EQ(at - window.from_ms, window.span_ms() * 3 / 4);
}

TEST(TimeView, TakesOneGestureAsOneStep) {
  TimeView view(kHour);
  for (int i = 0; i < 20; ++i) view.Pan(-1000, kNow + i * 16);
  EXPECT_EQ(view.Window(kNow).to_ms, kNow - 20'000);
  view.Back();
  EXPECT_TRUE(view.live());
}

TEST(TimeView, SeparatesGesturesByAPause) {
  TimeView view(kHour);
  view.Pan(-1000, kNow);
  view.Pan(-1000, kNow + 2000);
  view.Back();
  EXPECT_FALSE(view.live());
  EXPECT_EQ(view.Window(kNow).to_ms, kNow - 1000);
}

TEST(TimeView, BoundsItsSpan) {
  TimeView view(kHour);
  for (int i = 0; i < 200; ++i) view.ZoomAround(kNow, 0.5, kNow);
  EXPECT_EQ(view.span_ms(), 1000);
  for (int i = 0; i < 200; ++i) view.ZoomAround(kNow, 2, kNow);
  EXPECT_LE(view.span_ms(), int64_t{20} * 365 * 86'400'000);
  view.Show({kNow, kNow - 5000});  // dragged to the left
  EXPECT_EQ(view.Window(kNow), (TimeRange{kNow - 5000, kNow}));
}

}  // namespace
}  // namespace deckwatch::dashboard
