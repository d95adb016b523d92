#include "tsdb/neighbours.h"

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/tsdb/test_directory.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {
namespace {

std::vector<double> Counter(std::mt19937_64& rng, size_t n, uint64_t steps_below) {
  std::vector<double> v(n);
  double sum = 0;
  for (double& x : v) x = sum += static_cast<double>(rng() % steps_below);
  return v;
}

TEST(Neighbours, FindsTheColumnThatMovesAlikeAtTheSameTimes) {
  std::mt19937_64 rng(1);
  Neighbours n;
  const std::vector<double> v = Counter(rng, 500, 1000);
  std::vector<double> alike = v;
  for (size_t i = 0; i < alike.size(); ++i) alike[i] += 7 + static_cast<double>(i % 50 == 0);
  n.Add({.ordinal = 0, .rows = "a", .values = Counter(rng, 500, 1000)});
  n.Add({.ordinal = 1, .rows = "b", .values = alike});
  EXPECT_EQ(n.Find(2, "c", v), nullptr) << "nothing was taken at these times";
  n.Add({.ordinal = 2, .rows = "a", .values = alike});
  n.Add({.ordinal = 3, .rows = "a", .values = Counter(rng, 500, 1000)});
  const Neighbours::Column* found = n.Find(4, "a", v);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->ordinal, 2u);
  found = n.Find(2 + Neighbours::kReach, "a", v);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->ordinal, 2u);
  found = n.Find(3 + Neighbours::kReach, "a", v);
  EXPECT_TRUE(found == nullptr || found->ordinal == 3u) << "too far back";
}

// Series that lean on others, read one by one, in any order and range, through a store.
TEST(Neighbours, SeriesBesideOthersReadAlone) {
  constexpr int64_t kStart = 1'800'000'000'000, kStepMs = 15'000;
  constexpr size_t kRows = 1500;
  const uint64_t seed = 20261123;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 rng(seed);
  std::vector<std::vector<double>> columns = {Counter(rng, kRows, 1'000'000)};
  for (size_t i = 1; i < 8; ++i) {
    columns.push_back(columns[0]);
    for (double& x : columns[i]) x += static_cast<double>(rng() % i);
  }
  FakeClock clock(kStart);
  DbOptions options;
  options.path = FreshDirectory("neighbours");
  options.clock = &clock;
  options.background = false;
  auto opened = Db::Open(options);
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  const std::unique_ptr<Db> db = std::move(opened).value();
  std::vector<Labels> labels;
  for (size_t i = 0; i < columns.size(); ++i) {
    labels.push_back(Labels{{"__name__", "c" + std::to_string(i)}, {"job", "j"}});
  }
  const std::vector<LabelsView> views(labels.begin(), labels.end());
  std::vector<SeriesRef> refs(views.size());
  ASSERT_TRUE(db->Resolve(views, 0, refs).ok());
  WriteBatch batch;
  for (size_t row = 0; row < kRows; ++row, clock.AdvanceMs(kStepMs)) {
    batch.Clear();
    for (size_t i = 0; i < refs.size(); ++i) {
      batch.Add(refs[i], kStart + static_cast<int64_t>(row) * kStepMs, columns[i][row]);
    }
    ASSERT_TRUE(db->Commit(batch).ok());
  }
  ASSERT_TRUE(db->Compact().ok());
  const auto bytes = db->Bytes();
  ASSERT_TRUE(bytes.ok());
  // Alone, each takes about 20 bits a sample.
  EXPECT_LE(bytes->values, kRows * 8 * 8 / 10);

  const auto querier = db->NewQuerier();
  for (int k = 0; k < 60; ++k) {
    const size_t i = rng() % refs.size(), from = rng() % kRows, to = from + rng() % (kRows - from);
    const auto at = [&](size_t row) { return kStart + static_cast<int64_t>(row) * kStepMs; };
    const auto set = querier->get()->Select(
        at(from), at(to), {Matcher::Equal("__name__", "c" + std::to_string(i))}, {});
    ASSERT_TRUE(set.ok());
    ASSERT_EQ((*set)->size(), 1u);
    Columns c;
    ASSERT_TRUE((*set)->Read(0, &c).ok());
    const std::vector<double> expected(columns[i].begin() + static_cast<std::ptrdiff_t>(from),
                                       columns[i].begin() + static_cast<std::ptrdiff_t>(to) + 1);
    EXPECT_EQ(c.value, expected) << i << " " << from << " " << to;
  }
  std::filesystem::remove_all(options.path);
}

}  // namespace
}  // namespace deckwatch::tsdb
