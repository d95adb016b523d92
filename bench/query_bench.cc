// Speed of the query engine apart from any store: series come from a store that only copies
// columns. 20,000 series, one hour of samples every 15 s, range queries of 240 steps unless they
// say otherwise. Reports time per sample read; every benchmark checks its answer.
//
#include <cmath>
#include <cstdlib>
#include <thread>

#include <benchmark/benchmark.h>

#include "query/engine.h"

namespace deckwatch::query {
namespace {

constexpr int64_t kScrapeMs = 15'000;
constexpr int64_t kHourMs = 3'600'000;
constexpr size_t kSeries = 20'000;

// Counters and gauges of `kSeries` targets. Values follow from series and time.
class SyntheticStore : public Queryable, public Querier {
 public:
  SyntheticStore() {
    for (int64_t t = -kHourMs; t <= kHourMs; t += kScrapeMs) t_ms_.push_back(t);
    for (size_t i = 0; i < kSeries; ++i) {
      const std::string n = std::to_string(i);
      labels_.push_back(Labels{{"__name__", "requests_total"},
                               {"instance", "host-" + n},
                               {"job", "job-" + std::to_string(i % 100)},
                               {"path", "/api/v1/thing/" + std::to_string(i % 7)}});
    }
  }

  Result<std::unique_ptr<Querier>> NewQuerier() const override {
    return std::unique_ptr<Querier>(std::make_unique<View>(this));
  }
  Result<std::unique_ptr<SeriesSet>> Select(int64_t start_ms, int64_t end_ms,
                                            const std::vector<Matcher>&,
                                            const SelectHints&) const override {
    return std::unique_ptr<SeriesSet>(std::make_unique<Set>(this, start_ms, end_ms));
  }
  Result<std::vector<std::string>> LabelNames(const LabelQuery&) const override {
    return std::vector<std::string>();
  }
  Result<std::vector<std::string>> LabelValues(const std::string&,
                                               const LabelQuery&) const override {
    return std::vector<std::string>();
  }
  Result<std::vector<Labels>> Series(const LabelQuery&) const override {
    return std::vector<Labels>();
  }
  Result<std::vector<SeriesExemplars>> Exemplars(const LabelQuery&) const override {
    return std::vector<SeriesExemplars>();
  }

 private:
  class View : public Querier {
   public:
    explicit View(const SyntheticStore* store) : store_(store) {}
    Result<std::unique_ptr<SeriesSet>> Select(int64_t start_ms, int64_t end_ms,
                                              const std::vector<Matcher>& m,
                                              const SelectHints& hints) const override {
      return store_->Select(start_ms, end_ms, m, hints);
    }
    Result<std::vector<std::string>> LabelNames(const LabelQuery& q) const override {
      return store_->LabelNames(q);
    }
    Result<std::vector<std::string>> LabelValues(const std::string& n,
                                                 const LabelQuery& q) const override {
      return store_->LabelValues(n, q);
    }
    Result<std::vector<Labels>> Series(const LabelQuery& q) const override {
      return store_->Series(q);
    }
    Result<std::vector<SeriesExemplars>> Exemplars(const LabelQuery& q) const override {
      return store_->Exemplars(q);
    }

   private:
    const SyntheticStore* store_;
  };

  class Set : public SeriesSet {
   public:
    Set(const SyntheticStore* store, int64_t start_ms, int64_t end_ms) : store_(store) {
      const auto& t = store->t_ms_;
      begin_ = std::lower_bound(t.begin(), t.end(), start_ms) - t.begin();
      end_ = std::upper_bound(t.begin(), t.end(), end_ms) - t.begin();
    }
    size_t size() const override { return kSeries; }
    LabelsView LabelsAt(size_t i) const override { return store_->labels_[i]; }
    Status Read(size_t i, Columns* out) const override {
      out->Clear();
      out->t_ms.assign(store_->t_ms_.begin() + begin_, store_->t_ms_.begin() + end_);
      out->value.resize(out->t_ms.size());
      // Not whole numbers, so that nothing is exact by chance.
      const double slope = 0.1 * static_cast<double>(i % 13 + 1);
      for (size_t k = 0; k < out->value.size(); ++k) {
        out->value[k] = slope * static_cast<double>(begin_ + static_cast<std::ptrdiff_t>(k));
      }
      return {};
    }

