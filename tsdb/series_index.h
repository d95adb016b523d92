// The series of the head: label set -> number, number -> label set, and postings per label pair.
//
// A series is known by the 128-bit hash of its label set. Labels are kept as numbers of
// (name, value) pairs, 4 bytes each. Numbers ascend and are never given twice. Each series belongs
// to a group (what writes it) and has a place there, its column; places of removed series are given
// again when their owner says so, and so are the numbers of groups.
//
// Thread-safe; one mutex, held for copying only: values are matched outside it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/labels.h"
#include "base/mutex.h"
#include "base/storage.h"
#include "tsdb/postings.h"
#include "tsdb/selection.h"
#include "tsdb/series_order.h"

namespace deckwatch::tsdb {

// Keys of parts hold lengths in 2 bytes: longer label sets are refused.
inline constexpr size_t kMaxLabelSetBytes = 65'535;
// Of one group; more are damage.
inline constexpr uint32_t kMaxColumns = 1 << 26;
// The group of series that come without one: from job and instance.
uint64_t DerivedGroup(LabelsView labels);

// Where a series' samples go.
struct SeriesPlace {
  uint32_t group = UINT32_MAX;  // index of the group; UINT32_MAX: unknown series
  uint32_t column = 0;          // place inside the group
  bool durable = false;         // its registry entry is in the log
};

using SeriesByMetric = std::map<std::string, Postings>;

class SeriesIndex : public PostingsSource {
 public:
  // No series are made beyond `max_series` (0: no limit), nor when the index has grown to
  // `max_bytes`.
  explicit SeriesIndex(uint64_t max_series, uint64_t max_bytes = UINT64_MAX)
      : max_series_(max_series), max_bytes_(max_bytes) {}

  // Finds or creates; ResourceExhausted when the limit kept some from being created. `group_key`
  // 0: from job and instance.
  Status Resolve(std::span<const LabelsView> labels, uint64_t group_key, std::span<SeriesRef> refs);
  // Puts back a series read from the registry. False when it is there already, or cannot have been
  // there. After the last one EndRestore finds the places that are free.
  bool Restore(uint32_t id, uint64_t group_key, uint32_t column, LabelsView labels);
  void EndRestore();
  void MarkDurable(std::span<const uint32_t> ids);
  // Exactly the given ones are durable; ascending.
  void SetDurable(std::span<const uint32_t> ids);
  // Forgets series; their numbers stay unknown for ever. Their places are given to no others before
  // GiveBack.
  std::vector<SeriesPlace> Remove(std::span<const uint32_t> ids);
  void GiveBack(std::span<const SeriesPlace> places);
  // Groups that have no series and no place that was not given back.
  std::vector<uint32_t> EmptyGroups() const;
  // Its number may be given to another; unless it has got series meanwhile.
  void RemoveGroup(uint32_t group);
  // The next number to give is at least this.
  void ReserveNumbers(uint32_t next);

  void Places(std::span<const SeriesRef> refs, std::vector<SeriesPlace>* out) const;
  // False when the series is unknown.
  bool GetLabels(uint32_t id, Labels* out) const;
  struct Entry {
    uint32_t id = 0;
    SeriesPlace place;
    Labels labels;
  };
  // Entries of known ids, in the given order.
  std::vector<Entry> Entries(std::span<const uint32_t> ids) const;
  // Those of the given ids that are known, sorted.
  SeriesOrder Order(std::span<const uint32_t> ids) const;
  // Those of the given ids that are known, by metric name; "" holds those without one.
  SeriesByMetric ByMetric(std::span<const uint32_t> ids) const;
  // The series that `matchers` choose; items are group and column.
  Result<SelectionPtr> Select(const std::vector<Matcher>& matchers, const Admit& admit) const;
  // Goes up whenever a series comes or goes.
  uint64_t version() const;
  // Every series with its place, by number.
  std::vector<std::pair<uint32_t, SeriesPlace>> AllPlaces() const;
  // Goes up with every Remove: places found before may be gone.
  uint64_t removals() const;
  uint64_t GroupKey(uint32_t group) const;
  uint32_t GroupCount() const;  // every group has a number below it

  uint64_t size() const;
  uint64_t created() const;
  uint64_t refused() const;
  uint64_t MemoryBytes() const { return bytes_.load(std::memory_order_relaxed); }
  uint32_t next_id() const;
  // Each label pair with its series. The visit is quick: a lock is held.
  using PairVisit =
      std::function<void(std::string_view name, std::string_view value, const PostingRuns& series)>;
  void ForEachPair(const PairVisit& visit) const;
  std::vector<std::string> Names() const;
  std::vector<std::string> Values(std::string_view name) const;

