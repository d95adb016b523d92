#include "tsdb/history.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <set>
#include <system_error>

#include "base/bytes.h"
#include "tsdb/codec.h"
#include "tsdb/columns.h"
#include "tsdb/compaction.h"
#include "tsdb/exemplars.h"
#include "tsdb/planner.h"
#include "tsdb/series_index.h"

namespace deckwatch::tsdb {

namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kHoursMs = 7'200'000;
constexpr size_t kBufferBytes = 16 << 20;  // of all segments of a bucket
constexpr size_t kMinReadBytes = 4 << 10;
constexpr size_t kMaxReadBytes = 256 << 10;
// Of a sample, its place in the order, and its share of the encoded run.
constexpr size_t kBytesPerSample = 48;

using SeriesSamples = std::vector<std::pair<int64_t, double>>;

// Strictly by time: of equal times the first stays.
void SortByTime(SeriesSamples* samples, AppendResult* counts) {
  const auto earlier = [](const auto& a, const auto& b) { return a.first < b.first; };
  if (!std::is_sorted(samples->begin(), samples->end(), earlier)) {
    std::stable_sort(samples->begin(), samples->end(), earlier);
  }
  size_t last = 0;
  for (size_t i = 1; i < samples->size(); ++i) {
    const auto& [t, v] = (*samples)[i];
    if (t != (*samples)[last].first) {
      (*samples)[++last] = {t, v};
    } else if (std::bit_cast<uint64_t>(v) == std::bit_cast<uint64_t>((*samples)[last].second)) {
      ++counts->duplicate;
    } else {
      ++counts->conflicting;
    }
  }
  samples->resize(last + 1);
}

Status IoError(const std::string& what) {
  return Status::Io(what + ": " + std::generic_category().message(errno));
}

}  // namespace

void LeaveOutStored(const Columns& stored, Columns* columns, AppendResult* result) {
  Columns kept;
  size_t from = 0;
  for (size_t i = 0, k = 0; i < columns->size(); ++i) {
    while (k < stored.size() && stored.t_ms[k] < columns->t_ms[i]) ++k;
    if (k == stored.size()) break;
    if (stored.t_ms[k] != columns->t_ms[i]) continue;
    const auto histogram = [](const Columns& c, size_t at) {
      return c.histogram.empty() ? HistogramPtr() : c.histogram[at];
    };
    const bool same = SameSample(stored.value[k], histogram(stored, k), columns->value[i],
                                 histogram(*columns, i));
    ++(same ? result->duplicate : result->conflicting);
    AppendRange(*columns, from, i, &kept);
    from = i + 1;
  }
  if (from == 0) return;
  AppendRange(*columns, from, columns->size(), &kept);
  *columns = std::move(kept);
}

// Reads the blocks of one segment one after another.
class History::Segment {
 public:
  Segment(const History* history, Extent extent, size_t read_bytes)
      : history_(history), extent_(extent), read_bytes_(read_bytes) {}

  // Brings the next block; Valid() is false behind the last.
  Status Next() {
    constexpr size_t kHead = sizeof(uint32_t);
    at_ += block_bytes_;
    block_bytes_ = 0;
    valid_ = extent_.bytes > 0 || at_ < buffer_.size();
    if (!valid_) return {};
    TRY(Fill(kHead));
    uint32_t length = 0;
    Reader head(std::string_view(buffer_).substr(at_, kHead));
    head.GetFixed32(&length);
    TRY(Fill(kHead + length));
    block_bytes_ = kHead + length;
    in_ = Reader(std::string_view(buffer_).substr(at_ + kHead, length));
    if (!in_.GetFixed32(&series_) || !in_.GetVarint(&count_)) return Damaged();
    return {};
  }
  bool Valid() const { return valid_; }
  uint32_t series() const { return series_; }

  // Once per block: appends its samples, or its times alone.
  Status Decode(Columns* out) {
    TRY(DecodeTimes(&out->t_ms));
    out->value.resize(out->t_ms.size());
    if (!DecodeValues(&in_, count_, out->value.data() + (out->value.size() - count_))) {
      return Damaged();
    }
    return {};
  }
  Status DecodeTimes(std::vector<int64_t>* out) {
    if (count_ == 0 || count_ > kBlockSamples) return Damaged();
    out->resize(out->size() + count_);
    if (!DecodeInts(&in_, count_, out->data() + (out->size() - count_))) return Damaged();
    return {};
  }

