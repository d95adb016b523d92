// One group of one window: rows in memory, their records for the log, and reading them back.
#include <algorithm>
#include <bit>

#include "tsdb/columns.h"
#include "tsdb/histogram_codec.h"
#include "tsdb/planner.h"
#include "tsdb/series_index.h"
#include "tsdb/window.h"

namespace deckwatch::tsdb {

namespace {
uint64_t Bits(double v) {
  return std::bit_cast<uint64_t>(v);
}
}  // namespace

// Collects the parts of one row record.
class GroupWindow::RecordWriter {
 public:
  void Present(uint32_t column) {
    if (runs_ > 0 && column == next_) {
      ++length_;
    } else {
      FinishRun();
      PutSignedVarint(&present_, static_cast<int64_t>(column) - next_);
      length_ = 1;
      ++runs_;
    }
    next_ = static_cast<int64_t>(column) + 1;
  }
  void Repeat() { ++skip_; }
  void Start(int64_t start_ms) {
    PutEntryHead(skip_, EntryKind::kStart, &entries_);
    PutSignedVarint(&entries_, start_ms);
    skip_ = 0;
  }
  void Value(uint64_t bits, LastValue last) {
    PutValueEntry(skip_, bits, &last, &entries_);
    skip_ = 0;
  }
  void AbsoluteValue(uint64_t bits) {
    PutAbsoluteEntry(skip_, bits, &entries_);
    skip_ = 0;
  }
  void Histogram(const deckwatch::Histogram& h) {
    PutEntryHead(skip_, EntryKind::kSet, &entries_);
    entries_.push_back(static_cast<char>(kHistogramMark));
    std::string encoded;
    EncodeHistogram(h, &encoded);
    PutString(&entries_, encoded);
    skip_ = 0;
  }
  void Finish(int64_t t_ms, std::string* out) {
    out->clear();
    if (runs_ == 0) return;
    FinishRun();
    PutSignedVarint(out, t_ms);
    PutVarint(out, runs_);
    out->append(present_);
    out->append(entries_);
  }

