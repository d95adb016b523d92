#include "tsdb/change_log.h"

#include <algorithm>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/executor.h"
#include "tests/tsdb/test_directory.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {
namespace {

TEST(ChangeLog, NothingChangedSinceNow) {
  ChangeLog log;
  EXPECT_EQ(log.UnchangedBefore(log.Version()), INT64_MAX);
  log.Note(5'000);
  EXPECT_EQ(log.UnchangedBefore(log.Version()), INT64_MAX);
}

TEST(ChangeLog, TheLeastTimeNotedSinceCounts) {
  ChangeLog log;
  const uint64_t before = log.Version();
  log.Note(20'500);
  const uint64_t between = log.Version();
  log.Note(30'000);
  EXPECT_EQ(log.UnchangedBefore(before), 20'000);
  EXPECT_EQ(log.UnchangedBefore(between), 30'000);
  log.Note(-1);
  EXPECT_EQ(log.UnchangedBefore(before), -1'000);
  EXPECT_EQ(log.UnchangedBefore(between), -1'000);
}

TEST(ChangeLog, VersionsOfAnotherLogSayNothing) {
  ChangeLog old;
  old.Note(0);
  ChangeLog log;
  EXPECT_EQ(log.UnchangedBefore(old.Version()), INT64_MIN);
  old.Note(0);
  EXPECT_EQ(log.UnchangedBefore(old.Version()), INT64_MIN);
  EXPECT_EQ(log.UnchangedBefore(0), INT64_MIN);
}

TEST(ChangeLog, TimesAtTheEndsOfTheirRange) {
  ChangeLog log;
  const uint64_t v = log.Version();
  log.Note(INT64_MAX);
  EXPECT_LE(log.UnchangedBefore(v), INT64_MAX);
  EXPECT_GT(log.UnchangedBefore(v), INT64_MAX - 1000);
  log.Note(INT64_MIN);
  EXPECT_EQ(log.UnchangedBefore(v), INT64_MIN);
}

// Exact to the second while little is noted; never above the truth when the log had to be thinned.
TEST(ChangeLog, AgreesWithTheListOfAllNotes) {
  constexpr uint64_t kSeed = 20261120;
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", round " + std::to_string(round));
    ChangeLog log;
    std::vector<std::pair<uint64_t, int64_t>> notes;
    std::vector<uint64_t> versions = {log.Version()};
    // Every tenth round overflows the log: mostly rising times.
    const bool large = round % 10 == 0;
    const int count = large ? 20'000 : static_cast<int>(random() % 300);
    int64_t t_ms = 0;
    for (int i = 0; i < count; ++i) {
      const bool late = random() % (large ? 5'000 : 8) == 0;
      t_ms += static_cast<int64_t>(random() % (large ? 4'000 : 1'000));
      const int64_t at_ms = late ? t_ms - static_cast<int64_t>(random() % 100'000) : t_ms;
      log.Note(at_ms);
      notes.emplace_back(log.Version(), at_ms);
      if (random() % 16 == 0) versions.push_back(log.Version());
    }
    ASSERT_LE(log.entries(), ChangeLog::kMaxEntries);
    for (const uint64_t v : versions) {
      int64_t least_ms = INT64_MAX;
      for (const auto& [version, at_ms] : notes) {
        if (version > v) least_ms = std::min(least_ms, at_ms);
      }
      const int64_t got = log.UnchangedBefore(v);
      ASSERT_LE(got, least_ms);
      if (!large && least_ms != INT64_MAX) {
        ASSERT_GT(got, least_ms - 1'000);
      }
    }
    ASSERT_EQ(log.UnchangedBefore(log.Version()), INT64_MAX);
    // Thinning spares what is recent.
    if (large) {
      const uint64_t v = log.Version();
      log.Note(t_ms);
      ASSERT_GT(log.UnchangedBefore(v), t_ms - 1'000);
    }
  }
}

using Seen = std::vector<std::pair<size_t, int64_t>>;  // series, time

Seen ReadAll(const Db& db) {
  Seen seen;
  const auto querier = db.NewQuerier();
  const auto set =
      (*querier)->Select(0, INT64_MAX, {Matcher::Equal("__name__", "m")}, SelectHints());
  Columns columns;
  for (size_t i = 0; i < (*set)->size(); ++i) {
    EXPECT_TRUE((*set)->Read(i, &columns).ok());
    for (const int64_t t_ms : columns.t_ms) seen.emplace_back(i, t_ms);
  }
  return seen;
}

// Two seconds per commit, now and then a late sample or a delete of what is recent.
void Write(Db* db, const std::vector<SeriesRef>& refs, int64_t start_ms, std::mt19937_64* random) {
  WriteBatch batch;
  for (int64_t t_ms = start_ms; t_ms < start_ms + 60'000; t_ms += 2'000) {
    batch.Clear();
    for (const SeriesRef ref : refs) {
      const bool late = (*random)() % 200 == 0;
      batch.Add(ref, t_ms - (late ? static_cast<int64_t>((*random)() % 100'000) : 0), 1);
    }
    EXPECT_TRUE(db->Commit(batch).ok());
  }
  if ((*random)() % 4 == 0) {
    EXPECT_TRUE(
        db->DeleteSeries({Matcher::Equal("i", "2")}, start_ms - 50'000, start_ms - 40'000).ok());
  }
}

// What a reader has seen of samples before UnchangedBefore(its version) is what the store shows
// when all is written.
TEST(ChangeLog, WhatReadersKeepStaysTrue) {
  constexpr int64_t kBeginMs = 1'800'000'000'000;
  FakeClock clock(kBeginMs);
  auto opened =
      Db::Open({.path = FreshDirectory("change_log"), .clock = &clock, .background = false});
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  Db& db = **opened;
  std::vector<Labels> labels;
  for (int i = 0; i < 4; ++i) {
    labels.push_back(Labels{{"__name__", "m"}, {"i", std::to_string(i)}});
  }
  std::vector<SeriesRef> refs(labels.size());
  ASSERT_TRUE(db.Resolve(std::vector<LabelsView>(labels.begin(), labels.end()), 1, refs).ok());
  std::mt19937_64 random(7);
  size_t compared = 0;
  for (int round = 0; round < 40; ++round) {
    clock.AdvanceMs(60'000);
    std::vector<std::pair<uint64_t, Seen>> kept;
    {
      const std::jthread writer = StartThread("writer", [&](const std::stop_token&) {
        Write(&db, refs, kBeginMs + round * 60'000, &random);
      });
      for (int i = 0; i < 20; ++i) {
        const uint64_t version = db.Version();
        kept.emplace_back(version, ReadAll(db));
      }
    }
    const Seen now = ReadAll(db);
    for (const auto& [version, seen] : kept) {
      const int64_t before_ms = db.UnchangedBefore(version);
      const auto settled = [before_ms](Seen all) {
        std::erase_if(all, [before_ms](const auto& s) { return s.second >= before_ms; });
        return all;
      };
      ASSERT_EQ(settled(seen), settled(now)) << "round " << round << ", before " << before_ms;
      compared += settled(seen).size();
    }
  }
  EXPECT_GT(compared, 10'000U);
}

}  // namespace
}  // namespace deckwatch::tsdb