 private:
  // At least `bytes` are in the buffer, from at_ on.
  Status Fill(size_t bytes) {
    if (buffer_.size() - at_ >= bytes) return {};
    buffer_.erase(0, at_);
    at_ = 0;
    const size_t wanted = std::max(bytes, read_bytes_) - buffer_.size();
    const auto read = static_cast<size_t>(std::min<uint64_t>(wanted, extent_.bytes));
    TRY(history_->Read(extent_.offset, read, &buffer_));
    extent_.offset += read;
    extent_.bytes -= read;
    return buffer_.size() >= bytes ? Status() : Damaged();
  }
  static Status Damaged() { return Status::Corruption("the scratch file of an import is damaged"); }

  const History* history_;
  Extent extent_;  // not read yet
  size_t read_bytes_;
  std::string buffer_;
  size_t at_ = 0, block_bytes_ = 0;  // the present block in buffer_
  Reader in_{""};
  bool valid_ = false;
  uint32_t series_ = 0;
  uint64_t count_ = 0;
};

// Merges the segments of one bucket; of equal times the earlier run wins.
class History::Source : public SeriesSource {
 public:
  Source(const History* history, std::vector<Extent> extents, AppendResult* result)
      : history_(history), extents_(std::move(extents)), result_(result) {
    const size_t share = kBufferBytes / std::max<size_t>(extents_.size(), 1);
    const size_t read_bytes = std::clamp(share, kMinReadBytes, kMaxReadBytes);
    for (const Extent& e : extents_) segments_.emplace_back(history, e, read_bytes);
  }
  Status Start() {
    for (uint32_t i = 0; i < segments_.size(); ++i) TRY(Advance(i));
    return Next();
  }

  // A pass of its own over the times. Series that are written together mostly have the same times:
  // those that are there already cost a comparison.
  Result<std::map<uint64_t, std::vector<int64_t>>> Clocks() override {
    std::map<uint64_t, std::vector<int64_t>> clocks;
    std::vector<int64_t> times, united;
    for (const Extent& e : extents_) {
      Segment segment(history_, e, kMaxReadBytes);
      TRY(segment.Next());
      uint32_t series = UINT32_MAX;
      std::vector<int64_t>* clock = nullptr;
      while (segment.Valid()) {
        times.clear();
        TRY(segment.DecodeTimes(&times));
        if (clock == nullptr || segment.series() != series) {
          series = segment.series();
          clock = &clocks[DerivedGroup(*history_->labels_[series])];
        }
        const auto from = std::lower_bound(clock->begin(), clock->end(), times.front());
        if (!std::includes(from, clock->end(), times.begin(), times.end())) {
          united.clear();
          std::set_union(clock->begin(), clock->end(), times.begin(), times.end(),
                         std::back_inserter(united));
          clock->swap(united);
        }
        TRY(segment.Next());
      }
    }
    return clocks;
  }
  bool Valid() const override { return valid_; }
  LabelsView labels() const override { return *history_->labels_[series_]; }
  uint64_t group_key() override { return DerivedGroup(labels()); }
  Status Read(int64_t start_ms, int64_t end_ms, Columns* out) override {
    out->Clear();
    const auto from = std::lower_bound(columns_.t_ms.begin(), columns_.t_ms.end(), start_ms);
    const auto to = std::upper_bound(from, columns_.t_ms.end(), end_ms);
    AppendRange(columns_, static_cast<size_t>(from - columns_.t_ms.begin()),
                static_cast<size_t>(to - columns_.t_ms.begin()), out);
    return {};
  }
  Status Next() override {
    columns_.Clear();
    valid_ = !heads_.empty();
    if (!valid_) return {};
    const uint32_t rank = heads_.begin()->first;
    series_ = history_->by_rank_[rank];
    Columns one;
    while (!heads_.empty() && heads_.begin()->first == rank) {
      const uint32_t i = heads_.begin()->second;
      heads_.erase(heads_.begin());
      Segment& segment = segments_[i];
      one.Clear();
      do {
        TRY(segment.Decode(&one));
        TRY(segment.Next());
      } while (segment.Valid() && segment.series() == series_);
      LeaveOutStored(columns_, &one, result_);
      MergeColumns(std::move(one), &columns_);
      if (segment.Valid()) heads_.emplace(history_->rank_[segment.series()], i);
    }
    return {};
  }

