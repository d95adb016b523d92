#include "tsdb/part_writer.h"

#include <algorithm>
#include <bit>
#include <filesystem>

#include "tsdb/codec.h"
#include "tsdb/histogram_codec.h"

namespace deckwatch::tsdb {

namespace {

void EncodeIntBlocks(std::span<const int64_t> v, std::string* out) {
  for (size_t i = 0; i < v.size(); i += kBlockSamples) {
    EncodeInts(v.subspan(i, std::min(kBlockSamples, v.size() - i)), out);
  }
}

bool IsConstant(const std::vector<double>& v) {
  const uint64_t first = std::bit_cast<uint64_t>(v[0]);
  return std::all_of(v.begin(), v.end(),
                     [first](double x) { return std::bit_cast<uint64_t>(x) == first; });
}

void EncodeHistogramColumn(const std::vector<HistogramPtr>& h, std::string* out) {
  std::string runs;
  std::vector<HistogramPtr> present;
  size_t run_count = 0;
  for (size_t i = 0; i < h.size();) {
    const size_t from = i;
    while (i < h.size() && h[i] == nullptr) ++i;
    const size_t floats_end = i;
    while (i < h.size() && h[i] != nullptr) present.push_back(h[i++]);
    PutVarint(&runs, floats_end - from);
    PutVarint(&runs, i - floats_end);
    ++run_count;
  }
  PutVarint(out, run_count);
  out->append(runs);
  EncodeHistograms(present, out);
}

}  // namespace

Result<std::unique_ptr<PartWriter>> PartWriter::Create(const std::string& directory,
                                                       PartLevel level) {
  std::unique_ptr<PartWriter> w(new PartWriter());
  w->values_path_ = directory + "/values.sst";
  w->index_path_ = directory + "/index.sst";
  w->meta_.level = level;
  // Parts that stay are worth the slower compression.
  const bool stays = level >= PartLevel::kDay;
  w->effort_ = stays ? Effort::kSmall : Effort::kQuick;
  w->index_options_ = {.block_bytes = 16 << 10, .zstd_level = stays ? 9 : 3};
  const SstWriter::Options value_options = {.block_bytes = stays ? 64u << 10 : 32u << 10,
                                            .zstd_level = stays ? 9 : 3};
  TRY_ASSIGN(w->values_, SstWriter::Create(w->values_path_, value_options));
  return w;
}

PartWriter::~PartWriter() {
  values_.reset();
  std::error_code ignored;
  std::filesystem::remove(values_path_, ignored);
  std::filesystem::remove(index_path_, ignored);
}

void PartWriter::AddClock(uint64_t group_key, std::vector<int64_t> times_ms) {
  clock_of_group_[group_key] = static_cast<uint32_t>(clocks_.size());
  clocks_.push_back({group_key, std::move(times_ms)});
}

// The rows of the clock that `t_ms` are, as runs; own times when some are on no row.
void PartWriter::EncodeTimes(Clock* clock, uint32_t number, const std::vector<int64_t>& t_ms,
                             std::string* head, std::string* out) {
  std::string runs;
  uint64_t run_count = 0;
  size_t row = 0, next = 0;  // next: end of the last run
  size_t i = 0;
  while (clock != nullptr && i < t_ms.size()) {
    const std::vector<int64_t>& times = clock->times_ms;
    while (row < times.size() && times[row] < t_ms[i]) ++row;
    const size_t first = row;
    while (row < times.size() && i < t_ms.size() && times[row] == t_ms[i]) ++row, ++i;
    if (row == first) break;
    PutVarint(&runs, first - next);
    PutVarint(&runs, row - first);
    next = row;
    ++run_count;
  }
  if (i == t_ms.size()) {
    clock->used = true;
    PutVarint(head, number + 1);
    PutVarint(out, run_count);
    out->append(runs);
  } else {
    PutVarint(head, 0);
    EncodeIntBlocks(t_ms, out);
  }
}

// Appends the values of the next ordinal, which were taken at `rows` of a clock (empty: at times of
// their own). How many ordinals back the neighbour is that they are written beside, or 0.
uint32_t PartWriter::EncodeVarying(const std::vector<double>& v, const std::string& rows,
                                   std::string* out) {
  const auto ordinal = static_cast<uint32_t>(meta_.series);
  const bool alone = rows.empty() || effort_ == Effort::kQuick;
  const Neighbours::Column* neighbour = alone ? nullptr : neighbours_.Find(ordinal, rows, v);
  const std::span<const double> beside =
      neighbour == nullptr ? std::span<const double>() : std::span(neighbour->values);
  if (EncodeColumn(v, beside, effort_, out)) return ordinal - neighbour->ordinal;
  if (!alone) neighbours_.Add({.ordinal = ordinal, .rows = rows, .values = v});
  return 0;
}

Status PartWriter::AddSeries(LabelsView labels, uint64_t group_key, const Columns& columns) {
  CHECK(!columns.empty());
  const auto ordinal = static_cast<uint32_t>(meta_.series);
  const auto clock = clock_of_group_.find(group_key);
  Clock* shared = clock == clock_of_group_.end() ? nullptr : &clocks_[clock->second];
  std::string value, times;
  EncodeTimes(shared, shared == nullptr ? 0 : clock->second, columns.t_ms, &value, &times);
  const bool own_times = value[0] == 0;
  const bool constant = IsConstant(columns.value);
  std::string values;
  uint32_t back = 0;
  if (constant) {
    EncodeValues(std::span(columns.value).first(1), &values);
  } else {
    back = EncodeVarying(columns.value, own_times ? "" : value + times, &values);
  }
  PutVarint(&value, columns.size());
  value.push_back(static_cast<char>((columns.start_ms.empty() ? 0 : kHasStart) |
                                    (columns.histogram.empty() ? 0 : kHasHistograms) |
                                    (constant ? kConstant : 0) | (back > 0 ? kBeside : 0)));
  if (back > 0) PutVarint(&value, back);
  value.append(times);
  value.append(values);
  if (!columns.start_ms.empty()) EncodeIntBlocks(columns.start_ms, &value);
  if (!columns.histogram.empty()) EncodeHistogramColumn(columns.histogram, &value);
  TRY(values_->Put(PartKey('V', ordinal), value));

  labels_.Add(labels);
  ++meta_.series;
  meta_.samples += columns.size();
  meta_.min_ms = std::min(meta_.min_ms, columns.t_ms.front());
  meta_.max_ms = std::max(meta_.max_ms, columns.t_ms.back());
  return {};
}

Status PartWriter::Put(SstWriter* index, const std::string& key, const std::string& value,
                       uint64_t* class_bytes) {
  *class_bytes += key.size() + value.size();
  return index->Put(key, value);
}

Status PartWriter::WriteClocks(SstWriter* index) {
  for (uint32_t i = 0; i < clocks_.size(); ++i) {
    if (!clocks_[i].used) continue;
    std::string value;
    PutFixed64(&value, clocks_[i].group_key);
    PutVarint(&value, clocks_[i].times_ms.size());
    EncodeIntBlocks(clocks_[i].times_ms, &value);
    TRY(Put(index, PartKey('T', i), value, &meta_.clock_raw_bytes));
  }
  return {};
}

Status PartWriter::WriteIndex(SstWriter* index) {
  const auto counted = [&](uint64_t* class_bytes) {
    return [=, this](const std::string& key, const std::string& value) {
      return Put(index, key, value, class_bytes);
    };
  };
  TRY(labels_.WriteDictionary(counted(&meta_.label_raw_bytes)));
  meta_.pairs = labels_.pairs();
  meta_.clocks = clocks_.size();
  // The copy of the meta inside the part knows no file sizes: it is in one of the files.
  std::string meta;
  meta_.EncodeTo(&meta);
  TRY(index->Put("M", meta));
  TRY(labels_.WritePostings(counted(&meta_.postings_raw_bytes)));
  TRY(labels_.WriteSets(counted(&meta_.label_raw_bytes)));
  return WriteClocks(index);
}

Result<PartWriter::Finished> PartWriter::Finish() {
  TRY_ASSIGN(meta_.value_bytes, values_->Finish());
  TRY_ASSIGN(const auto index, SstWriter::Create(index_path_, index_options_));
  TRY(WriteIndex(index.get()));
  TRY_ASSIGN(meta_.index_bytes, index->Finish());
  return Finished{meta_, {index_path_, values_path_}};
}

}  // namespace deckwatch::tsdb
