// The store: samples, alert state and metadata on two RocksDB databases under one directory.
//
//   <path>/head    write-ahead log on: series registry, rows of the open windows, state, meta
//   <path>/parts   immutable parts, one column family each; never written through a log
//
// A commit is one row record of changed values per group and time, in one atomic write. Windows of
// the head are sealed into parts, parts are merged into larger ones, and retention drops whole
// parts. Every byte is drawn in docs/formats.md.
//
// After an I/O error of the log nothing more is acknowledged: writes answer Unavailable and reads
// go on from memory and parts, until the disk takes writes again; then the databases are closed and
// opened anew and all goes on. Samples of a commit that failed may have vanished or be there,
// always as a whole. When the disk fills up, samples are refused (Unavailable) while there is still
// room for state, which goes on being stored.
//
// Thread-safe throughout. Close by destruction, after every Querier made from it is gone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/matcher.h"
#include "base/state_store.h"
#include "base/status.h"
#include "base/storage.h"
#include "tsdb/disk_guard.h"
#include "tsdb/losses.h"

namespace deckwatch::tsdb {

// The first moment of the year 1: no sample is older, whatever the retention.
inline constexpr int64_t kOldestMs = -62'135'596'800'000;

struct DbOptions {
  std::string path;                          // created when missing
  int64_t retention_ms = 15LL * 86'400'000;  // 0: no limit
  int64_t retention_bytes = 0;               // of all files; 0: no limit
  int64_t sync_interval_ms = 100;  // fsync of the log at most this much later; 0: on every commit
  int64_t window_ms = 1'800'000;   // span of one head window
  int64_t memory_bytes = 1 << 30;  // for everything; how it is divided: memory_budget.h
  uint64_t max_series = 0;         // active at once; 0: no limit
  const Clock* clock = Clock::Real();
  bool background = true;  // false: no threads; the owner calls Maintain()
  // Kept back for a full disk (disk_guard.h). -1: 256 MiB, or 1 % of a smaller disk; without
  // background, where nobody watches the disk, 0: none.
  int64_t ballast_bytes = -1;
  DiskGuard::Measure measure_disk = MeasureDisk;
};

// Numbers that only grow while the process lives, for the own metrics.
struct DbCounters {
  uint64_t samples_appended = 0;
  uint64_t samples_late = 0;  // of those, older than their series' newest
  uint64_t samples_duplicate = 0;
  uint64_t samples_conflicting = 0;
  uint64_t samples_too_old = 0;
  uint64_t samples_too_far_ahead = 0;
  uint64_t exemplars_appended = 0;
  uint64_t series_created = 0;
  uint64_t series_removed = 0;
  uint64_t series_refused = 0;  // by max_series, or for want of memory
  uint64_t commits = 0;
  uint64_t log_bytes = 0;
  uint64_t log_syncs = 0;
  uint64_t log_sync_ns = 0;
  uint64_t reopens = 0;  // of the databases after an I/O error
  uint64_t seals = 0;
  uint64_t seals_failed = 0;
  uint64_t merges = 0;
  uint64_t merges_failed = 0;
  uint64_t parts_dropped_by_time = 0;
  uint64_t parts_dropped_by_size = 0;
  uint64_t corruptions = 0;  // damaged blocks met
};

// Bytes of memory by purpose.
struct MemoryUse {
  uint64_t limit = 0;  // DbOptions::memory_bytes
  uint64_t index = 0;  // series of the head
  uint64_t windows = 0;
  uint64_t blocks = 0;      // cache of blocks of files
  uint64_t selections = 0;  // cache of series that queries chose
  uint64_t exemplars = 0;
  uint64_t write_buffers = 0;
};

struct DbStats {
  DbCounters counters;
  uint64_t head_series = 0;
  uint64_t head_samples = 0;  // in the open windows
  uint64_t head_groups = 0;
  uint64_t head_bytes = 0;  // memory of the open windows and of the index
  MemoryUse memory;
  int64_t head_min_ms = INT64_MAX;  // MAX / MIN when the open windows are empty
  int64_t head_max_ms = INT64_MIN;
  int64_t min_ms = INT64_MAX;  // of everything stored
  uint64_t parts = 0;
  uint64_t part_samples = 0;
  uint64_t part_bytes = 0;
  uint64_t cache_bytes = 0;
  bool takes_samples = true;     // false: after an error of the log, for a full disk or memory
  bool disk_is_low = false;      // merges wait
  uint64_t disk_free_bytes = 0;  // when last measured; 0 without a ballast
  uint64_t losses = 0;           // ranges of time known to be lost
  uint64_t scrub_bytes = 0;      // read in the background, looking for damage
  uint64_t scrub_rounds = 0;     // how often all was read
  int64_t scrub_finished_ms = 0;
};

struct NameCount {
  std::string name;
  uint64_t count = 0;
};

// The largest of each, falling, over the series of the head, which are those written to of late. No
// series is looked at: the index knows the counts.
struct Cardinality {
  uint64_t series = 0;
  uint64_t label_pairs = 0;
  std::vector<NameCount> series_by_metric;
  std::vector<NameCount> values_by_label;
  std::vector<NameCount> bytes_by_label;
  std::vector<NameCount> series_by_pair;  // "name=value"
  // Of those, what is new since `new_since_ms`.
  int64_t new_since_ms = 0;
  uint64_t new_series = 0;
  std::vector<NameCount> new_series_by_metric;
  std::vector<NameCount> new_values_by_label;
  std::vector<NameCount> new_series_by_pair;
};

// Bytes on disk by what they hold.
struct BytesByClass {
  uint64_t values = 0;    // values.sst of the parts
  uint64_t clocks = 0;    // shared time columns
  uint64_t labels = 0;    // label sets and their text
  uint64_t postings = 0;  // label pair -> series
  uint64_t rows = 0;      // flushed rows of the open windows
  uint64_t registry = 0;  // flushed series registry
  uint64_t state = 0;     // flushed state, meta, exemplars
  uint64_t log = 0;       // write-ahead log
  uint64_t other = 0;     // manifests and other files
  uint64_t total = 0;
};

class History;

class Db : public Appender, public Queryable, public StateStore {
 public:
  // Opens or creates the store. Ready to append and answer on return. Unavailable when another
  // process holds it; Io when the directory cannot be written. Damaged files do not keep it from
  // opening: what is lost is reported by Losses and by the reads that meet it, and the files go to
  // <path>/lost.
  static Result<std::unique_ptr<Db>> Open(const DbOptions& options);

