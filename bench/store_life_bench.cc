// The store over a long life of series that come and go, by a fake clock.
//
//   store_life_bench churn [--scale X] [--store PATH]
//       One day of 10 M series, 1 M at a time, scraped every minute (all of it times X, default
//       0.02): memory, files, time, and whether the index finds each series when it lived.
//   store_life_bench years [--hours N] [--pods N] [--unmerged] [--store PATH]
//       N hours (default 2 years) of 20 pods of 100 series an hour, scraped every 10 minutes. Then
//       labels and samples of the last 30 days are asked for, here and from a fresh store that
//       holds those days only. `--unmerged`: windows of 44 hours on a disk too full for merges,
//       which leaves 400 parts.
//
// Series live in pods. Pod k is born k gaps after the start and lives for a fixed time, so what any
// query must give is known without keeping it.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "bench/process.h"
#include "tsdb/db.h"

namespace deckwatch::bench {
namespace {

using tsdb::Db;
using tsdb::DbOptions;

constexpr int64_t kStartMs = 20'834LL * 86'400'000;  // a day begins
constexpr int64_t kHourMs = 3'600'000;
constexpr uint32_t kMetrics = 50;

struct Shape {
  int64_t pods_at_once = 0;
  uint32_t series_per_pod = 0;
  int64_t life_ms = 0;  // of a pod
  int64_t step_ms = 0;  // between its samples

  int64_t gap_ms() const { return life_ms / pods_at_once; }
  int64_t BornMs(int64_t pod) const { return kStartMs + pod * gap_ms(); }
  // The pods that live at t: [first, second).
  std::pair<int64_t, int64_t> AliveAt(int64_t t_ms) const {
    const int64_t age = t_ms - kStartMs;
    return {age < life_ms ? 0 : (age - life_ms) / gap_ms() + 1, age / gap_ms() + 1};
  }
};

std::string PodName(int64_t pod) {
  char text[32];
  std::snprintf(text, sizeof text, "pod-%08" PRId64, pod);
  return text;
}

// Writes what the pods say, step by step.
class Fleet {
 public:
  Fleet(Shape shape, DbOptions options) : shape_(shape), options_(std::move(options)) {
    options_.clock = &clock_;
    options_.background = false;
    std::filesystem::remove_all(options_.path);
  }
  ~Fleet() {
    db_.reset();
    std::filesystem::remove_all(options_.path);
  }

  Status Open() {
    TRY_ASSIGN(db_, Db::Open(options_));
    return {};
  }
  Db& db() { return *db_; }
  int64_t now_ms() const { return clock_.WallMs(); }
  uint64_t samples() const { return samples_; }
  uint64_t most_series() const { return most_series_; }

  Status RunUntil(int64_t end_ms) {
    while (now_ms() < end_ms) {
      const auto [first, last] = shape_.AliveAt(now_ms());
      std::erase_if(refs_, [first = first](const auto& pod) { return pod.first < first; });
      for (int64_t pod = first; pod < last; ++pod) TRY(Scrape(pod));
      clock_.AdvanceMs(shape_.step_ms);
      if (now_ms() / kMaintainMs != (now_ms() - shape_.step_ms) / kMaintainMs) {
        most_series_ = std::max(most_series_, db_->Stats().head_series);
        TRY(db_->Maintain());
      }
    }
    return {};
  }
  // Begins at a later time than pod 0 was born.
  void SkipTo(int64_t t_ms) { clock_.AdvanceMs(t_ms - now_ms()); }

 private:
  static constexpr int64_t kMaintainMs = 600'000;

  Labels LabelsOf(int64_t pod, uint32_t series) const {
    return LabelsBuilder()
        .Set(kMetricName, "metric_" + std::to_string(series % kMetrics))
        .Set("job", "app")
        .Set("path", "/p" + std::to_string(series / kMetrics))
        .Set("pod", PodName(pod))
        .Build();
  }
  void Resolve(int64_t pod, std::vector<SeriesRef>* refs) {
    std::vector<Labels> labels;
    for (uint32_t s = 0; s < shape_.series_per_pod; ++s) labels.push_back(LabelsOf(pod, s));
    const std::vector<LabelsView> views(labels.begin(), labels.end());
    refs->resize(views.size());
    (void)db_->Resolve(views, static_cast<uint64_t>(pod) + 1, *refs);
  }
  Status Scrape(int64_t pod) {
    std::vector<SeriesRef>& refs = refs_[pod];
    if (refs.empty()) Resolve(pod, &refs);
    const int64_t row = (now_ms() - kStartMs) / shape_.step_ms;
    WriteBatch batch;
    for (uint32_t s = 0; s < refs.size(); ++s) {
      batch.Add(refs[s], now_ms(), static_cast<double>(s % 10 == 0 ? (row * 7 + pod) % 1000 : s));
    }
    TRY_ASSIGN(const AppendResult result, db_->Commit(batch));
    samples_ += result.appended;
    if (result.appended == refs.size()) return {};
    return Status::Internal(PodName(pod) + ": not all samples were taken");
  }

