// Columns of a window against a plain list of what was appended.
#include "tsdb/column.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace deckwatch::tsdb {
namespace {

struct Appended {
  int64_t row;
  uint64_t bits;
  int64_t start_ms;
  bool operator==(const Appended&) const = default;
};

std::vector<Appended> ReadBack(const Column& column, const ByteSlab& slab) {
  std::vector<Appended> out;
  column.ForEachRun(
      slab, [&](int64_t row, uint64_t count, const ColumnValue& value, int64_t start_ms) {
        for (uint64_t i = 0; i < count; ++i) {
          out.push_back(
              {row + static_cast<int64_t>(i), std::bit_cast<uint64_t>(value.Float()), start_ms});
        }
        return true;
      });
  return out;
}

double RandomValue(std::mt19937_64& rng, double last) {
  switch (rng() % 12) {
    case 0: return std::bit_cast<double>(rng());
    case 1: return std::numeric_limits<double>::quiet_NaN();
    case 2: return -0.0;
    case 3: return static_cast<double>(rng() % 100'000) / 1000;
    case 4: return last + static_cast<double>(rng() % 50);
    case 5: return static_cast<double>(rng() >> 20);
    default: return last;
  }
}

TEST(Column, GivesBackWhatWasAppendedBesideOthers) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  for (int round = 0; round < 100; ++round) {
    ByteSlab slab;
    struct One {
      Column column;
      std::vector<Appended> wanted;
      int64_t start_ms = 0;
      double value = 0;
    };
    std::vector<One> all(1 + rng() % 8);
    uint32_t row = static_cast<uint32_t>(rng() % 3);
    const bool starts = rng() % 3 == 0, gaps = rng() % 2 == 0, back = rng() % 4 == 0;
    for (int i = 0; i < 400; ++i) {
      for (One& one : all) {
        if (gaps && rng() % 10 == 0) continue;
        if (starts && rng() % 30 == 0) {
          one.start_ms = static_cast<int64_t>(rng() % 1'000'000);
          one.column.AppendStart(one.start_ms, &slab);
        }
        one.value = RandomValue(rng, one.value);
        const auto bits = std::bit_cast<uint64_t>(one.value);
        one.column.AppendValue(row, bits, &slab);
        one.wanted.push_back({row, bits, one.start_ms});
        EXPECT_TRUE(one.column.last().Same(bits));
        EXPECT_EQ(one.column.last_row(), row);
      }
      row = back && rng() % 20 == 0 ? row / 2 : row + 1;
    }
    for (const One& one : all) EXPECT_EQ(ReadBack(one.column, slab), one.wanted);
  }
}

TEST(Column, ValueThatStaysTakesNoBytes) {
  ByteSlab slab;
  Column column;
  EXPECT_TRUE(column.empty());
  std::vector<Appended> wanted;
  for (uint32_t row = 7; row < 1000; ++row) {
    column.AppendValue(row, std::bit_cast<uint64_t>(0.1), &slab);
    wanted.push_back({row, std::bit_cast<uint64_t>(0.1), 0});
  }
  EXPECT_EQ(slab.bytes(), 0u);
  EXPECT_EQ(ReadBack(column, slab), wanted);
}

TEST(ByteSlab, KeepsChainsApartAndLeavesLittleUnused) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  ByteSlab slab;
  struct One {
    ByteSlab::Chain chain;
    std::string wanted;
  };
  std::vector<One> all(20);
  size_t used = 0;
  for (int i = 0; i < 20'000; ++i) {
    One& one = all[rng() % all.size()];
    std::string more(rng() % 30, 'x');
    for (char& c : more) c = static_cast<char>(rng());
    slab.Append(more, &one.chain);
    one.wanted += more;
    used += more.size();
    if (i % 100 == 0 || i > 19'900) {
      for (const One& each : all) {
        ASSERT_EQ(ByteSlab::Text(slab, each.chain).view(), each.wanted) << i;
      }
    }
  }
  EXPECT_LT(slab.bytes(), used * 3 / 2);
}

}  // namespace
}  // namespace deckwatch::tsdb
