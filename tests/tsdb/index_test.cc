// Matchers on the head and on parts, against the plain meaning of a matcher.
#include <algorithm>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/tsdb/test_directory.h"
#include "tsdb/db.h"
#include "tsdb/postings.h"

namespace deckwatch::tsdb {
namespace {

constexpr int64_t kNow = 1'800'000'000'000;

Postings RandomPostings(std::mt19937_64& rng) {
  std::set<uint32_t> s;
  const uint64_t n = rng() % 300, spread = 1 + rng() % 5000;
  for (uint64_t i = 0; i < n; ++i) s.insert(static_cast<uint32_t>(rng() % spread));
  return {s.begin(), s.end()};
}

TEST(Postings, SetOperationsAgreeWithSets) {
  std::mt19937_64 rng(5);
  for (int i = 0; i < 500; ++i) {
    const Postings a = RandomPostings(rng), b = RandomPostings(rng), c = RandomPostings(rng);
    Postings both, rest, any;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(rest));
    std::set<uint32_t> all(a.begin(), a.end());
    all.insert(b.begin(), b.end());
    all.insert(c.begin(), c.end());
    EXPECT_EQ(Intersect(a, b), both);
    EXPECT_EQ(Subtract(a, b), rest);
    EXPECT_EQ(Unite({a, b, c}), Postings(all.begin(), all.end()));
    std::string encoded;
    EncodePostings(a, &encoded);
    Postings back;
    Reader in(encoded);
    ASSERT_TRUE(DecodePostings(&in, 5000, &back));
    EXPECT_EQ(back, a);
    for (size_t cut = 0; cut < encoded.size(); ++cut) {
      Reader half(std::string_view(encoded).substr(0, cut));
      EXPECT_FALSE(DecodePostings(&half, 5000, &back));
    }
  }
}

TEST(PostingRuns, HoldWhatIsInsertedInAnyOrder) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  for (int i = 0; i < 500; ++i) {
    const Postings wanted = RandomPostings(rng);
    EXPECT_EQ(PostingRuns(wanted).Decode(), wanted);
    Postings order = wanted;
    const bool ascending = i % 2 == 0;
    if (!ascending) std::shuffle(order.begin(), order.end(), rng);
    PostingRuns runs;
    for (const uint32_t id : order) runs.Insert(id);
    EXPECT_EQ(runs.Decode(), wanted);
    EXPECT_EQ(runs.size(), wanted.size());
  }
}

TEST(PostingRuns, KeepNeighboursInAFewBytes) {
  PostingRuns runs;
  for (uint32_t id = 1; id < 1'000'000; ++id) {
    if (id % 1000 < 500) runs.Insert(id);
  }
  EXPECT_EQ(runs.size(), 500'000u - 1);
  EXPECT_LT(runs.heap_bytes(), 10'000u);
}

class IndexTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    options_.path = FreshDirectory("index");
    options_.clock = &clock_;
    options_.background = false;
    auto db = Db::Open(options_);
    ASSERT_TRUE(db.ok());
    db_ = std::move(db).value();
    WriteBatch batch;
    for (int i = 0; i < 200; ++i) {
      LabelsBuilder b;
      b.Set("__name__", i % 2 == 0 ? "up" : "http_requests_total");
      if (i % 3 != 0) b.Set("job", "job-" + std::to_string(i % 5));
      if (i % 7 != 0) b.Set("pod", "pod-" + std::to_string(i));
      b.Set("Zone", "z" + std::to_string(i % 4)).Set("i", std::to_string(i));
      all_.push_back(b.Build());
      const LabelsView view = all_.back();
      SeriesRef ref = kNoSeries;
      ASSERT_TRUE(db_->Resolve({&view, 1}, 0, {&ref, 1}).ok());
      batch.Add(ref, kNow, i);
    }
    ASSERT_TRUE(db_->Commit(batch).ok());
    if (GetParam()) {
      ASSERT_TRUE(db_->Compact().ok());
    }
  }
  void TearDown() override {
    db_.reset();
    std::filesystem::remove_all(options_.path);
  }
  FakeClock clock_{kNow};
  DbOptions options_;
  std::unique_ptr<Db> db_;
  std::vector<Labels> all_;
};

