// Reads one part (format: part.h). Thread-safe; keeps the part's files alive while it lives.
// Corruption errors name the part and the key; nothing read is trusted.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/labels.h"
#include "base/mutex.h"
#include "base/storage.h"
#include "tsdb/kv.h"
#include "tsdb/part.h"
#include "tsdb/postings.h"
#include "tsdb/selection.h"
#include "tsdb/value_column.h"

namespace deckwatch::tsdb {

using ClockPtr = std::shared_ptr<const std::vector<int64_t>>;

// V entries of neighbouring series as they are stored, out of RocksDB's blocks: stepping from entry
// to entry there costs more than decoding most of them.
struct ValuePage {
  static constexpr uint32_t kSeries = 256;

  std::string text;
  std::vector<uint32_t> end;  // of each entry in `text`

  std::string_view Entry(size_t i) const {
    const size_t begin = i == 0 ? 0 : end[i - 1];
    return std::string_view(text).substr(begin, end[i] - begin);
  }
  size_t bytes() const { return sizeof *this + text.capacity() + end.capacity() * sizeof end[0]; }
};
using ValuePageCache = BytesCache<ValuePage>;

class PartReader : public PostingsSource {
 public:
  // `pages` is shared by all parts and outlives them, as `kv` does.
  PartReader(const Kv* kv, ValuePageCache* pages, FamilyPtr family, uint64_t id, PartMeta meta)
      : kv_(kv), pages_(pages), family_(std::move(family)), id_(id), meta_(meta) {}

  uint64_t id() const { return id_; }
  const PartMeta& meta() const { return meta_; }
  const FamilyPtr& family() const { return family_; }
  bool Overlaps(int64_t start_ms, int64_t end_ms) const {
    return meta_.min_ms <= end_ms && start_ms <= meta_.max_ms;
  }

  // PostingsSource; numbers are ordinals.
  Result<Postings> All() const override;
  Result<Postings> Get(std::string_view name, std::string_view value) const override;
  Status GetWhere(std::string_view name, std::string_view prefix,
                  const std::function<bool(std::string_view)>& want,
                  std::vector<Postings>* out) const override;

  // The series that `matchers` choose; items are ordinals.
  Result<SelectionPtr> Select(const std::vector<Matcher>& matchers, const Admit& admit) const;
  // Label sets of ascending ordinals, one by one.
  Status GetLabels(std::span<const uint32_t> ordinals,
                   const std::function<void(uint32_t ordinal, LabelsView labels)>& visit) const;
  // Each label pair with the number of its series.
  Status ForEachPair(const std::function<void(std::string_view name, std::string_view value,
                                              uint64_t series)>& visit) const;
  Status LabelNames(const std::function<void(std::string_view)>& visit) const;  // sorted
  Status LabelValues(std::string_view name,
                     const std::function<void(std::string_view)>& visit) const;  // sorted

  // The ordinal of the label set; NotFound when the part has no such series. The first call reads
  // all labels and keeps 16 bytes per series, and the label pairs, until ForgetUnused.
  Result<uint32_t> Find(LabelsView labels) const;
  // Drops what Find keeps, unless it was used since the last call.
  void ForgetUnused() const;

  // Which rows of the part's clocks a read is about, kept for the reads that follow. One thread at
  // a time.
  class Span {
   public:
    // The samples with start_ms <= t <= end_ms; `latest_only`: only the last of them. Up to
    // `clocks_kept` clocks are remembered.
    Span(int64_t start_ms, int64_t end_ms, bool latest_only = false, size_t clocks_kept = 1,
         Want want = Want::kValues)
        : start_ms(start_ms),
          end_ms(end_ms),
          latest_only(latest_only),
          want(want),
          kept_(clocks_kept) {}
    struct Rows {
      ClockPtr times_ms;
      uint64_t low = 0, high = 0;  // rows [low, high) are in the range
    };
    // Valid until the next call.
    Result<const Rows*> RowsOf(const PartReader& part, uint32_t clock);
    // The values of the series that others are written beside (part.h), for the next of them.
    struct Neighbour {
      uint32_t ordinal = UINT32_MAX;
      SampleRange range;
      std::vector<double> values;
    };

