// With the cache and without: the same answers, whatever is asked and written in between.
#include "query/result_cache.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <utility>

#include <gtest/gtest.h>

#include "query/histogram_math.h"
#include "tests/query/random_query.h"

namespace deckwatch::query {
namespace {

// A storage that knows what changed from the list of all changes. Deletes hide a range of the
// series that match, for good.
class ChangingStorage : public Queryable {
 public:
  MemoryStorage& memory() { return memory_; }

  void Commit(const WriteBatch& batch) {
    int64_t least_ms = INT64_MAX;
    for (const int64_t t_ms : batch.t_ms) least_ms = std::min(least_ms, t_ms);
    for (const auto& h : batch.histograms) least_ms = std::min(least_ms, h.t_ms);
    CHECK(memory_.Commit(batch).ok());
    changes_.push_back(least_ms);
  }
  void Delete(const Matcher& matcher, int64_t start_ms, int64_t end_ms) {
    deletes_.push_back({matcher, start_ms, end_ms});
    changes_.push_back(start_ms);
  }
  void HideBefore(int64_t t_ms) { oldest_ms_ = t_ms; }

  Result<std::unique_ptr<Querier>> NewQuerier() const override {
    ++queriers_;
    TRY_ASSIGN(auto all, memory_.NewQuerier());
    return std::unique_ptr<Querier>(std::make_unique<Hiding>(*this, std::move(all)));
  }
  uint64_t Version() const override { return changes_.size(); }
  int64_t UnchangedBefore(uint64_t version) const override {
    int64_t least_ms = INT64_MAX;
    for (size_t i = version; i < changes_.size(); ++i) least_ms = std::min(least_ms, changes_[i]);
    return least_ms;
  }
  int64_t OldestMs() const override { return oldest_ms_; }
  int queriers() const { return queriers_; }

 private:
  struct Deleted {
    Matcher matcher;
    int64_t start_ms, end_ms;
  };
  class Hiding : public Querier, public SeriesSet {
   public:
    Hiding(const ChangingStorage& storage, std::unique_ptr<Querier> all)
        : oldest_ms_(storage.oldest_ms_), deletes_(storage.deletes_), all_(std::move(all)) {}
    Hiding(const Hiding& o, std::unique_ptr<SeriesSet> set)
        : oldest_ms_(o.oldest_ms_), deletes_(o.deletes_), set_(std::move(set)) {}

    Result<std::unique_ptr<SeriesSet>> Select(int64_t start_ms, int64_t end_ms,
                                              const std::vector<Matcher>& matchers,
                                              const SelectHints& hints) const override {
      TRY_ASSIGN(auto set, all_->Select(std::max(start_ms, oldest_ms_), end_ms, matchers, hints));
      return std::unique_ptr<SeriesSet>(std::make_unique<Hiding>(*this, std::move(set)));
    }
    size_t size() const override { return set_->size(); }
    LabelsView LabelsAt(size_t i) const override { return set_->LabelsAt(i); }
    Status Read(size_t i, Columns* out) const override {
      Columns all;
      TRY(set_->Read(i, &all));
      out->Clear();
      for (size_t k = 0; k < all.size(); ++k) {
        const bool hidden = std::any_of(deletes_.begin(), deletes_.end(), [&](const Deleted& d) {
          return d.start_ms <= all.t_ms[k] && all.t_ms[k] <= d.end_ms &&
                 MatchesAll({d.matcher}, LabelsAt(i));
        });
        if (hidden) continue;
        out->t_ms.push_back(all.t_ms[k]);
        out->value.push_back(all.value[k]);
        if (!all.histogram.empty()) out->histogram.push_back(all.histogram[k]);
      }
      return {};
    }
    Result<std::vector<std::string>> LabelNames(const LabelQuery&) const override {
      return Status::Internal("not asked for here");
    }
    Result<std::vector<std::string>> LabelValues(const std::string&,
                                                 const LabelQuery&) const override {
      return Status::Internal("not asked for here");
    }
    Result<std::vector<Labels>> Series(const LabelQuery&) const override {
      return Status::Internal("not asked for here");
    }
    Result<std::vector<SeriesExemplars>> Exemplars(const LabelQuery&) const override {
      return Status::Internal("not asked for here");
    }

   private:
    const int64_t oldest_ms_;
    const std::vector<Deleted> deletes_;
    const std::unique_ptr<Querier> all_;
    const std::unique_ptr<SeriesSet> set_;
  };

