// The one implementation of Db. The files: store_open.cc (start, recovery), store_write.cc
// (commit), store_read.cc (queriers), store_maintain.cc (seal, merge, retention), store_delete.cc,
// store_history.cc (import), store_idle.cc (series that end), store_recover.cc (after an error of
// the disk), store_damage.cc, store_scrub.cc, store_stats.cc.
//
// Locks, in the order in which they are taken:
//   maintenance_turn_   one seal, merge or delete at a time; held across their I/O
//   a group's turn      one commit per group at a time; held across its log write, so that the log
//                       has the rows of a group in the order of memory
//   create_turn_        one window is made at a time
//   mutex_              the view and small state; never held across I/O
// Queries take none of the first two.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "tsdb/change_log.h"
#include "tsdb/compaction.h"
#include "tsdb/db.h"
#include "tsdb/disk_guard.h"
#include "tsdb/exemplars.h"
#include "tsdb/history.h"
#include "tsdb/kv.h"
#include "tsdb/losses.h"
#include "tsdb/memory_budget.h"
#include "tsdb/part_reader.h"
#include "tsdb/planner.h"
#include "tsdb/quarantine.h"
#include "tsdb/selection.h"
#include "tsdb/series_index.h"
#include "tsdb/store_lock.h"
#include "tsdb/twin.h"
#include "tsdb/window.h"

namespace deckwatch::tsdb {

using WindowPtr = std::shared_ptr<Window>;

// What a query sees: immutable.
struct View {
  std::vector<PartPtr> parts;      // by number
  std::vector<WindowPtr> windows;  // by time, then by number
  std::vector<TombstonePtr> tombstones;
  // Shared by all views between two removals of series.
  std::shared_ptr<const char> age = std::make_shared<const char>();
};
using ViewPtr = std::shared_ptr<const View>;

class Store : public Db {
 public:
  explicit Store(const DbOptions& options);
  ~Store() override;
  Status Start();

