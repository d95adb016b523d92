// The budgets of the dashboard in CPU time, which load on the machine does not distort. The bounds
// are wide enough for unoptimised builds; the figures are printed.
#include <cstdio>
#include <ctime>

#include <gtest/gtest.h>

#include "dashboard/app.h"
#include "dashboard/data/decode.h"
#include "dashboard/plot/decimate.h"
#include "tests/dashboard/fake_server.h"
#include "tests/dashboard/null_ui.h"

namespace deckwatch::dashboard {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kSlack = 40;
#else
constexpr double kSlack = 4;
#endif

double CpuMs() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

TEST(Budget, AMillionSamplesDecodeIn80Ms) {
  std::string body = R"({"status":"success","data":{"resultType":"matrix","result":[)";
  constexpr int kSeries = 200, kSamples = 5000;
  for (int s = 0; s < kSeries; ++s) {
    body += (s == 0 ? "" : ",") + std::string(R"({"metric":{"instance":"n)") + std::to_string(s) +
            R"("},"values":[)";
    for (int i = 0; i < kSamples; ++i) {
      body += (i == 0 ? "" : ",") + std::string("[") + std::to_string(1795188000 + i * 15) +
              ".781,\"" + std::to_string(static_cast<double>(i * 7919 % 100'003) / 997) + "\"]";
    }
    body += "]}";
  }
  body += "]}}";
  const double begin = CpuMs();
  const auto result = DecodeQueryResult(std::move(body));
  const double ms = CpuMs() - begin;
  ASSERT_TRUE(result.ok()) << result.status().message();
  ASSERT_EQ(result->series.size(), size_t{kSeries});
  std::printf("decode 1 M samples: %.1f ms CPU\n", ms);
  EXPECT_LT(ms, 80 * kSlack);
}

TEST(Budget, AMillionSamplesDecimateIn5Ms) {
  std::vector<int64_t> t;
  std::vector<double> v;
  for (int64_t i = 0; i < 1'000'000; ++i) {
    t.push_back(i * 1000);
    v.push_back(static_cast<double>(i * 7919 % 100'003));
  }
  KeptSamples kept;
  const double begin = CpuMs();
  Decimate(t, v, {0, t.back()}, 1500, 1600, &kept);
  const double ms = CpuMs() - begin;
  std::printf("decimate 1 M samples: %.1f ms CPU, %zu kept\n", ms, kept.index.size());
  EXPECT_LT(ms, 5 * kSlack);
}

TEST(Budget, ASteadyFrameTakes2Ms) {
  const FakeClock clock(1'795'188'000'000);
  FakeServer server(clock.WallMs());
  ThreadPool pool("fetch", 2, 256);
  NullUi ui(1920, 1080);
  App app({.servers = {"http://fake:9090"}}, server.transport(), &pool, &clock, [] {});
  const auto step = [&] { ui.Frame([&] { app.Frame(ui.theme()); }); };
  for (int i = 0; i < 8; ++i) {
    step();
    ASSERT_TRUE(app.feed()->WaitIdle(10'000));
  }
  ui.MoveTo(300, 250);  // over a plot: crosshair in all panels and a tooltip
  step();
  constexpr int kFrames = 50;
  const double begin = CpuMs();
  for (int i = 0; i < kFrames; ++i) step();
  const double ms = (CpuMs() - begin) / kFrames;
  std::printf("steady health frame: %.2f ms CPU, %d vertices\n", ms, ui.vertex_count());
  EXPECT_LT(ms, 2 * kSlack);
}

}  // namespace
}  // namespace deckwatch::dashboard
