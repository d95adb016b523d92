// The writer of the crash test, a program of its own because a mere fork would lack the threads of
// RocksDB: crash_writer PATH FIRST_STEP PIPE
#include <cstdlib>
#include <random>
#include <string>

#include <unistd.h>

#include "base/clock.h"
#include "tests/tsdb/crash_workload.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {
namespace {

// Step k writes all series at kNow + 15 s * k, some steps seal, merge or write late samples; a byte
// goes down the pipe for each acknowledged step. Runs until killed.
[[noreturn]] void Write(const std::string& path, int64_t from_step, int pipe) {
  FakeClock clock(kNow + from_step * 15'000);
  DbOptions options;
  options.path = path;
  options.clock = &clock;
  options.background = false;
  options.memory_bytes = 32 << 20;
  auto db = Db::Open(options);
  if (!db.ok()) _exit(3);
  std::mt19937_64 rng(static_cast<uint64_t>(from_step));
  for (int64_t step = from_step;; ++step) {
    WriteBatch batch;
    for (int i = 0; i < kSeries; ++i) {
      const Labels labels = SeriesLabels(i);
      const LabelsView view = labels;
      SeriesRef ref = kNoSeries;
      if (!(*db)->Resolve({&view, 1}, 0, {&ref, 1}).ok()) _exit(4);
      batch.Add(ref, kNow + step * 15'000, ValueAt(i, step));
    }
    if (!(*db)->Commit(batch).ok()) _exit(5);
    const char ack = '.';
    if (write(pipe, &ack, 1) != 1) _exit(6);
    clock.AdvanceMs(15'000);
    if (rng() % 40 == 0 && !(*db)->Compact().ok()) _exit(7);
    if (rng() % 20 == 0 && !(*db)->Maintain().ok()) _exit(8);
  }
}

}  // namespace
}  // namespace deckwatch::tsdb

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  deckwatch::tsdb::Write(argv[1], std::atoll(argv[2]), std::atoi(argv[3]));
}
