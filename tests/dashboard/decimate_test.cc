#include "dashboard/plot/decimate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace deckwatch::dashboard {
namespace {

constexpr int64_t kGapMs = 1500;

struct Data {
  std::vector<int64_t> t_ms;
  std::vector<double> value;
};

// Seconds with jitter, holes and values that are not finite.
Data RandomData(std::mt19937_64* random, size_t n) {
  Data out;
  int64_t t = 1'000'000;
  for (size_t i = 0; i < n; ++i) {
    t += (*random)() % 50 == 0 ? 5000 : 900 + (*random)() % 200;
    const double v = static_cast<double>((*random)() % 10'000) / 7;
    out.t_ms.push_back(t);
    out.value.push_back((*random)() % 60 == 0 ? (i % 2 == 0 ? std::nan("") : HUGE_VAL) : v);
  }
  return out;
}

// The runs as the definition says, by the simplest code.
std::vector<std::vector<uint32_t>> Runs(const Data& data) {
  std::vector<std::vector<uint32_t>> runs;
  bool open = false;
  for (uint32_t i = 0; i < data.t_ms.size(); ++i) {
    if (!std::isfinite(data.value[i])) {
      open = false;
      continue;
    }
    if (!open || data.t_ms[i] - data.t_ms[i - 1] > kGapMs) runs.emplace_back();
    runs.back().push_back(i);
    open = true;
  }
  return runs;
}

TEST(Decimate, KeepsExtremesOfEveryColumnAndEndsOfEveryRun) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const Data data = RandomData(&random, 200 + random() % 3000);
    const TimeRange all = {data.t_ms.front() - 1, data.t_ms.back() + 1};
    const int columns = 1 + static_cast<int>(random() % 300);
    KeptSamples kept;
    Decimate(data.t_ms, data.value, all, kGapMs, columns, &kept);
    const std::set<uint32_t> is_kept(kept.index.begin(), kept.index.end());
    ASSERT_TRUE(std::is_sorted(kept.index.begin(), kept.index.end()));
    ASSERT_EQ(is_kept.size(), kept.index.size());

    const auto runs = Runs(data);
    ASSERT_EQ(kept.run_end.size(), runs.size());
    uint32_t begin = 0;
    for (size_t r = 0; r < runs.size(); ++r) {
      ASSERT_EQ(kept.index[begin], runs[r].front());
      ASSERT_EQ(kept.index[kept.run_end[r] - 1], runs[r].back());
      begin = kept.run_end[r];
      std::map<int64_t, std::pair<double, double>> extremes;
      for (const uint32_t i : runs[r]) {
        const auto column =
            static_cast<int64_t>(std::floor(static_cast<double>(data.t_ms[i] - all.from_ms) *
                                            columns / static_cast<double>(all.span_ms())));
        auto [it, is_new] = extremes.try_emplace(column, data.value[i], data.value[i]);
        it->second.first = std::min(it->second.first, data.value[i]);
        it->second.second = std::max(it->second.second, data.value[i]);
      }
      for (const auto& [column, range] : extremes) {
        const auto has = [&](double v) {
          return std::any_of(runs[r].begin(), runs[r].end(),
                             [&](uint32_t i) { return data.value[i] == v && is_kept.contains(i); });
        };
        ASSERT_TRUE(has(range.first)) << "lowest of column " << column;
        ASSERT_TRUE(has(range.second)) << "highest of column " << column;
      }
    }
    ASSERT_LE(kept.index.size(), static_cast<size_t>(columns + 1) * 4 + runs.size() * 8);
  }
}

TEST(Decimate, KeepsEverythingWhenThereIsRoom) {
  const Data data = {{0, 1000, 2000, 3000}, {4, 5, 6, 7}};
  KeptSamples kept;
  Decimate(data.t_ms, data.value, {0, 3000}, kGapMs, 1000, &kept);
  EXPECT_EQ(kept.index, (std::vector<uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(kept.run_end, (std::vector<uint32_t>{4}));
}

TEST(Decimate, TakesOneSampleBeyondEachEdge) {
  Data data;
  for (int i = 0; i < 100; ++i) {
    data.t_ms.push_back(i * 1000);
    data.value.push_back(i);
  }
  KeptSamples kept;
  Decimate(data.t_ms, data.value, {10'500, 12'500}, kGapMs, 1000, &kept);
  EXPECT_EQ(kept.index, (std::vector<uint32_t>{10, 11, 12, 13}));
}

TEST(Decimate, HasNothingToSayAboutNothing) {
  KeptSamples kept;
  Decimate({}, {}, {0, 1000}, kGapMs, 100, &kept);
  EXPECT_TRUE(kept.index.empty());
  const Data data = {{0, 1000}, {1, 2}};
  Decimate(data.t_ms, data.value, {500, 500}, kGapMs, 100, &kept);
  EXPECT_TRUE(kept.index.empty());
}

Series Make(std::vector<int64_t> t, std::vector<double> v) {
  Series s;
  s.t_ms = std::move(t);
  s.value = std::move(v);
  return s;
}

TEST(Stack, PilesValuesOverOneTimeBase) {
  const Series a = Make({0, 10, 20}, {1, 2, 3}), b = Make({0, 20}, {5, 7});
  const Series* const both[] = {&a, &b};
  const double signs[] = {1, 1};
  const Stack stack = StackSeries(both, signs);
  EXPECT_EQ(stack.t_ms, (std::vector<int64_t>{0, 10, 20}));
  EXPECT_EQ(stack.top[0], (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(stack.top[1][0], 6);
  EXPECT_TRUE(std::isnan(stack.top[1][1]));  // a gap, not a zero
  EXPECT_EQ(stack.top[1][2], 10);
  EXPECT_EQ(stack.base[1][2], 3);
}

TEST(Stack, PilesDownwardValuesOnTheirOwn) {
  const Series a = Make({0}, {4}), b = Make({0}, {3}), c = Make({0}, {2});
  const Series* const all[] = {&a, &b, &c};
  const double signs[] = {1, -1, -1};
  const Stack stack = StackSeries(all, signs);
  EXPECT_EQ(stack.top[0][0], 4);
  EXPECT_EQ(stack.top[1][0], -3);
  EXPECT_EQ(stack.base[2][0], -3);
  EXPECT_EQ(stack.top[2][0], -5);
}

}  // namespace
}  // namespace deckwatch::dashboard