  Status Resolve(std::span<const LabelsView> labels, uint64_t group,
                 std::span<SeriesRef> refs) override;
  Result<AppendResult> Commit(const WriteBatch& batch) override;
  Result<std::unique_ptr<Querier>> NewQuerier() const override;
  uint64_t Version() const override { return changes_.Version(); }
  int64_t UnchangedBefore(uint64_t version) const override {
    return changes_.UnchangedBefore(version);
  }
  int64_t OldestMs() const override { return OldestAllowedMs(); }
  Status Apply(const std::vector<StateChange>& changes) override;
  Result<std::string> Get(std::string_view key) const override;
  Status Scan(std::string_view prefix,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override;

  Status Maintain() override;
  Status Compact() override;
  Status DeleteSeries(const std::vector<Matcher>& matchers, int64_t start_ms,
                      int64_t end_ms) override;
  Status Undelete(uint64_t id) override;
  Status CleanTombstones() override;
  Status Snapshot(const std::string& name) override;
  Result<std::unique_ptr<History>> NewHistory(size_t memory_bytes) override;
  Status StoreHistory(History* history, const Progress& progress, AppendResult* result) override;
  Status Verify(const std::function<void(double)>& progress) const override;
  Status Repair(const std::function<void(double)>& progress) override;

  DbStats Stats() const override;
  Cardinality TopCardinality(size_t limit, int64_t since_ms) const override;
  Result<Cardinality> StoredCardinality(size_t limit) const override;
  Result<BytesByClass> Bytes() const override;
  std::vector<MetricMetadata> Metadata(std::string_view name) const override;
  std::vector<PartInfo> Parts() const override;
  std::vector<Loss> Losses() const override { return losses_.All(); }
  std::vector<DeleteInfo> Deletes() const override;

 private:
  // A counter that threads add to; kept apart from DbCounters, which is a snapshot.
  using Counter = std::atomic<uint64_t>;
  struct Counters {
    Counter appended{0}, late{0}, duplicate{0}, conflicting{0}, too_old{0}, too_far_ahead{0};
    Counter commits{0}, log_bytes{0}, log_syncs{0}, log_sync_ns{0};
    Counter reopens{0}, seals{0}, seals_failed{0}, merges{0}, merges_failed{0};
    Counter dropped_by_time{0}, dropped_by_size{0}, corruptions{0}, removed{0};
  };
  // One sample of a batch, sorted by (group, time).
  struct Pending {
    uint32_t group = 0;
    int64_t t_ms = 0;
    uint32_t id = 0;
    GroupWindow::Input input;
  };
  struct CommitScope;

  // ---- store_open.cc
  Status OpenDatabases();
  Status LoadMeta();
  Status LoadMetaRow(std::string_view row_key, std::string_view row_value,
                     const std::map<std::string, FamilyPtr>& families, View* loaded)
      REQUIRES(mutex_);
  Status DropOrphans();
  void PrepareWindows();
  bool ReadRows(Window* window, uint64_t group_key, GroupWindow* out) const;
  void RunLog(std::stop_token stop);
  void RunMaintenance(std::stop_token stop);
  void SyncLog();
  // ---- store_damage.cc
  void AddLoss(int64_t min_ms, int64_t max_ms, std::string what) const;
  void AddLoss(Loss loss) const;
  void SaveLosses(KvBatch* batch);
  Status OpenHead();
  Status AdoptFamilies(View* loaded) REQUIRES(mutex_);
  Status LoadRegistry();
  void LoseRows(const Window& window, const std::string& why) const;
  int64_t OldestInLogMs() const;
  void WillBeInLogOnly(int64_t oldest_ms) REQUIRES(maintenance_turn_);
  Status FlushHead() REQUIRES(maintenance_turn_);
  Status LoseEndOfLog();
  Result<FamilyPtr> FindLostPart(uint64_t number, const PartMeta& meta);
  Status HealHead();
  Status RebuildRegistry();
  Status HealTwins();
  void Suspect(const PartReader& part, const Status& status) const;
  Status MendSuspects() REQUIRES(maintenance_turn_);
  Status Salvage(const PartPtr& part, const std::string& why) REQUIRES(maintenance_turn_);
  // ---- store_scrub.cc
  Status ScrubDue() REQUIRES(maintenance_turn_);
  Status Scrub(int64_t bytes) REQUIRES(maintenance_turn_);
  Status FinishScrubRound() REQUIRES(maintenance_turn_);
  // ---- store_write.cc
  Status CollectPending(const WriteBatch& batch, std::vector<Pending>* pending,
                        AppendResult* result);
  Result<WindowPtr> OpenWindow(const Window::Info& range);
  Result<WindowPtr> CreateWindow(const Window::Info& range);
  Window::Info RangeOf(int64_t t_ms, int64_t now_ms) const;
  Status EnterWindows(const std::vector<Pending>& pending, CommitScope* scope);
  bool IsCovered(const View& view, const CommitScope& scope, int64_t t_ms) const;
  Status ReadStored(const View& view, const CommitScope& scope, uint32_t id, int64_t start_ms,
                    int64_t end_ms, Columns* out) const;
  Status DropStored(std::vector<Pending>* pending, const CommitScope& scope, AppendResult* result);
  void AppendPending(const std::vector<Pending>& pending, CommitScope* scope, AppendResult* result);
  void AddRegistryEntries(std::vector<uint32_t>* ids, KvBatch* batch);
  void AddExemplars(const std::vector<WriteBatch::ExemplarSample>& exemplars, KvBatch* batch,
                    AppendResult* result);
  void AddExemplar(const Labels& series, const Exemplar& exemplar, KvBatch* batch);
  void AddMetadata(const std::vector<MetricMetadata>& metadata, KvBatch* batch);
  Status WriteHead(KvBatch* batch);
  Status CheckUsable() const;
  Status CheckTakesSamples() const;
  Mutex& Turn(uint32_t group);
  // ---- store_maintain.cc
  enum class SealMode { kDue, kAll };
  Status SealWindows(SealMode mode) REQUIRES(maintenance_turn_);
  uint64_t WindowBytes() const;
  bool IsPressed() const;
  bool IsOver(const Window& window) const;
  Status Seal(const WindowPtr& window) REQUIRES(maintenance_turn_);
  Status BuildWindowParts(const Window& window, std::vector<PartPtr>* parts);
  Result<PartPtr> MakePart(uint64_t id, PartLevel level,
                           std::vector<std::unique_ptr<SeriesSource>> sources, int64_t start_ms,
                           int64_t end_ms, const std::function<bool()>& keep_going);
  Result<PartPtr> InstallPart(uint64_t id, const PartWriter::Finished& finished);
  Status MergeParts(MergeMode mode, const std::function<bool()>& keep_going)
      REQUIRES(maintenance_turn_);
  Status MergeOnce(const MergePlan& plan, const std::function<bool()>& keep_going)
      REQUIRES(maintenance_turn_);
  Status ReplaceParts(const std::vector<PartPtr>& gone, const PartPtr& added)
      REQUIRES(maintenance_turn_);
  Status ApplyRetention() REQUIRES(maintenance_turn_);
  Status AgeBesides(bool by_age, bool parts_went) REQUIRES(maintenance_turn_);
  bool FamiliesInUse(std::set<std::string, std::less<>>* out) const;
  bool ClockIsTrusted() REQUIRES(maintenance_turn_);
  Status DropParts(const std::vector<PartPtr>& gone) REQUIRES(maintenance_turn_);
  // ---- store_history.cc
  Status StoreBucket(const History& history, const History::Bucket& bucket, AppendResult* result)
      REQUIRES(maintenance_turn_);
  // ---- store_delete.cc
  Status PutTombstone(TombstonePtr tombstone) REQUIRES(maintenance_turn_);
  Status DropTombstones(const std::vector<TombstonePtr>& gone) REQUIRES(maintenance_turn_);
  Status DropStaleTombstones() REQUIRES(maintenance_turn_);
  bool IsKeptForUndo(const View& view, const PartReader& part) const;
  std::string ScratchDirectory(uint64_t part) const;
  bool MayMerge() const;
  bool KeepMerging() REQUIRES(maintenance_turn_);
  // ---- store_idle.cc
  bool IdleSeriesAreDue() REQUIRES(maintenance_turn_);
  void RemoveIdleSeries() REQUIRES(maintenance_turn_);
  void GiveBackPlaces() REQUIRES(maintenance_turn_);
  // ---- store_recover.cc
  void Fail(const char* what, const Status& cause);
  bool HasFailed() const { return failed_ || head_->failed() || parts_->failed(); }
  Status Recover() REQUIRES(maintenance_turn_);
  Status RestoreMeta();
  Status RestoreRegistry();
  // ---- store_stats.cc
  uint64_t PartBytes(const View& view) const;
  void MarkGrowth();

  ViewPtr view() const;
  int64_t OldestAllowedMs() const;
  int64_t WindowGraceMs() const { return std::min<int64_t>(300'000, options_.window_ms / 2); }
  void ReportCorruption(const Status& status) const;

  friend class StoreQuerier;
  friend class StoreSeriesSet;

  const DbOptions options_;
  const MemoryBudget budget_;
  StoreLock lock_;  // held longer than the databases are open
  DiskGuard disk_;
  std::shared_ptr<BlockCache> cache_;
  std::unique_ptr<Kv> head_, parts_;
  Twin meta_, state_;
  FamilyPtr series_;
  mutable Quarantine quarantine_;
  mutable LossBook losses_;
  // What was met while opening; settled before anybody else sees the store.
  std::string lost_parts_;  // the folder of a parts database that could not be opened
  bool head_is_damaged_ = false, head_is_new_ = false, registry_is_damaged_ = false;
  SeriesIndex index_;
  mutable SelectionCache selections_;
  mutable BytesCache<TextList> texts_;
  ValuePageCache pages_;
  mutable Counters counters_;
  // The log refused a write or an fsync: nothing more is acknowledged until Recover.
  std::atomic<bool> failed_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> unsynced_{false};  // the log has bytes that were not fsynced
  // The oldest sample of parts that only the log makes true.
  std::atomic<int64_t> oldest_unflushed_ms_{INT64_MAX};

  Mutex maintenance_turn_;
  std::set<uint64_t> unmergeable_ GUARDED_BY(maintenance_turn_);  // damaged, left as they are
  bool idle_is_due_ GUARDED_BY(maintenance_turn_) = false;        // RemoveIdleSeries is
  int64_t idle_removed_ms_ GUARDED_BY(maintenance_turn_) = 0;     // monotonic
  uint32_t new_series_from_ GUARDED_BY(maintenance_turn_) = 0;    // made since then
  // Windows that became parts, until the last querier that looks at them is gone.
  std::vector<std::weak_ptr<const Window>> sealed_ GUARDED_BY(maintenance_turn_);
  struct Departed {
    std::weak_ptr<const char> readers;
    std::vector<SeriesPlace> places;
  };
  std::deque<Departed> departed_ GUARDED_BY(maintenance_turn_);

  struct ClockWatch {
    std::optional<int64_t> offset_ms;  // wall less monotonic time, when last looked at
    std::optional<int64_t> leapt_ms;   // monotonic time of a leap that is not trusted yet
    int64_t before_ms = 0;             // the offset before it
  };
  ClockWatch clock_ GUARDED_BY(maintenance_turn_);
  struct ScrubPlace {
    int64_t at_ms = 0;        // monotonic, of the last step
    double credit_bytes = 0;  // due, and not read yet
    uint64_t part = 0;        // the next one, or one of a greater number
    std::string key;          // where to go on in it
  };
  ScrubPlace scrub_ GUARDED_BY(maintenance_turn_);
  std::atomic<uint64_t> scrub_bytes_{0}, scrub_rounds_{0};
  std::atomic<int64_t> scrub_finished_ms_{0};

  Mutex turns_mutex_;
  std::vector<std::unique_ptr<Mutex>> turns_ GUARDED_BY(turns_mutex_);
  Mutex create_turn_;

  mutable Mutex mutex_;
  ViewPtr view_ GUARDED_BY(mutex_);
  mutable std::vector<WindowPtr> open_ GUARDED_BY(mutex_);  // those of the view that take samples
  mutable std::set<uint64_t> suspects_ GUARDED_BY(mutex_);  // parts whose damage a read met
  uint64_t next_window_ GUARDED_BY(mutex_) = 1;
  uint64_t next_part_ GUARDED_BY(mutex_) = 1;
  uint64_t next_tombstone_ GUARDED_BY(mutex_) = 1;
  std::map<std::string, MetricMetadata, std::less<>> metadata_ GUARDED_BY(mutex_);
  struct GrowthMark {
    int64_t at_ms = 0;
    uint32_t next_series = 0;  // those made later have this number or a higher one
  };
  std::deque<GrowthMark> growth_ GUARDED_BY(mutex_);
  ExemplarRing exemplars_;  // has a lock of its own
  ChangeLog changes_;       // likewise

  std::jthread log_;         // syncs the log and watches the disk
  std::jthread maintainer_;  // all that may take long
  std::jthread loader_;      // reads what start left unread
};

// The families' names and the keys of meta (docs/formats.md).
FamilyKind HeadKind(std::string_view family);
std::string NumberedName(std::string_view prefix, uint64_t number);
bool ParseNumberedName(std::string_view name, std::string_view prefix, uint64_t* number);
std::string MetaKey(char kind, uint64_t number);
bool WindowBefore(const WindowPtr& a, const WindowPtr& b);
std::string WindowValue(const Window::Info& info);
std::string MetadataValue(const MetricMetadata& m);

}  // namespace deckwatch::tsdb
