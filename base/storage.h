// The narrow waist: all that scraping, querying and rules know of the store.
//
//   scraper, rules, remote write ──► Appender ──► tsdb ◄── Queryable ◄── query, HTTP API
//
// Samples are written in batches of columns and read as columns per series: no virtual call and no
// allocation per sample.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/labels.h"
#include "base/matcher.h"
#include "base/sample.h"
#include "base/status.h"

namespace deckwatch {

// Names a series inside one running store. Never reused, so an old one can only be unknown, never
// someone else's.
using SeriesRef = uint64_t;
inline constexpr SeriesRef kNoSeries = 0;

// ---- writing

struct Exemplar {
  Labels labels;
  double value = 0;
  int64_t t_ms = 0;
  bool own_time = true;  // false: it came without, and has that of its sample
};

enum class MetricType : uint8_t {
  kUnknown,
  kCounter,
  kGauge,
  kHistogram,
  kGaugeHistogram,
  kSummary,
  kInfo,
  kStateSet
};
std::string_view MetricTypeName(MetricType type);  // "counter", …; unknown is "unknown"

struct MetricMetadata {
  std::string name;  // metric family
  MetricType type = MetricType::kUnknown;
  std::string help;
  std::string unit;
};

// One atomic unit of writing, usually one scrape or one write request. The first three columns are
// parallel. Fastest when `ref` ascends and few distinct times occur (one scrape has one).
struct WriteBatch {
  std::vector<SeriesRef> ref;
  std::vector<int64_t> t_ms;
  std::vector<double> value;

  struct HistogramSample {
    SeriesRef ref = kNoSeries;
    int64_t t_ms = 0;
    HistogramPtr value;
    int64_t start_ms = 0;  // start timestamp, 0 = unknown
  };
  std::vector<HistogramSample> histograms;
  struct ExemplarSample {
    SeriesRef ref = kNoSeries;
    Exemplar exemplar;
  };
  std::vector<ExemplarSample> exemplars;
  std::vector<MetricMetadata> metadata;
  // Start timestamps (created timestamps) of the samples in `ref`, 0 = unknown; empty, or parallel
  // to `ref`.
  std::vector<int64_t> start_ms;

  void Add(SeriesRef r, int64_t t, double v) {
    ref.push_back(r);
    t_ms.push_back(t);
    value.push_back(v);
  }
  void Clear() {
    ref.clear(), t_ms.clear(), value.clear(), histograms.clear(), exemplars.clear();
    metadata.clear(), start_ms.clear();
  }
};

// What became of a batch. Rejected samples are counted data, not errors: the rest of the batch is
// stored.
struct AppendResult {
  uint64_t appended = 0;
  uint64_t duplicate = 0;      // same time and value as stored: a no-op
  uint64_t conflicting = 0;    // same time, another value: the stored one stays
  uint64_t too_old = 0;        // before the retention
  uint64_t too_far_ahead = 0;  // more than 10 minutes in the future
  // Indexes into WriteBatch::ref of samples whose series the store has forgotten (idle for long).
  // Resolve the labels again and commit those samples once more.
  std::vector<uint32_t> unknown_ref;
  // The same for WriteBatch::histograms and WriteBatch::exemplars.
  std::vector<uint32_t> unknown_histogram;
  std::vector<uint32_t> unknown_exemplar;
};

class Appender {
 public:
  virtual ~Appender() = default;

  // Finds or creates the series of each label set; `refs` has the size of `labels`. Labels must
  // hold a metric name. `group` names what writes them (a scrape target), so that series written
  // together are stored together; 0 = derive it from job and instance. A series belongs to the
  // group that created it. ResourceExhausted when a series limit keeps some from being created:
  // those refs are kNoSeries, the others are valid. A series becomes durable with the first batch
  // that has a sample of it. Thread-safe.
  virtual Status Resolve(std::span<const LabelsView> labels, uint64_t group,
                         std::span<SeriesRef> refs) = 0;

  // Stores the batch: when it returns OK, every appended sample survives kill -9 at once and a
  // power cut after at most the sync interval. Samples with ref kNoSeries are skipped. On error
  // nothing of the batch is stored. Visible to queries that start afterwards. Thread-safe; batches
  // of different groups do not wait for each other's decoding.
  virtual Result<AppendResult> Commit(const WriteBatch& batch) = 0;
};

// ---- reading

// The samples of one series, in time order. Stale markers are included; consumers skip them by bit
// pattern.
struct Columns {
  std::vector<int64_t> t_ms;  // strictly increasing
  std::vector<double> value;  // same length
  // Empty when every sample is a float; else the same length, with null where the sample is a
  // float.
  std::vector<HistogramPtr> histogram;
  // Empty when no start time is known; else the same length, 0 where unknown.
  std::vector<int64_t> start_ms;

  size_t size() const { return t_ms.size(); }
  bool empty() const { return t_ms.empty(); }
  void Clear() { t_ms.clear(), value.clear(), histogram.clear(), start_ms.clear(); }
  size_t bytes() const {
    return t_ms.size() * sizeof(int64_t) + value.size() * sizeof(double) +
           histogram.size() * sizeof(HistogramPtr) + start_ms.size() * sizeof(int64_t);
  }
};

// The newest sample of each series of a stretch, in the order of the series.
struct LatestSamples {
  static constexpr int64_t kNone = INT64_MIN;

