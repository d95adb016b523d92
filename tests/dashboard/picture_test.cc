// Real pixels through EGL and Mesa's software renderer. With DECKWATCH_KEEP_PICTURES=DIR the pages
// are left there to be looked at.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "dashboard/offscreen.h"
#include "dashboard/plot/plot.h"
#include "dashboard/render.h"
#include "tests/dashboard/fake_server.h"
#include "tests/dashboard/null_ui.h"

namespace deckwatch::dashboard {
namespace {

constexpr int64_t kNow = 1'795'188'000'000;

ImU32 PixelAt(const Image& image, int x, int y) {
  const uint8_t* p = image.rgba.data() + (static_cast<size_t>(y) * image.width + x) * 4;
  return IM_COL32(p[0], p[1], p[2], 255);
}

// Draws one line of a million samples, all zero but one, and returns the picture.
Image DrawSpike(double peak, Rect* plot_out) {
  constexpr int kSamples = 1'000'000;
  auto data = std::make_shared<QueryResult>();
  Series s;
  for (int i = 0; i < kSamples; ++i) {
    s.t_ms.push_back(kNow + int64_t{i} * 1000);
    s.value.push_back(i == 654'321 ? peak : 0);
  }
  data->series.push_back(std::move(s));
  PlotModel model;
  model.owners = {data};
  model.lines = {{"spike", IM_COL32(255, 0, 0, 255), &data->series[0], 1}};
  model.fill = 0;
  model.min = -1;
  model.max = 1;
  model.version = 1;
  NullUi ui(1600, 900);
  const auto offscreen = Offscreen::Create(1600, 900);
  EXPECT_TRUE(offscreen.ok()) << offscreen.status().message();
  if (!offscreen.ok()) return {};
  PlotLink link;
  link.window = {kNow, kNow + int64_t{kSamples} * 1000};
  PlotScene scene;
  ui.Frame([&] {
    const Canvas canvas(ImGui::GetBackgroundDrawList(), ui.theme());
    scene.Update(canvas, {0, 0, 1600, 900}, model, link.window, {});
    scene.mesh().AppendTo(canvas.list());
  });
  *plot_out = scene.plot();
  return (*offscreen)->Draw(ImGui::GetDrawData());
}

class Spike : public testing::TestWithParam<double> {};

TEST_P(Spike, OfOneSampleInAMillionLightsAPixelAtItsPeak) {
  Rect plot;
  const Image image = DrawSpike(GetParam(), &plot);
  ASSERT_FALSE(image.rgba.empty());
  const double x = plot.x + plot.w * 654'321.0 / 1e6;
  const float y = GetParam() > 0 ? plot.y : plot.bottom();
  int brightest = 0;
  for (int dy = -2; dy <= 2; ++dy) {
    for (int dx = -2; dx <= 2; ++dx) {
      const int px = static_cast<int>(x) + dx, py = static_cast<int>(y) + dy;
      brightest = std::max(brightest, static_cast<int>(PixelAt(image, px, py) & 0xFF));
    }
  }
  EXPECT_GT(brightest, 150);
}

INSTANTIATE_TEST_SUITE_P(BothWays, Spike, testing::Values(1.0, -1.0));

class Picture : public testing::TestWithParam<ViewKind> {};

TEST_P(Picture, OfEachViewIsWritten) {
  const FakeClock clock(kNow);
  FakeServer server(kNow);
  const bool is_health = GetParam() == ViewKind::kHealth;
  const char* keep = std::getenv("DECKWATCH_KEEP_PICTURES");
  RenderOptions options;
  options.app.servers = {"http://fake:9090"};
  options.app.view = GetParam();
  options.app.query = "rate(node_network_receive_bytes_total[1m])";
  options.out = std::string(keep != nullptr ? keep : testing::TempDir()) +
                (is_health ? "/deckwatch-health.png" : "/deckwatch-explore.png");
  const Status status = RenderPicture(options, server.transport(), &clock);
  ASSERT_TRUE(status.ok()) << status.message();
  std::ifstream in(options.out, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  EXPECT_EQ(bytes.substr(1, 3), "PNG");
  EXPECT_EQ(bytes.substr(16, 8), std::string("\0\0\x07\x80\0\0\x04\x38", 8));  // 1920 × 1080
  EXPECT_GT(bytes.size(), 60'000U) << "an empty page compresses to far less";
  if (keep == nullptr) std::filesystem::remove(options.out);
}

INSTANTIATE_TEST_SUITE_P(Views, Picture, testing::Values(ViewKind::kHealth, ViewKind::kExplore));

TEST(PictureErrors, SayWhy) {
  const FakeClock clock(kNow);
  FakeServer server(kNow);
  server.SetAway(true);
  RenderOptions options;
  options.app.servers = {"http://fake:9090"};
  options.wait_ms = 0;
  options.out = testing::TempDir() + "/deckwatch-away.png";
  const Status away = RenderPicture(options, server.transport(), &clock);
  EXPECT_EQ(away.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(std::filesystem::remove(options.out)) << "the picture shows the reason";
  options.out = "/no/such/folder/x.png";
  EXPECT_EQ(RenderPicture(options, server.transport(), &clock).code(), StatusCode::kIo);
}

}  // namespace
}  // namespace deckwatch::dashboard
