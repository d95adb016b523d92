// Acknowledged samples survive kill -9 at any moment: a writer process reports each acknowledged
// commit through a pipe, is killed at a random one, and the store it leaves must hold them all.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/tsdb/crash_workload.h"
#include "tests/tsdb/test_directory.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {
namespace {

[[noreturn]] void Become(const std::string& path, int64_t from_step, int pipe) {
  execl(CRASH_WRITER, "crash_writer", path.c_str(), std::to_string(from_step).c_str(),
        std::to_string(pipe).c_str(), nullptr);
  _exit(9);
}

// Runs a writer until it has acknowledged `acks` steps, kills it, and returns how many it had
// acknowledged by then.
int64_t RunAndKill(const std::string& path, int64_t from_step, int64_t acks) {
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(fds[0]);
    Become(path, from_step, fds[1]);
  }
  close(fds[1]);
  int64_t seen = 0;
  char buffer[256];
  bool killed = false;
  for (ssize_t n; (n = read(fds[0], buffer, sizeof buffer)) > 0;) {
    seen += n;
    if (seen >= acks && !killed) killed = kill(child, SIGKILL) == 0;
  }
  close(fds[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself: " << WEXITSTATUS(status);
  return seen;
}

void ExpectComplete(const std::string& path, int64_t steps) {
  FakeClock clock(kNow + steps * 15'000);
  DbOptions options;
  options.path = path;
  options.clock = &clock;
  options.background = false;
  auto db = Db::Open(options);
  ASSERT_TRUE(db.ok()) << db.status().message();
  auto querier = (*db)->NewQuerier();
  auto set = (*querier)->Select(INT64_MIN, INT64_MAX, {}, {});
  ASSERT_TRUE(set.ok());
  ASSERT_EQ((*set)->size(), steps > 0 ? static_cast<size_t>(kSeries) : (*set)->size());
  std::map<std::string, int> number;
  for (int i = 0; i < kSeries; ++i) number[SeriesLabels(i).ToString()] = i;
  for (size_t s = 0; s < (*set)->size(); ++s) {
    Labels labels;
    Columns c;
    labels = Labels((*set)->LabelsAt(s));
    ASSERT_TRUE((*set)->Read(s, &c).ok());
    // One more than acknowledged may be there: written, but killed before the word got out.
    ASSERT_GE(static_cast<int64_t>(c.size()), steps) << labels.ToString();
    ASSERT_LE(static_cast<int64_t>(c.size()), steps + 1) << labels.ToString();
    for (size_t k = 0; k < c.size(); ++k) {
      ASSERT_EQ(c.t_ms[k], kNow + static_cast<int64_t>(k) * 15'000);
      ASSERT_EQ(c.value[k], ValueAt(number[labels.ToString()], static_cast<int64_t>(k)));
    }
  }
}

TEST(Crash, KillNineLosesNothingAcknowledged) {
  const uint64_t seed = 99;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 rng(seed);
  const std::string path = FreshDirectory("crash");
  int64_t steps = 0;
  for (int run = 0; run < 20 && !HasFailure(); ++run) {
    SCOPED_TRACE("run " + std::to_string(run));
    // A step written but not acknowledged is written again: a duplicate, and so a no-op.
    steps += RunAndKill(path, steps, 1 + static_cast<int64_t>(rng() % 40));
    ExpectComplete(path, steps);
  }
  std::filesystem::remove_all(path);
}

TEST(Crash, TornTailOfTheLogIsCut) {
  const std::string path = FreshDirectory("torn");
  int64_t steps = 0;
  std::filesystem::path log;
  // A life that ended just after a seal leaves an empty log: then the next one.
  for (int life = 0; life < 20 && log.empty() && !HasFailure(); ++life) {
    steps += RunAndKill(path, steps, 30);
    for (const auto& entry : std::filesystem::directory_iterator(path + "/head")) {
      if (entry.path().extension() == ".log" && entry.file_size() > 8 &&
          (log.empty() || entry.path() > log)) {
        log = entry.path();
      }
    }
  }
  ASSERT_FALSE(log.empty());
  const auto size = std::filesystem::file_size(log);
  std::filesystem::resize_file(log, size - 5);  // the last record is lost, the rest is there
  FakeClock clock(kNow + steps * 15'000);
  DbOptions options;
  options.path = path;
  options.clock = &clock;
  options.background = false;
  const auto db = Db::Open(options);
  ASSERT_TRUE(db.ok()) << db.status().message();
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace deckwatch::tsdb
