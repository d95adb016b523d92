// Lists of selected series: their order, and the cache of them.
#include "tsdb/selection.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tsdb/part.h"
#include "tsdb/series_index.h"

namespace deckwatch::tsdb {
namespace {

std::vector<Matcher> Everything() {
  return {Matcher::Create(MatchType::kRegex, "__name__", ".+").value()};
}

TEST(SelectionTest, HeadGivesTheOrderOfLabelSets) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto text = [&] {
    return std::string(1 + random() % 3, static_cast<char>('a' + random() % 3));
  };
  std::vector<Labels> want;
  SeriesIndex index(0);
  for (int i = 0; i < 300; ++i) {
    LabelsBuilder b;
    b.Set("__name__", text());
    for (uint32_t k = random() % 4; k > 0; --k)
      b.Set(random() % 2 == 0 ? text() : "A" + text(), text());
    want.push_back(b.Build());
    const LabelsView view = want.back();
    SeriesRef ref;
    ASSERT_TRUE(index.Resolve({&view, 1}, 1 + random() % 5, {&ref, 1}).ok());
  }
  std::sort(want.begin(), want.end(),
            [](const Labels& a, const Labels& b) { return SeriesBefore(a, b); });
  want.erase(std::unique(want.begin(), want.end()), want.end());

  size_t asked = 0;
  const auto got = index.Select(Everything(), [&](size_t series) {
    asked = series;
    return Status();
  });
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(asked, want.size());
  ASSERT_EQ((*got)->size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ((*got)->LabelsAt(i).ToString(), want[i].ToString());
  }
}

TEST(SelectionTest, WhatIsNotAdmittedIsNotMade) {
  SeriesIndex index(0);
  const Labels labels = {{"__name__", "up"}};
  const LabelsView view = labels;
  SeriesRef ref;
  ASSERT_TRUE(index.Resolve({&view, 1}, 1, {&ref, 1}).ok());
  const auto got = index.Select(Everything(), [](size_t) { return Status::Cancelled("enough"); });
  EXPECT_EQ(got.status().message(), "enough");
}

TEST(SelectionTest, HeadVersionChangesWithItsSeries) {
  SeriesIndex index(0);
  const Labels labels = {{"__name__", "up"}};
  const LabelsView view = labels;
  SeriesRef ref;
  const uint64_t empty = index.version();
  ASSERT_TRUE(index.Resolve({&view, 1}, 1, {&ref, 1}).ok());
  const uint64_t one = index.version();
  EXPECT_NE(one, empty);
  ASSERT_TRUE(index.Resolve({&view, 1}, 1, {&ref, 1}).ok());
  EXPECT_EQ(index.version(), one);
  const auto id = static_cast<uint32_t>(ref);
  index.Remove({&id, 1});
  EXPECT_NE(index.version(), one);
}

TEST(SelectionCacheTest, KeepsWhatWasUsedLast) {
  const auto selection = [] {
    auto s = std::make_shared<Selection>();
    s->Add(std::string(1000, 'x'), 0, 0);
    return s;
  };
  SelectionCache cache(3000);
  cache.Put("a", selection());
  cache.Put("b", selection());
  ASSERT_NE(cache.Find("a"), nullptr);
  cache.Put("c", selection());
  EXPECT_NE(cache.Find("a"), nullptr);
  EXPECT_EQ(cache.Find("b"), nullptr);
  EXPECT_NE(cache.Find("c"), nullptr);
}

TEST(SelectionCacheTest, KeysTellPlaceVersionAndMatchersApart) {
  const auto other =
      std::vector<Matcher>{Matcher::Create(MatchType::kNotRegex, "__name__", ".+").value()};
  const std::string key = SelectionKey('P', 1, Everything());
  EXPECT_EQ(key, SelectionKey('P', 1, Everything()));
  EXPECT_NE(key, SelectionKey('H', 1, Everything()));
  EXPECT_NE(key, SelectionKey('P', 2, Everything()));
  EXPECT_NE(key, SelectionKey('P', 1, other));
}

}  // namespace
}  // namespace deckwatch::tsdb
