// One open window of the head: the samples of a span of time, in memory, a column per series and a
// clock per group. What is here is also in the log, as row records:
//
//   key    group key (8 bytes, big-endian), number of the row record in the group (4, big-endian)
//   value  zigzag varint time
//          varint count of runs, then (zigzag varint gap from the end of the last run, varint
//          length)*: the columns present, in the order of the batch Entry* (column.h): positions
//          are the columns present; a start entry is for the next position only; positions after
//          the last entry repeat their last value
//
// Every window starts anew: the first entry of a column in it stands for itself, so that windows
// can be read and dropped one by one.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/storage.h"
#include "tsdb/column.h"
#include "tsdb/kv.h"

namespace deckwatch::tsdb {

// What became of the samples of a row.
struct RowCounts {
  uint64_t appended = 0;
  uint64_t late = 0;  // of those, older than the newest of their series here
  uint64_t duplicate = 0;
  uint64_t conflicting = 0;
};

// The samples of one group in one window. Thread-safe: writers take turns (the caller sees to it),
// readers hold the mutex for one copy.
class GroupWindow {
 public:
  struct Input {
    uint32_t column = 0;
    double value = 0;
    int64_t start_ms = 0;                     // 0: unknown
    const HistogramPtr* histogram = nullptr;  // instead of `value`
  };
  // Appends the samples of one time and writes the record of those kept; `record` is left empty
  // when none was.
  void AppendRow(int64_t t_ms, std::span<const Input> row, RowCounts* counts, std::string* record);
  // Repeats a row read from the log. False when it is damaged; samples before the damage are kept.
  [[nodiscard]] bool Replay(std::string_view record);
  uint32_t NextRecord() { return next_record_++; }  // writer's turn only
  void ReserveRecords(uint32_t next) { next_record_ = std::max(next_record_, next); }

  // Appends the samples of the column with start_ms <= t <= end_ms to `out`. False, with nothing
  // done, when `out` holds a sample that may not lie before them. `latest_only`: all but the last
  // of `out` and of them may be left out.
  [[nodiscard]] bool AppendTo(uint32_t column, int64_t start_ms, int64_t end_ms, bool latest_only,
                              Columns* out) const;
  // Replaces `out` by them.
  void Read(uint32_t column, int64_t start_ms, int64_t end_ms, Columns* out) const {
    out->Clear();
    (void)AppendTo(column, start_ms, end_ms, false, out);  // true: `out` is empty
  }
  bool HasSamples(uint32_t column) const;
  std::vector<int64_t> Clock() const;  // ascending
  // Adds the starts of the stretches of `width_ms` that have samples.
  void AddBuckets(int64_t width_ms, std::set<int64_t>* starts) const;

  uint64_t samples() const { return samples_.load(std::memory_order_relaxed); }
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  int64_t min_ms() const { return min_ms_.load(std::memory_order_relaxed); }
  int64_t max_ms() const { return max_ms_.load(std::memory_order_relaxed); }

 private:
  struct LateSample {
    uint64_t bits = 0;
    int64_t start_ms = 0;
    HistogramPtr histogram;
  };
  class RecordWriter;
  enum class Verdict { kAppend, kLate, kDuplicate, kConflict };

