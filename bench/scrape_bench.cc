// How fast pages become batches. Figures: bytes/s of page text, samples/s per core.
//
// The page is shaped like a node's: families with HELP and TYPE, one to three labels, and of its
// values a third stays, a third counts up, a third moves in floating point. The store is a sink
// that only checks what it gets, so that the figures are those of parsing and batching alone.
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "scraper/page.h"

namespace deckwatch::scraper {
namespace {

class Sink : public Appender {
 public:
  Status Resolve(std::span<const LabelsView>, uint64_t, std::span<SeriesRef> refs) override {
    for (SeriesRef& ref : refs) ref = ++last_;
    return Status::Ok();
  }
  Result<AppendResult> Commit(const WriteBatch& batch) override {
    AppendResult result;
    result.appended = batch.ref.size();
    for (const double v : batch.value) sum_ += v;
    return result;
  }
  double sum() const { return sum_; }

 private:
  SeriesRef last_ = 0;
  double sum_ = 0;
};

constexpr int kFamilies = 300;
constexpr int kSeriesPerFamily = 7;
constexpr int kPages = 16;

struct Corpus {
  std::vector<std::string> pages;
  double sum = 0;  // of all values of all pages
  int64_t samples = 0;
  int64_t bytes = 0;
};

Corpus MakeCorpus(bool rewritten) {
  std::mt19937_64 random(42);
  Corpus out;
  for (int page = 0; page < kPages; ++page) {
    std::string text;
    for (int f = 0; f < kFamilies; ++f) {
      const std::string name = "node_family_" + std::to_string(f) + "_seconds_total";
      text += "# HELP " + name + " Seconds spent in the " + std::to_string(f) + "th way.\n# TYPE " +
              name + " counter\n";
      for (int s = 0; s < kSeriesPerFamily; ++s) {
        char value[32];
        switch (s % 3) {
          case 0: std::snprintf(value, sizeof value, "%d", f * 100 + s); break;
          case 1: std::snprintf(value, sizeof value, "%.9e", 1e9 + page * 1000.0 + f); break;
          default:
            std::snprintf(value, sizeof value, "%.4f",
                          static_cast<double>(random() % 10'000'000) / 64);
        }
        text += name + "{cpu=\"" + std::to_string(s) + "\",mode=\"system\",device=\"nvme" +
                std::to_string(f % 9) + "n1\"";
        if (rewritten) text += ",page=\"" + std::to_string(page) + "\"";
        text += std::string("} ") + value + "\n";
        out.sum += std::strtod(value, nullptr);
        ++out.samples;
      }
    }
    out.bytes += static_cast<int64_t>(text.size());
    out.pages.push_back(std::move(text));
  }
  return out;
}

void ReadPages(benchmark::State& state, bool rewritten) {
  const Corpus corpus = MakeCorpus(rewritten);
  const PageRules rules{Labels{{"job", "node"}, {"instance", "127.0.0.1:9100"}},
                        std::make_shared<ScrapeConfig>()};
  Page page(1);
  Sink sink;
  int64_t t_ms = 0;
  double passes = 0;
  for (auto _ : state) {
    for (const std::string& text : corpus.pages) {
      WriteBatch batch;
      PageStats stats;
      const Status read =
          page.Read(rules, TextFormat::kPrometheus, text, t_ms += 1000, &sink, &batch, &stats);
      if (!read.ok() || !sink.Commit(batch).ok()) state.SkipWithError("page refused");
    }
    ++passes;
  }
  // Stale markers of rewritten pages are NaN and would hide the sum.
  if (!rewritten && std::abs(sink.sum() / (corpus.sum * passes) - 1) > 1e-9) {
    state.SkipWithError("the values do not add up");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * corpus.bytes);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * corpus.samples);
}

void KnownSeries(benchmark::State& state) {
  ReadPages(state, false);
}
BENCHMARK(KnownSeries)->Unit(benchmark::kMillisecond);

void NewSeriesOnEveryPage(benchmark::State& state) {
  ReadPages(state, true);
}
BENCHMARK(NewSeriesOnEveryPage)->Unit(benchmark::kMillisecond);

void ParserAlone(benchmark::State& state) {
  const Corpus corpus = MakeCorpus(false);
  SeriesText series;
  SampleTail tail;
  for (auto _ : state) {
    double sum = 0;
    for (const std::string& page : corpus.pages) {
      std::string_view rest = page;
      while (!rest.empty()) {
        const size_t end = rest.find('\n');
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end + 1);
        if (ClassifyLine(TextFormat::kPrometheus, line) != LineKind::kSample) continue;
        if (!series.Parse(TextFormat::kPrometheus, line).ok() ||
            ParseSampleTail(TextFormat::kPrometheus, line.substr(series.length), &tail) !=
                nullptr) {
          state.SkipWithError("line refused");
        }
        sum += tail.value;
      }
    }
    if (std::abs(sum / corpus.sum - 1) > 1e-9) state.SkipWithError("the values do not add up");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * corpus.bytes);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * corpus.samples);
}
BENCHMARK(ParserAlone)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace deckwatch::scraper

BENCHMARK_MAIN();