 private:
  Status Advance(uint32_t i) {
    TRY(segments_[i].Next());
    if (segments_[i].Valid()) heads_.emplace(history_->rank_[segments_[i].series()], i);
    return {};
  }

  const History* history_;
  const std::vector<Extent> extents_;
  AppendResult* result_;
  std::vector<Segment> segments_;
  std::set<std::pair<uint32_t, uint32_t>> heads_;  // rank of the series, segment
  bool valid_ = false;
  uint32_t series_ = 0;
  Columns columns_;  // of the present series
};

// ---- gathering

Result<std::unique_ptr<History>> History::Create(const Options& options) {
  std::unique_ptr<History> h(new History(options));
  h->file_.reset(std::fopen(options.scratch_path.c_str(), "w+b"));
  if (h->file_ == nullptr) return IoError("create " + options.scratch_path);
  std::remove(options.scratch_path.c_str());
  return h;
}

History::History(const Options& options)
    : options_(options),
      max_samples_(std::max<size_t>(options.memory_bytes / kBytesPerSample, 1024)) {}

History::~History() = default;

Result<uint32_t> History::SeriesOf(LabelsView labels) {
  if (const auto it = numbers_.find(labels); it != numbers_.end()) return it->second;
  if (labels.encoded().size() > kMaxLabelSetBytes) {
    return Status::InvalidArgument("the label set is longer than " +
                                   std::to_string(kMaxLabelSetBytes) + " bytes");
  }
  const auto number = static_cast<uint32_t>(labels_.size());
  labels_.push_back(&numbers_.emplace(Labels(labels), number).first->first);
  return number;
}

Status History::Add(uint32_t series, int64_t t_ms, double value) {
  if (t_ms < options_.oldest_ms || t_ms > options_.newest_ms) {
    ++(t_ms < options_.oldest_ms ? counts_.too_old : counts_.too_far_ahead);
    return {};
  }
  samples_.push_back({t_ms, value, series});
  return samples_.size() < max_samples_ ? Status() : WriteRun();
}

void History::AddExemplar(uint32_t series, Exemplar exemplar) {
  if (exemplar.t_ms < options_.oldest_ms || exemplar.t_ms > options_.newest_ms) return;
  exemplars_.emplace_back(series, std::move(exemplar));
  if (exemplars_.size() < 2 * kMaxExemplars) return;
  const auto newest = exemplars_.begin() + kMaxExemplars;
  std::nth_element(exemplars_.begin(), newest, exemplars_.end(),
                   [](const auto& a, const auto& b) { return a.second.t_ms > b.second.t_ms; });
  exemplars_.erase(newest, exemplars_.end());
}

std::vector<std::pair<Labels, Exemplar>> History::Exemplars() const {
  std::vector<std::pair<Labels, Exemplar>> out;
  for (const auto& [series, exemplar] : exemplars_) out.emplace_back(*labels_[series], exemplar);
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.second.t_ms < b.second.t_ms; });
  return out;
}

// ---- runs

// The smallest bucket there may be.
History::Bucket History::SlotOf(int64_t t_ms) const {
  const int64_t day = BucketStart(t_ms, kDayMs);
  if (day + kDayMs <= options_.settled_ms) return {day, day + kDayMs - 1, PartLevel::kDay};
  const int64_t start = BucketStart(t_ms, kHoursMs);
  return {start, start + kHoursMs - 1, PartLevel::kHours};
}

// Ranks grow as series come, but never change places: runs of before stay sorted.
void History::RankSeries() {
  const auto before = [this](uint32_t a, uint32_t b) {
    return SeriesBefore(*labels_[a], *labels_[b]);
  };
  const auto known = static_cast<std::ptrdiff_t>(by_rank_.size());
  by_rank_.resize(labels_.size());
  std::iota(by_rank_.begin() + known, by_rank_.end(), static_cast<uint32_t>(known));
  std::sort(by_rank_.begin() + known, by_rank_.end(), before);
  std::inplace_merge(by_rank_.begin(), by_rank_.begin() + known, by_rank_.end(), before);
  rank_.resize(by_rank_.size());
  for (uint32_t r = 0; r < by_rank_.size(); ++r) rank_[by_rank_[r]] = r;
}

