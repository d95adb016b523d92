// Series, groups and columns that come and go.
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/tsdb/store_fixture.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {
namespace {

constexpr int64_t kNow = 1'800'000'000'000;
constexpr int64_t kHour = 3'600'000;

class ChurnTest : public StoreFixture {
 protected:
  ChurnTest() : StoreFixture(kNow) {}
  void Append(const Labels& labels, int64_t t_ms, double v) {
    WriteBatch b;
    b.Add(Ref(labels), t_ms, v);
    const auto r = db_->Commit(b);
    ASSERT_TRUE(r.ok()) << r.status().message();
    EXPECT_EQ(r->appended, 1u);
  }
  static Labels Pod(int i) { return {{"__name__", "up"}, {"instance", std::to_string(i)}}; }
  // What one selector gives to a querier that was made before.
  static std::vector<double> Values(const Querier& querier, const Matcher& matcher) {
    std::vector<double> out;
    const auto set = querier.Select(INT64_MIN, INT64_MAX, {matcher}, {});
    EXPECT_TRUE(set.ok());
    for (size_t i = 0; i < (*set)->size(); ++i) {
      Columns c;
      EXPECT_TRUE((*set)->Read(i, &c).ok());
      out.insert(out.end(), c.value.begin(), c.value.end());
    }
    return out;
  }
};

TEST_F(ChurnTest, SeriesThatNeverGetASampleAreForgotten) {
  WriteBatch old;
  for (int i = 0; i < 100; ++i) old.Add(Ref(Pod(i)), kNow - options_.retention_ms - kHour, 1);
  EXPECT_EQ(db_->Commit(old)->too_old, 100u);
  EXPECT_EQ(db_->Stats().head_series, 100u);
  // One that was just made has its first sample on the way.
  for (int i = 0; i < 3; ++i) {
    clock_.AdvanceMs(kHour);
    Ref(Pod(1000 + i));
    ASSERT_TRUE(db_->Maintain().ok());
  }
  EXPECT_EQ(db_->Stats().head_series, 1u);
  EXPECT_EQ(db_->Stats().counters.series_removed, 102u);
}

TEST_F(ChurnTest, AQuerierOfBeforeNeverSeesOneSeriesInThePlaceOfAnother) {
  const Labels a{{"__name__", "a"}, {"job", "j"}}, b{{"__name__", "b"}, {"job", "j"}};
  Append(a, kNow, 1);
  auto querier = db_->NewQuerier();
  clock_.AdvanceMs(2 * kHour);
  ASSERT_TRUE(db_->Maintain().ok());  // the window becomes a part, and the series is idle
  Append(b, clock_.WallMs(), 2);      // in the same group
  EXPECT_EQ(Values(**querier, Matcher::Equal("__name__", "b")), std::vector<double>());
  EXPECT_EQ(Values(**querier, Matcher::Equal("__name__", "a")), std::vector<double>{1});
  // When nobody looks back any more, it is forgotten.
  querier->reset();
  clock_.AdvanceMs(2 * kHour);
  ASSERT_TRUE(db_->Maintain().ok());
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_EQ(db_->Stats().head_series, 0u);
}

TEST_F(ChurnTest, SeriesWhoseWindowWasSealedEarlyStayKnown) {
  for (int i = 0; i < 10; ++i) Append(Pod(i), kNow, i);
  ASSERT_TRUE(db_->Compact().ok());
  for (int i = 0; i < 3; ++i) {
    clock_.AdvanceMs(kHour);
    ASSERT_TRUE(db_->Maintain().ok());
  }
  EXPECT_EQ(db_->Stats().head_series, 10u);
  Append(Pod(0), clock_.WallMs(), 1);
  clock_.AdvanceMs(kHour);
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_EQ(db_->Stats().head_series, 0u);
}

// The same for one that was made after the window was sealed and before the series was forgotten.
TEST_F(ChurnTest, APlaceIsKeptFreeForAsLongAsSomebodyKnowsItsSeries) {
  const auto series = [](const char* name) { return Labels{{"__name__", name}, {"job", "j"}}; };
  Append(series("a"), kNow, 1);
  auto first = db_->NewQuerier();
  clock_.AdvanceMs(2 * kHour);
  Append(series("c"), clock_.WallMs(), 3);
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_EQ(db_->Stats().head_series, 2u);  // `first` looks for them
  auto second = db_->NewQuerier();
  auto found = (*second)->Select(INT64_MIN, INT64_MAX, {Matcher::Equal("__name__", "a")}, {});
  ASSERT_EQ((*found)->size(), 1u);
  first->reset();
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_EQ(db_->Stats().head_series, 1u);
  Append(series("b"), clock_.WallMs(), 2);
  Columns c;
  ASSERT_TRUE((*found)->Read(0, &c).ok());
  EXPECT_EQ(c.value, std::vector<double>{1});
}

TEST_F(ChurnTest, GroupsWithoutSeriesAreGivenAgain) {
  for (int i = 0; i < 50; ++i) {
    for (int k = 0; k < 4; ++k) Append(Pod(4 * i + k), clock_.WallMs(), i);
    clock_.AdvanceMs(2 * kHour);
    ASSERT_TRUE(db_->Maintain().ok());
    if (i % 10 == 5) Open();
  }
  EXPECT_LE(db_->Stats().head_groups, 8u);
  const auto querier = db_->NewQuerier();
  EXPECT_EQ(Values(**querier, Matcher::Equal("__name__", "up")).size(), 200u);
  EXPECT_EQ(Values(**querier, Matcher::Equal("instance", "7")), std::vector<double>{1});
}

// As parts do (damage_test.cc).
TEST_F(ChurnTest, ExemplarsOutliveALeapOfTheClock) {
  WriteBatch b;
  b.Add(Ref(Pod(1)), kNow, 1);
  b.exemplars.push_back({b.ref[0], {Labels{{"id", "x"}}, 1, kNow}});
  ASSERT_TRUE(db_->Commit(b).ok());
  ASSERT_TRUE(db_->Maintain().ok());
  clock_.StepWallMs(365 * 24 * kHour);
  ASSERT_TRUE(db_->Maintain().ok());
  clock_.StepWallMs(-365 * 24 * kHour);
  ASSERT_TRUE(db_->Maintain().ok());
  EXPECT_EQ((*db_->NewQuerier())->Exemplars({})->size(), 1u);
}

TEST_F(ChurnTest, TellsWhoGrew) {
  using Counts = std::vector<std::pair<std::string, uint64_t>>;
  const auto counts = [](const std::vector<NameCount>& list) {
    Counts out;
    for (const NameCount& n : list) out.emplace_back(n.name, n.count);
    return out;
  };
  for (int i = 0; i < 10; ++i) Append({{"__name__", "old"}, {"id", std::to_string(i)}}, kNow, 1);
  clock_.AdvanceMs(kHour / 4);
  ASSERT_TRUE(db_->Maintain().ok());
  const int64_t before_ms = clock_.WallMs();
  for (int i = 5; i < 12; ++i) Append({{"__name__", "new"}, {"id", std::to_string(i)}}, kNow, 1);
  Append({{"__name__", "old"}, {"id", "10"}}, kNow, 1);
  const Cardinality all = db_->TopCardinality(3, 0);
  EXPECT_EQ(all.series, 18u);
  EXPECT_EQ(all.label_pairs, 14u);
  EXPECT_EQ(counts(all.series_by_metric), (Counts{{"old", 11}, {"new", 7}}));
  EXPECT_EQ(counts(all.values_by_label), (Counts{{"id", 12}, {"__name__", 2}}));
  EXPECT_EQ(counts(all.series_by_pair),
            (Counts{{"__name__=old", 11}, {"__name__=new", 7}, {"id=10", 2}}));
  EXPECT_EQ(all.new_since_ms, kNow);  // the start
  EXPECT_EQ(all.new_series, 18u);
  const Cardinality grown = db_->TopCardinality(3, before_ms + 1);
  EXPECT_EQ(grown.new_since_ms, before_ms);
  EXPECT_EQ(grown.series, 18u);
  EXPECT_EQ(grown.new_series, 8u);
  EXPECT_EQ(counts(grown.new_series_by_metric), (Counts{{"new", 7}, {"old", 1}}));
  EXPECT_EQ(counts(grown.new_values_by_label), (Counts{{"id", 2}, {"__name__", 1}}));
  EXPECT_EQ(counts(grown.new_series_by_pair),
            (Counts{{"__name__=new", 7}, {"id=10", 2}, {"__name__=old", 1}}));
  // What is in parts only is counted by reading them, once however many parts have it.
  Append({{"__name__", "old"}, {"id", "10"}}, kNow - 30 * kHour, 1);
  ASSERT_TRUE(db_->Compact().ok());
  Open();
  const auto stored = db_->StoredCardinality(1);
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ(stored->series, 18u);
  EXPECT_EQ(counts(stored->series_by_metric), (Counts{{"old", 11}}));
  EXPECT_EQ(counts(stored->values_by_label), (Counts{{"id", 12}}));
  EXPECT_TRUE(stored->new_series_by_metric.empty());
}

}  // namespace
}  // namespace deckwatch::tsdb