  MemoryStorage memory_;
  std::vector<int64_t> changes_;
  std::vector<Deleted> deletes_;
  int64_t oldest_ms_ = INT64_MIN;
  mutable int queriers_ = 0;
};

SeriesRef RefOf(ChangingStorage* storage, const Labels& labels) {
  const LabelsView view = labels;
  SeriesRef ref = kNoSeries;
  CHECK(storage->memory().Resolve({&view, 1}, 1, {&ref, 1}).ok());
  return ref;
}

// Their buckets may hold NaN.
bool SameHistogram(const Histogram& a, const Histogram& b) {
  return a.hint == b.hint && HistogramToString(a) == HistogramToString(b);
}

// To the last bit; of a NaN the sign depends on how the compiler orders operands.
bool SameFloat(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) ||
         std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

// "" when the two are the same.
std::string Difference(const Result<QueryResult>& a, const Result<QueryResult>& b) {
  if (a.ok() != b.ok()) {
    return "one fails: " + (a.ok() ? b : a).status().message();
  }
  if (!a.ok()) return a.status().code() == b.status().code() ? "" : "errors of different kinds";
  if (a->type != b->type) return "types";
  if (!SameFloat(a->scalar, b->scalar)) return "scalars";
  if (a->annotations.warnings != b->annotations.warnings) return "warnings";
  if (a->annotations.infos != b->annotations.infos) return "infos";
  if (a->series.size() != b->series.size()) {
    return std::to_string(a->series.size()) + " and " + std::to_string(b->series.size()) + " rows";
  }
  for (size_t row = 0; row < a->series.size(); ++row) {
    const ResultSeries &x = a->series[row], &y = b->series[row];
    if (x.labels != y.labels) return x.labels.ToString() + " and " + y.labels.ToString();
    if (x.t_ms != y.t_ms) return "times of " + x.labels.ToString();
    if (x.histogram.size() != y.histogram.size()) return "kinds in " + x.labels.ToString();
    for (size_t i = 0; i < x.t_ms.size(); ++i) {
      const HistogramPtr h = x.histogram.empty() ? nullptr : x.histogram[i];
      const HistogramPtr g = y.histogram.empty() ? nullptr : y.histogram[i];
      if (h != nullptr && g != nullptr && SameHistogram(*h, *g)) continue;
      const bool same = h == nullptr && g == nullptr && SameFloat(x.value[i], y.value[i]);
      if (!same) {
        return x.labels.ToString() + " at " + std::to_string(x.t_ms[i]) + ": " +
               std::to_string(x.value[i]) + " and " + std::to_string(y.value[i]);
      }
    }
  }
  return "";
}

// One storage, some queries that are asked again and again, and what happens in between.
class Life {
 public:
  Life(uint64_t seed, bool histograms)
      : random_(seed), generator_(random_, !histograms), histograms_(histograms) {
    FillRandomly(random_, histograms, &storage_.memory());
    for (int i = 0; i < 5; ++i) {
      queries_.push_back(generator_.Vector(1 + static_cast<int>(random_() % 3)));
    }
    const char* special[] = {
        "time() - 5",
        "topk(2, sum by (a) (gauge or requests_total))",
        "sum(sum by (b) (requests_total))",
        "rate(requests_total[1m]) or requests_total",
        "count by (__name__) (rate({__name__=~\".*_total\"}[30s]) or gauge)",
        "gauge @ end()",
        "gauge - end()",
        "gauge * on () group_left () sum(sum_over_time(other_total[2m] @ 700))",
        "requests_total - on (a, b) group_left () sum_over_time(gauge[2m] @ 500)",
        "sum by (b) (requests_total or on (b) gauge)",
        "gauge - gauge @ start()",
        "sum_over_time(gauge[range()])",
        "rate(other_total[1m] smoothed)",
        "limitk(1, gauge)",
        "gauge[45s]",
        "avg(requests_total * on (b) group_left (a) max by (a, b) (gauge))",
    };
    queries_.emplace_back(special[random_() % std::size(special)]);
  }