// A counting sort by rank, then each series by time. Samples of a series mostly come in time order.
Status History::WriteRun() {
  RankSeries();
  std::vector<uint32_t> end(by_rank_.size() + 1);
  for (const Sample& s : samples_) ++end[rank_[s.series] + 1];
  std::partial_sum(end.begin(), end.end(), end.begin());
  std::vector<uint32_t> order(samples_.size());
  for (uint32_t i = 0; i < samples_.size(); ++i) order[end[rank_[samples_[i].series]]++] = i;
  // end[r] is now where the samples of rank r end.
  std::map<int64_t, std::string> segments;
  SeriesSamples one;
  for (uint32_t rank = 0, at = 0; rank < by_rank_.size(); ++rank) {
    one.clear();
    for (; at < end[rank]; ++at) {
      one.emplace_back(samples_[order[at]].t_ms, samples_[order[at]].value);
    }
    if (!one.empty()) EncodeSeries(by_rank_[rank], &one, &segments);
  }
  for (const auto& [slot, bytes] : segments) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
      return IoError("write " + options_.scratch_path);
    }
    segments_[slot].push_back({file_bytes_, bytes.size()});
    file_bytes_ += bytes.size();
  }
  samples_.clear();
  return {};
}

// Appends the samples of one series to the segments of their slots.
void History::EncodeSeries(uint32_t series, SeriesSamples* samples,
                           std::map<int64_t, std::string>* segments) {
  SortByTime(samples, &counts_);
  std::vector<int64_t> t_ms;
  std::vector<double> value;
  std::string block;
  for (size_t i = 0; i < samples->size();) {
    const Bucket slot = SlotOf((*samples)[i].first);
    t_ms.clear(), value.clear();
    for (; i < samples->size() && t_ms.size() < kBlockSamples; ++i) {
      const auto& [t, v] = (*samples)[i];
      if (t > slot.end_ms) break;
      t_ms.push_back(t), value.push_back(v);
    }
    block.clear();
    PutFixed32(&block, series);
    PutVarint(&block, t_ms.size());
    EncodeInts(t_ms, &block);
    EncodeValues(value, &block);
    std::string& segment = (*segments)[slot.start_ms];
    PutFixed32(&segment, static_cast<uint32_t>(block.size()));
    segment.append(block);
  }
}

Status History::Finish() {
  if (!samples_.empty()) TRY(WriteRun());
  samples_.shrink_to_fit();
  RankSeries();
  return std::fflush(file_.get()) == 0 ? Status() : IoError("write " + options_.scratch_path);
}

// ---- reading back

Status History::Read(uint64_t offset, size_t bytes, std::string* out) const {
  const size_t before = out->size();
  out->resize(before + bytes);
  if (fseeko(file_.get(), static_cast<off_t>(offset), SEEK_SET) != 0 ||
      std::fread(out->data() + before, 1, bytes, file_.get()) != bytes) {
    return IoError("read " + options_.scratch_path);
  }
  return {};
}

std::vector<History::Bucket> History::Buckets() const {
  std::vector<Bucket> out;
  if (segments_.empty()) return out;
  const int64_t span_ms = std::max<int64_t>(options_.settled_ms - segments_.begin()->first, 1);
  const int64_t width =
      LargestBucketMs(options_.retention_ms > 0 ? options_.retention_ms : span_ms);
  for (const auto& entry : segments_) {
    if (!out.empty() && entry.first <= out.back().end_ms) continue;
    const int64_t start = BucketStart(entry.first, width);
    if (width > kDayMs && start + width <= options_.settled_ms) {
      out.push_back({start, start + width - 1, PartLevel::kRange});
    } else {
      out.push_back(SlotOf(entry.first));
    }
  }
  return out;
}

Result<std::unique_ptr<SeriesSource>> History::Open(const Bucket& bucket,
                                                    AppendResult* result) const {
  std::vector<Extent> extents;
  for (auto it = segments_.lower_bound(bucket.start_ms);
       it != segments_.end() && it->first <= bucket.end_ms; ++it) {
    extents.insert(extents.end(), it->second.begin(), it->second.end());
  }
  auto source = std::make_unique<Source>(this, std::move(extents), result);
  TRY(source->Start());
  return std::unique_ptr<SeriesSource>(std::move(source));
}

}  // namespace deckwatch::tsdb
