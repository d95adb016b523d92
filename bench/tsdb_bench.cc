// The store on recorded pages: bytes per sample, time per sample of writing, sealing and reading,
// memory per series, time to open again. Every answer is compared with what was written.
//
//   tsdb_bench DIRECTORY [--rounds N] [--stride N] [--phases N] [--copies N] [--store PATH]
//
// DIRECTORY holds *.rec.zst: frames `#@ <unix_ms> <bytes>\n<page>` of text exposition. Each round
// is stamped 15 s after the one before. `--copies` writes each page as that many instances.
#include <algorithm>
#include <bit>
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

namespace deckwatch::tsdb {
namespace {

using bench::CpuSeconds, bench::ReadRecordedPages, bench::RecordedTarget, bench::ResidentBytes,
    bench::WallSeconds;

constexpr int64_t kStart = 1'800'000'000'000;
constexpr int64_t kStepMs = 15'000;

class Bench {
 public:
  Bench(std::vector<RecordedTarget> targets, size_t copies, std::string path)
      : targets_(std::move(targets)), copies_(copies), clock_(kStart) {
    options_.path = std::move(path);
    options_.clock = &clock_;
    options_.background = false;
  }

  int Run() {
    std::filesystem::remove_all(options_.path);
    const uint64_t before = ResidentBytes();
    if (!Open()) return 1;
    ResolveAll();
    Write();
    const DbStats stats = db_->Stats();
    std::printf("memory     %.0f B/series resident, %.0f B/series counted; %" PRIu64
                " samples in open windows\n",
                static_cast<double>(ResidentBytes() - before) / static_cast<double>(series_),
                static_cast<double>(stats.head_bytes) / static_cast<double>(series_),
                stats.head_samples);
    double wall = WallSeconds();
    if (!Open()) return 1;
    std::printf("open       %.3f s with %" PRIu64 " series and %" PRIu64 " samples in the log\n",
                WallSeconds() - wall, stats.head_series, stats.head_samples);
    FirstAnswer();
    double cpu = CpuSeconds();
    if (const Status s = db_->Compact(); !s.ok()) return Fail(s);
    std::printf("compact    %.1f M samples/s\n",
                static_cast<double>(samples_) / (CpuSeconds() - cpu) / 1e6);
    PrintBytes();
    const bool right = Scan("scan cold ") && Scan("scan warm ");
    db_.reset();
    std::filesystem::remove_all(options_.path);
    return right ? 0 : 1;
  }

 private:
  static int Fail(const Status& s) {
    std::fprintf(stderr, "%s\n", s.message().c_str());
    return 1;
  }
  bool Open() {
    db_.reset();
    auto db = Db::Open(options_);
    if (!db.ok()) return Fail(db.status()) == 0;
    db_ = std::move(db).value();
    return true;
  }

  void ResolveAll() {
    std::vector<Labels>& labels = labels_;
    for (const RecordedTarget& t : targets_) {
      for (size_t c = 0; c < copies_; ++c) {
        for (const Labels& l : t.labels) {
          labels.push_back(
              LabelsBuilder(l)
                  .Set("instance", "host-" + std::to_string(c) + "-" + t.phase + ":9100")
                  .Build());
        }
      }
    }
    series_ = labels.size();
    const std::vector<LabelsView> views(labels.begin(), labels.end());
    refs_.resize(views.size());
    const double cpu = CpuSeconds();
    (void)db_->Resolve(views, 0, refs_);
    const double created = CpuSeconds() - cpu;
    (void)db_->Resolve(views, 0, refs_);
    const double found = CpuSeconds() - cpu - created;
    std::printf("series     %zu; new %.0f k/s, known %.1f M/s\n", series_,
                static_cast<double>(series_) / created / 1e3,
                static_cast<double>(series_) / found / 1e6);
  }

