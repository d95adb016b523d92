// The store that the other tests of this room rely on.
#include "tests/query/memory_storage.h"

#include <gtest/gtest.h>

namespace deckwatch::query {
namespace {

Columns ReadOnly(const MemoryStorage& storage, const std::vector<Matcher>& matchers,
                 int64_t start_ms, int64_t end_ms) {
  Columns out;
  auto querier = storage.NewQuerier();
  auto set = (*querier)->Select(start_ms, end_ms, matchers, {});
  EXPECT_TRUE((*set)->size() == 1 && (*set)->Read(0, &out).ok());
  return out;
}

TEST(MemoryStorage, ReadsTheRangeWithBothEnds) {
  MemoryStorage storage;
  storage.Add({{"__name__", "a"}, {"x", "1"}}, 0, 10, {1, 2, 3, 4});
  storage.Add({{"__name__", "b"}, {"x", "1"}}, 0, 10, {5});
  const Columns c = ReadOnly(storage, {Matcher::Equal("__name__", "a")}, 10, 20);
  EXPECT_EQ(c.t_ms, (std::vector<int64_t>{10, 20}));
  EXPECT_EQ(c.value, (std::vector<double>{2, 3}));
  EXPECT_TRUE(c.histogram.empty());
  EXPECT_TRUE(c.start_ms.empty());
}

TEST(MemoryStorage, KeepsHistogramsAndStartTimesBesideFloats) {
  MemoryStorage storage;
  const Labels labels{{"__name__", "a"}};
  storage.Add(labels, 0, 10, {1});
  const LabelsView view = labels;
  SeriesRef ref = kNoSeries;
  ASSERT_TRUE(storage.Resolve({&view, 1}, 0, {&ref, 1}).ok());
  WriteBatch batch;
  batch.histograms.push_back({ref, 10, std::make_shared<Histogram>(), 5});
  ASSERT_EQ(storage.Commit(batch)->appended, 1u);
  const Columns c = ReadOnly(storage, {Matcher::Equal("__name__", "a")}, 0, 100);
  ASSERT_EQ(c.size(), 2u);
  EXPECT_EQ(c.histogram[0], nullptr);
  EXPECT_NE(c.histogram[1], nullptr);
  EXPECT_EQ(c.start_ms, (std::vector<int64_t>{0, 5}));
}

TEST(MemoryStorage, HintsOfHistogramsTellWhatContinuesWhat) {
  MemoryStorage storage;
  const Labels labels{{"__name__", "a"}};
  const LabelsView view = labels;
  SeriesRef ref = kNoSeries;
  ASSERT_TRUE(storage.Resolve({&view, 1}, 0, {&ref, 1}).ok());
  WriteBatch batch;
  const auto add = [&](int64_t t_ms, double count, CounterResetHint hint) {
    auto h = std::make_shared<Histogram>();
    h->count = count;
    h->hint = hint;
    batch.histograms.push_back({ref, t_ms, h, 0});
  };
  add(0, 1, CounterResetHint::kNotReset);
  add(10, 2, CounterResetHint::kUnknown);
  add(20, 1, CounterResetHint::kUnknown);
  add(30, 1, CounterResetHint::kUnknown);
  add(40, 1, CounterResetHint::kReset);
  add(50, 1, CounterResetHint::kGauge);
  add(60, 1, CounterResetHint::kUnknown);
  ASSERT_TRUE(storage.Commit(batch).ok());
  std::vector<CounterResetHint> hints;
  for (const HistogramPtr& h : ReadOnly(storage, {}, 0, 100).histogram) hints.push_back(h->hint);
  using enum CounterResetHint;
  EXPECT_EQ(hints,
            (std::vector{kUnknown, kNotReset, kUnknown, kNotReset, kUnknown, kGauge, kUnknown}));
}

TEST(MemoryStorage, AViewDoesNotSeeLaterWrites) {
  MemoryStorage storage;
  storage.Add({{"__name__", "a"}}, 0, 10, {1});
  auto before = storage.NewQuerier();
  storage.Add({{"__name__", "a"}}, 10, 10, {2});
  auto set = (*before)->Select(0, 100, {}, {});
  Columns c;
  ASSERT_TRUE((*set)->Read(0, &c).ok());
  EXPECT_EQ(c.value, std::vector<double>{1});
}

TEST(MemoryStorage, CountsDuplicatesAndConflicts) {
  MemoryStorage storage;
  const Labels labels{{"__name__", "a"}};
  storage.Add(labels, 0, 10, {1});
  const LabelsView view = labels;
  SeriesRef ref = kNoSeries;
  ASSERT_TRUE(storage.Resolve({&view, 1}, 0, {&ref, 1}).ok());
  WriteBatch batch;
  batch.Add(ref, 0, 1);
  batch.Add(ref, 0, 2);
  batch.Add(ref + 7, 0, 2);
  const auto result = storage.Commit(batch);
  EXPECT_EQ(result->duplicate, 1u);
  EXPECT_EQ(result->conflicting, 1u);
  EXPECT_EQ(result->unknown_ref, std::vector<uint32_t>{2});
}

TEST(MemoryStorage, AnswersLabelQueries) {
  MemoryStorage storage;
  storage.Add({{"__name__", "b"}, {"x", "1"}}, 0, 10, {1});
  storage.Add({{"__name__", "a"}, {"y", "2"}}, 50, 10, {1});
  auto querier = storage.NewQuerier();
  EXPECT_EQ(*(*querier)->LabelNames({}), (std::vector<std::string>{"__name__", "x", "y"}));
  LabelQuery early;
  early.end_ms = 20;
  EXPECT_EQ(*(*querier)->LabelValues("__name__", early), std::vector<std::string>{"b"});
  EXPECT_EQ((*querier)->Series({})->size(), 2u);
}

}  // namespace
}  // namespace deckwatch::query