   private:
    const SyntheticStore* store_;
    std::ptrdiff_t begin_, end_;
  };

  std::vector<int64_t> t_ms_;
  std::vector<Labels> labels_;
};

void RunRange(benchmark::State& state, const char* query, size_t expected_series) {
  static const SyntheticStore store;
  static ThreadPool pool("bench", 2, 64);
  EngineOptions options;
  options.max_samples = UINT64_MAX;
  const Engine engine(options, state.range(0) > 0 ? &pool : nullptr);
  uint64_t samples = 0;
  for (auto _ : state) {
    auto result = engine.Range(store, query, 0, kHourMs - kScrapeMs, kScrapeMs);
    if (!result.ok() || result->series.size() != expected_series) {
      state.SkipWithError("wrong answer");
      return;
    }
    samples += result->stats.samples_read;
    state.counters["peak_MB"] = static_cast<double>(result->stats.peak_bytes) / 1e6;
  }
  state.counters["ns/sample"] =
      benchmark::Counter(static_cast<double>(samples) / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void RunInstant(benchmark::State& state, const char* query, size_t expected_series) {
  static const SyntheticStore store;
  const Engine engine({}, nullptr);
  for (auto _ : state) {
    auto result = engine.Instant(store, query, kHourMs - kScrapeMs);
    if (!result.ok() || result->series.size() != expected_series) {
      state.SkipWithError("wrong answer");
      return;
    }
  }
  state.counters["ns/series"] =
      benchmark::Counter(static_cast<double>(kSeries * state.iterations()) / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

#define DW_INSTANT_BENCH(name, query, series) \
  void name(benchmark::State& state) {        \
    RunInstant(state, query, series);         \
  }                                           \
  BENCHMARK(name)->Unit(benchmark::kMillisecond);

#define DW_QUERY_BENCH(name, query, series) \
  void name(benchmark::State& state) {      \
    RunRange(state, query, series);         \
  }                                         \
  BENCHMARK(name)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime();

DW_QUERY_BENCH(SumRateByJob, "sum by (job) (rate(requests_total[5m]))", 100)
DW_QUERY_BENCH(SumSelector, "sum(requests_total)", 1)
DW_QUERY_BENCH(RateAll, "rate(requests_total[5m])", kSeries)
DW_QUERY_BENCH(MaxOverTime, "max by (job) (max_over_time(requests_total[5m]))", 100)
DW_QUERY_BENCH(SumOverTime, "sum by (job) (sum_over_time(requests_total[5m]))", 100)
DW_QUERY_BENCH(AvgOverTime, "avg by (path) (avg_over_time(requests_total[5m]))", 7)
DW_QUERY_BENCH(QuantileOverTime, "count(quantile_over_time(0.9, requests_total[5m]))", 1)
DW_QUERY_BENCH(Topk, "topk(5, rate(requests_total[5m]))", 5)
DW_QUERY_BENCH(Binary, "count(requests_total / ignoring(path) requests_total)", 1)
DW_QUERY_BENCH(Comparison, "count(rate(requests_total[5m]) * 60 > 0.5)", 1)
DW_QUERY_BENCH(Quantile, "quantile by (job) (0.9, requests_total)", 100)
DW_QUERY_BENCH(EqualParts, "sum(rate(requests_total[5m])) / count(rate(requests_total[5m]))", 1)
DW_INSTANT_BENCH(CountNow, "count(requests_total)", 1)
DW_INSTANT_BENCH(CountByJobNow, "count by (job) (requests_total)", 100)
DW_INSTANT_BENCH(AllNow, "requests_total", kSeries)

}  // namespace
}  // namespace deckwatch::query

BENCHMARK_MAIN();
