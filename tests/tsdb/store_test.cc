#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/tsdb/store_fixture.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {
namespace {

constexpr int64_t kNow = 1'800'000'000'000;
constexpr int64_t kHour = 3'600'000;

class StoreTest : public StoreFixture {
 protected:
  StoreTest() : StoreFixture(kNow) {}
  AppendResult Append(const Labels& labels, int64_t t_ms, double v) {
    WriteBatch b;
    b.Add(Ref(labels), t_ms, v);
    auto r = db_->Commit(b);
    EXPECT_TRUE(r.ok()) << r.status().message();
    return r.ok() ? *r : AppendResult{};
  }
  // "labels -> t=v t=v": everything a selector gives.
  std::map<std::string, std::vector<std::pair<int64_t, double>>> Select(
      const std::vector<Matcher>& matchers, int64_t start = INT64_MIN, int64_t end = INT64_MAX) {
    std::map<std::string, std::vector<std::pair<int64_t, double>>> out;
    auto querier = db_->NewQuerier();
    auto set = (*querier)->Select(start, end, matchers, {});
    EXPECT_TRUE(set.ok()) << set.status().message();
    for (size_t i = 0; set.ok() && i < (*set)->size(); ++i) {
      Labels labels;
      Columns c;
      labels = Labels((*set)->LabelsAt(i));
      const Status s = (*set)->Read(i, &c);
      EXPECT_TRUE(s.ok()) << s.message();
      auto& samples = out[labels.ToString()];
      for (size_t k = 0; k < c.size(); ++k) samples.emplace_back(c.t_ms[k], c.value[k]);
    }
    return out;
  }
};

using Samples = std::vector<std::pair<int64_t, double>>;

TEST_F(StoreTest, KeepsSamplesThroughSealMergeAndReopen) {
  const Labels up{{"__name__", "up"}, {"job", "a"}};
  Append(up, kNow - 2000, 1);
  Append(up, kNow - 1000, 1);
  Append(up, kNow, 0);
  const Samples expected = {{kNow - 2000, 1}, {kNow - 1000, 1}, {kNow, 0}};
  const std::vector<Matcher> all = {Matcher::Equal("__name__", "up")};
  EXPECT_EQ(Select(all)["up{job=\"a\"}"], expected);
  Open();
  EXPECT_EQ(Select(all)["up{job=\"a\"}"], expected);
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(db_->Stats().parts, 1u);
  EXPECT_EQ(Select(all)["up{job=\"a\"}"], expected);
  Open();
  EXPECT_EQ(Select(all)["up{job=\"a\"}"], expected);
  EXPECT_EQ(Select(all, kNow - 1000, kNow - 1)["up{job=\"a\"}"], (Samples{{kNow - 1000, 1}}));
}

TEST_F(StoreTest, CountsDuplicatesAndKeepsTheStoredOneEverywhere) {
  const Labels up{{"__name__", "up"}, {"job", "a"}};
  EXPECT_EQ(Append(up, kNow, 1).appended, 1u);
  EXPECT_EQ(Append(up, kNow, 1).duplicate, 1u);
  EXPECT_EQ(Append(up, kNow, 2).conflicting, 1u);
  EXPECT_EQ(Append(up, kNow - kHour * 30, 7).appended, 1u);
  EXPECT_EQ(Append(up, kNow - kHour * 30, 7).duplicate, 1u);
  EXPECT_EQ(Append(up, kNow - kHour * 30, 8).conflicting, 1u);
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(Append(up, kNow, 1).duplicate, 1u);
  EXPECT_EQ(Append(up, kNow, 2).conflicting, 1u);
  EXPECT_EQ(Append(up, kNow - kHour * 30, 9).conflicting, 1u);
  EXPECT_EQ(Append(up, kNow - kHour * 29, 9).appended, 1u);
  EXPECT_EQ(Select({})["up{job=\"a\"}"],
            (Samples{{kNow - kHour * 30, 7}, {kNow - kHour * 29, 9}, {kNow, 1}}));
}

TEST_F(StoreTest, RefusesWhatIsTooOldOrTooFarAhead) {
  const Labels up{{"__name__", "up"}};
  EXPECT_EQ(Append(up, kNow - options_.retention_ms - 1, 1).too_old, 1u);
  EXPECT_EQ(Append(up, kNow + 600'001, 1).too_far_ahead, 1u);
  EXPECT_EQ(Append(up, kNow + 600'000, 1).appended, 1u);
  options_.retention_ms = 100LL * 365 * 24 * kHour;
  Open();
  EXPECT_EQ(Append(up, 0, 5).appended, 1u);
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(Select({}, 0, 0)["up"], (Samples{{0, 5}}));
}

// A part per stretch of time that has samples, however far apart they lie.
TEST_F(StoreTest, TakesTheOldestTimesThereAreWithoutARetention) {
  options_.retention_ms = 0;
  Open();
  const Labels up{{"__name__", "up"}};
  EXPECT_EQ(Append(up, INT64_MIN, 1).too_old, 1u);
  EXPECT_EQ(Append(up, kOldestMs - 1, 1).too_old, 1u);
  EXPECT_EQ(Append(up, kOldestMs, 1).appended, 1u);
  EXPECT_EQ(Append(up, -1, 2).appended, 1u);
  EXPECT_EQ(Append(up, 0, 3).appended, 1u);
  EXPECT_EQ(Append(up, -2, 4).appended, 1u);
  const Samples all = {{kOldestMs, 1}, {-2, 4}, {-1, 2}, {0, 3}};
  EXPECT_EQ(Select({})["up"], all);
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(db_->Stats().parts, 3u);
  EXPECT_EQ(Select({})["up"], all);
}

// A series without samples is no series: deletes take effect in lists as well.
TEST_F(StoreTest, WhatIsDeletedWhollyIsInNoListOfSeries) {
  const Labels a{{"__name__", "up"}, {"job", "a"}}, b{{"__name__", "up"}, {"job", "b"}};
  Append(a, kNow - 1, 1), Append(a, kNow, 1), Append(b, kNow, 1);
  const auto series = [&] {
    return *(*db_->NewQuerier())->Series({.matcher_sets = {{Matcher::Equal("__name__", "up")}}});
  };
  ASSERT_TRUE(db_->DeleteSeries({Matcher::Equal("job", "a")}, kNow, kNow).ok());
  EXPECT_EQ(series(), (std::vector<Labels>{a, b}));
  ASSERT_TRUE(db_->DeleteSeries({Matcher::Equal("job", "a")}, 0, kNow).ok());
  EXPECT_EQ(series(), std::vector<Labels>{b});
  ASSERT_TRUE(db_->Undelete(db_->Deletes().back().id).ok());
  EXPECT_EQ(series(), (std::vector<Labels>{a, b}));
}

TEST_F(StoreTest, DeletesWhatIsStoredAndTakesItBackAnew) {
  const Labels a{{"__name__", "up"}, {"job", "a"}}, b{{"__name__", "up"}, {"job", "b"}};
  for (int64_t t = kNow - 3; t <= kNow; ++t) Append(a, t, 1), Append(b, t, 1);
  ASSERT_TRUE(db_->DeleteSeries({Matcher::Equal("job", "a")}, kNow - 2, kNow - 1).ok());
  const Samples cut = {{kNow - 3, 1}, {kNow, 1}};
  EXPECT_EQ(Select({})["up{job=\"a\"}"], cut);
  EXPECT_EQ(Select({})["up{job=\"b\"}"].size(), 4u);
  Open();
  EXPECT_EQ(Select({})["up{job=\"a\"}"], cut);
  EXPECT_EQ(Append(a, kNow - 2, 9).appended, 1u);
  ASSERT_TRUE(db_->CleanTombstones().ok());
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(Select({})["up{job=\"a\"}"], (Samples{{kNow - 3, 1}, {kNow - 2, 9}, {kNow, 1}}));
  EXPECT_EQ(Select({})["up{job=\"b\"}"].size(), 4u);
}

TEST_F(StoreTest, UndoesADeleteForADay) {
  const Labels up{{"__name__", "up"}};
  for (int64_t t = kNow - 3; t <= kNow; ++t) Append(up, t, 1);
  ASSERT_TRUE(db_->DeleteSeries({Matcher::Equal("__name__", "up")}, kNow - 2, kNow).ok());
  Append(up, kNow + 1, 2);  // written later: not of the delete
  ASSERT_EQ(db_->Deletes().size(), 1u);
  const Db::DeleteInfo info = db_->Deletes()[0];
  EXPECT_EQ(info.selector, "{__name__=\"up\"}");
  EXPECT_EQ(info.undo_until_ms, info.created_ms + 24 * kHour);
  clock_.AdvanceMs(24 * kHour - 1);
  ASSERT_TRUE(db_->Maintain().ok());
  ASSERT_TRUE(db_->Compact().ok());  // merges keep what can still come back
  Open();
  EXPECT_EQ(Select({})["up"], (Samples{{kNow - 3, 1}, {kNow + 1, 2}}));
  EXPECT_EQ(db_->Undelete(info.id + 1).code(), StatusCode::kNotFound);
  ASSERT_TRUE(db_->Undelete(info.id).ok());
  const Samples all = {{kNow - 3, 1}, {kNow - 2, 1}, {kNow - 1, 1}, {kNow, 1}, {kNow + 1, 2}};
  EXPECT_EQ(Select({})["up"], all);
  EXPECT_TRUE(db_->Deletes().empty());
  Open();
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(db_->Parts().size(), 1u);  // merged again
  EXPECT_EQ(Select({})["up"], all);
  EXPECT_EQ(db_->Undelete(info.id).code(), StatusCode::kNotFound);
}

TEST_F(StoreTest, ADeleteOfYesterdayIsForGood) {
  const Labels up{{"__name__", "up"}};
  Append(up, kNow - 1, 1), Append(up, kNow, 1);
  ASSERT_TRUE(db_->DeleteSeries({Matcher::Equal("__name__", "up")}, kNow, kNow).ok());
  Append(up, kNow + 1, 1);
  const uint64_t id = db_->Deletes()[0].id;
  clock_.AdvanceMs(24 * kHour);
  EXPECT_EQ(db_->Deletes()[0].undo_until_ms, 0);
  EXPECT_EQ(db_->Undelete(id).code(), StatusCode::kNotFound);
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_EQ(db_->Stats().part_samples, 2u);
  EXPECT_TRUE(db_->Deletes().empty());
}

TEST_F(StoreTest, CleaningMakesDeletesFinal) {
  const Labels up{{"__name__", "up"}};
  Append(up, kNow - 1, 1), Append(up, kNow, 1);
  ASSERT_TRUE(db_->DeleteSeries({Matcher::Equal("__name__", "up")}, kNow, kNow).ok());
  const uint64_t id = db_->Deletes()[0].id;
  ASSERT_TRUE(db_->CleanTombstones().ok());
  EXPECT_EQ(db_->Stats().part_samples, 1u);
  EXPECT_EQ(db_->Undelete(id).code(), StatusCode::kNotFound);
}

TEST_F(StoreTest, ForgetsIdleSeriesAndSaysSo) {
  const Labels up{{"__name__", "up"}};
  const SeriesRef ref = Ref(up);
  Append(up, kNow, 1);
  clock_.AdvanceMs(2 * kHour);
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_EQ(db_->Stats().head_series, 0u);
  WriteBatch batch;
  batch.Add(ref, kNow + 2 * kHour, 2);
  auto r = db_->Commit(batch);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->unknown_ref, std::vector<uint32_t>{0});
  batch.Clear();
  const auto histogram = std::make_shared<Histogram>();
  batch.histograms = {{kNoSeries, kNow, histogram, 0}, {ref, kNow + 2 * kHour, histogram, 0}};
  batch.exemplars = {{kNoSeries, {}}, {ref, {{}, 1, kNow}}};
  r = db_->Commit(batch);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->unknown_histogram, std::vector<uint32_t>{1});
  EXPECT_EQ(r->unknown_exemplar, std::vector<uint32_t>{1});
  EXPECT_EQ(r->appended, 0u);
  EXPECT_NE(Ref(up), ref);
  EXPECT_EQ(Append(up, kNow + 2 * kHour, 2).appended, 1u);
  EXPECT_EQ(Select({})["up"], (Samples{{kNow, 1}, {kNow + 2 * kHour, 2}}));
}

TEST_F(StoreTest, DropsPartsPastTheRetention) {
  const Labels up{{"__name__", "up"}};
  Append(up, kNow, 1);
  ASSERT_TRUE(db_->Compact().ok());
  clock_.AdvanceMs(options_.retention_ms + 1);
  EXPECT_TRUE(Select({})["up"].empty());
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_EQ(db_->Stats().parts, 0u);
  EXPECT_EQ(db_->Stats().counters.parts_dropped_by_time, 1u);
}

TEST_F(StoreTest, ExemplarsAndMetadataGoWithTheSamples) {
  const Labels old{{"__name__", "old_total"}}, kept{{"__name__", "kept_total"}};
  const auto write = [&](const Labels& labels, const std::string& family, int64_t t_ms) {
    WriteBatch b;
    b.Add(Ref(labels), t_ms, 1);
    b.exemplars.push_back({b.ref[0], {Labels{{"id", std::to_string(t_ms)}}, 1, t_ms}});
    b.metadata.push_back({family, MetricType::kCounter, "help", ""});
    ASSERT_TRUE(db_->Commit(b).ok());
  };
  const auto exemplars = [&] {
    size_t n = 0;
    const auto querier = db_->NewQuerier();
    const auto found = (*querier)->Exemplars({});
    EXPECT_TRUE(found.ok());
    for (const auto& s : *found) n += s.exemplars.size();
    return n;
  };
  write(old, "old", kNow);
  write(kept, "kept", kNow);
  EXPECT_EQ(exemplars(), 2u);
  clock_.AdvanceMs(options_.retention_ms - kHour);
  write(kept, "kept", clock_.WallMs());
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_EQ(exemplars(), 3u);
  EXPECT_EQ(db_->Metadata("").size(), 2u);
  clock_.AdvanceMs(kHour + 1);
  EXPECT_EQ(exemplars(), 1u);  // at once for queries
  clock_.AdvanceMs(2 * kHour);
  ASSERT_TRUE(db_->Maintain().ok());
  ASSERT_EQ(db_->Metadata("").size(), 1u);
  EXPECT_EQ(db_->Metadata("")[0].name, "kept");
  // And from the disk: a longer retention does not bring them back.
  options_.retention_ms *= 2;
  Open();
  EXPECT_EQ(exemplars(), 1u);
  EXPECT_EQ(db_->Metadata("").size(), 1u);
}

TEST_F(StoreTest, DropsTheOldestPartsPastTheSizeLimit) {
  const Labels up{{"__name__", "up"}};
  Append(up, kNow - 5 * 24 * kHour, 1);
  Append(up, kNow, 2);
  ASSERT_TRUE(db_->Compact().ok());
  ASSERT_EQ(db_->Stats().parts, 2u);
  options_.retention_bytes = static_cast<int64_t>(db_->Stats().part_bytes) - 1;
  Open();
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_EQ(db_->Stats().counters.parts_dropped_by_size, 1u);
}

TEST_F(StoreTest, SecondOpenIsRefusedWithAReason) {
  const auto second = Db::Open(options_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(second.status().message().find("another process"), std::string::npos)
      << second.status().message();
}

TEST_F(StoreTest, KeepsStateRows) {
  ASSERT_TRUE(db_->Apply({{"a/1", "x"}, {"a/2", "y"}, {"b/1", "z"}}).ok());
  ASSERT_TRUE(db_->Apply({{"a/1", std::nullopt}}).ok());
  Open();
  EXPECT_EQ(*db_->Get("a/2"), "y");
  EXPECT_EQ(db_->Get("a/1").status().code(), StatusCode::kNotFound);
  std::vector<std::string> keys;
  ASSERT_TRUE(db_->Scan("a/",
                        [&](std::string_view k, std::string_view) {
                          keys.emplace_back(k);
                          return true;
                        })
                  .ok());
  EXPECT_EQ(keys, std::vector<std::string>{"a/2"});
}

TEST_F(StoreTest, LogLetsSealedRowsGo) {
  const Labels labels{{kMetricName, "x"}};
  for (int i = 0; i < 2'000; ++i) Append(labels, kNow - (2'000 - i) * 1'000, i * 1.5);
  const uint64_t before = db_->Bytes()->log;
  ASSERT_TRUE(db_->Compact().ok());
  EXPECT_LT(db_->Bytes()->log, before / 10);
}

TEST_F(StoreTest, SnapshotIsAStoreOfItsOwn) {
  const Labels up{{"__name__", "up"}};
  Append(up, kNow - kHour, 1);
  ASSERT_TRUE(db_->Compact().ok());
  Append(up, kNow, 2);
  // What is left of one that did not come to its end.
  std::filesystem::create_directories(options_.path + "/snapshots/.unfinished/parts");
  ASSERT_TRUE(db_->Snapshot("s1").ok());
  EXPECT_FALSE(std::filesystem::exists(options_.path + "/snapshots/.unfinished"));
  EXPECT_EQ(db_->Snapshot("s1").code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(db_->Snapshot("../x").code(), StatusCode::kInvalidArgument);
  Append(up, kNow + 1, 3);
  db_.reset();
  // To restore: copy it, and start on the copy. What it came from may be gone.
  const std::string home = options_.path;
  options_.path = FreshDirectory("restored");
  std::filesystem::copy(home + "/snapshots/s1", options_.path,
                        std::filesystem::copy_options::recursive);
  std::filesystem::remove_all(home);
  Open();
  EXPECT_EQ(Select({})["up"], (Samples{{kNow - kHour, 1}, {kNow, 2}}));
  Append(up, kNow + 1, 4);
  Open();
  EXPECT_EQ(Select({})["up"].size(), 3u);
}

TEST_F(StoreTest, KeepsHistogramsStartTimesExemplarsAndMetadata) {
  auto h1 = std::make_shared<Histogram>();
  h1->integer = true;
  h1->schema = 3;
  h1->zero_threshold = 1e-128;
  h1->count = 5, h1->sum = 2.5, h1->zero_count = 1;
  h1->positive_spans = {{0, 2}, {3, 1}};
  h1->positive_buckets = {1, 2, 1};
  auto h2 = std::make_shared<Histogram>(*h1);
  h2->count = 7, h2->positive_buckets[1] = 4;
  auto h3 = std::make_shared<Histogram>();
  h3->schema = kCustomBucketsSchema;
  h3->hint = CounterResetHint::kGauge;
  h3->custom_values = {0.1, 1};
  h3->sum = StaleNan();
  const Labels labels{{"__name__", "latency"}};
  const SeriesRef ref = Ref(labels);
  for (const auto& [t, h] :
       std::vector<std::pair<int64_t, HistogramPtr>>{{kNow - 3, h1}, {kNow - 2, h2}, {kNow, h3}}) {
    WriteBatch b;
    b.histograms.push_back({ref, t, h, h == h2 ? kNow - 2000 : 0});
    EXPECT_EQ(db_->Commit(b)->appended, 1u);
    EXPECT_EQ(db_->Commit(b)->duplicate, 1u);
  }
  WriteBatch b;
  b.Add(ref, kNow - 1, 1.5);
  b.start_ms = {kNow - 1000};
  b.exemplars.push_back({ref, {Labels{{"trace_id", "7"}}, 0.25, kNow - 1}});
  b.metadata.push_back({"latency", MetricType::kHistogram, "how long", "seconds"});
  EXPECT_EQ(db_->Commit(b)->appended, 1u);
  EXPECT_EQ(db_->Commit(b)->duplicate, 1u);
  const auto check = [&] {
    auto querier = db_->NewQuerier();
    auto set = (*querier)->Select(INT64_MIN, INT64_MAX, {}, {});
    ASSERT_EQ((*set)->size(), 1u);
    Columns c;
    ASSERT_TRUE((*set)->Read(0, &c).ok());
    ASSERT_EQ(c.t_ms, (std::vector<int64_t>{kNow - 3, kNow - 2, kNow - 1, kNow}));
    ASSERT_EQ(c.histogram.size(), 4u);
    EXPECT_EQ(*c.histogram[0], *h1);
    EXPECT_EQ(*c.histogram[1], *h2);
    EXPECT_EQ(c.histogram[2], nullptr);
    EXPECT_TRUE(IsStale(*c.histogram[3]));
    EXPECT_EQ(c.histogram[3]->custom_values, h3->custom_values);
    EXPECT_EQ(c.value[2], 1.5);
    EXPECT_EQ(c.start_ms, (std::vector<int64_t>{0, kNow - 2000, kNow - 1000, 0}));
    auto exemplars = (*querier)->Exemplars({});
    ASSERT_EQ(exemplars->size(), 1u);
    EXPECT_EQ((*exemplars)[0].exemplars[0].labels.Get("trace_id"), "7");
    ASSERT_EQ(db_->Metadata("latency").size(), 1u);
    EXPECT_EQ(db_->Metadata("")[0].help, "how long");
  };
  check();
  Open();
  check();
  ASSERT_TRUE(db_->Compact().ok());
  check();
  Open();
  check();
}

// ---- the model: random work on the store and on a map, compared now and then

TEST_F(StoreTest, AgreesWithAMapUnderRandomWork) {
  const uint64_t seed = 4711;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 rng(seed);
  const auto pick = [&](uint64_t n) { return static_cast<int64_t>(rng() % n); };
  std::map<std::string, std::map<int64_t, double>> model;
  std::vector<Labels> all;
  for (int i = 0; i < 12; ++i) {
    all.push_back(Labels{{"__name__", i % 3 == 0 ? "up" : "Load" + std::to_string(i % 4)},
                         {"job", std::to_string(i % 2)},
                         {"n", std::to_string(i)}});
  }
  std::map<uint64_t, std::map<std::string, std::map<int64_t, double>>> hidden;  // by delete
  int64_t now = kNow;
  const auto compare = [&] {
    auto got = Select({});
    std::erase_if(got, [](const auto& s) { return s.second.empty(); });
    ASSERT_EQ(got.size(), model.size());
    for (const auto& [name, samples] : model) {
      EXPECT_EQ(got[name], Samples(samples.begin(), samples.end())) << name;
    }
  };
  for (int step = 0; step < 400 && !HasFailure(); ++step) {
    const int64_t what = pick(100);
    if (what < 80) {
      WriteBatch batch;
      AppendResult expected;
      const bool scrape = pick(3) > 0;
      for (const Labels& l : all) {
        if (pick(4) == 0) continue;
        const int64_t t = scrape ? now : now - pick(1'000'000) * (pick(5) == 0 ? 500 : 1);
        const double v = pick(3) == 0 ? static_cast<double>(pick(1000)) / 10 : 1;
        batch.Add(Ref(l), t, v);
        const auto [it, added] = model[l.ToString()].emplace(t, v);
        (added ? expected.appended : it->second == v ? expected.duplicate : expected.conflicting)++;
      }
      const auto got = db_->Commit(batch);
      ASSERT_TRUE(got.ok());
      EXPECT_EQ(got->appended, expected.appended);
      EXPECT_EQ(got->duplicate, expected.duplicate);
      EXPECT_EQ(got->conflicting, expected.conflicting);
      clock_.AdvanceMs(15'000);
      now += 15'000;
    } else if (what < 84) {
      Open();
    } else if (what < 88) {
      ASSERT_TRUE(db_->Maintain().ok());
    } else if (what < 90) {
      ASSERT_TRUE(db_->Compact().ok());
    } else if (what < 92) {
      const int64_t start = now - pick(3'000'000), end = start + pick(1'000'000);
      const std::string job = std::to_string(pick(2));
      ASSERT_TRUE(db_->DeleteSeries({Matcher::Equal("job", job)}, start, end).ok());
      for (const Labels& l : all) {
        if (l.Get("job") != job || !model.contains(l.ToString())) continue;
        auto& samples = model[l.ToString()];
        const auto first = samples.lower_bound(start), last = samples.upper_bound(end);
        hidden[db_->Deletes().back().id][l.ToString()].insert(first, last);
        samples.erase(first, last);
        if (samples.empty()) model.erase(l.ToString());
      }
    } else if (what < 94) {
      // The newest one first: deletes may overlap, and then the older one has more to give back.
      const auto deletes = db_->Deletes();
      if (deletes.empty() || deletes.back().undo_until_ms == 0) continue;
      ASSERT_TRUE(db_->Undelete(deletes.back().id).ok());
      for (const auto& [name, samples] : hidden[deletes.back().id]) {
        for (const auto& [t, v] : samples) model[name][t] = v;
      }
    } else if (what < 95) {
      clock_.AdvanceMs(2 * kHour);
      now += 2 * kHour;
    } else {
      compare();
    }
  }
  compare();
}

}  // namespace
}  // namespace deckwatch::tsdb