  // ---- Maintenance, all safe beside reads and writes
  // Seals, merges and applies retention for what is due by the clock. Called by the background
  // thread. After an I/O error, tries to recover first.
  virtual Status Maintain() = 0;
  // Seals and merges everything as if its time had come; returns when done.
  virtual Status Compact() = 0;
  // Hides the samples of matching series with start_ms <= t <= end_ms that are stored now; at once
  // on return. Samples written later are not touched. For 24 hours the delete can be undone; after
  // that they leave the disk with the next merge.
  virtual Status DeleteSeries(const std::vector<Matcher>& matchers, int64_t start_ms,
                              int64_t end_ms) = 0;
  // Shows what the delete has hidden. Where another value was stored since for the same time, the
  // older one counts again. NotFound when there is no such delete that can still be undone.
  virtual Status Undelete(uint64_t id) = 0;
  // Removes what deletes have hidden from the disk: none of them can be undone any more.
  virtual Status CleanTombstones() = 0;
  // A complete store under <path>/snapshots/<name>, made of hard links. AlreadyExists if taken.
  virtual Status Snapshot(const std::string& name) = 0;
  // Samples of history take a way of their own: gathered outside memory (history.h), then written
  // as parts. StoreHistory leaves out, and counts in `result`, what is stored already; so storing
  // the same again changes nothing. Not atomic: what it wrote before an error stays.
  virtual Result<std::unique_ptr<History>> NewHistory(size_t memory_bytes) = 0;
  using Progress = std::function<void(double done)>;  // 0 to 1
  virtual Status StoreHistory(History* history, const Progress& progress, AppendResult* result) = 0;
  // Reads back every byte, checking checksums and structure; the first damage found is the error.
  virtual Status Verify(const std::function<void(double done)>& progress) const = 0;
  // Reads back every byte as well, and writes anew what is damaged without what cannot be read;
  // that is then among the Losses.
  virtual Status Repair(const std::function<void(double done)>& progress) = 0;

  // ---- What is in it
  virtual DbStats Stats() const = 0;
  // What is new since `since_ms`, to ten minutes, but at most in the last day and since the start.
  virtual Cardinality TopCardinality(size_t limit, int64_t since_ms) const = 0;
  // The same over everything stored: of each pair, the most series in one part or in the head.
  // Nothing is new. Reads the postings of all parts.
  virtual Result<Cardinality> StoredCardinality(size_t limit) const = 0;
  virtual Result<BytesByClass> Bytes() const = 0;
  // Of the metric family `name`; of every family when it is empty. In name order.
  virtual std::vector<MetricMetadata> Metadata(std::string_view name) const = 0;

  struct PartInfo {
    uint64_t id = 0;
    int64_t min_ms = 0, max_ms = 0;
    uint64_t series = 0, samples = 0, bytes = 0;
    std::string level;  // "window", "2h", "day", "range"
  };
  virtual std::vector<PartInfo> Parts() const = 0;
  // What was stored and cannot be read any more, as far as it is known.
  virtual std::vector<Loss> Losses() const = 0;

  struct DeleteInfo {
    uint64_t id = 0;
    int64_t created_ms = 0;
    int64_t undo_until_ms = 0;  // 0: it cannot be undone any more
    int64_t start_ms = 0, end_ms = 0;
    std::string selector;  // {job="a"}
  };
  // Those with hidden samples still on the disk, oldest first.
  virtual std::vector<DeleteInfo> Deletes() const = 0;
};

}  // namespace deckwatch::tsdb
