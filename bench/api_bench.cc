// The cost of answers: a query's result as JSON, and that compressed. 700 series of 241 points, as
// a dashboard asks for them. Reports time per point; checks what comes out.
#include <cmath>

#include <benchmark/benchmark.h>

#include "base/json.h"
#include "server/content_coding.h"
#include "server/result_json.h"

namespace deckwatch::server {
namespace {

constexpr size_t kSeries = 700, kPoints = 241;

enum class Values { kConstant, kWhole, kRates };

query::QueryResult Result(Values values) {
  query::QueryResult result;
  result.type = query::ValueType::kMatrix;
  for (size_t i = 0; i < kSeries; ++i) {
    query::ResultSeries s;
    s.labels = Labels{
        {"__name__", "requests_total"}, {"instance", "host-" + std::to_string(i)}, {"job", "api"}};
    for (size_t k = 0; k < kPoints; ++k) {
      const auto n = static_cast<double>(i * k);
      s.t_ms.push_back(1'700'000'000'000 + static_cast<int64_t>(k) * 15'000);
      s.value.push_back(values == Values::kConstant ? 7 : values == Values::kWhole ? n : n / 285);
    }
    result.series.push_back(std::move(s));
  }
  return result;
}

void CountPoints(benchmark::State& state) {
  state.counters["ns/point"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kSeries * kPoints) / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void Json(benchmark::State& state) {
  const query::QueryResult result = Result(static_cast<Values>(state.range(0)));
  std::string text;
  for (auto _ : state) {
    text = "{";
    AppendQueryResult(result, &text);
    text += '}';
  }
  const auto back = deckwatch::Json::Parse(text);
  if (!back.ok() || (*back)["result"].AsArray().size() != kSeries) {
    state.SkipWithError("wrong answer");
  }
  CountPoints(state);
}
BENCHMARK(Json)->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);

void JsonGzip(benchmark::State& state) {
  std::string text;
  AppendQueryResult(Result(static_cast<Values>(state.range(0))), &text);
  for (auto _ : state) {
    const std::string packed = Gzip(text);
    if (packed.size() > text.size() / 3) {
      state.SkipWithError("hardly compressed");
      return;
    }
  }
  CountPoints(state);
}
BENCHMARK(JsonGzip)->Arg(0)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace deckwatch::server

BENCHMARK_MAIN();
