#include "tsdb/compaction.h"

#include <algorithm>
#include <optional>
#include <set>

#include "tsdb/columns.h"

namespace deckwatch::tsdb {

void Tombstone::EncodeTo(std::string* out) const {
  PutVarint(out, last_part);
  PutSignedVarint(out, start_ms);
  PutSignedVarint(out, end_ms);
  PutVarint(out, matchers.size());
  for (const Matcher& m : matchers) {
    out->push_back(static_cast<char>(m.type()));
    PutString(out, m.name());
    PutString(out, m.value());
  }
  PutSignedVarint(out, created_ms);
  out->push_back(final ? 1 : 0);
}

Result<Tombstone> Tombstone::Decode(uint64_t id, std::string_view data) {
  const auto damaged = [id] {
    return Status::Corruption("tombstone " + std::to_string(id) + " is damaged");
  };
  Tombstone t;
  t.id = id;
  Reader in(data);
  uint64_t count;
  if (!in.GetVarint(&t.last_part) || !in.GetSignedVarint(&t.start_ms) ||
      !in.GetSignedVarint(&t.end_ms) || !in.GetVarint(&count)) {
    return damaged();
  }
  for (uint64_t i = 0; i < count; ++i) {
    uint8_t type;
    std::string_view name, value;
    if (!in.GetByte(&type) || type > static_cast<uint8_t>(MatchType::kNotRegex) ||
        !in.GetString(&name) || !in.GetString(&value)) {
      return damaged();
    }
    TRY_ASSIGN(Matcher m, Matcher::Create(static_cast<MatchType>(type), std::string(name),
                                          std::string(value)));
    t.matchers.push_back(std::move(m));
  }
  // Those of before deletes could be undone end here.
  uint8_t final = 1;
  if (!in.AtEnd() && (!in.GetSignedVarint(&t.created_ms) || !in.GetByte(&final))) return damaged();
  t.final = final != 0;
  return t;
}

namespace {

// Bytes that were checked when they came in.
class TrustedLabels : public LabelsView {
 public:
  explicit TrustedLabels(std::string_view encoded) : LabelsView(encoded) {}
};

// Label sets are made of their pairs one by one, and sorted metric by metric: what is in memory at
// once are the numbers of the pairs of the largest metric.
class WindowSource : public SeriesSource {
 public:
  WindowSource(const Window* window, const SeriesIndex* index, const SeriesByMetric* series)
      : window_(window), index_(index), metric_(series->begin()), metrics_end_(series->end()) {
    StartMetric();
  }

  Result<std::map<uint64_t, std::vector<int64_t>>> Clocks() override {
    std::map<uint64_t, std::vector<int64_t>> out;
    for (const auto& [group, w] : window_->Groups()) out[index_->GroupKey(group)] = w->Clock();
    return out;
  }
  bool Valid() const override { return at_ < order_.size(); }
  LabelsView labels() const override { return TrustedLabels(labels_); }
  uint64_t group_key() override { return index_->GroupKey(order_.group(at_)); }
  Status Read(int64_t start_ms, int64_t end_ms, Columns* out) override {
    window_->FindGroup(order_.group(at_))->Read(order_.column(at_), start_ms, end_ms, out);
    return {};
  }
  Status Next() override {
    ++at_;
    if (Valid()) {
      MakeLabels();
    } else {
      ++metric_;
      StartMetric();
    }
    return {};
  }

 private:
  void StartMetric() {
    at_ = 0;
    order_ = SeriesOrder();
    for (; metric_ != metrics_end_; ++metric_) {
      order_ = index_->Order(metric_->second);
      if (order_.size() > 0) return MakeLabels();
    }
  }
  void MakeLabels() {
    labels_.clear();
    order_.AppendLabels(at_, &labels_);
  }

  const Window* window_;
  const SeriesIndex* index_;
  SeriesByMetric::const_iterator metric_, metrics_end_;
  SeriesOrder order_;  // of the series of *metric_
  size_t at_ = 0;
  std::string labels_;
};

class PartSource : public SeriesSource {
 public:
  PartSource(PartPtr part, std::vector<TombstonePtr> tombstones)
      : part_(std::move(part)),
        tombstones_(std::move(tombstones)),
        values_(part_->NewSequentialIterator()) {
    std::erase_if(tombstones_, [this](const auto& t) { return !t->Covers(*part_); });
    values_->Seek("V");
  }