  void Happen() {
    switch (random_() % 8) {
      case 0: Write(now_ms_ - static_cast<int64_t>(random_() % 400'000)); break;  // late
      case 1:
        if (random_() % 4 == 0) {
          const int64_t at_ms = now_ms_ - static_cast<int64_t>(random_() % 400'000);
          storage_.Delete(Matcher::Equal("b", std::to_string(random_() % 5)), at_ms,
                          at_ms + static_cast<int64_t>(random_() % 60'000));
        }
        break;
      case 2:
        if (random_() % 4 == 0) storage_.HideBefore(now_ms_ - 500'000);
        break;
      default: now_ms_ += 10'000; Write(now_ms_);
    }
  }

  // The first difference, and how it came about.
  std::string Ask() {
    const std::string& query = queries_[random_() % queries_.size()];
    QueryOptions options;
    options.use_cache = true;
    const bool instant = query.ends_with("]") || random_() % 10 == 0;
    if (instant) {
      const int64_t t_ms = now_ms_ - static_cast<int64_t>(random_() % 3) * 20'000;
      const auto got = cached_.Instant(storage_, query, t_ms, options);
      const std::string d = Difference(got, plain_.Instant(storage_, query, t_ms));
      return d.empty() ? d : query + " at " + std::to_string(t_ms) + ": " + d;
    }
    const int64_t step_ms = random_() % 3 == 0 ? 15'000 : 10'000;
    const int64_t phase_ms = random_() % 20 == 0 ? 3'000 : 0;
    const int64_t end_ms = now_ms_ / step_ms * step_ms + phase_ms +
                           (static_cast<int64_t>(random_() % 5) - 3) * step_ms +
                           static_cast<int64_t>(random_() % 3);
    const int64_t start_ms =
        end_ms / step_ms * step_ms + phase_ms -
        static_cast<int64_t>(random_() % 4 == 0 ? random_() % 30 : 20) * step_ms;
    const auto got =
        cached_.Range(storage_, query, start_ms, std::max(start_ms, end_ms), step_ms, options);
    const std::string d = Difference(
        got, plain_.Range(storage_, query, start_ms, std::max(start_ms, end_ms), step_ms));
    if (d.empty()) return d;
    return query + " from " + std::to_string(start_ms) + " to " + std::to_string(end_ms) + " by " +
           std::to_string(step_ms) +
           (got.ok() ? ", " + std::to_string(got->stats.steps_cached) + " steps cached: " : ": ") +
           d;
  }

  CacheStats stats() const { return cached_.Cached(); }

 private:
  void Write(int64_t t_ms) {
    WriteBatch batch;
    for (const char* name : {"gauge", "requests_total", "other_total"}) {
      // Now and then a series that was not there before.
      const int count = random_() % 5 == 0 ? 7 : 5;
      for (int i = static_cast<int>(random_() % 3); i < count; ++i) {
        const SeriesRef ref = RefOf(
            &storage_,
            Labels{{"__name__", name}, {"a", std::to_string(i % 2)}, {"b", std::to_string(i)}});
        batch.Add(ref, t_ms + static_cast<int64_t>(random_() % 3),
                  random_() % 17 == 0 ? StaleNan() : static_cast<double>(random_() % 100) / 3);
      }
    }
    if (histograms_ && random_() % 2 == 0) {
      auto h = std::make_shared<Histogram>();
      h->count = 3, h->sum = 4.5;
      h->positive_spans = {{0, 1}};
      h->positive_buckets = {3};
      batch.histograms.push_back(
          {RefOf(&storage_, Labels{{"__name__", "sizes"}, {"a", "0"}, {"b", "0"}}), t_ms, h});
    }
    storage_.Commit(batch);
  }

  static EngineOptions Cached() {
    EngineOptions options;
    options.cache_bytes = 1 << 20;
    return options;
  }

  std::mt19937_64 random_;
  QueryGenerator generator_;
  const bool histograms_;
  ChangingStorage storage_;
  const Engine cached_{Cached(), nullptr};
  const Engine plain_{{}, nullptr};
  std::vector<std::string> queries_;
  int64_t now_ms_ = 600'000;
};

TEST(ResultCacheProperty, ChangesNoAnswer) {
  constexpr uint64_t kSeed = 20261120;
  uint64_t partial = 0, hits = 0, steps = 0;
  for (uint64_t life = 0; life < 300; ++life) {
    Life l(kSeed + life, life % 4 == 0);
    for (int i = 0; i < 40; ++i) {
      if (i % 2 == 0) l.Happen();
      ASSERT_EQ(l.Ask(), "") << "seed " << kSeed + life << ", query " << i;
    }
    partial += l.stats().partial_hits;
    hits += l.stats().hits;
    steps += l.stats().steps_taken;
  }
  EXPECT_GT(partial, 1'000U);
  EXPECT_GT(hits, 100U);
  EXPECT_GT(steps, 10'000U);
}

// One counter with a sample every 10 s from 0 to 1000 s.
class ResultCacheTest : public ::testing::Test {
 protected:
  ResultCacheTest() {
    for (int64_t t_ms = 0; t_ms <= 1'000'000; t_ms += 10'000) Write(t_ms);
  }
  void Write(int64_t t_ms) {
    WriteBatch batch;
    batch.Add(RefOf(&storage_, Labels{{"__name__", "c_total"}}), t_ms,
              static_cast<double>(t_ms) / 7);
    storage_.Commit(batch);
  }
  // From 600 s before `end_s` on, by 10 s; how many of the 61 steps came from the cache.
  uint64_t StepsCached(const std::string& query, int64_t end_s, bool use_cache = true) {
    QueryOptions options;
    options.use_cache = use_cache;
    const auto ask = [&](const QueryOptions& o) {
      return engine_.Range(storage_, query, (end_s - 600) * 1000, end_s * 1000, 10'000, o);
    };
    const auto got = ask(options);
    EXPECT_EQ(Difference(got, ask({})), "");
    return got.ok() ? got->stats.steps_cached : 0;
  }

  static EngineOptions Options() {
    EngineOptions options;
    options.cache_bytes = 1 << 20;
    options.max_samples = 200;
    return options;
  }
  ChangingStorage storage_;
  const Engine engine_{Options(), nullptr};
};

TEST_F(ResultCacheTest, ARefreshEvaluatesWhatIsNew) {
  EXPECT_EQ(StepsCached("rate(c_total[1m])", 1000), 0U);
  EXPECT_EQ(StepsCached("rate(c_total[1m])", 1000), 61U);
  Write(1'010'000);
  EXPECT_EQ(StepsCached("rate(c_total[1m])", 1010), 60U);
  EXPECT_EQ(StepsCached("rate(c_total[1m])", 1000), 60U);  // to the left as well
  const CacheStats stats = engine_.Cached();
  EXPECT_EQ(stats.hits, 1U);
  EXPECT_EQ(stats.partial_hits, 2U);
  EXPECT_EQ(stats.misses, 1U);
  EXPECT_EQ(stats.steps_taken, 61U + 60U + 60U);
}

// Of the steps taken from an answer kept nobody looked at a sample.
TEST_F(ResultCacheTest, StepsTakenCountNoSamples) {
  QueryOptions options;
  options.use_cache = options.per_step_stats = true;
  const auto ask = [&](int64_t end_s) {
    return engine_.Range(storage_, "c_total", (end_s - 600) * 1000, end_s * 1000, 10'000, options);
  };
  EXPECT_EQ(ask(1000)->stats.queryable_samples, 61U);
  EXPECT_EQ(ask(1000)->stats.queryable_samples, 0U);
  Write(1'010'000);
  const auto r = ask(1010);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->stats.queryable_samples, 1U);
  ASSERT_EQ(r->stats.queryable_per_step.size(), 61U);
  EXPECT_EQ(r->stats.queryable_per_step.front(), std::pair(int64_t{410'000}, uint64_t{0}));
  EXPECT_EQ(r->stats.queryable_per_step.back(), std::pair(int64_t{1'010'000}, uint64_t{1}));
}

TEST_F(ResultCacheTest, WholeAnswersNeedNoQuerier) {
  StepsCached("c_total", 1000);
  const int before = storage_.queriers();
  QueryOptions options;
  options.use_cache = true;
  EXPECT_TRUE(engine_.Range(storage_, "c_total", 400'000, 1'000'000, 10'000, options).ok());
  EXPECT_EQ(storage_.queriers(), before);
}

TEST_F(ResultCacheTest, ALateSampleCostsWhatComesAfterIt) {
  StepsCached("c_total", 1000);
  Write(905'000);
  EXPECT_EQ(StepsCached("c_total", 1000), 51U);  // 400 s … 900 s
}

TEST_F(ResultCacheTest, OnlyWhoAsksForItUsesIt) {
  StepsCached("c_total", 1000, false);
  EXPECT_EQ(StepsCached("c_total", 1000), 0U);
  EXPECT_EQ(StepsCached("c_total", 1000, false), 0U);
  EXPECT_EQ(engine_.Cached().misses, 1U);
}

TEST_F(ResultCacheTest, LookbackAndStepAreOtherQuestions) {
  StepsCached("c_total", 1000);
  QueryOptions options;
  options.use_cache = true;
  options.lookback_delta_ms = 5'000;
  const auto shorter = engine_.Range(storage_, "c_total", 400'000, 1'000'000, 10'000, options);
  EXPECT_EQ(shorter->stats.steps_cached, 0U);
  options.lookback_delta_ms = 0;
  const auto wider = engine_.Range(storage_, "c_total", 400'000, 1'000'000, 20'000, options);
  EXPECT_EQ(wider->stats.steps_cached, 0U);
}

TEST_F(ResultCacheTest, AnnotationsBelongToTheWholeQuery) {
  EXPECT_EQ(StepsCached("rate({__name__=~\"c_.*\"}[1m]) * histogram_quantile(2, c_total)", 1000),
            0U);
  EXPECT_EQ(StepsCached("quantile(2, c_total)", 1000), 0U);
  EXPECT_EQ(StepsCached("quantile(2, c_total)", 1000), 61U);
  EXPECT_EQ(StepsCached("quantile(2, c_total)", 990), 0U);
}

TEST_F(ResultCacheTest, HistogramsAreTakenForTheSameStepsOnly) {
  EXPECT_EQ(StepsCached("{__name__=~\".+\"}", 1000), 0U);
  WriteBatch batch;
  auto h = std::make_shared<Histogram>();
  h->count = 3, h->sum = 4.5;
  h->positive_spans = {{0, 1}};
  h->positive_buckets = {3};
  batch.histograms.push_back({RefOf(&storage_, Labels{{"__name__", "h"}}), 1'010'000, h});
  storage_.Commit(batch);
  EXPECT_EQ(StepsCached("{__name__=~\".+\"}", 1010), 0U);
  EXPECT_EQ(StepsCached("{__name__=~\".+\"}", 1010), 61U);
  EXPECT_EQ(StepsCached("{__name__=~\".+\"}", 1020), 0U);
  QueryOptions options;
  options.use_cache = true;
  const auto part = engine_.Range(storage_, "h", 1'000'000, 1'020'000, 10'000, options);
  EXPECT_EQ(Difference(part, engine_.Range(storage_, "h", 1'000'000, 1'020'000, 10'000)), "");
  const auto less = engine_.Range(storage_, "h", 1'010'000, 1'020'000, 10'000, options);
  EXPECT_EQ(Difference(less, engine_.Range(storage_, "h", 1'010'000, 1'020'000, 10'000)), "");
}

// The name of the group is up to all of its series, whenever they have samples.
TEST_F(ResultCacheTest, NamesThatSomeRowsLose) {
  const std::string query =
      "sum by (__name__) (label_replace(-{__name__=~\"c_total|x\"}, \"__name__\", \"x\", "
      "\"b\", \"\"))";
  StepsCached(query, 1000);
  WriteBatch batch;
  batch.Add(RefOf(&storage_, Labels{{"__name__", "x"}, {"b", "2"}}), 1'010'000, 1);
  storage_.Commit(batch);
  EXPECT_EQ(StepsCached(query, 1010), 0U);
}

TEST_F(ResultCacheTest, LimitsHoldForWhatIsTaken) {
  EXPECT_EQ(StepsCached("c_total", 1000), 0U);
  // 61 steps are within the limit of 200 samples; 400 would not be, of which half are there.
  QueryOptions options;
  options.use_cache = true;
  EXPECT_FALSE(engine_.Range(storage_, "c_total", -3'000'000, 1'000'000, 10'000, options).ok());
  EXPECT_EQ(engine_.Cached().answers, 1U);  // an error is not kept
}

TEST(ResultCache, StaysWithinItsBytes) {
  ResultCache cache(100'000);
  const auto answer = [](size_t points) {
    auto a = std::make_shared<KeptAnswer>();
    a->result.series.resize(1);
    a->result.series[0].t_ms.resize(points);
    a->result.series[0].value.resize(points);
    return a;
  };
  for (int i = 0; i < 50; ++i) {
    cache.Put(std::to_string(i), answer(500));
    EXPECT_NE(cache.Find("0"), nullptr);  // in use all the time
  }
  EXPECT_LE(cache.Stats().bytes, 100'000U);
  EXPECT_GT(cache.Stats().answers, 5U);
  EXPECT_EQ(cache.Find("1"), nullptr);
  EXPECT_NE(cache.Find("49"), nullptr);
  cache.Put("large", answer(10'000));
  EXPECT_EQ(cache.Find("large"), nullptr);
  EXPECT_NE(cache.Find("49"), nullptr);
  cache.Put("49", answer(1));
  EXPECT_EQ(cache.Find("49")->result.series[0].t_ms.size(), 1U);
}

}  // namespace
}  // namespace deckwatch::query
