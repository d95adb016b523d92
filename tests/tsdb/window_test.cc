// One group of an open window: what its records in the log give back; and windows that read their
// groups when they are asked for.
#include "tsdb/window.h"

#include <atomic>
#include <random>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "tsdb/columns.h"

namespace deckwatch::tsdb {
namespace {

struct Rows {
  explicit Rows(uint32_t seed) : random(seed) {}

  // A row like those of scrapes: mostly repeats, now and then late, absent, with a start time or a
  // histogram.
  std::string Append(GroupWindow* group) {
    const bool late = random() % 8 == 0;
    now_ms += late ? 0 : 1 + static_cast<int64_t>(random() % 20'000);
    const int64_t t_ms = late ? now_ms - static_cast<int64_t>(random() % 90'000) : now_ms;
    std::vector<GroupWindow::Input> row;
    std::vector<HistogramPtr> histograms(kColumns);
    for (uint32_t c = 0; c < kColumns; ++c) {
      if (random() % 10 == 0) continue;
      GroupWindow::Input in{.column = c, .value = Value(c)};
      if (c % 7 == 3) in.start_ms = 1 + static_cast<int64_t>(random() % 3);
      if (c % 11 == 5 && random() % 2 == 0) {
        Histogram h;
        h.count = static_cast<double>(random() % 100);
        histograms[c] = std::make_shared<const Histogram>(h);
        in.histogram = &histograms[c];
      }
      row.push_back(in);
    }
    RowCounts counts;
    std::string record;
    group->AppendRow(t_ms, row, &counts, &record);
    return record;
  }
  double Value(uint32_t column) {
    switch (random() % 12) {
      case 0: return static_cast<double>(random() % 1000) / 8;
      case 1: return StaleNan();
      case 2: return 1e300 * static_cast<double>(random() % 5);
      default: return static_cast<double>(column);
    }
  }

  static constexpr uint32_t kColumns = 40;
  std::mt19937 random;
  int64_t now_ms = 1'800'000'000'000;
};

void ExpectSame(const GroupWindow& a, const GroupWindow& b) {
  EXPECT_EQ(a.samples(), b.samples());
  EXPECT_EQ(a.min_ms(), b.min_ms());
  EXPECT_EQ(a.max_ms(), b.max_ms());
  EXPECT_EQ(a.Clock(), b.Clock());
  for (uint32_t c = 0; c < Rows::kColumns; ++c) {
    Columns x, y;
    a.Read(c, INT64_MIN, INT64_MAX, &x);
    b.Read(c, INT64_MIN, INT64_MAX, &y);
    ASSERT_EQ(x.t_ms, y.t_ms) << "column " << c;
    ASSERT_EQ(x.start_ms, y.start_ms) << "column " << c;
    ASSERT_EQ(x.histogram.size(), y.histogram.size()) << "column " << c;
    for (size_t i = 0; i < x.size(); ++i) {
      const HistogramPtr h = x.histogram.empty() ? nullptr : x.histogram[i];
      const HistogramPtr other = y.histogram.empty() ? nullptr : y.histogram[i];
      ASSERT_TRUE(SameSample(x.value[i], h, y.value[i], other))
          << "column " << c << " at " << x.t_ms[i];
    }
  }
}

TEST(WindowTest, RecordsGiveBackTheGroup) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  for (uint32_t round = 0; round < 20; ++round) {
    Rows rows(seed + round);
    GroupWindow written, replayed;
    for (int i = 0; i < 60; ++i) {
      const std::string record = rows.Append(&written);
      ASSERT_TRUE(record.empty() || replayed.Replay(record));
    }
    ExpectSame(written, replayed);
    // And what follows is written as if nothing had happened.
    ASSERT_EQ(Rows(rows).Append(&written), Rows(rows).Append(&replayed));
  }
}

TEST(WindowTest, DamagedRecordsAreRefusedOrReadButNeverMore) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  Rows rows(seed);
  GroupWindow written;
  std::vector<std::string> records;
  for (int i = 0; i < 10; ++i) records.push_back(rows.Append(&written));
  std::mt19937 random(seed);
  for (std::string record : records) {
    for (size_t length = 0; length < record.size(); ++length) {
      GroupWindow cut;
      (void)cut.Replay(std::string_view(record).substr(0, length));
      EXPECT_LE(cut.samples(), Rows::kColumns);
    }
    for (int i = 0; i < 200; ++i) {
      std::string flipped = record;
      flipped[random() % flipped.size()] ^= static_cast<char>(1 << random() % 8);
      GroupWindow group;
      (void)group.Replay(flipped);
      EXPECT_EQ(group.Clock().size(), group.Clock().empty() ? 0u : 1u);
    }
  }
}

TEST(WindowTest, EachGroupIsReadOnceWhoeverAsks) {
  constexpr uint32_t kGroups = 200;
  Window window({.id = 1, .start_ms = 0, .end_ms = 1'800'000}, nullptr);
  std::atomic<uint32_t> reads{0};
  std::vector<uint32_t> groups;
  for (uint32_t g = 0; g < kGroups; ++g) groups.push_back(g);
  window.LoadLater(groups, [&](uint32_t group, GroupWindow* out) {
    ++reads;
    const GroupWindow::Input in{.column = 0, .value = static_cast<double>(group)};
    RowCounts counts;
    std::string record;
    out->AppendRow(1000 + group, {&in, 1}, &counts, &record);
    return true;
  });
  EXPECT_EQ(window.min_ms(), 0);  // not known yet: it could be anywhere
  EXPECT_EQ(window.max_ms(), 1'799'999);
  {
    const std::jthread background = StartThread("load", [&](std::stop_token) { window.LoadAll(); });
    for (const uint32_t g : groups) {
      Columns c;
      ASSERT_NE(window.FindGroup(g), nullptr);
      window.FindGroup(g)->Read(0, 0, INT64_MAX, &c);
      ASSERT_EQ(c.value, std::vector<double>{static_cast<double>(g)});
    }
  }
  EXPECT_EQ(reads, kGroups);
  EXPECT_EQ(window.samples(), kGroups);
  EXPECT_EQ(window.min_ms(), 1000);
  EXPECT_EQ(window.max_ms(), 1000 + kGroups - 1);
}

TEST(WindowTest, WhatCannotBeReadNowIsReadLater) {
  Window window({.id = 1, .start_ms = 0, .end_ms = 1'800'000}, nullptr);
  bool disk_answers = false;
  window.LoadLater({0}, [&](uint32_t, GroupWindow* out) {
    const GroupWindow::Input in{.column = 0, .value = 1};
    RowCounts counts;
    std::string record;
    out->AppendRow(1000, {&in, 1}, &counts, &record);
    return disk_answers;
  });
  EXPECT_EQ(window.FindGroup(0), nullptr);
  EXPECT_TRUE(window.IsUnread(0));
  disk_answers = true;
  ASSERT_NE(window.FindGroup(0), nullptr);
  EXPECT_FALSE(window.IsUnread(0));
  EXPECT_EQ(window.FindGroup(0)->samples(), 1u);
}

}  // namespace
}  // namespace deckwatch::tsdb