  Result<std::map<uint64_t, std::vector<int64_t>>> Clocks() override {
    std::map<uint64_t, std::vector<int64_t>> out;
    const auto it = part_->NewSequentialIterator();
    for (it->Seek("T"); it->Valid() && it->key().starts_with("T"); it->Next()) {
      Reader key(it->key().substr(1));
      uint32_t number;
      if (!key.GetBig32(&number)) return Status::Corruption("clock key is damaged");
      TRY_ASSIGN(const PartReader::Clock clock, part_->ReadClock(number));
      out[clock.group_key] = *clock.times_ms;
    }
    TRY(it->status());
    return out;
  }
  bool Valid() const override { return ordinal_ < part_->meta().series; }
  LabelsView labels() const override { return labels_[ordinal_ - labels_from_]; }
  uint64_t group_key() override {
    const int64_t clock = PartReader::ClockOf(values_->value());
    if (clock < 0) return 0;
    const auto c = part_->ReadClock(static_cast<uint32_t>(clock));
    return c.ok() ? c->group_key : 0;
  }
  Status Read(int64_t start_ms, int64_t end_ms, Columns* out) override {
    if (!span_ || span_->start_ms != start_ms || span_->end_ms != end_ms) {
      span_.emplace(start_ms, end_ms);
    }
    TRY(part_->Decode(values_->value(), ordinal_, &*span_, out));
    for (const TombstonePtr& t : tombstones_) {
      if (MatchesAll(t->matchers, labels())) CutRange(t->start_ms, t->end_ms, out);
    }
    return {};
  }
  Status Next() override {
    ++ordinal_;
    values_->Next();
    return Load();
  }
  // Brings the labels and the entry of the present ordinal.
  Status Load() {
    constexpr uint32_t kLabelsAtOnce = 16 * kSeriesPerBlock;
    if (!Valid()) return {};
    if (!values_->Valid() || values_->key() != PartKey('V', ordinal_)) {
      const Status s = values_->status();
      ordinal_ = static_cast<uint32_t>(part_->meta().series);
      return Status::Corruption("part " + std::to_string(part_->id()) + ": series missing " +
                                s.message());
    }
    if (ordinal_ >= labels_from_ + labels_.size()) {
      labels_.clear();
      labels_from_ = ordinal_;
      std::vector<uint32_t> wanted;
      while (wanted.size() < kLabelsAtOnce && labels_from_ + wanted.size() < part_->meta().series) {
        wanted.push_back(labels_from_ + static_cast<uint32_t>(wanted.size()));
      }
      TRY(part_->GetLabels(wanted, [this](uint32_t, LabelsView l) { labels_.emplace_back(l); }));
    }
    return {};
  }

 private:
  const PartPtr part_;
  std::vector<TombstonePtr> tombstones_;
  const std::unique_ptr<KvIterator> values_;
  uint32_t ordinal_ = 0;
  uint32_t labels_from_ = 0;
  std::vector<Labels> labels_;
  std::optional<PartReader::Span> span_;
};

// The union of the clocks of each group, inside the range.
Status AddClocks(const std::vector<std::unique_ptr<SeriesSource>>& sources, int64_t start_ms,
                 int64_t end_ms, PartWriter* writer) {
  std::map<uint64_t, std::vector<int64_t>> all;
  for (const auto& source : sources) {
    TRY_ASSIGN(const auto clocks, source->Clocks());
    for (const auto& [key, times] : clocks) {
      std::vector<int64_t>& sum = all[key];
      sum.insert(sum.end(), std::lower_bound(times.begin(), times.end(), start_ms),
                 std::upper_bound(times.begin(), times.end(), end_ms));
    }
  }
  for (auto& [key, times] : all) {
    std::sort(times.begin(), times.end());
    times.erase(std::unique(times.begin(), times.end()), times.end());
    if (!times.empty()) writer->AddClock(key, std::move(times));
  }
  return {};
}

}  // namespace

std::unique_ptr<SeriesSource> NewWindowSource(const Window* window, const SeriesIndex* index,
                                              const SeriesByMetric* series) {
  return std::make_unique<WindowSource>(window, index, series);
}

Result<std::unique_ptr<SeriesSource>> NewPartSource(PartPtr part,
                                                    std::vector<TombstonePtr> tombstones) {
  auto source = std::make_unique<PartSource>(std::move(part), std::move(tombstones));
  TRY(source->Load());
  return std::unique_ptr<SeriesSource>(std::move(source));
}

Result<PartWriter::Finished> BuildPart(std::vector<std::unique_ptr<SeriesSource>> sources,
                                       int64_t start_ms, int64_t end_ms, PartWriter* writer,
                                       const std::function<bool()>& keep_going) {
  TRY(AddClocks(sources, start_ms, end_ms, writer));
  // A sorted set of (labels, source) is the merge heap: sources are few.
  const auto before = [&](size_t a, size_t b) {
    if (SeriesBefore(sources[a]->labels(), sources[b]->labels())) return true;
    if (SeriesBefore(sources[b]->labels(), sources[a]->labels())) return false;
    return a < b;
  };
  std::set<size_t, decltype(before)> heap(before);
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i]->Valid()) heap.insert(i);
  }
  Columns merged, one;
  std::vector<size_t> same;
  for (uint64_t count = 1; !heap.empty(); ++count) {
    if (count % 1024 == 0 && !keep_going()) return Status::Cancelled("stopping");
    const Labels labels(sources[*heap.begin()]->labels());
    uint64_t group_key = 0;
    merged.Clear();
    same.clear();
    while (!heap.empty() && sources[*heap.begin()]->labels() == labels.view()) {
      const size_t i = *heap.begin();
      heap.erase(heap.begin());
      same.push_back(i);
      TRY(sources[i]->Read(start_ms, end_ms, &one));
      if (!one.empty()) {
        if (const uint64_t key = sources[i]->group_key(); key != 0) group_key = key;
        MergeColumns(std::move(one), &merged);
      }
    }
    if (!merged.empty()) TRY(writer->AddSeries(labels, group_key, merged));
    for (size_t i : same) {
      TRY(sources[i]->Next());
      if (sources[i]->Valid()) heap.insert(i);
    }
  }
  if (writer->series() == 0) return PartWriter::Finished{};
  return writer->Finish();
}

}  // namespace deckwatch::tsdb