TEST_P(IndexTest, MatchersMeanWhatTheySay) {
  using enum MatchType;
  const std::vector<std::tuple<MatchType, std::string, std::string>> pool = {
      {kEqual, "__name__", "up"},
      {kNotEqual, "__name__", "up"},
      {kEqual, "job", ""},
      {kNotEqual, "job", ""},
      {kEqual, "job", "job-1"},
      {kNotEqual, "job", "job-1"},
      {kRegex, "job", "job-1|job-2"},
      {kNotRegex, "job", "job-1|job-2"},
      {kRegex, "job", "job-1|"},
      {kNotRegex, "job", "|job-3"},
      {kRegex, "job", ".*"},
      {kRegex, "job", ".+"},
      {kNotRegex, "job", ".*"},
      {kNotRegex, "job", ".+"},
      {kRegex, "pod", "pod-1.*"},
      {kNotRegex, "pod", "pod-1.*"},
      {kRegex, "pod", "(pod-1|pod-2)3"},
      {kRegex, "absent", ""},
      {kEqual, "absent", "x"},
      {kNotEqual, "absent", "x"},
      {kRegex, "Zone", "z[12]"},
      {kNotRegex, "i", "1?[0-9]?"}};
  std::mt19937_64 rng(11);
  auto querier = db_->NewQuerier();
  for (int round = 0; round < 600; ++round) {
    std::vector<Matcher> matchers;
    std::string text;
    for (uint64_t k = round < 22 ? 1 : 1 + rng() % 3; k > 0; --k) {
      const auto& [type, name, value] =
          pool[round < 22 ? static_cast<size_t>(round) : rng() % pool.size()];
      matchers.push_back(*Matcher::Create(type, name, value));
      text += matchers.back().ToString() + " ";
    }
    std::vector<Labels> expected;
    for (const Labels& l : all_) {
      if (MatchesAll(matchers, l)) expected.push_back(l);
    }
    std::sort(expected.begin(), expected.end(), [](const Labels& a, const Labels& b) {
      return a.MetricName() != b.MetricName() ? a.MetricName() < b.MetricName() : a < b;
    });
    auto set = (*querier)->Select(kNow - 1, kNow + 1, matchers, {});
    ASSERT_TRUE(set.ok()) << text;
    ASSERT_EQ((*set)->size(), expected.size()) << text;
    for (size_t i = 0; i < expected.size(); ++i) {
      Labels l;
      l = Labels((*set)->LabelsAt(i));
      EXPECT_EQ(l, expected[i]) << text;
    }
  }
}

TEST_P(IndexTest, ListsNamesValuesAndSeries) {
  auto querier = db_->NewQuerier();
  EXPECT_EQ(*(*querier)->LabelNames({}),
            (std::vector<std::string>{"Zone", "__name__", "i", "job", "pod"}));
  EXPECT_EQ(*(*querier)->LabelValues("Zone", {}),
            (std::vector<std::string>{"z0", "z1", "z2", "z3"}));
  LabelQuery some;
  some.matcher_sets = {{Matcher::Equal("i", "7")}, {Matcher::Equal("i", "8")}};
  EXPECT_EQ((*querier)->Series(some)->size(), 2u);
  EXPECT_EQ(*(*querier)->LabelValues("i", some), (std::vector<std::string>{"7", "8"}));
  some.limit = 1;
  EXPECT_EQ((*querier)->LabelValues("i", some)->size(), 1u);
  some = {};
  some.end_ms = kNow - 1;
  EXPECT_TRUE((*querier)->LabelNames(some)->empty());
  EXPECT_TRUE((*querier)->Series(some)->empty());
}

TEST_P(IndexTest, LatestOnlyGivesTheNewestSample) {
  WriteBatch batch;
  const LabelsView view = all_[4];
  SeriesRef ref = kNoSeries;
  ASSERT_TRUE(db_->Resolve({&view, 1}, 0, {&ref, 1}).ok());
  batch.Add(ref, kNow - 5, 100);
  batch.Add(ref, kNow + 5, 200);
  ASSERT_TRUE(db_->Commit(batch).ok());
  auto querier = db_->NewQuerier();
  const auto newest = [&](int64_t end) {
    SelectHints hints;
    hints.latest_only = true;
    auto set = (*querier)->Select(kNow - 1000, end, {Matcher::Equal("i", "4")}, hints);
    Columns c;
    EXPECT_TRUE((*set)->Read(0, &c).ok());
    EXPECT_EQ(c.size(), 1u);
    return c.value[0];
  };
  EXPECT_EQ(newest(kNow + 5), 200);
  EXPECT_EQ(newest(kNow + 4), 4);
  EXPECT_EQ(newest(kNow - 1), 100);
}

INSTANTIATE_TEST_SUITE_P(HeadAndParts, IndexTest, ::testing::Bool(),
                         [](const auto& p) { return p.param ? "Part" : "Head"; });

TEST(SeriesLimit, RefusesNewSeriesAndKeepsTheOld) {
  FakeClock clock(kNow);
  DbOptions options;
  options.path = FreshDirectory("limit");
  options.clock = &clock;
  options.background = false;
  options.max_series = 1;
  auto db = Db::Open(options);
  ASSERT_TRUE(db.ok());
  const Labels a{{"__name__", "a"}}, b{{"__name__", "b"}};
  const std::vector<LabelsView> views = {a, b};
  std::vector<SeriesRef> refs(2);
  EXPECT_EQ((*db)->Resolve(views, 0, refs).code(), StatusCode::kResourceExhausted);
  EXPECT_NE(refs[0], kNoSeries);
  EXPECT_EQ(refs[1], kNoSeries);
  WriteBatch batch;
  for (const SeriesRef ref : refs) batch.Add(ref, kNow, 1);
  EXPECT_EQ((*db)->Commit(batch)->appended, 1u);
  EXPECT_EQ((*db)->Stats().counters.series_refused, 1u);
  EXPECT_EQ((*db)->TopCardinality(5, 0).series_by_metric.at(0).name, "a");
  db = Status::Cancelled("closed");
  std::filesystem::remove_all(options.path);
}

}  // namespace
}  // namespace deckwatch::tsdb
