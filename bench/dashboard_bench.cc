// The dashboard's budgets: decoding an answer of 1 M samples (80 ms CPU), decimating 1 M samples to
// a plot's width (5 ms), a steady frame of the health home with crosshair and tooltip (2 ms).
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/clock.h"
#include "base/executor.h"
#include "dashboard/app.h"
#include "dashboard/data/decode.h"
#include "dashboard/plot/decimate.h"
#include "tests/dashboard/fake_server.h"
#include "tests/dashboard/null_ui.h"

namespace deckwatch::dashboard {
namespace {

std::string MillionSamples() {
  std::string body = R"({"status":"success","data":{"resultType":"matrix","result":[)";
  for (int s = 0; s < 200; ++s) {
    body += (s == 0 ? "" : ",") + std::string(R"({"metric":{"instance":"n)") + std::to_string(s) +
            R"("},"values":[)";
    for (int i = 0; i < 5000; ++i) {
      body += (i == 0 ? "" : ",") + std::string("[") + std::to_string(1795188000 + i * 15) +
              ".781,\"" + std::to_string(static_cast<double>(i * 7919 % 100'003) / 997) + "\"]";
    }
    body += "]}";
  }
  return body + "]}}";
}

void DecodeMillion(benchmark::State& state) {
  const std::string body = MillionSamples();
  for (auto _ : state) {
    const auto result = DecodeQueryResult(std::string(body));
    if (!result.ok() || result->series.size() != 200) state.SkipWithError("wrong answer");
  }
}
BENCHMARK(DecodeMillion)->Unit(benchmark::kMillisecond);

void DecimateMillion(benchmark::State& state) {
  std::vector<int64_t> t;
  std::vector<double> v;
  for (int64_t i = 0; i < 1'000'000; ++i) {
    t.push_back(i * 1000);
    v.push_back(static_cast<double>(i * 7919 % 100'003));
  }
  KeptSamples kept;
  for (auto _ : state) {
    Decimate(t, v, {0, t.back()}, 1500, 1600, &kept);
    if (kept.index.empty()) state.SkipWithError("nothing kept");
  }
}
BENCHMARK(DecimateMillion)->Unit(benchmark::kMillisecond);

void SteadyHealthFrame(benchmark::State& state) {
  const FakeClock clock(1'795'188'000'000);
  FakeServer server(clock.WallMs());
  ThreadPool pool("fetch", 2, 256);
  NullUi ui(1920, 1080);
  App app({.servers = {"http://fake:9090"}}, server.transport(), &pool, &clock, [] {});
  const auto step = [&] { ui.Frame([&] { app.Frame(ui.theme()); }); };
  for (int i = 0; i < 8; ++i) {
    step();
    if (!app.feed()->WaitIdle(10'000)) state.SkipWithError("no answers");
  }
  ui.MoveTo(300, 250);  // over a plot: crosshair in all panels and a tooltip
  for (auto _ : state) step();
  state.counters["vertices"] = ui.vertex_count();
}
BENCHMARK(SteadyHealthFrame)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace deckwatch::dashboard

BENCHMARK_MAIN();
