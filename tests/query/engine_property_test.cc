// A range query is the sequence of its instant queries, and threads change nothing.
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "query/engine.h"
#include "query/histogram_math.h"
#include "tests/query/random_query.h"

namespace deckwatch::query {
namespace {

constexpr uint64_t kSeed = 20261120;
constexpr int64_t kStartMs = 0, kEndMs = 300'000, kStepMs = 20'000;

struct Point {
  double value = 0;
  HistogramPtr histogram;
};
// labels -> time -> point
using Points = std::map<std::string, std::map<int64_t, Point>>;

void Collect(const QueryResult& r, Points* out) {
  for (const ResultSeries& s : r.series) {
    for (size_t i = 0; i < s.t_ms.size(); ++i) {
      (*out)[std::string(s.labels.encoded())][s.t_ms[i]] = {
          s.value[i], s.histogram.empty() ? nullptr : s.histogram[i]};
    }
  }
}

bool SamePoint(const Point& a, const Point& b) {
  if ((a.histogram == nullptr) != (b.histogram == nullptr)) return false;
  if (a.histogram != nullptr) return HistogramEquals(*a.histogram, *b.histogram);
  if (std::isnan(a.value) || std::isnan(b.value)) return std::isnan(a.value) == std::isnan(b.value);
  return std::bit_cast<uint64_t>(a.value) == std::bit_cast<uint64_t>(b.value);
}

// The first difference, or "".
std::string Difference(const Points& a, const Points& b) {
  if (a.size() != b.size()) return "different series";
  for (auto x = a.begin(), y = b.begin(); x != a.end(); ++x, ++y) {
    if (x->first != y->first || x->second.size() != y->second.size()) return "different points";
    for (auto p = x->second.begin(), q = y->second.begin(); p != x->second.end(); ++p, ++q) {
      if (p->first != q->first || !SamePoint(p->second, q->second)) {
        return "at " + std::to_string(p->first) + ": " + std::to_string(p->second.value) + " and " +
               std::to_string(q->second.value);
      }
    }
  }
  return "";
}

// All instant queries in one; an error if any fails. `samples` becomes what each looked at.
Result<Points> Instants(const Engine& engine, const Queryable& storage, const std::string& query,
                        std::vector<std::pair<int64_t, uint64_t>>* samples) {
  Points points;
  for (int64_t t = kStartMs; t <= kEndMs; t += kStepMs) {
    auto r = engine.Instant(storage, query, t);
    if (!r.ok()) return r.status();
    Collect(*r, &points);
    samples->emplace_back(t, r->stats.queryable_samples);
  }
  return points;
}

TEST(EngineProperty, RangeIsTheSequenceOfItsInstants) {
  std::mt19937_64 random(kSeed);
  MemoryStorage storage;
  FillRandomly(random, true, &storage);
  const Engine engine({}, nullptr);
  QueryGenerator generator(random, false);
  QueryOptions options;
  options.per_step_stats = true;
  int compared = 0, counted = 0;
  for (int i = 0; i < 1500; ++i) {
    const std::string query = generator.Vector(1 + i % 3);
    auto range = engine.Range(storage, query, kStartMs, kEndMs, kStepMs, options);
    std::vector<std::pair<int64_t, uint64_t>> samples;
    auto instants = Instants(engine, storage, query, &samples);
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", query " + std::to_string(i) + ": " + query);
    // Equal label sets inside an expression are an error of range queries alone.
    if (!range.ok() && range.status().message().find("same labelset") != std::string::npos) {
      continue;
    }
    ASSERT_EQ(range.ok(), instants.ok())
        << range.status().message() << " / " << instants.status().message();
    if (!range.ok()) continue;
    Points points;
    Collect(*range, &points);
    ASSERT_EQ(Difference(points, *instants), "");
    // Over one window some functions read only its newest sample.
    if (query.find("_over_time") == std::string::npos) {
      ASSERT_EQ(range->stats.queryable_per_step, samples);
      ++counted;
    }
    ++compared;
  }
  EXPECT_GT(compared, 1000);
  EXPECT_GT(counted, 500);
}

TEST(EngineProperty, EvaluatingEqualPartsOnceChangesNothing) {
  std::mt19937_64 random(kSeed);
  MemoryStorage storage;
  FillRandomly(random, true, &storage);
  QueryGenerator generator(random, false);
  const Engine engine({}, nullptr);
  const auto range = [&](const std::string& query) {
    return engine.Range(storage, query, kStartMs, kEndMs, kStepMs);
  };
  int compared = 0;
  for (int i = 0; i < 400; ++i) {
    const std::string q = generator.Vector(2);
    const auto once = range(q), twice = range("(" + q + ") or (" + q + ")");
    if (!once.ok() || !twice.ok()) continue;
    Points a, b;
    Collect(*once, &a);
    Collect(*twice, &b);
    ASSERT_EQ(Difference(a, b), "") << q;
    EXPECT_EQ(once->annotations.warnings.size(), twice->annotations.warnings.size()) << q;
    EXPECT_EQ(once->annotations.infos.size(), twice->annotations.infos.size()) << q;
    ++compared;
  }
  EXPECT_GT(compared, 200);
}

TEST(EngineProperty, ThreadsChangeNothing) {
  std::mt19937_64 random(kSeed + 1);
  MemoryStorage storage;
  // More than one block of series.
  for (int i = 0; i < 1500; ++i) {
    storage.Add(Labels{{"__name__", "many_total"}, {"i", std::to_string(i)}}, 0, 10'000,
                {0.1 * i, 0.3 * i, 0.7 * i, 0.2, 1e10 + i, 7});
  }
  ThreadPool pool("test", 3, 64);
  const Engine alone({}, nullptr), together({}, &pool);
  for (const char* query :
       {"sum(many_total)", "avg(rate(many_total[30s]))", "topk(3, many_total)",
        "quantile(0.5, sum_over_time(many_total[20s]))", "many_total > 3", "stddev(many_total)"}) {
    auto a = alone.Range(storage, query, 0, 60'000, 5'000);
    auto b = together.Range(storage, query, 0, 60'000, 5'000);
    ASSERT_TRUE(a.ok() && b.ok()) << query;
    Points x, y;
    Collect(*a, &x);
    Collect(*b, &y);
    EXPECT_EQ(Difference(x, y), "") << query;
    EXPECT_EQ(a->annotations.infos, b->annotations.infos) << query;
  }
}

}  // namespace
}  // namespace deckwatch::query
