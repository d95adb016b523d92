// What the disk gets to see of a sample over its life: log, flushed rows, window part, two hours,
// day. Recorded pages are written at the pace of the clock, a fake one, for more than a day; the
// figures are those of the kernel for this process (/proc/self/io).
//
//   store_bytes_bench DIRECTORY [--hours N] [--copies N] [--sync] [--store PATH]
//
// DIRECTORY as in tsdb_bench; when its pages are over, they begin anew. `--copies` writes each page
// as that many instances. `--sync` makes every commit durable by itself: the most a store can
// write, because the last page of the log is written again each time. Without it nothing is synced,
// and only whole pages count. The ballast file is not there.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "bench/process.h"
#include "bench/recorded_pages.h"
#include "tsdb/db.h"

namespace deckwatch::bench {
namespace {

using tsdb::Db;
using tsdb::DbOptions;

constexpr int64_t kStartMs = 20'834LL * 86'400'000;  // a day begins: the day part comes in time
constexpr int64_t kStepMs = 15'000;
constexpr size_t kStepsPerHour = 3'600'000 / kStepMs;

class Life {
 public:
  Life(std::vector<RecordedTarget> targets, size_t copies, DbOptions options)
      : targets_(std::move(targets)), copies_(copies), options_(std::move(options)) {
    options_.clock = &clock_;
    options_.background = false;
  }

  int Run(size_t hours) {
    std::filesystem::remove_all(options_.path);
    auto db = Db::Open(options_);
    if (!db.ok()) return Fail(db.status());
    db_ = std::move(db).value();
    AddInstances();
    for (size_t step = 0; step < hours * kStepsPerHour; ++step) {
      for (Instance& i : instances_) {
        const WrittenBytes before = Written();
        const Status s = Scrape(step, &i);
        Add(before, &commits_);
        if (!s.ok()) return Fail(s);
      }
      clock_.AdvanceMs(kStepMs);
      if (step % 4 != 3) continue;
      const WrittenBytes before = Written();
      if (const Status s = db_->Maintain(); !s.ok()) return Fail(s);
      Add(before, &maintenance_);
    }
    Report(hours);
    const bool right = Check();
    db_.reset();
    std::filesystem::remove_all(options_.path);
    return right ? 0 : 1;
  }

 private:
  struct Instance {
    const RecordedTarget* target = nullptr;
    std::vector<Labels> labels;
    std::vector<SeriesRef> refs;
  };

  static int Fail(const Status& s) {
    std::fprintf(stderr, "%s\n", s.message().c_str());
    return 1;
  }
  static void Add(const WrittenBytes& before, WrittenBytes* sum) {
    const WrittenBytes now = Written();
    sum->calls += now.calls - before.calls;
    sum->disk += now.disk - before.disk;
  }

  void AddInstances() {
    for (size_t c = 0; c < copies_; ++c) {
      for (const RecordedTarget& t : targets_) {
        Instance i{.target = &t, .labels = {}, .refs = {}};
        for (const Labels& l : t.labels) {
          i.labels.push_back(LabelsBuilder(l).Set("instance", "host-" + std::to_string(c)).Build());
        }
        i.refs.resize(i.labels.size());
        Resolve(&i);
        instances_.push_back(std::move(i));
      }
    }
  }
  void Resolve(Instance* i) {
    const std::vector<LabelsView> views(i->labels.begin(), i->labels.end());
    (void)db_->Resolve(views, 0, i->refs);
  }

  Status Scrape(size_t step, Instance* i) {
    const RecordedTarget::Row& row = i->target->rounds[step % i->target->rounds.size()];
    // Twice when series were forgotten meanwhile; what was stored the first time is a duplicate.
    for (int attempt = 0; attempt < 2; ++attempt) {
      WriteBatch batch;
      for (size_t k = 0; k < row.series.size(); ++k) {
        batch.Add(i->refs[row.series[k]], clock_.WallMs(), row.value[k]);
      }
      TRY_ASSIGN(const AppendResult result, db_->Commit(batch));
      samples_ += result.appended;
      if (result.unknown_ref.empty()) break;
      Resolve(i);
    }
    return {};
  }

  void Report(size_t hours) const {
    const auto per_sample = [this](uint64_t bytes) {
      return static_cast<double>(bytes) / static_cast<double>(samples_);
    };
    const tsdb::DbStats s = db_->Stats();
    std::printf("%zu hours, %" PRIu64 " series, %" PRIu64 " samples, %" PRIu64 " parts\n", hours,
                s.head_series, samples_, s.parts);
    std::printf("bytes per sample       handed to write     written to disk\n");
    const auto line = [&](const char* what, const WrittenBytes& w) {
      std::printf("%-22s %15.3f %19.3f\n", what, per_sample(w.calls), per_sample(w.disk));
    };
    line("commits", commits_);
    std::printf("  log records          %15.3f\n", per_sample(s.counters.log_bytes));
    line("flush, seal, merge", maintenance_);
    line("all", {commits_.calls + maintenance_.calls, commits_.disk + maintenance_.disk});
    std::printf("seals %" PRIu64 ", merges %" PRIu64 "; %.3f bytes per sample lie in parts\n",
                s.counters.seals, s.counters.merges, per_sample(s.part_bytes));
  }

  bool Check() const {
    const auto querier = db_->NewQuerier();
    const auto all = Matcher::Create(MatchType::kRegex, "__name__", ".+");
    const auto set = (*querier)->Select(INT64_MIN, INT64_MAX, {*all}, {});
    uint64_t samples = 0;
    Columns columns;
    for (size_t i = 0; set.ok() && i < (*set)->size(); ++i) {
      if ((*set)->Read(i, &columns).ok()) samples += columns.size();
    }
    std::printf("%s\n", samples == samples_ ? "every sample is there" : "WRONG: samples missing");
    return samples == samples_;
  }

  const std::vector<RecordedTarget> targets_;
  const size_t copies_;
  FakeClock clock_{kStartMs};
  DbOptions options_;
  std::unique_ptr<Db> db_;
  std::vector<Instance> instances_;
  uint64_t samples_ = 0;
  WrittenBytes commits_, maintenance_;
};

int Main(int argc, char** argv) {
  std::string directory;
  DbOptions options{.path = std::filesystem::temp_directory_path() / "deckwatch_bytes_bench"};
  size_t hours = 26, copies = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--hours" && i + 1 < argc) {
      hours = std::strtoull(argv[++i], nullptr, 10);
    } else if (arg == "--copies" && i + 1 < argc) {
      copies = std::strtoull(argv[++i], nullptr, 10);
    } else if (arg == "--sync") {
      options.sync_interval_ms = 0;
    } else if (arg == "--store" && i + 1 < argc) {
      options.path = argv[++i];
    } else {
      directory = arg;
    }
  }
  std::vector<RecordedTarget> targets = ReadRecordedPages(directory, SIZE_MAX, 1, 1);
  if (targets.empty()) {
    std::fprintf(stderr, "usage: store_bytes_bench DIRECTORY [--hours N] [--copies N] [--sync]\n");
    return 2;
  }
  return Life(std::move(targets), copies, std::move(options)).Run(hours);
}

}  // namespace
}  // namespace deckwatch::bench

int main(int argc, char** argv) {
  return deckwatch::bench::Main(argc, argv);
}