  void Write() {
    size_t rounds = 0;
    for (const RecordedTarget& t : targets_) rounds = std::max(rounds, t.rounds.size());
    double cpu = 0, maintain = 0;
    WriteBatch batch;
    for (size_t r = 0; r < rounds; ++r) {
      const int64_t t_ms = kStart + static_cast<int64_t>(r) * kStepMs;
      size_t base = 0;
      for (const RecordedTarget& t : targets_) {
        for (size_t c = 0; c < copies_; ++c, base += t.labels.size()) {
          if (r >= t.rounds.size()) continue;
          batch.Clear();
          for (size_t i = 0; i < t.rounds[r].series.size(); ++i) {
            batch.Add(refs_[base + t.rounds[r].series[i]], t_ms, t.rounds[r].value[i]);
          }
          const double from = CpuSeconds();
          const auto result = db_->Commit(batch);
          cpu += CpuSeconds() - from;
          if (!result.ok()) continue;
          samples_ += result->appended;
          if (!result->unknown_ref.empty()) samples_ += CommitForgotten(batch, t, r, base, *result);
        }
      }
      clock_.AdvanceMs(kStepMs);
      if (r % 20 == 19) {
        const double from = CpuSeconds();
        (void)db_->Maintain();
        maintain += CpuSeconds() - from;
      }
    }
    const DbStats s = db_->Stats();
    std::printf(
        "write      %.2f M samples/s (%.0f ns/sample) to the log, %.3f B/sample of log; "
        "sealing and merging %.0f ns/sample\n",
        static_cast<double>(samples_) / cpu / 1e6, cpu * 1e9 / static_cast<double>(samples_),
        static_cast<double>(s.counters.log_bytes) / static_cast<double>(samples_),
        maintain * 1e9 / static_cast<double>(samples_));
  }

  // Series that were idle for long have to be resolved again.
  uint64_t CommitForgotten(const WriteBatch& batch, const RecordedTarget& t, size_t round,
                           size_t base, const AppendResult& first) {
    WriteBatch again;
    for (const uint32_t i : first.unknown_ref) {
      const size_t series = base + t.rounds[round].series[i];
      const LabelsView view = labels_[series];
      (void)db_->Resolve({&view, 1}, 0, {&refs_[series], 1});
      again.Add(refs_[series], batch.t_ms[i], batch.value[i]);
    }
    const auto result = db_->Commit(again);
    return result.ok() ? result->appended : 0;
  }

  void FirstAnswer() {
    double wall = WallSeconds();
    const auto querier = db_->NewQuerier();
    const auto set =
        (*querier)->Select(INT64_MIN, INT64_MAX, {Matcher::Equal("__name__", "go_goroutines")}, {});
    uint64_t samples = 0;
    Columns columns;
    for (size_t i = 0; set.ok() && i < (*set)->size(); ++i) {
      if ((*set)->Read(i, &columns).ok()) samples += columns.size();
    }
    std::printf("           first answer %.3f s (%" PRIu64 " samples)", WallSeconds() - wall,
                samples);
    wall = WallSeconds();
    (void)db_->Stats();
    std::printf(", the rest read in %.3f s\n", WallSeconds() - wall);
  }

  void PrintBytes() {
    const auto b = db_->Bytes();
    const DbStats s = db_->Stats();
    if (!b.ok()) return;
    const auto per_sample = [&](uint64_t n) {
      return static_cast<double>(n) / static_cast<double>(samples_);
    };
    uint64_t part_series = 0;
    for (const Db::PartInfo& p : db_->Parts()) part_series += p.series;
    std::printf(
        "disk       %.4f B/sample values, %.4f clocks; index %.1f B/series and part (labels "
        "%.1f, postings %.1f); %" PRIu64 " parts, %" PRIu64 " samples\n",
        per_sample(b->values), per_sample(b->clocks),
        static_cast<double>(b->labels + b->postings) / static_cast<double>(part_series),
        static_cast<double>(b->labels) / static_cast<double>(part_series),
        static_cast<double>(b->postings) / static_cast<double>(part_series), s.parts,
        s.part_samples);
  }

