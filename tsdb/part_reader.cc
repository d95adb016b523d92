#include "tsdb/part_reader.h"

#include <algorithm>

#include "base/clock.h"
#include "tsdb/codec.h"
#include "tsdb/columns.h"
#include "tsdb/histogram_codec.h"

namespace deckwatch::tsdb {

namespace {

constexpr size_t kClocksKept = 1024;

bool DecodeIntBlocks(Reader* in, size_t n, std::vector<int64_t>* out) {
  if (n > in->remaining() * kBlockSamples) return false;  // a block has a byte at least
  out->resize(n);
  for (size_t i = 0; i < n; i += kBlockSamples) {
    if (!DecodeInts(in, std::min(kBlockSamples, n - i), out->data() + i)) return false;
  }
  return true;
}

// The head of a V entry, and where its samples lie on the clock.
struct EntryHead {
  uint64_t clock = 0;  // number + 1; 0: own times
  uint64_t n = 0;
  uint8_t flags = 0;
  uint64_t back = 0;  // ordinals back to the neighbour; 0: none

  bool Parse(Reader* in) {
    return in->GetVarint(&clock) && in->GetVarint(&n) && in->GetByte(&flags) && n > 0 &&
           flags <= (kHasStart | kHasHistograms | kConstant | kBeside) &&
           ((flags & kBeside) == 0 || (in->GetVarint(&back) && back > 0 && clock > 0));
  }
};

// Times of samples [*first, *first + out->size()) that lie in the rows, from runs over the clock.
bool DecodeRuns(Reader* in, const PartReader::Span::Rows& rows, uint64_t n, bool latest_only,
                size_t* first, std::vector<int64_t>* out) {
  uint64_t runs;
  if (!in->GetVarint(&runs)) return false;
  const std::vector<int64_t>& clock = *rows.times_ms;
  uint64_t row = 0, sample = 0;
  *first = 0;
  for (uint64_t i = 0; i < runs; ++i) {
    uint64_t gap, length;
    if (!in->GetVarint(&gap) || !in->GetVarint(&length)) return false;
    if (gap > clock.size() - row || length > clock.size() - row - gap) return false;
    row += gap;
    uint64_t from = std::clamp(rows.low, row, row + length);
    const uint64_t to = std::clamp(rows.high, from, row + length);
    if (from < to) {
      if (latest_only) {
        from = to - 1;
        out->clear();
      }
      if (out->empty()) *first = sample + (from - row);
      out->insert(out->end(), clock.begin() + static_cast<std::ptrdiff_t>(from),
                  clock.begin() + static_cast<std::ptrdiff_t>(to));
    }
    row += length;
    sample += length;
  }
  return sample == n;
}

bool DecodeOwnTimes(Reader* in, uint64_t n, const PartReader::Span& span, size_t* first,
                    std::vector<int64_t>* out) {
  std::vector<int64_t> all;
  if (!DecodeIntBlocks(in, n, &all)) return false;
  for (size_t i = 1; i < all.size(); ++i) {
    if (all[i] <= all[i - 1]) return false;
  }
  auto low = std::lower_bound(all.begin(), all.end(), span.start_ms);
  const auto high = std::upper_bound(low, all.end(), span.end_ms);
  if (span.latest_only && low < high) low = high - 1;
  *first = static_cast<size_t>(low - all.begin());
  out->assign(low, high);
  return true;
}

bool DecodeStarts(Reader* in, uint64_t n, size_t first, size_t count, std::vector<int64_t>* out) {
  std::vector<int64_t> all;
  if (!DecodeIntBlocks(in, n, &all)) return false;
  const auto from = all.begin() + static_cast<std::ptrdiff_t>(first);
  out->assign(from, from + static_cast<std::ptrdiff_t>(count));
  return true;
}

bool DecodeHistogramColumn(Reader* in, uint64_t n, size_t first, size_t count,
                           std::vector<HistogramPtr>* out) {
  uint64_t runs, floats, histograms, total = 0, present = 0;
  if (!in->GetVarint(&runs) || runs > in->remaining()) return false;
  std::vector<std::pair<uint64_t, uint64_t>> spans(runs);
  for (auto& span : spans) {
    if (!in->GetVarint(&floats) || !in->GetVarint(&histograms)) return false;
    if (floats > n - total || histograms > n - total - floats) return false;
    total += floats + histograms;
    present += histograms;
    span = {floats, histograms};
  }
  std::vector<HistogramPtr> decoded;
  if (total != n || !DecodeHistograms(in, present, &decoded)) return false;
  std::vector<HistogramPtr> all(n);
  size_t at = 0, next = 0;
  for (const auto& [skip, length] : spans) {
    at += skip;
    for (uint64_t i = 0; i < length; ++i) all[at++] = std::move(decoded[next++]);
  }
  const auto from = all.begin() + static_cast<std::ptrdiff_t>(first);
  out->assign(from, from + static_cast<std::ptrdiff_t>(count));
  // All floats in this range: the column is left out, as Columns wants it.
  if (std::all_of(out->begin(), out->end(), [](const auto& h) { return h == nullptr; })) {
    out->clear();
  }
  return true;
}

}  // namespace

Status PartReader::Damaged(std::string_view what, const Status& cause) const {
  if (cause.code() == StatusCode::kUnavailable) return cause;  // not damaged: not now
  const std::string reason = cause.ok() ? "" : " (" + cause.message() + ")";
  const std::string name = "part " + std::to_string(id_) + " (" + FormatRfc3339Ms(meta_.min_ms) +
                           " to " + FormatRfc3339Ms(meta_.max_ms) + "): " + std::string(what);
  if (cause.code() == StatusCode::kIo) return Status::Io(name + " cannot be read" + reason);
  return Status::Corruption(name + " is damaged" + reason);
}

// ---- index

Result<Postings> PartReader::All() const {
  Postings all(meta_.series);
  for (uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}

Result<Postings> PartReader::Get(std::string_view name, std::string_view value) const {
  const auto found = kv_->Get(family_, "P" + PairText(name, value));
  if (!found.ok()) {
    if (found.status().code() == StatusCode::kNotFound) return Postings{};
    return Damaged("an index block", found.status());
  }
  Postings out;
  Reader in(found->view());
  if (!DecodePostings(&in, static_cast<uint32_t>(meta_.series), &out)) return Damaged("postings");
  return out;
}

Status PartReader::GetWhere(std::string_view name, std::string_view prefix,
                            const std::function<bool(std::string_view)>& want,
                            std::vector<Postings>* out) const {
  const std::string from = "P" + PairText(name, prefix);
  const size_t value_at = 3 + name.size();
  const auto it = kv_->NewIterator(family_);
  for (it->Seek(from); it->Valid() && it->key().starts_with(from); it->Next()) {
    if (!want(it->key().substr(value_at))) continue;
    Reader in(it->value());
    out->emplace_back();
    if (!DecodePostings(&in, static_cast<uint32_t>(meta_.series), &out->back())) {
      return Damaged("postings");
    }
  }
  return it->status().ok() ? Status() : Damaged("an index block", it->status());
}

Status PartReader::ForEachPair(
    const std::function<void(std::string_view, std::string_view, uint64_t)>& visit) const {
  const auto it = kv_->NewIterator(family_);
  for (it->Seek("P"); it->Valid() && it->key().starts_with("P"); it->Next()) {
    std::string_view name, value;
    uint64_t series;
    Reader in(it->value());
    if (!SplitPair(it->key().substr(1), &name, &value) || !in.GetVarint(&series)) {
      return Damaged("a pair");
    }
    visit(name, value, series);
  }
  return it->status().ok() ? Status() : Damaged("an index block", it->status());
}

Status PartReader::LabelNames(const std::function<void(std::string_view)>& visit) const {
  const auto it = kv_->NewIterator(family_);
  std::string from = "P", name, last;
  std::vector<std::string> names;
  for (it->Seek(from); it->Valid() && it->key().starts_with("P"); it->Seek(from)) {
    std::string_view n, v;
    if (!SplitPair(it->key().substr(1), &n, &v)) return Damaged("a pair");
    names.emplace_back(n);
    // The first key after all values of this name: its length and text with the last byte raised.
    from = "P" + PairText(n, "");
    size_t i = from.size();
    while (i > 0 && static_cast<uint8_t>(from[i - 1]) == 0xff) --i;
    from.resize(i);
    from.back() = static_cast<char>(from.back() + 1);
  }
  if (!it->status().ok()) return Damaged("an index block", it->status());
  std::sort(names.begin(), names.end());  // in the keys, short names come first
  for (const std::string& n : names) visit(n);
  return {};
}

Status PartReader::LabelValues(std::string_view name,
                               const std::function<void(std::string_view)>& visit) const {
  const std::string from = "P" + PairText(name, "");
  const auto it = kv_->NewIterator(family_);
  for (it->Seek(from); it->Valid() && it->key().starts_with(from); it->Next()) {
    visit(it->key().substr(from.size()));
  }
  return it->status().ok() ? Status() : Damaged("an index block", it->status());
}

Result<std::shared_ptr<const PartReader::PairTable>> PartReader::Pairs() const {
  {
    MutexLock lock(mutex_);
    if (auto kept = pairs_.lock()) return kept;
  }
  auto table = std::make_shared<PairTable>();
  const auto it = kv_->NewIterator(family_);
  for (it->Seek("D"); it->Valid() && it->key().starts_with("D"); it->Next()) {
    Reader in(it->value());
    const size_t block_start = table->size();
    while (!in.AtEnd()) {
      uint64_t shared;
      std::string_view rest;
      if (!in.GetVarint(&shared) || !in.GetString(&rest)) return Damaged("a pair block");
      const bool first = table->size() == block_start;
      if (shared > (first ? 0 : table->back().size())) return Damaged("a pair block");
      std::string text = first ? std::string() : table->back().substr(0, shared);
      text.append(rest);
      std::string_view name, value;
      if (!SplitPair(text, &name, &value)) return Damaged("a pair");
      table->push_back(std::move(text));
    }
  }
  if (!it->status().ok()) return Damaged("an index block", it->status());
  if (table->size() != meta_.pairs) return Damaged("the pair table");
  MutexLock lock(mutex_);
  pairs_ = table;
  return std::shared_ptr<const PairTable>(table);
}

Status PartReader::GetLabels(
    std::span<const uint32_t> ordinals,
    const std::function<void(uint32_t ordinal, LabelsView labels)>& visit) const {
  TRY_ASSIGN(const auto pairs, Pairs());
  std::vector<uint32_t> ids;
  std::string encoded;
  for (size_t i = 0; i < ordinals.size();) {
    const uint32_t block = ordinals[i] / kSeriesPerBlock;
    const auto found = kv_->Get(family_, PartKey('S', block));
    if (!found.ok()) return Damaged("a label block", found.status());
    Reader in(found->view());
    ids.clear();
    for (uint32_t ordinal = block * kSeriesPerBlock;
         i < ordinals.size() && ordinals[i] / kSeriesPerBlock == block; ++ordinal) {
      uint64_t shared, further;
      if (!in.GetVarint(&shared) || !in.GetVarint(&further)) return Damaged("a label block");
      if (shared > ids.size() || further > in.remaining()) return Damaged("a label block");
      const std::vector<uint32_t> last = ids;
      ids.resize(shared);
      for (uint64_t k = 0; k < further; ++k) {
        int64_t difference;
        if (!in.GetSignedVarint(&difference)) return Damaged("a label block");
        const int64_t base = shared + k < last.size() ? last[shared + k] : 0;
        if (difference < -base || difference >= static_cast<int64_t>(pairs->size()) - base) {
          return Damaged("a label block");
        }
        ids.push_back(static_cast<uint32_t>(base + difference));
      }
      if (ordinal != ordinals[i]) continue;
      encoded.clear();
      for (uint32_t id : ids) {
        std::string_view name, value;
        (void)SplitPair((*pairs)[id], &name, &value);
        PutString(&encoded, name);
        PutString(&encoded, value);
      }
      TRY_ASSIGN(const Labels labels, Labels::FromEncoded(encoded));
      visit(ordinal, labels);
      ++i;
    }
  }
  return {};
}

Result<SelectionPtr> PartReader::Select(const std::vector<Matcher>& matchers,
                                        const Admit& admit) const {
  auto out = std::make_shared<Selection>();
  TRY_ASSIGN(const Postings ordinals, SelectPostings(*this, matchers));
  if (ordinals.empty()) return SelectionPtr(std::move(out));
  if (admit) TRY(admit(ordinals.size()));
  out->Reserve(ordinals.size());
  TRY(GetLabels(ordinals,
                [&](uint32_t ordinal, LabelsView l) { out->Add(l.encoded(), ordinal, 0); }));
  return SelectionPtr(std::move(out));
}

Result<std::shared_ptr<const PartReader::SeriesMap>> PartReader::Map() const {
  {
    MutexLock lock(mutex_);
    map_used_ = true;
    if (map_ != nullptr) return map_;
  }
  auto map = std::make_shared<SeriesMap>();
  map->by_hash.reserve(meta_.series);
  TRY_ASSIGN(map->pairs, Pairs());
  TRY_ASSIGN(const Postings all, All());
  TRY(GetLabels(
      all, [&](uint32_t ordinal, LabelsView l) { map->by_hash.emplace_back(l.Hash(), ordinal); }));
  std::sort(map->by_hash.begin(), map->by_hash.end());
  MutexLock lock(mutex_);
  map_ = map;
  return std::shared_ptr<const SeriesMap>(map);
}

Result<uint32_t> PartReader::Find(LabelsView labels) const {
  TRY_ASSIGN(const auto map, Map());
  const uint64_t hash = labels.Hash();
  const auto& by_hash = map->by_hash;
  for (auto it = std::lower_bound(by_hash.begin(), by_hash.end(), std::pair(hash, uint32_t{0}));
       it != by_hash.end() && it->first == hash; ++it) {
    bool same = false;
    TRY(GetLabels({&it->second, 1}, [&](uint32_t, LabelsView l) { same = l == labels; }));
    if (same) return it->second;
  }
  return Status::NotFound(labels.ToString());
}

void PartReader::ForgetUnused() const {
  MutexLock lock(mutex_);
  if (!map_used_) map_ = nullptr;
  map_used_ = false;
}

// ---- samples

Result<PartReader::Clock> PartReader::ReadClock(uint32_t clock) const {
  {
    MutexLock lock(mutex_);
    if (const auto it = clocks_.find(clock); it != clocks_.end()) return it->second;
  }
  const auto found = kv_->Get(family_, PartKey('T', clock));
  if (!found.ok()) return Damaged("a clock", found.status());
  Clock c;
  uint64_t n;
  std::vector<int64_t> times;
  Reader in(found->view());
  if (!in.GetFixed64(&c.group_key) || !in.GetVarint(&n) || !DecodeIntBlocks(&in, n, &times)) {
    return Damaged("a clock");
  }
  for (size_t i = 1; i < times.size(); ++i) {
    if (times[i] <= times[i - 1]) return Damaged("a clock");
  }
  c.times_ms = std::make_shared<const std::vector<int64_t>>(std::move(times));
  MutexLock lock(mutex_);
  if (clocks_.size() >= kClocksKept) clocks_.clear();
  clocks_[clock] = c;
  return c;
}

int64_t PartReader::ClockOf(std::string_view entry) {
  EntryHead head;
  Reader in(entry);
  return head.Parse(&in) ? static_cast<int64_t>(head.clock) - 1 : -1;
}

Status PartReader::Read(uint32_t ordinal, int64_t start_ms, int64_t end_ms, Columns* out) const {
  out->Clear();
  const auto found = kv_->Get(family_, PartKey('V', ordinal));
  if (!found.ok()) return Damaged("a value block", found.status());
  return Decode(found->view(), ordinal, start_ms, end_ms, out);
}

Status PartReader::ReadNeighbour(uint32_t ordinal, uint64_t n, SampleRange range,
                                 Span::Neighbour* out) const {
  if (out->ordinal == ordinal && out->range == range) return {};
  out->ordinal = UINT32_MAX;
  const auto found = kv_->Get(family_, PartKey('V', ordinal));
  if (!found.ok()) return Damaged("a value block", found.status());
  Reader in(found->view());
  EntryHead head;
  uint64_t runs = 0, ignored;
  // A neighbour stands by itself, so that reading one series never takes more than two.
  bool good = head.Parse(&in) && head.n == n && head.clock > 0 &&
              (head.flags & (kBeside | kConstant)) == 0 && in.GetVarint(&runs);
  for (uint64_t i = 0; good && i < 2 * runs; ++i) good = in.GetVarint(&ignored);
  if (good) {
    out->values.resize(range.count);
    good = DecodeColumn(&in, n, range, {}, out->values.data());
  }
  if (!good) return Damaged("series " + std::to_string(ordinal));
  out->ordinal = ordinal;
  out->range = range;
  return {};
}

Status PartReader::Decode(std::string_view entry, uint32_t ordinal, Span* span,
                          Columns* out) const {
  out->Clear();
  const auto damaged = [&] {
    out->Clear();
    return Damaged("series " + std::to_string(ordinal));
  };
  Reader in(entry);
  EntryHead head;
  size_t first = 0;
  if (!head.Parse(&in)) return damaged();
  if (head.clock == 0) {
    if (!DecodeOwnTimes(&in, head.n, *span, &first, &out->t_ms)) return damaged();
  } else {
    if (head.clock > meta_.clocks) return damaged();
    TRY_ASSIGN(const Span::Rows* rows, span->RowsOf(*this, static_cast<uint32_t>(head.clock - 1)));
    if (!DecodeRuns(&in, *rows, head.n, span->latest_only, &first, &out->t_ms)) return damaged();
  }
  const size_t count = out->t_ms.size();
  if (count == 0) return {};
  if ((head.flags & kConstant) != 0) {
    double v;
    if (!DecodeValues(&in, 1, &v)) return damaged();
    out->value.assign(count, v);
  } else {
    std::span<const double> beside;
    // What stands behind the values is found by reading them.
    const Want want = (head.flags & (kHasStart | kHasHistograms)) == 0 ? span->want : Want::kValues;
    if (head.back > ordinal) return damaged();
    if (head.back > 0 && want == Want::kValues) {
      TRY(ReadNeighbour(ordinal - static_cast<uint32_t>(head.back), head.n, {first, count},
                        &span->neighbour));
      beside = span->neighbour.values;
    }
    out->value.resize(count);
    if (!DecodeColumn(&in, head.n, {first, count}, beside, out->value.data(), want)) {
      return damaged();
    }
  }
  if ((head.flags & kHasStart) != 0 && !DecodeStarts(&in, head.n, first, count, &out->start_ms)) {
    return damaged();
  }
  if ((head.flags & kHasHistograms) != 0 &&
      !DecodeHistogramColumn(&in, head.n, first, count, &out->histogram)) {
    return damaged();
  }
  return {};
}

Status PartReader::Check(std::string* key, int64_t* bytes) const {
  const auto it = NewSequentialIterator();
  for (it->Seek(*key); it->Valid(); it->Next()) {
    if (*bytes <= 0) {
      key->assign(it->key());
      return {};
    }
    *bytes -= static_cast<int64_t>(it->key().size() + it->value().size());
  }
  key->clear();
  return it->status().ok() ? Status() : Damaged("a block", it->status());
}

Status PartReader::Verify() const {
  TRY_ASSIGN(const Postings all, All());
  uint64_t label_sets = 0;
  TRY(GetLabels(all, [&](uint32_t, LabelsView) { ++label_sets; }));
  std::vector<Postings> postings;
  const auto it = NewSequentialIterator();
  for (it->Seek("P"); it->Valid() && it->key().starts_with("P"); it->Next()) {
    Postings p;
    Reader in(it->value());
    if (!DecodePostings(&in, static_cast<uint32_t>(meta_.series), &p)) return Damaged("postings");
  }
  uint64_t samples = 0;
  uint32_t ordinal = 0;
  Columns columns;
  Span span(INT64_MIN, INT64_MAX);
  for (it->Seek("V"); it->Valid() && it->key().starts_with("V"); it->Next(), ++ordinal) {
    if (it->key() != PartKey('V', ordinal)) return Damaged("the list of series");
    TRY(Decode(it->value(), ordinal, &span, &columns));
    samples += columns.size();
  }
  if (!it->status().ok()) return Damaged("a block", it->status());
  if (ordinal != meta_.series || label_sets != meta_.series || samples != meta_.samples) {
    return Damaged("the number of series or samples");
  }
  return {};
}

}  // namespace deckwatch::tsdb