    const int64_t start_ms, end_ms;
    const bool latest_only;
    const Want want;
    Neighbour neighbour;

   private:
    const size_t kept_;
    std::vector<std::pair<uint32_t, Rows>> rows_;  // the clock with number c at c % size
  };

  // The samples with start_ms <= t <= end_ms.
  Status Read(uint32_t ordinal, int64_t start_ms, int64_t end_ms, Columns* out) const;
  // Reads series after series, cheapest in ascending order. One thread at a time.
  class Cursor {
   public:
    explicit Cursor(std::shared_ptr<const PartReader> part) : part_(std::move(part)) {}
    uint32_t next() const { return next_; }  // the ordinal it would read for the least
    Status Read(uint32_t ordinal, Span* span, Columns* out);

   private:
    // The page that holds `ordinal`: when it is kept, or when `make`. Else, or damaged: null.
    const ValuePage* PageOf(uint32_t ordinal, bool make);
    std::string PageKey(uint32_t page) const;
    void Seek(uint32_t ordinal);

    const std::shared_ptr<const PartReader> part_;
    std::unique_ptr<KvIterator> it_;  // made when first needed
    uint32_t next_ = 0;               // the ordinal after the last one read
    uint32_t at_ = UINT32_MAX;        // where `it_` stands; UINT32_MAX: unknown
    uint32_t page_number_ = UINT32_MAX;
    bool made_ = false;  // making page_number_ was tried
    ValuePageCache::Ptr page_;
  };
  // The same from the bytes of the series' V entry.
  Status Decode(std::string_view entry, uint32_t ordinal, Span* span, Columns* out) const;
  Status Decode(std::string_view entry, uint32_t ordinal, int64_t start_ms, int64_t end_ms,
                Columns* out) const {
    Span span(start_ms, end_ms);
    return Decode(entry, ordinal, &span, out);
  }
  struct Clock {
    uint64_t group_key = 0;
    ClockPtr times_ms;
  };
  Result<Clock> ReadClock(uint32_t clock) const;
  // The clock that the V entry refers to, or -1.
  static int64_t ClockOf(std::string_view entry);
  std::unique_ptr<KvIterator> NewSequentialIterator() const {
    return kv_->NewIterator(family_, true);
  }

  // Reads the entries from `*key` on while `*bytes` last, and takes their size from `*bytes`.
  // `*key` is then where to go on; empty: at the end. Finds damaged blocks, no more.
  Status Check(std::string* key, int64_t* bytes) const;
  // Reads everything and checks that it fits together.
  Status Verify() const;

 private:
  using PairTable = std::vector<std::string>;  // by number: PairText
  Result<std::shared_ptr<const PairTable>> Pairs() const;
  // What Find keeps.
  struct SeriesMap {
    std::shared_ptr<const PairTable> pairs;
    std::vector<std::pair<uint64_t, uint32_t>> by_hash;  // label hash and ordinal, sorted
  };
  Result<std::shared_ptr<const SeriesMap>> Map() const;
  // Brings the values of a series of n that lie in `range`.
  Status ReadNeighbour(uint32_t ordinal, uint64_t n, SampleRange range, Span::Neighbour* out) const;
  Status Damaged(std::string_view what, const Status& cause = {}) const;

  const Kv* const kv_;
  ValuePageCache* const pages_;
  const FamilyPtr family_;
  const uint64_t id_;
  const PartMeta meta_;
  mutable Mutex mutex_;
  mutable std::weak_ptr<const PairTable> pairs_ GUARDED_BY(mutex_);
  mutable std::unordered_map<uint32_t, Clock> clocks_ GUARDED_BY(mutex_);
  mutable std::shared_ptr<const SeriesMap> map_ GUARDED_BY(mutex_);
  mutable bool map_used_ GUARDED_BY(mutex_) = false;
};
using PartPtr = std::shared_ptr<const PartReader>;

}  // namespace deckwatch::tsdb