  std::vector<int64_t> t_ms;  // kNone: the series has no sample
  std::vector<double> value;  // same length
  // Empty when every sample is a float; else the same length, with null where the sample is a
  // float.
  std::vector<HistogramPtr> histogram;

  size_t size() const { return t_ms.size(); }
  void Reset(size_t n) { t_ms.assign(n, kNone), value.assign(n, 0), histogram.clear(); }
  void Set(size_t k, int64_t t, double v, HistogramPtr h) {
    t_ms[k] = t, value[k] = v;
    if (h != nullptr && histogram.empty()) histogram.resize(size());
    if (!histogram.empty()) histogram[k] = std::move(h);
  }
};

// The series that one selector matched, as of the moment of Select; later writes may or may not be
// seen in Read. Ordered by metric name, then by the rest of the label set. Thread-safe: any thread
// may read any series.
class SeriesSet {
 public:
  virtual ~SeriesSet() = default;
  virtual size_t size() const = 0;
  virtual LabelsView LabelsAt(size_t i) const = 0;  // lives as long as the set
  // Replaces `out` by the samples of series i with start_ms <= t <= end_ms of the Select; may be
  // empty. Where stored bytes are damaged, it holds what is left, and Querier::Losses says what is
  // lost.
  virtual Status Read(size_t i, Columns* out) const = 0;

  // Reading a stretch of series costs less than reading them one by one. The defaults do just that.
  //
  // Reads series [begin, end) in turn and visits each, also those without samples. `columns` are
  // the visitor's until it returns. Ends with the first error, that of a visit included.
  using Visit = std::function<Status(size_t i, Columns* columns)>;
  virtual Status ReadEach(size_t begin, size_t end, const Visit& visit) const;
  // Replaces `out` by the newest sample of each series of [begin, end). Ends with the first error.
  virtual Status ReadLatest(size_t begin, size_t end, LatestSamples* out) const;
};

// What the reader will do with the samples; a store may use it to read less, and may ignore it.
struct SelectHints {
  int64_t step_ms = 0;       // 0: instant
  int64_t range_ms = 0;      // range selector's width; 0: instant selector
  std::string function;      // innermost function or aggregation around the selector, e.g. "rate"
  bool latest_only = false;  // only the newest sample of each series in the range is needed
  // The same for series whose newest sample is a float and no stale marker; of others all samples
  // are needed.
  bool latest_float = false;
  // Only the times of float samples matter, and which are stale markers: any other may come with
  // any value that is no stale marker.
  bool any_value = false;
  // Asked before memory is taken for the label sets of so many series, for each place where they
  // are; may wait, and its error ends the Select. May be empty.
  std::function<Status(size_t series)> admit;
};

struct LabelQuery {
  std::vector<std::vector<Matcher>> matcher_sets;  // union of them; empty: every series
  int64_t start_ms = INT64_MIN;
  int64_t end_ms = INT64_MAX;
  size_t limit = 0;  // 0: none
};

// A consistent view of the store at the moment it was made; cheap to make. Thread-safe. Holding one
// keeps what it shows alive on disk, so do not keep it for longer than a query.
class Querier {
 public:
  virtual ~Querier() = default;
  // Both times inclusive. Series that have no sample in the range may be left out or may come with
  // empty columns.
  virtual Result<std::unique_ptr<SeriesSet>> Select(int64_t start_ms, int64_t end_ms,
                                                    const std::vector<Matcher>& matchers,
                                                    const SelectHints& hints) const = 0;
  // What of all that this querier was asked for is known to be lost, as sentences that name the
  // time. Ask after the last read; an answer is to be shown with them.
  virtual std::vector<std::string> Losses() const { return {}; }
  // Sorted, without duplicates.
  virtual Result<std::vector<std::string>> LabelNames(const LabelQuery& query) const = 0;
  virtual Result<std::vector<std::string>> LabelValues(const std::string& name,
                                                       const LabelQuery& query) const = 0;
  // Sorted label sets.
  virtual Result<std::vector<Labels>> Series(const LabelQuery& query) const = 0;
  // Exemplars of matching series, in time order per series.
  struct SeriesExemplars {
    Labels labels;
    std::vector<Exemplar> exemplars;
  };
  virtual Result<std::vector<SeriesExemplars>> Exemplars(const LabelQuery& query) const = 0;
};

class Queryable {
 public:
  virtual ~Queryable() = default;
  virtual Result<std::unique_ptr<Querier>> NewQuerier() const = 0;

  // What may be kept of an answer: samples before UnchangedBefore(v), and from OldestMs() on, are
  // what a querier made after Version() gave v has seen of them. Whoever has been told of a change
  // finds it counted; one that is not acknowledged yet may have been seen or not. Cheap. The
  // defaults say that nothing may be kept.
  virtual uint64_t Version() const { return 0; }
  virtual int64_t UnchangedBefore(uint64_t /*version*/) const { return INT64_MIN; }
  // Queries are not shown what is older. Moves with the clock.
  virtual int64_t OldestMs() const { return INT64_MIN; }
};

}  // namespace deckwatch