 private:
  void FinishRun() {
    if (length_ > 0) PutVarint(&present_, length_);
    length_ = 0;
  }
  std::string present_, entries_;
  uint64_t runs_ = 0, length_ = 0, skip_ = 0;
  int64_t next_ = 0;
};

// ---- rows

std::optional<uint32_t> GroupWindow::FindRow(int64_t t_ms) const {
  if (clock_ascends_) {
    const auto at = std::lower_bound(clock_.begin(), clock_.end(), t_ms);
    if (at == clock_.end() || *at != t_ms) return std::nullopt;
    return static_cast<uint32_t>(at - clock_.begin());
  }
  const auto at = row_of_.find(t_ms);
  return at == row_of_.end() ? std::nullopt : std::optional(at->second);
}

uint32_t GroupWindow::RowAt(int64_t t_ms) {
  constexpr size_t kNodeBytes = 48;  // of row_of_
  if (!clock_.empty() && clock_.back() == t_ms) return static_cast<uint32_t>(clock_.size() - 1);
  if (!clock_.empty() && t_ms <= max_ms()) {
    if (const auto row = FindRow(t_ms)) return *row;
  }
  const auto next = static_cast<uint32_t>(clock_.size());
  if (clock_ascends_ && !clock_.empty() && t_ms < clock_.back()) {
    clock_ascends_ = false;
    for (uint32_t row = 0; row < next; ++row) row_of_.emplace(clock_[row], row);
    AddBytes(next * kNodeBytes);
  }
  clock_.push_back(t_ms);
  AddBytes(sizeof t_ms);
  if (!clock_ascends_) {
    row_of_.emplace(t_ms, next);
    AddBytes(kNodeBytes);
  }
  return next;
}

int64_t GroupWindow::StartOf(uint32_t column) const {
  const auto it = starts_.find(column);
  return it == starts_.end() ? 0 : it->second;
}

Column& GroupWindow::ColumnAt(uint32_t column) {
  if (column >= columns_.size()) {
    if (column >= columns_.capacity()) {
      const size_t before = columns_.capacity();
      columns_.reserve(column + 1 + columns_.size() / 8);
      AddBytes((columns_.capacity() - before) * sizeof(Column));
    }
    columns_.resize(column + 1);
  }
  return columns_[column];
}

void GroupWindow::AddBytes(size_t n) {
  if (n > 0) bytes_.fetch_add(n, std::memory_order_relaxed);
}

void GroupWindow::Count(int64_t t_ms, uint64_t samples) {
  if (samples == 0) return;
  samples_.fetch_add(samples, std::memory_order_relaxed);
  if (t_ms < min_ms()) min_ms_.store(t_ms, std::memory_order_relaxed);
  if (t_ms > max_ms()) max_ms_.store(t_ms, std::memory_order_relaxed);
}

// ---- appending

GroupWindow::Verdict GroupWindow::Judge(int64_t t_ms, const Input& in) const {
  if (in.column >= columns_.size() || columns_[in.column].empty()) return Verdict::kAppend;
  const Column& c = columns_[in.column];
  const int64_t last_ms = clock_[c.last_row()];
  if (t_ms > last_ms) return Verdict::kAppend;
  if (t_ms < last_ms) return JudgeLate(t_ms, in);
  const bool same =
      in.histogram == nullptr
          ? c.last().Same(Bits(in.value))
          : c.last().histogram && SameHistogram(*histograms_.at(in.column).back(), **in.histogram);
  return same ? Verdict::kDuplicate : Verdict::kConflict;
}

GroupWindow::Verdict GroupWindow::JudgeLate(int64_t t_ms, const Input& in) const {
  const auto verdict = [&](uint64_t bits, const HistogramPtr& h) {
    if ((h == nullptr) != (in.histogram == nullptr)) return Verdict::kConflict;
    const bool same = h == nullptr ? bits == Bits(in.value) : SameHistogram(*h, **in.histogram);
    return same ? Verdict::kDuplicate : Verdict::kConflict;
  };
  if (const auto it = late_.find({in.column, t_ms}); it != late_.end()) {
    return verdict(it->second.bits, it->second.histogram);
  }
  if (!FindRow(t_ms).has_value()) return Verdict::kLate;
  const int64_t* const clock = clock_.data();
  const auto own = histograms_.find(in.column);
  Verdict result = Verdict::kLate;
  size_t histogram = 0;
  columns_[in.column].ForEachRun(
      slab_, [&](int64_t row, uint64_t count, const ColumnValue& value, int64_t) {
        const HistogramPtr h = value.histogram() ? own->second[histogram++] : nullptr;
        const int64_t *const first = clock + row, *const last = first + count;
        if (std::find(first, last, t_ms) == last) return true;
        result = verdict(h == nullptr ? Bits(value.Float()) : 0, h);
        return false;
      });
  return result;
}

void GroupWindow::Append(uint32_t row, const Input& in) {
  Column& c = ColumnAt(in.column);
  const size_t before = slab_.bytes();
  if (in.start_ms != StartOf(in.column)) {
    starts_[in.column] = in.start_ms;
    c.AppendStart(in.start_ms, &slab_);
  }
  if (in.histogram == nullptr) {
    c.AppendValue(row, Bits(in.value), &slab_);
  } else {
    c.AppendHistogram(row, &slab_);
    histograms_[in.column].push_back(*in.histogram);
    AddBytes(sizeof(Histogram) + 8 * (*in.histogram)->positive_buckets.size() +
             8 * (*in.histogram)->negative_buckets.size());
  }
  AddBytes(slab_.bytes() - before);
}

void GroupWindow::AppendLate(int64_t t_ms, const Input& in) {
  LateSample& s = late_[{in.column, t_ms}];
  s.bits = Bits(in.value);
  s.start_ms = in.start_ms;
  if (in.histogram != nullptr) s.histogram = *in.histogram;
  AddBytes(sizeof(LateSample) + 64);
}

void GroupWindow::AppendRow(int64_t t_ms, std::span<const Input> row, RowCounts* counts,
                            std::string* record) {
  RecordWriter writer;
  uint64_t appended = 0;
  MutexLock lock(mutex_);
  for (const Input& in : row) {
    const Verdict verdict = Judge(t_ms, in);
    if (verdict == Verdict::kDuplicate || verdict == Verdict::kConflict) {
      ++(verdict == Verdict::kDuplicate ? counts->duplicate : counts->conflicting);
      continue;
    }
    const bool late = verdict == Verdict::kLate;
    ++appended;
    counts->late += late;
    writer.Present(in.column);
    if (in.start_ms != (late ? 0 : StartOf(in.column))) writer.Start(in.start_ms);
    if (in.histogram != nullptr) {
      writer.Histogram(**in.histogram);
    } else if (late) {
      writer.AbsoluteValue(Bits(in.value));
    } else {
      const Column& c = ColumnAt(in.column);
      if (!c.empty() && c.last().Same(Bits(in.value))) {
        writer.Repeat();
      } else {
        writer.Value(Bits(in.value), c.last());
      }
    }
    if (late) {
      AppendLate(t_ms, in);
    } else {
      Append(RowAt(t_ms), in);
    }
  }
  Count(t_ms, appended);
  counts->appended += appended;
  writer.Finish(t_ms, record);
}

// ---- reading the log

namespace {

// The columns of a record in its order; false when damaged. Each is there once, and either repeats
// a sample of one of the `known` columns or has an entry: a few bytes cannot name very many.
bool GetPresent(Reader* in, size_t known, std::vector<uint32_t>* present) {
  const size_t most = known + in->remaining();
  uint64_t runs, length;
  int64_t gap, next = 0;
  if (!in->GetVarint(&runs) || runs > in->remaining()) return false;
  for (uint64_t i = 0; i < runs; ++i) {
    if (!in->GetSignedVarint(&gap) || !in->GetVarint(&length)) return false;
    if (gap < -next || gap > kMaxColumns || length > most - present->size()) return false;
    next += gap;
    if (next + static_cast<int64_t>(length) > kMaxColumns) return false;
    for (uint64_t k = 0; k < length; ++k) present->push_back(static_cast<uint32_t>(next++));
  }
  return true;
}

bool GetHistogram(Reader* in, HistogramPtr* out) {
  std::string_view encoded;
  auto h = std::make_shared<Histogram>();
  if (!in->GetString(&encoded)) return false;
  Reader body(encoded);
  if (!DecodeHistogram(&body, h.get())) return false;
  *out = std::move(h);
  return true;
}

}  // namespace

// `newest`: the row is newer than all before it. `start`: what the record said of this sample.
void GroupWindow::ReplaySample(int64_t t_ms, bool newest, Input sample,
                               std::optional<int64_t>* start) {
  const bool late = !newest && Judge(t_ms, sample) == Verdict::kLate;
  sample.start_ms = start->value_or(late ? 0 : StartOf(sample.column));
  start->reset();
  if (late) {
    AppendLate(t_ms, sample);
  } else {
    Append(RowAt(t_ms), sample);
  }
  Count(t_ms, 1);
}

// Nearly every row is the newest and nearly every sample a repeat: starting takes as long as this.
bool GroupWindow::ReplayRepeats(int64_t t_ms, bool newest, std::span<const uint32_t> columns,
                                std::optional<int64_t>* start) {
  const uint32_t row = newest && !columns.empty() ? RowAt(t_ms) : 0;
  uint64_t repeated = 0;
  bool good = true;
  for (const uint32_t column : columns) {
    good =
        column < columns_.size() && !columns_[column].empty() && !columns_[column].last().histogram;
    if (!good) break;
    if (newest && !start->has_value() && columns_[column].AppendRepeat(row)) {
      ++repeated;
      continue;
    }
    const double value = std::bit_cast<double>(columns_[column].last().bits);
    ReplaySample(t_ms, newest, {.column = column, .value = value}, start);
  }
  Count(t_ms, repeated);
  return good;
}

bool GroupWindow::Replay(std::string_view record) {
  Reader in(record);
  int64_t t_ms;
  std::vector<uint32_t> present;
  MutexLock lock(mutex_);
  if (!in.GetSignedVarint(&t_ms) || !GetPresent(&in, columns_.size(), &present)) return false;
  std::span<const uint32_t> rest(present);
  std::optional<int64_t> start;
  const bool newest = t_ms > max_ms();
  while (!in.AtEnd()) {
    uint64_t head;
    if (!in.GetVarint(&head) || head >> 2 > rest.size()) return false;
    if (!ReplayRepeats(t_ms, newest, rest.first(head >> 2), &start)) return false;
    rest = rest.subspan(head >> 2);
    const auto kind = static_cast<EntryKind>(head & 3);
    if (rest.empty() || kind == EntryKind::kJump) return false;
    if (kind == EntryKind::kStart) {
      if (!in.GetSignedVarint(&start.emplace())) return false;
      continue;
    }
    Input sample{.column = rest.front()};
    LastValue last = ColumnAt(sample.column).last();
    HistogramPtr histogram;
    if (!GetValueBody(&in, kind, &last)) return false;
    if (last.histogram && !GetHistogram(&in, &histogram)) return false;
    sample.value = std::bit_cast<double>(last.bits);
    if (last.histogram) sample.histogram = &histogram;
    ReplaySample(t_ms, newest, sample, &start);
    rest = rest.subspan(1);
  }
  return ReplayRepeats(t_ms, newest, rest, &start);
}

// ---- reading

bool GroupWindow::HasSamples(uint32_t column) const {
  MutexLock lock(mutex_);
  if (column < columns_.size() && !columns_[column].empty()) return true;
  const auto it = late_.lower_bound({column, INT64_MIN});
  return it != late_.end() && it->first.first == column;
}

std::vector<int64_t> GroupWindow::Clock() const {
  MutexLock lock(mutex_);
  std::vector<int64_t> out = clock_;
  if (!clock_ascends_) std::sort(out.begin(), out.end());
  return out;
}

void GroupWindow::AddBuckets(int64_t width_ms, std::set<int64_t>* starts) const {
  int64_t last = INT64_MIN;  // most are in the bucket of the one before
  const auto add = [&](int64_t t_ms) {
    const int64_t start = BucketStart(t_ms, width_ms);
    if (start != last) starts->insert(last = start);
  };
  MutexLock lock(mutex_);
  for (const int64_t t_ms : clock_) add(t_ms);
  for (const auto& entry : late_) add(entry.first.second);
}

std::pair<GroupWindow::LateSamples::const_iterator, GroupWindow::LateSamples::const_iterator>
GroupWindow::LateBetween(uint32_t column, int64_t start_ms, int64_t end_ms) const {
  return {late_.lower_bound({column, start_ms}), late_.upper_bound({column, end_ms})};
}

// A column on an ascending clock: rows in range are a stretch, and so are the samples of a run.
void GroupWindow::ReadFloats(const Column& column, int64_t start_ms, int64_t end_ms,
                             bool latest_only, Columns* out) const {
  const int64_t* const clock = clock_.data();
  const auto low = std::lower_bound(clock_.begin(), clock_.end(), start_ms) - clock_.begin();
  const auto high = std::upper_bound(clock_.begin(), clock_.end(), end_ms) - clock_.begin();
  const auto room = static_cast<size_t>(latest_only ? 1 : high - low);
  out->t_ms.reserve(out->t_ms.size() + room);
  out->value.reserve(out->value.size() + room);
  const auto add = [&](int64_t row, uint64_t count, const ColumnValue& value, int64_t start) {
    int64_t from = std::max(row, low);
    const int64_t to = std::min(row + static_cast<int64_t>(count), high);
    if (from >= to) return row < high;
    if (latest_only) {
      from = to - 1;
      out->Clear();
    }
    const double v = value.Float();
    if (start == 0 && out->start_ms.empty() && out->histogram.empty()) {
      out->t_ms.insert(out->t_ms.end(), clock + from, clock + to);
      out->value.resize(out->t_ms.size(), v);
      return true;
    }
    for (int64_t i = from; i < to; ++i) {
      AppendSample(clock[i], v, nullptr, start, out);
    }
    return true;
  };
  column.ForEachRun(slab_, add);
}

void GroupWindow::ReadAny(uint32_t column, int64_t start_ms, int64_t end_ms, Columns* out) const {
  const auto between = LateBetween(column, start_ms, end_ms);
  auto late = between.first;
  const auto late_end = between.second;
  const auto add_late_before = [&](int64_t t) {
    for (; late != late_end && late->first.second < t; ++late) {
      const LateSample& s = late->second;
      AppendSample(late->first.second, std::bit_cast<double>(s.bits), s.histogram, s.start_ms, out);
    }
  };
  const int64_t* const clock = clock_.data();
  const auto own = histograms_.find(column);
  size_t histogram = 0;
  if (column < columns_.size()) {
    columns_[column].ForEachRun(
        slab_, [&](int64_t row, uint64_t count, const ColumnValue& value, int64_t start) {
          const HistogramPtr h = value.histogram() ? own->second[histogram++] : nullptr;
          for (int64_t i = row; i < row + static_cast<int64_t>(count); ++i) {
            const int64_t t = clock[i];
            if (t < start_ms || t > end_ms) continue;
            add_late_before(t);
            AppendSample(t, h == nullptr ? value.Float() : 0, h, start, out);
          }
          return true;
        });
  }
  add_late_before(INT64_MAX);  // times are far below it: Commit refuses what is ahead of the clock
}

bool GroupWindow::AppendTo(uint32_t column, int64_t start_ms, int64_t end_ms, bool latest_only,
                           Columns* out) const {
  MutexLock lock(mutex_);
  if (!out->empty() && out->t_ms.back() >= min_ms()) return false;
  const auto [late, late_end] = LateBetween(column, start_ms, end_ms);
  if (late != late_end || !clock_ascends_ || histograms_.contains(column)) {
    ReadAny(column, start_ms, end_ms, out);
    return true;
  }
  if (column >= columns_.size() || columns_[column].empty()) return true;
  const Column& c = columns_[column];
  const int64_t last_ms = clock_[c.last_row()];
  if (last_ms < start_ms) return true;
  if (latest_only && last_ms <= end_ms) {
    AppendSample(last_ms, std::bit_cast<double>(c.last().bits), nullptr, StartOf(column), out);
  } else {
    ReadFloats(c, start_ms, end_ms, latest_only, out);
  }
  return true;
}

}  // namespace deckwatch::tsdb
