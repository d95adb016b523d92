#include "query/engine.h"

#include <functional>

#include <gtest/gtest.h>

#include "query/step_vector.h"
#include "tests/query/memory_storage.h"

namespace deckwatch::query {
namespace {

class EngineTest : public testing::Test {
 protected:
  EngineTest() {
    storage_.Add(Labels{{"__name__", "requests_total"}, {"job", "a"}, {"path", "/x"}}, 0, 10'000,
                 {0, 1, 2, 3, 4, 5, 6});
    storage_.Add(Labels{{"__name__", "requests_total"}, {"job", "a"}, {"path", "/y"}}, 0, 10'000,
                 {0, 2, 4, 6, 8, 10, 12});
    storage_.Add(Labels{{"__name__", "up"}, {"job", "a"}}, 0, 10'000, {1, 1, 1, 1, 1, 1, 1});
  }

  // `{labels} value` per series, or `error: …`.
  std::string Instant(std::string_view query, int64_t t_ms = 60'000) {
    auto r = Engine(options_, nullptr).Instant(storage_, query, t_ms, query_options_);
    if (!r.ok()) return "error: " + r.status().message();
    if (r->type == ValueType::kScalar) return FormatFloat(r->scalar);
    if (r->type == ValueType::kString) return r->string;
    std::string out;
    for (const ResultSeries& s : r->series) {
      out += s.labels.ToString();
      for (double v : s.value) out += " " + FormatFloat(v);
      out += "\n";
    }
    return out;
  }

  MemoryStorage storage_;
  EngineOptions options_;
  QueryOptions query_options_;
};

TEST_F(EngineTest, AnswersEveryType) {
  EXPECT_EQ(Instant("1 + 2"), "3");
  EXPECT_EQ(Instant("\"text\""), "text");
  EXPECT_EQ(Instant("up"), "up{job=\"a\"} 1\n");
  EXPECT_EQ(Instant("up[20s]"), "up{job=\"a\"} 1 1\n");
  EXPECT_EQ(Instant("max by (job) (rate(requests_total[1m]))"), "{job=\"a\"} 0.2\n");
  EXPECT_EQ(
      Instant("sort_desc(requests_total)"),
      "requests_total{job=\"a\", path=\"/y\"} 12\nrequests_total{job=\"a\", path=\"/x\"} 6\n");
}

TEST_F(EngineTest, SelectsOnceWhatAQueryHasSeveralTimes) {
  const auto selected = [&](std::string_view query) {
    const auto r = Engine(options_, nullptr).Range(storage_, query, 20'000, 60'000, 10'000);
    return r.ok() ? r->stats.series_selected : 0;
  };
  EXPECT_EQ(selected("sum(rate(requests_total[20s]))"), 2u);
  EXPECT_EQ(selected("sum(rate(requests_total[20s])) / count(rate(requests_total[20s]))"), 2u);
  EXPECT_EQ(selected("requests_total > 2 and (requests_total < 5)"), 2u);
  EXPECT_EQ(selected("sum(requests_total) + sum(requests_total) + max(requests_total)"), 2u);
  // Read alike, evaluated at other times.
  EXPECT_EQ(selected("up + max_over_time(up[20s:10s])"), 2u);
  EXPECT_EQ(selected("requests_total + requests_total offset 10s"), 4u);
  // The position of an annotation tells which of them it is about.
  EXPECT_EQ(selected("rate(up[20s]) + rate(up[20s])"), 2u);
}

// The storage of this test gives other values where it is told that none is looked at.
TEST_F(EngineTest, ValuesThatAreOnlyCountedDoNotReachOthers) {
  EXPECT_EQ(Instant("count(requests_total)"), "{} 2\n");
  EXPECT_EQ(Instant("up and up"), "up{job=\"a\"} 1\n");
  EXPECT_EQ(Instant("up and count(up) by (job)"), "up{job=\"a\"} 1\n");
  EXPECT_EQ(Instant("sum(requests_total) / count(requests_total)"), "{} 9\n");
  EXPECT_EQ(Instant("count(requests_total) + sum(requests_total)"), "{} 20\n");
  EXPECT_EQ(Instant("count_over_time(up[20s]) + sum_over_time(up[20s])"), "{job=\"a\"} 4\n");
}

TEST_F(EngineTest, ErrorsAreInPrometheusWords) {
  EXPECT_EQ(Instant("requests_total / on (job) requests_total"),
            "error: found duplicate series for the match group {job=\"a\"} on the right hand-side "
            "of the operation: [{__name__=\"requests_total\", job=\"a\", path=\"/y\"}, "
            "{__name__=\"requests_total\", job=\"a\", path=\"/x\"}];many-to-many matching not "
            "allowed: matching labels must be unique on one side");
  EXPECT_EQ(Instant("requests_total / on (job) up"),
            "error: multiple matches for labels: many-to-one matching must be explicit "
            "(group_left/group_right)");
  EXPECT_EQ(Instant("label_replace(requests_total, \"path\", \"\", \"path\", \".*\")"),
            "error: vector cannot contain metrics with the same labelset");
  EXPECT_EQ(Instant("topk(scalar(missing), up)"), "error: Parameter value is NaN");
  EXPECT_EQ(Instant("max_over_time(up[1m] anchored)"),
            "error: anchored modifier can only be used with: changes, delta, increase, rate, "
            "resets - not with max_over_time");
}

TEST_F(EngineTest, ParseErrorsAreInvalidArguments) {
  auto r = Engine({}, nullptr).Instant(storage_, "sum(", 0);
  EXPECT_EQ(r.status().code(), StatusCode::kInvalidArgument);
  r = Engine({}, nullptr).Range(storage_, "up[1m]", 0, 10, 1);
  EXPECT_EQ(r.status().code(), StatusCode::kInvalidArgument);
  r = Engine({}, nullptr).Range(storage_, "up", 10, 0, 1);
  EXPECT_EQ(r.status().code(), StatusCode::kInvalidArgument);
}

TEST_F(EngineTest, AnnotationsHavePositions) {
  auto r = Engine({}, nullptr).Instant(storage_, "1 +\n rate(up[1m])", 60'000);
  ASSERT_TRUE(r.ok());
  ASSERT_EQ(r->annotations.infos.size(), 1u);
  EXPECT_EQ(r->annotations.infos[0],
            "PromQL info: metric might not be a counter, name does not end in "
            "_total/_sum/_count/_bucket: \"up\" (2:7)");
  r = Engine({}, nullptr).Instant(storage_, "quantile(1.5, up)", 60'000);
  ASSERT_TRUE(r.ok());
  ASSERT_EQ(r->annotations.warnings.size(), 1u);
  EXPECT_EQ(r->annotations.warnings[0],
            "PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:10)");
}

TEST_F(EngineTest, NamesAreDroppedAtTheEndOrAtOnce) {
  const char* keep =
      "label_replace(rate(requests_total{path=\"/x\"}[1m]), \"name\", \"$1\", "
      "\"__name__\", \"(.*)\")";
  EXPECT_EQ(Instant(keep), "{job=\"a\", name=\"requests_total\", path=\"/x\"} 0.1\n");
  options_.delayed_name_removal = false;
  EXPECT_EQ(Instant(keep), "{job=\"a\", path=\"/x\"} 0.1\n");
}

TEST_F(EngineTest, SamplesAreLimited) {
  options_.max_samples = 20;
  EXPECT_EQ(Instant("sum(requests_total)"), "{} 18\n");
  auto r = Engine(options_, nullptr).Range(storage_, "requests_total", 0, 60'000, 1'000);
  EXPECT_EQ(r.status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(r.status().message(),
            "query processing would load too many samples into memory in query execution");
}

TEST_F(EngineTest, StepsWithoutNumberAreRefusedBeforeTheyTakeMemory) {
  for (const char* query : {"max_over_time(up[1000d:1ms])", "max_over_time(vector(1)[1000d:1ms])",
                            "sum_over_time((up @ 0)[1000d:1ms])"}) {
    EXPECT_EQ(Instant(query),
              "error: query processing would load too many samples into memory in query execution")
        << query;
  }
}

TEST_F(EngineTest, BytesAreLimited) {
  options_.max_bytes_per_query = 200;
  auto r = Engine(options_, nullptr).Range(storage_, "requests_total", 0, 60'000, 1'000);
  EXPECT_EQ(r.status().code(), StatusCode::kResourceExhausted);
}

TEST_F(EngineTest, AStoppedQueryIsCancelled) {
  std::stop_source stop;
  query_options_.stop = stop.get_token();
  EXPECT_EQ(Instant("up"), "up{job=\"a\"} 1\n");
  stop.request_stop();
  auto r = Engine({}, nullptr).Instant(storage_, "up", 0, query_options_);
  EXPECT_EQ(r.status().code(), StatusCode::kCancelled);
}

TEST_F(EngineTest, StatisticsCountWhatWasRead) {
  auto r =
      Engine({}, nullptr).Range(storage_, "sum(rate(requests_total[30s]))", 30'000, 60'000, 10'000);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->stats.series_selected, 2u);
  EXPECT_EQ(r->stats.samples_read, 2u * 6);  // (0 s, 60 s]
  EXPECT_GT(r->stats.peak_samples, 0u);
  EXPECT_GT(r->stats.peak_bytes, 0u);
}

// What Prometheus counts for each step; its own figures for the same data.
TEST_F(EngineTest, StatisticsCountTheSamplesOfEachStep) {
  query_options_.per_step_stats = true;
  using Counts = std::vector<uint64_t>;
  const auto count = [&](std::string_view query, int64_t end_ms = 60'000) {
    const auto r =
        Engine(options_, nullptr).Range(storage_, query, 40'000, end_ms, 10'000, query_options_);
    Counts counts;
    if (!r.ok()) return counts;
    uint64_t total = 0;
    for (const auto& [t_ms, samples] : r->stats.queryable_per_step) {
      EXPECT_EQ(t_ms, 40'000 + 10'000 * static_cast<int64_t>(counts.size()));
      counts.push_back(samples);
      total += samples;
    }
    EXPECT_EQ(r->stats.queryable_samples, total) << query;
    query_options_.per_step_stats = false;
    const auto plain =
        Engine(options_, nullptr).Range(storage_, query, 40'000, end_ms, 10'000, query_options_);
    EXPECT_EQ(plain->stats.queryable_samples, total) << query;
    EXPECT_TRUE(plain->stats.queryable_per_step.empty()) << query;
    query_options_.per_step_stats = true;
    return counts;
  };
  EXPECT_EQ(count("requests_total"), Counts({2, 2, 2}));
  EXPECT_EQ(count("requests_total", 80'000), Counts({2, 2, 2, 2, 2}));  // within the lookback
  EXPECT_EQ(count("timestamp(requests_total)"), Counts({2, 2, 2}));
  EXPECT_EQ(count("sum(rate(requests_total[30s]))"), Counts({6, 6, 6}));
  EXPECT_EQ(count("rate(requests_total[30s])", 80'000), Counts({6, 6, 6, 4, 2}));
  EXPECT_EQ(count("rate(requests_total[1m])"), Counts({10, 12, 12}));
  // Equal parts are evaluated once and counted each.
  EXPECT_EQ(count("up + up"), Counts({2, 2, 2}));
  EXPECT_EQ(count("sum(rate(up[30s])) / count(rate(up[30s]))"), Counts({6, 6, 6}));
  // So is what is the same at every step.
  EXPECT_EQ(count("up @ 20"), Counts({1, 1, 1}));
  EXPECT_EQ(count("up + rate(up[20s] @ 20)"), Counts({3, 3, 3}));
  EXPECT_EQ(count("up > scalar(up @ 0)"), Counts({2, 2, 2}));
  // Of a subquery its points count, not what they are made of.
  EXPECT_EQ(count("max_over_time(rate(requests_total[30s])[20s:5s])"), Counts({8, 8, 8}));
  // The same steps inside a subquery, where they are not counted apart, and outside.
  EXPECT_EQ(count("sum_over_time(up[10s:10s]) + up"), Counts({2, 2, 2}));
  EXPECT_EQ(count("vector(1) + time()"), Counts({0, 0, 0}));
}

TEST_F(EngineTest, StatisticsCountRangesAndHistogramsAsPrometheusDoes) {
  const auto count = [&](std::string_view query) {
    const auto r = Engine(options_, nullptr).Instant(storage_, query, 60'000, query_options_);
    return r.ok() ? r->stats.queryable_samples : 0;
  };
  EXPECT_EQ(count("up[25s]"), 3u);
  EXPECT_EQ(count("rate(up[20s])[20s:10s]"), 4u);  // what the subquery read
  Histogram h;
  h.schema = 0;
  h.count = 3, h.sum = 3;
  h.positive_spans = {{0, 2}};
  h.positive_buckets = {1, 2};
  const Labels labels{{"__name__", "h"}};
  const LabelsView view = labels;
  SeriesRef ref = kNoSeries;
  ASSERT_TRUE(storage_.Resolve({&view, 1}, 1, {&ref, 1}).ok());
  WriteBatch batch;
  for (int64_t t = 0; t <= 60'000; t += 10'000) {
    batch.histograms.push_back({ref, t, std::make_shared<const Histogram>(h)});
  }
  ASSERT_TRUE(storage_.Commit(batch).ok());
  const uint64_t cost = HistogramSampleCost(h), bare = HistogramSampleCost({});
  ASSERT_LT(bare, cost);
  EXPECT_EQ(count("h"), cost);
  EXPECT_EQ(count("sum_over_time(h[30s])"), 3 * cost);
  EXPECT_EQ(count("histogram_count(h)"), bare);  // only the count is decoded
  EXPECT_EQ(count("histogram_sum(rate(h[30s]))"), 3 * bare);
  EXPECT_EQ(count("timestamp(h)"), 1u);
}

// Calls `hook` whenever a query begins to read.
class HookedStorage : public Queryable {
 public:
  HookedStorage(const Queryable& storage, std::function<void()> hook)
      : storage_(storage), hook_(std::move(hook)) {}
  Result<std::unique_ptr<Querier>> NewQuerier() const override {
    hook_();
    return storage_.NewQuerier();
  }

 private:
  const Queryable& storage_;
  std::function<void()> hook_;
};

// Knows of a loss.
class LossyStorage : public Queryable {
 public:
  explicit LossyStorage(const Queryable& storage) : storage_(storage) {}
  Result<std::unique_ptr<Querier>> NewQuerier() const override {
    TRY_ASSIGN(auto querier, storage_.NewQuerier());
    return std::unique_ptr<Querier>(std::make_unique<LossyQuerier>(std::move(querier)));
  }

 private:
  class LossyQuerier : public Querier {
   public:
    explicit LossyQuerier(std::unique_ptr<Querier> querier) : querier_(std::move(querier)) {}
    Result<std::unique_ptr<SeriesSet>> Select(int64_t start_ms, int64_t end_ms,
                                              const std::vector<Matcher>& matchers,
                                              const SelectHints& hints) const override {
      return querier_->Select(start_ms, end_ms, matchers, hints);
    }
    std::vector<std::string> Losses() const override { return {"ten minutes are lost"}; }
    Result<std::vector<std::string>> LabelNames(const LabelQuery& q) const override {
      return querier_->LabelNames(q);
    }
    Result<std::vector<std::string>> LabelValues(const std::string& name,
                                                 const LabelQuery& q) const override {
      return querier_->LabelValues(name, q);
    }
    Result<std::vector<Labels>> Series(const LabelQuery& q) const override {
      return querier_->Series(q);
    }
    Result<std::vector<SeriesExemplars>> Exemplars(const LabelQuery& q) const override {
      return querier_->Exemplars(q);
    }

   private:
    const std::unique_ptr<Querier> querier_;
  };
  const Queryable& storage_;
};

TEST_F(EngineTest, AnAnswerTellsWhatItMisses) {
  const Engine engine({}, nullptr);
  auto r = engine.Instant(LossyStorage(storage_), "up", 0);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->series.size(), 1u);
  EXPECT_TRUE(r->incomplete);
  EXPECT_EQ(r->annotations.warnings, std::vector<std::string>{"ten minutes are lost"});
  r = engine.Instant(storage_, "up", 0);
  EXPECT_FALSE(r->incomplete);
}

TEST_F(EngineTest, RunningQueriesAreListedAndCancelled) {
  const Engine engine({}, nullptr);
  uint64_t id = 0;
  const HookedStorage storage(storage_, [&] {
    const std::vector<ActiveQuery> active = engine.Active();
    ASSERT_EQ(active.size(), 1u);
    EXPECT_EQ(active[0].text, "sum(up)");
    id = active[0].id;
    EXPECT_TRUE(engine.Cancel(id));
  });
  auto r = engine.Instant(storage, "sum(up)", 0);
  EXPECT_EQ(r.status().code(), StatusCode::kCancelled);
  EXPECT_EQ(r.status().message(), "query was canceled in expression evaluation");
  EXPECT_TRUE(engine.Active().empty());
  EXPECT_FALSE(engine.Cancel(id));
}

TEST_F(EngineTest, QueriesBeyondTheLimitWait) {
  options_.max_concurrent = 1;
  const Engine engine(options_, nullptr);
  std::vector<std::string> messages;
  const HookedStorage storage(storage_, [&] {
    QueryOptions stopped, impatient;
    std::stop_source stop;
    stop.request_stop();
    stopped.stop = stop.get_token();
    impatient.timeout_ms = 1;
    messages.push_back(engine.Instant(storage_, "up", 0, stopped).status().message());
    messages.push_back(engine.Instant(storage_, "up", 0, impatient).status().message());
  });
  EXPECT_TRUE(engine.Instant(storage, "up", 0).ok());
  EXPECT_EQ(messages, (std::vector<std::string>{"query was canceled in query queue",
                                                "query timed out in query queue"}));
}

TEST_F(EngineTest, TheLargestQueryIsGivenUpWhenMemoryIsShort) {
  options_.max_bytes = 1'000'000;
  const Engine engine(options_, nullptr);
  auto r = engine.Range(storage_, "requests_total", 0, 60'000, 1);
  EXPECT_EQ(r.status().code(), StatusCode::kResourceExhausted) << r.status().message();
  EXPECT_TRUE(engine.Range(storage_, "requests_total", 0, 60'000, 1'000).ok());
}

TEST_F(EngineTest, RulesGoOnWhenUsersTakeAllPlaces) {
  options_.max_concurrent = 1;
  const Engine engine(options_, nullptr);
  QueryOptions rule;
  rule.for_rules = true;
  rule.timeout_ms = 1;
  bool answered = false;
  const HookedStorage storage(storage_,
                              [&] { answered = engine.Instant(storage_, "up", 0, rule).ok(); });
  EXPECT_TRUE(engine.Instant(storage, "up", 0).ok());
  EXPECT_TRUE(answered);
}

TEST_F(EngineTest, AQuarterOfTheMemoryIsForRules) {
  const auto ask = [&](const Engine& engine, bool for_rules) {
    QueryOptions options;
    options.for_rules = for_rules;
    return engine.Range(storage_, "requests_total", 0, 60'000, 1, options);
  };
  const auto free = ask(Engine(options_, nullptr), false);
  ASSERT_TRUE(free.ok());
  options_.max_bytes = free->stats.peak_bytes * 6 / 5;  // of which users get nine tenths
  const Engine engine(options_, nullptr);
  EXPECT_EQ(ask(engine, false).status().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(ask(engine, true).ok());
}

TEST_F(EngineTest, FinishedQueriesAreTold) {
  std::vector<std::string> told;
  options_.on_finished = [&](const FinishedQuery& q) {
    told.push_back(std::string(q.text) + " " + std::to_string(q.end_ms) + " " + q.origin.client +
                   " " + (q.status.ok() ? "ok" : q.status.message()) + " " +
                   std::to_string(q.stats.series_selected));
  };
  const Engine engine(options_, nullptr);
  query_options_.origin.client = "me";
  EXPECT_TRUE(engine.Instant(storage_, "up", 7, query_options_).ok());
  EXPECT_FALSE(engine.Instant(storage_, "up + on () requests_total", 60'000, query_options_).ok());
  EXPECT_FALSE(engine.Instant(storage_, "up +", 7, query_options_).ok());  // never began
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0], "up 7 me ok 1");
  EXPECT_NE(told[1].find("duplicate series"), std::string::npos) << told[1];
}

TEST_F(EngineTest, ATraceTellsWhatEachPartTook) {
  query_options_.trace = true;
  auto r =
      Engine({}, nullptr).Instant(storage_, "sum(abs(requests_total)) > 1", 60'000, query_options_);
  ASSERT_TRUE(r.ok());
  ASSERT_EQ(r->trace.size(), 4u);
  EXPECT_EQ(r->trace[0].expr, "requests_total");
  EXPECT_EQ(r->trace[0].series, 2u);
  EXPECT_EQ(r->trace[0].samples, 2u);
  EXPECT_EQ(r->trace[0].depth, 3);
  EXPECT_EQ(r->trace[3].expr, "sum(abs(requests_total)) > 1");
  EXPECT_EQ(r->trace[3].depth, 0);
}

TEST_F(EngineTest, TheStepInvariantPartIsReadOnce) {
  auto r = Engine({}, nullptr).Range(storage_, "sum(up @ 50)", 0, 60'000, 1'000);
  ASSERT_TRUE(r.ok());
  ASSERT_EQ(r->series.size(), 1u);
  EXPECT_EQ(r->series[0].value, std::vector<double>(61, 1));
  EXPECT_LE(r->stats.samples_read, 6u);
}

}  // namespace
}  // namespace deckwatch::query