  Verdict Judge(int64_t t_ms, const Input& in) const REQUIRES(mutex_);
  Verdict JudgeLate(int64_t t_ms, const Input& in) const REQUIRES(mutex_);
  void Append(uint32_t row, const Input& in) REQUIRES(mutex_);
  void AppendLate(int64_t t_ms, const Input& in) REQUIRES(mutex_);
  uint32_t RowAt(int64_t t_ms) REQUIRES(mutex_);
  std::optional<uint32_t> FindRow(int64_t t_ms) const REQUIRES(mutex_);
  using LateSamples = std::map<std::pair<uint32_t, int64_t>, LateSample>;
  // The late samples of a column with start_ms <= t <= end_ms.
  std::pair<LateSamples::const_iterator, LateSamples::const_iterator> LateBetween(
      uint32_t column, int64_t start_ms, int64_t end_ms) const REQUIRES(mutex_);
  void ReadFloats(const Column& column, int64_t start_ms, int64_t end_ms, bool latest_only,
                  Columns* out) const REQUIRES(mutex_);
  void ReadAny(uint32_t column, int64_t start_ms, int64_t end_ms, Columns* out) const
      REQUIRES(mutex_);
  void Count(int64_t t_ms, uint64_t samples) REQUIRES(mutex_);
  void AddBytes(size_t n);
  void ReplaySample(int64_t t_ms, bool newest, Input sample, std::optional<int64_t>* start)
      REQUIRES(mutex_);
  [[nodiscard]] bool ReplayRepeats(int64_t t_ms, bool newest, std::span<const uint32_t> columns,
                                   std::optional<int64_t>* start) REQUIRES(mutex_);
  int64_t StartOf(uint32_t column) const REQUIRES(mutex_);
  Column& ColumnAt(uint32_t column) REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::vector<int64_t> clock_ GUARDED_BY(mutex_);                    // by row, in order of arrival
  bool clock_ascends_ GUARDED_BY(mutex_) = true;                     // so far
  std::unordered_map<int64_t, uint32_t> row_of_ GUARDED_BY(mutex_);  // by time, if it does not
  std::vector<Column> columns_ GUARDED_BY(mutex_);
  ByteSlab slab_ GUARDED_BY(mutex_);  // of the columns
  std::unordered_map<uint32_t, std::vector<HistogramPtr>> histograms_ GUARDED_BY(mutex_);
  std::unordered_map<uint32_t, int64_t> starts_ GUARDED_BY(mutex_);
  LateSamples late_ GUARDED_BY(mutex_);
  uint32_t next_record_ = 0;
  std::atomic<uint64_t> samples_{0};
  std::atomic<uint64_t> bytes_{sizeof(GroupWindow)};
  std::atomic<int64_t> min_ms_{INT64_MAX};
  std::atomic<int64_t> max_ms_{INT64_MIN};
};

// All groups of one window. Thread-safe.
class Window {
 public:
  struct Info {
    uint64_t id = 0;
    int64_t start_ms = 0;  // samples with start_ms <= t < end_ms; of any time when both are 0
    int64_t end_ms = 0;
    bool any_time() const { return start_ms == end_ms; }
  };
  Window(Info info, FamilyPtr rows) : info_(info), rows_(std::move(rows)) {}

  const Info& info() const { return info_; }
  const FamilyPtr& rows() const { return rows_; }
  // Made when missing; its rows are read first when they are only in the log yet.
  GroupWindow& Group(uint32_t group);
  // Null when nothing of the group is here.
  const GroupWindow* FindGroup(uint32_t group) const;
  std::vector<std::pair<uint32_t, const GroupWindow*>> Groups() const;

  // After a start, groups are read from the log when first asked for. `read` fills one, or says
  // false when that is not possible now; it is called once per group, of several groups at a time.
  void LoadLater(std::vector<uint32_t> groups,
                 std::function<bool(uint32_t group, GroupWindow*)> read);
  void LoadAll() const;
  bool HasUnread() const { return any_unread_.load(std::memory_order_acquire); }
  // After a FindGroup: the disk gave no answer, and the next look tries again.
  bool IsUnread(uint32_t group) const;

  // Writers enter before they append and leave when their record is in the log. False when closed.
  [[nodiscard]] bool Enter();
  void Leave();
  // Lets no writer in any more.
  void Stop();
  // The same, and waits for those inside.
  void Close();
  // Rows of it were lost: it was read only in part.
  std::atomic<bool> damaged{false};

  uint64_t samples() const;
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  void Grew(uint64_t bytes) const { bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  // The range of what was appended, kept by the writers; all that is possible while groups are
  // still unread.
  int64_t min_ms() const {
    return std::min(min_ms_.load(std::memory_order_acquire),
                    unread_min_ms_.load(std::memory_order_acquire));
  }
  int64_t max_ms() const {
    return std::max(max_ms_.load(std::memory_order_acquire),
                    unread_max_ms_.load(std::memory_order_acquire));
  }
  void Cover(int64_t t_ms) const;
  // Monotonic time of the last append, kept by the writers.
  std::atomic<int64_t> last_append_ms{0};

 private:
  void Load(uint32_t group) const;

  const Info info_;
  const FamilyPtr rows_;
  mutable Mutex mutex_;
  CondVar left_;
  mutable CondVar was_read_;
  mutable std::vector<std::unique_ptr<GroupWindow>> groups_ GUARDED_BY(mutex_);
  mutable std::set<uint32_t> unread_ GUARDED_BY(mutex_);
  mutable std::set<uint32_t> being_read_ GUARDED_BY(mutex_);  // of those
  mutable std::atomic<bool> any_unread_{false};
  std::function<bool(uint32_t, GroupWindow*)> read_;  // set before the window is shared
  int writers_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
  mutable std::atomic<uint64_t> bytes_{0};
  mutable std::atomic<int64_t> min_ms_{INT64_MAX};
  mutable std::atomic<int64_t> max_ms_{INT64_MIN};
  mutable std::atomic<int64_t> unread_min_ms_{INT64_MAX};
  mutable std::atomic<int64_t> unread_max_ms_{INT64_MIN};
};

}  // namespace deckwatch::tsdb
