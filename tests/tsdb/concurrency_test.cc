// Writers, readers and maintenance at once: what a reader sees of a series is always a prefix of
// what its writer wrote, and it never shrinks.
#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/executor.h"
#include "base/mutex.h"
#include "tests/tsdb/test_directory.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {
namespace {

constexpr int64_t kNow = 1'800'000'000'000;
constexpr int kWriters = 3;
constexpr int kSeries = 20;
constexpr int kSteps = 150;

TEST(Concurrency, ReadersSeePrefixesWhileWindowsAreSealedAndMerged) {
  const std::string path = FreshDirectory("threads");
  FakeClock clock(kNow + kSteps * 15'000);
  DbOptions options;
  options.path = path;
  options.clock = &clock;
  options.background = false;
  auto opened = Db::Open(options);
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  Db& db = **opened;
  std::atomic<int> writing{kWriters};
  std::atomic<int> failures{0};
  Mutex mutex;
  std::string first;  // of the failures
  const auto expect = [&](bool ok, const std::string& what = "") {
    if (ok || failures++ > 0) return;
    MutexLock lock(mutex);
    first = what;
  };

  const auto write = [&](int writer) {
    std::vector<Labels> labels;
    for (int i = 0; i < kSeries; ++i) {
      labels.push_back(Labels{
          {"__name__", "m"}, {"instance", std::to_string(writer)}, {"n", std::to_string(i)}});
    }
    const std::vector<LabelsView> views(labels.begin(), labels.end());
    std::vector<SeriesRef> refs(views.size());
    for (int step = 0; step < kSteps; ++step) {
      expect(db.Resolve(views, 0, refs).ok());
      WriteBatch batch;
      for (const SeriesRef ref : refs) {
        batch.Add(ref, kNow + step * 15'000, static_cast<double>(step / 3));
      }
      const auto r = db.Commit(batch);
      expect(r.ok() && r->appended == kSeries, r.ok() ? "not all appended" : r.status().message());
    }
    --writing;
  };
  const auto read = [&] {
    std::vector<size_t> seen(kWriters * kSeries);
    while (writing > 0) {
      auto querier = db.NewQuerier();
      auto set = (*querier)->Select(INT64_MIN, INT64_MAX, {Matcher::Equal("__name__", "m")}, {});
      expect(set.ok());
      for (size_t i = 0; set.ok() && i < (*set)->size(); ++i) {
        Labels l;
        Columns c;
        l = Labels((*set)->LabelsAt(i));
        const Status read_status = (*set)->Read(i, &c);
        expect(read_status.ok(), read_status.message());
        for (size_t k = 0; k < c.size(); ++k) {
          expect(c.t_ms[k] == kNow + static_cast<int64_t>(k) * 15'000, "time");
          expect(c.value[k] == static_cast<double>(k / 3), "value");
        }
        size_t& last =
            seen[static_cast<size_t>(std::stoi(std::string(l.Get("instance")))) * kSeries +
                 static_cast<size_t>(std::stoi(std::string(l.Get("n"))))];
        expect(c.size() >= last, "shrunk");
        last = c.size();
      }
    }
  };
  const auto maintain = [&] {
    while (writing > 0) {
      const Status s = db.Compact();
      expect(s.ok(), s.message());
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int w = 0; w < kWriters; ++w) {
      threads.push_back(StartThread("writer", [&, w](std::stop_token) { write(w); }));
    }
    threads.push_back(StartThread("reader", [&](std::stop_token) { read(); }));
    threads.push_back(StartThread("maintain", [&](std::stop_token) { maintain(); }));
  }
  EXPECT_EQ(failures, 0) << first;
  EXPECT_EQ(db.Stats().counters.samples_appended, uint64_t{kWriters} * kSeries * kSteps);
  opened = Status::Cancelled("closed");
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace deckwatch::tsdb