  // Reads every series and compares it with the recording.
  bool Scan(const char* name) {
    const double cpu = CpuSeconds();
    auto querier = db_->NewQuerier();
    auto set = (*querier)->Select(INT64_MIN, INT64_MAX, {}, {});
    if (!set.ok()) return Fail(set.status()) == 0;
    const double selected = CpuSeconds() - cpu;
    uint64_t samples = 0, sum = 0, last_sum = 0;
    const Status read = (*set)->ReadEach(0, (*set)->size(), [&](size_t, Columns* c) -> Status {
      samples += c->size();
      for (double v : c->value) sum += std::bit_cast<uint64_t>(v);
      if (!c->empty()) last_sum += std::bit_cast<uint64_t>(c->value.back());
      return {};
    });
    if (!read.ok()) return Fail(read) == 0;
    const double spent = CpuSeconds() - cpu;
    uint64_t expected = 0;
    for (const RecordedTarget& t : targets_) {
      for (const RecordedTarget::Row& row : t.rounds) {
        std::vector<bool> seen(t.labels.size());
        for (size_t i = 0; i < row.series.size(); ++i) {
          if (seen[row.series[i]]) continue;  // a page that names a series twice: the first stays
          seen[row.series[i]] = true;
          expected += copies_ * std::bit_cast<uint64_t>(row.value[i]);
        }
      }
    }
    const bool right = samples == samples_ && sum == expected;
    std::printf("%s %.0f M samples/s; select %.1f ms of %zu series; %s\n", name,
                static_cast<double>(samples) / spent / 1e6, selected * 1e3, (*set)->size(),
                right ? "every bit as written" : "WRONG");
    return right && Latest(last_sum);
  }

  // The newest sample of every series, as instant queries ask for it again and again.
  bool Latest(uint64_t expected) {
    SelectHints hints;
    hints.latest_only = true;
    auto querier = db_->NewQuerier();
    for (int round = 0; round < 2; ++round) {
      const double cpu = CpuSeconds();
      auto set = (*querier)->Select(INT64_MIN, INT64_MAX, {}, hints);
      if (!set.ok()) return Fail(set.status()) == 0;
      LatestSamples latest;
      const Status s = (*set)->ReadLatest(0, (*set)->size(), &latest);
      if (!s.ok()) return Fail(s) == 0;
      const double spent = CpuSeconds() - cpu;
      uint64_t sum = 0;
      for (size_t i = 0; i < latest.size(); ++i) {
        if (latest.t_ms[i] != LatestSamples::kNone) sum += std::bit_cast<uint64_t>(latest.value[i]);
      }
      if (sum != expected) return Fail(Status::Internal("newest samples are WRONG")) == 0;
      if (round == 0) continue;  // made what the store keeps
      std::printf("           newest samples of all: %.0f ns/series\n",
                  spent * 1e9 / static_cast<double>((*set)->size()));
    }
    return true;
  }

  const std::vector<RecordedTarget> targets_;
  const size_t copies_;
  FakeClock clock_;
  DbOptions options_;
  std::unique_ptr<Db> db_;
  std::vector<Labels> labels_;
  std::vector<SeriesRef> refs_;
  size_t series_ = 0;
  uint64_t samples_ = 0;
};

int Main(int argc, char** argv) {
  std::string directory, store = std::filesystem::temp_directory_path() / "deckwatch_tsdb_bench";
  size_t rounds = 480, stride = 1, copies = 1, phases = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
    if (arg == "--rounds") {
      rounds = number();
    } else if (arg == "--stride") {
      stride = std::max<size_t>(1, number());
    } else if (arg == "--phases") {
      phases = number();
    } else if (arg == "--copies") {
      copies = number();
    } else if (arg == "--store" && i + 1 < argc) {
      store = argv[++i];
    } else {
      directory = arg;
    }
  }
  std::vector<RecordedTarget> targets = ReadRecordedPages(directory, rounds, stride, phases);
  if (targets.empty()) {
    std::fprintf(
        stderr,
        "usage: tsdb_bench DIRECTORY [--rounds N] [--stride N] [--phases N] [--copies N]\n");
    return 2;
  }
  return Bench(std::move(targets), copies, store).Run();
}

}  // namespace
}  // namespace deckwatch::tsdb

int main(int argc, char** argv) {
  return deckwatch::tsdb::Main(argc, argv);
}