  Result<Postings> All() const override;
  Result<Postings> Get(std::string_view name, std::string_view value) const override;
  Status GetWhere(std::string_view name, std::string_view prefix,
                  const std::function<bool(std::string_view)>& want,
                  std::vector<Postings>* out) const override;

 private:
  struct Series {
    uint64_t hash_high = 0, hash_low = 0;
    uint32_t group = UINT32_MAX;
    uint32_t column = 0;
    uint32_t pairs = 0;  // first of its pair numbers in pair_ids_
    uint16_t pair_count = 0;
    bool durable = false;
    bool alive() const { return group != UINT32_MAX; }
  };
  struct Pair {
    std::shared_ptr<const std::string> value;
    const std::string* name = nullptr;  // key of names_
    PostingRuns series;
  };
  struct Name {
    std::unordered_map<std::string_view, uint32_t> pair_of_value;
  };
  struct Group {
    uint64_t key = 0;
    uint32_t columns = 0;
    std::vector<uint32_t> free_columns;
    bool in_use = true;
    bool IsEmpty() const { return in_use && free_columns.size() == columns; }
  };
  static constexpr uint32_t kPage = 4096;

  Series* At(uint32_t id) REQUIRES(mutex_);
  const Series* At(uint32_t id) const REQUIRES(mutex_);
  void Prefetch(SeriesRef ref) const REQUIRES(mutex_);
  size_t Home(uint64_t low) const REQUIRES(mutex_);
  size_t Following(size_t slot) const REQUIRES(mutex_);
  uint32_t Find(uint64_t high, uint64_t low) const REQUIRES(mutex_);
  void InsertHash(uint64_t high, uint64_t low, uint32_t id) REQUIRES(mutex_);
  void EraseHash(uint64_t high, uint64_t low, uint32_t id) REQUIRES(mutex_);
  void GrowTable() REQUIRES(mutex_);
  void Insert(uint32_t id, std::pair<uint64_t, uint64_t> hash, uint32_t group, uint32_t column,
              LabelsView labels) REQUIRES(mutex_);
  uint32_t PairOf(std::string_view name, std::string_view value) REQUIRES(mutex_);
  // The index of the group, made when missing.
  uint32_t GroupOf(uint64_t key) REQUIRES(mutex_);
  void BuildLabels(const Series& s, LabelsBuilder* builder, Labels* out) const REQUIRES(mutex_);
  void RemovePair(uint32_t pair) REQUIRES(mutex_);
  SelectionPtr MakeSelection(const Postings& ids) const;
  const uint32_t* PairIds(const Series& s) const REQUIRES(mutex_);

  void MeasureMemory() REQUIRES(mutex_);

  const uint64_t max_series_, max_bytes_;
  std::atomic<uint64_t> bytes_{0};
  mutable Mutex mutex_;
  std::vector<std::unique_ptr<std::array<Series, kPage>>> pages_ GUARDED_BY(mutex_);
  std::vector<uint32_t> alive_in_page_ GUARDED_BY(mutex_);
  uint32_t next_id_ GUARDED_BY(mutex_) = 1;
  uint64_t alive_ GUARDED_BY(mutex_) = 0;
  uint64_t created_ GUARDED_BY(mutex_) = 0;
  uint64_t refused_ GUARDED_BY(mutex_) = 0;
  uint64_t removals_ GUARDED_BY(mutex_) = 0;
  // Open addressing, linear probing: high half a tag of the hash, low half the number; 0 free.
  std::vector<uint64_t> table_ GUARDED_BY(mutex_);
  std::vector<uint32_t> pair_ids_ GUARDED_BY(mutex_);
  // Freed runs of pair_ids_, by length.
  std::map<uint16_t, std::vector<uint32_t>> free_pair_ids_ GUARDED_BY(mutex_);
  std::map<std::string, Name, std::less<>> names_ GUARDED_BY(mutex_);
  std::vector<Pair> pairs_ GUARDED_BY(mutex_);
  std::vector<uint32_t> free_pairs_ GUARDED_BY(mutex_);
  std::vector<Group> groups_ GUARDED_BY(mutex_);
  std::vector<uint32_t> free_groups_ GUARDED_BY(mutex_);
  std::unordered_map<uint64_t, uint32_t> group_of_key_ GUARDED_BY(mutex_);
  uint64_t text_bytes_ GUARDED_BY(mutex_) = 0;
  uint64_t postings_bytes_ GUARDED_BY(mutex_) = 0;
  uint64_t version_ GUARDED_BY(mutex_) = 0;
};

}  // namespace deckwatch::tsdb