  const Shape shape_;
  DbOptions options_;
  FakeClock clock_{kStartMs};
  std::unique_ptr<Db> db_;
  std::unordered_map<int64_t, std::vector<SeriesRef>> refs_;
  uint64_t samples_ = 0;
  uint64_t most_series_ = 0;
};

int Fail(const Status& s) {
  std::fprintf(stderr, "%s\n", s.message().c_str());
  return 1;
}

void ReportUse(const char* what, Fleet* fleet) {
  const tsdb::DbStats s = fleet->db().Stats();
  std::printf("%-10s %6.0f MB resident (cache %4.0f), %5" PRIu64 " files open, %4" PRIu64
              " parts of %6.1f MB, %8" PRIu64 " series in the head, %.0f s CPU\n",
              what, static_cast<double>(ResidentBytes()) / 1e6,
              static_cast<double>(s.cache_bytes) / 1e6, OpenFiles(), s.parts,
              static_cast<double>(s.part_bytes) / 1e6, s.head_series, CpuSeconds());
  std::fflush(stdout);
}

// ---- churn

// Every series of the pod, with every sample of its life up to now.
bool PodIsRight(const Shape& shape, Fleet* fleet, int64_t pod) {
  const int64_t step = shape.step_ms;
  const int64_t born = (shape.BornMs(pod) + step - 1) / step * step;
  const int64_t end = std::min(shape.BornMs(pod) + shape.life_ms, fleet->now_ms());
  const auto rows = static_cast<uint64_t>((end - born + step - 1) / step);
  const auto querier = fleet->db().NewQuerier();
  const auto set =
      (*querier)->Select(INT64_MIN, INT64_MAX, {Matcher::Equal("pod", PodName(pod))}, {});
  if (!set.ok() || (*set)->size() != shape.series_per_pod) return false;
  Columns columns;
  for (size_t i = 0; i < (*set)->size(); ++i) {
    if (!(*set)->Read(i, &columns).ok() || columns.size() != rows) return false;
  }
  return true;
}

// The pods of which something was written in [start, end).
bool PodsAreRight(const Shape& shape, Fleet* fleet, int64_t start_ms, int64_t end_ms) {
  const auto querier = fleet->db().NewQuerier();
  const auto found =
      (*querier)->LabelValues("pod", {.matcher_sets = {{Matcher::Equal("__name__", "metric_7")}},
                                      .start_ms = start_ms,
                                      .end_ms = end_ms - 1});
  if (!found.ok()) return false;
  for (int64_t pod = shape.AliveAt(start_ms).first;
       pod < shape.AliveAt(end_ms - shape.step_ms).second; ++pod) {
    if (!std::binary_search(found->begin(), found->end(), PodName(pod))) return false;
  }
  return true;
}

int Churn(double scale, DbOptions options) {
  const Shape shape{.pods_at_once = std::max<int64_t>(10, static_cast<int64_t>(1000 * scale)),
                    .series_per_pod = 1000,
                    .life_ms = 24 * kHourMs / 10,
                    .step_ms = 60'000};
  Fleet fleet(shape, std::move(options));
  if (const Status s = fleet.Open(); !s.ok()) return Fail(s);
  const double wall = WallSeconds();
  bool right = true;
  for (int hour = 1; hour <= 24; ++hour) {
    if (const Status s = fleet.RunUntil(kStartMs + hour * kHourMs); !s.ok()) return Fail(s);
    const int64_t now = fleet.now_ms();
    const auto [first, last] = shape.AliveAt(now - shape.step_ms);
    for (const int64_t pod : {int64_t{0}, first / 2, first, (first + last) / 2, last - 1}) {
      right = right && PodIsRight(shape, &fleet, pod);
    }
    right = right && PodsAreRight(shape, &fleet, now - kHourMs, now);
    ReportUse(("hour " + std::to_string(hour)).c_str(), &fleet);
  }
  const int64_t pods = shape.AliveAt(fleet.now_ms() - shape.step_ms).second;
  std::printf("%.2f M series over the day, at most %.2f M in the head, %" PRIu64
              " samples in %.0f s; %s\n",
              static_cast<double>(pods) * shape.series_per_pod / 1e6,
              static_cast<double>(fleet.most_series()) / 1e6, fleet.samples(), WallSeconds() - wall,
              right ? "every answer right" : "WRONG answers");
  return right ? 0 : 1;
}

// ---- years

struct Asked {
  double labels_ms = 0, samples_ms = 0;  // CPU, the least of some
  uint64_t pods = 0, series = 0, samples = 0;
};

Asked Ask(Fleet* fleet, int64_t start_ms, int64_t end_ms) {
  Asked asked{.labels_ms = 1e9, .samples_ms = 1e9};
  for (int i = 0; i < 7; ++i) {
    const auto querier = fleet->db().NewQuerier();
    const double from = CpuSeconds();
    const auto pods = (*querier)->LabelValues(
        "pod", {.matcher_sets = {}, .start_ms = start_ms, .end_ms = end_ms});
    const double between = CpuSeconds();
    const auto set =
        (*querier)->Select(start_ms, end_ms, {Matcher::Equal("__name__", "metric_7")}, {});
    asked.samples = 0;
    Columns columns;
    for (size_t k = 0; set.ok() && k < (*set)->size(); ++k) {
      if ((*set)->Read(k, &columns).ok()) asked.samples += columns.size();
    }
    asked.labels_ms = std::min(asked.labels_ms, (between - from) * 1e3);
    asked.samples_ms = std::min(asked.samples_ms, (CpuSeconds() - between) * 1e3);
    asked.pods = pods.ok() ? pods->size() : 0;
    asked.series = set.ok() ? (*set)->size() : 0;
  }
  return asked;
}

int Years(int64_t hours, int64_t pods, DbOptions options) {
  const Shape shape{
      .pods_at_once = pods, .series_per_pod = 100, .life_ms = kHourMs, .step_ms = 600'000};
  const int64_t end = kStartMs + hours * kHourMs;
  const int64_t start = std::max(kStartMs, end - 30 * 24 * kHourMs);
  Fleet old(shape, options);
  if (const Status s = old.Open(); !s.ok()) return Fail(s);
  for (int64_t eighth = 1; eighth <= 8; ++eighth) {
    if (const Status s = old.RunUntil(kStartMs + hours * eighth / 8 * kHourMs); !s.ok()) {
      return Fail(s);
    }
    (void)Ask(&old, old.now_ms() - 30 * 24 * kHourMs, old.now_ms());
    ReportUse((std::to_string(eighth) + "/8").c_str(), &old);
  }
  options.path += "-fresh";
  Fleet fresh(shape, options);
  if (const Status s = fresh.Open(); !s.ok()) return Fail(s);
  fresh.SkipTo(start);
  if (const Status s = fresh.RunUntil(end); !s.ok()) return Fail(s);
  const Asked a = Ask(&old, start, end), b = Ask(&fresh, start, end);
  std::printf("the last 30 days: %" PRIu64 " pods, %" PRIu64 " series, %" PRIu64 " samples\n",
              a.pods, a.series, a.samples);
  std::printf("labels   %8.2f ms, fresh store %8.2f ms: %.2f x\n", a.labels_ms, b.labels_ms,
              a.labels_ms / b.labels_ms);
  std::printf("samples  %8.2f ms, fresh store %8.2f ms: %.2f x\n", a.samples_ms, b.samples_ms,
              a.samples_ms / b.samples_ms);
  std::printf("%s\n", a.samples == b.samples ? "the same samples" : "WRONG: the samples differ");
  return a.samples == b.samples ? 0 : 1;
}

int Main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  double scale = 0.02;
  int64_t hours = 2 * 365 * 24, pods = 20;
  DbOptions options{.path = std::filesystem::temp_directory_path() / "deckwatch_life_bench",
                    .retention_ms = 3 * 365 * 24 * kHourMs};
  for (int i = 2; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--scale" && i + 1 < argc) {
      scale = std::strtod(argv[++i], nullptr);
    } else if (arg == "--hours" && i + 1 < argc) {
      hours = std::strtoll(argv[++i], nullptr, 10);
    } else if (arg == "--pods" && i + 1 < argc) {
      pods = std::max(1LL, std::strtoll(argv[++i], nullptr, 10));
    } else if (arg == "--store" && i + 1 < argc) {
      options.path = argv[++i];
    } else if (arg == "--unmerged") {
      options.window_ms = 44 * kHourMs;
      options.ballast_bytes = 2 << 20;
      options.measure_disk = [](const std::string&) -> Result<tsdb::DiskSpace> {
        return tsdb::DiskSpace{.free_bytes = 5 << 20, .size_bytes = 1 << 30};
      };
    }
  }
  if (mode == "churn") return Churn(scale, std::move(options));
  if (mode == "years") return Years(hours, pods, std::move(options));
  std::fprintf(stderr,
               "usage: store_life_bench churn|years [--scale X] [--hours N] [--unmerged]\n");
  return 2;
}

}  // namespace
}  // namespace deckwatch::bench

int main(int argc, char** argv) {
  return deckwatch::bench::Main(argc, argv);
}
