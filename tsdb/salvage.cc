#include "tsdb/salvage.h"

#include <algorithm>

#include "tsdb/columns.h"

namespace deckwatch::tsdb {

namespace {

bool IsDamage(const Status& s) {
  return s.code() == StatusCode::kCorruption;
}

}  // namespace

SalvageSource::SalvageSource(PartPtr part, std::vector<TombstonePtr> tombstones,
                             std::vector<Gap>* gaps)
    : part_(std::move(part)),
      tombstones_(std::move(tombstones)),
      values_(part_->NewSequentialIterator()),
      gaps_(gaps) {
  std::erase_if(tombstones_, [this](const auto& t) { return !t->Covers(*part_); });
}

Result<std::unique_ptr<SalvageSource>> SalvageSource::Create(PartPtr part,
                                                             std::vector<TombstonePtr> tombstones,
                                                             std::vector<Gap>* gaps) {
  std::unique_ptr<SalvageSource> source(
      new SalvageSource(std::move(part), std::move(tombstones), gaps));
  TRY(source->Load());
  return source;
}

Result<std::map<uint64_t, std::vector<int64_t>>> SalvageSource::Clocks() {
  std::map<uint64_t, std::vector<int64_t>> out;
  for (uint32_t i = 0; i < part_->meta().clocks; ++i) {
    const auto clock = part_->ReadClock(i);  // damaged, or used by nobody: left out
    if (clock.ok()) out[clock->group_key] = *clock->times_ms;
  }
  return out;
}

Status SalvageSource::LoadOne(bool* has_labels) {
  TRY(part_->GetLabels({&ordinal_, 1}, [&](uint32_t, LabelsView l) {
    labels_ = Labels(l);
    *has_labels = true;
  }));
  const std::string key = PartKey('V', ordinal_);
  if (!values_->Valid() || values_->key() != key) values_->Seek(key);
  if (!values_->Valid() || values_->key() != key) {
    const Status s = values_->status();
    return s.ok() ? Status::Corruption("a series is missing") : s;
  }
  TRY(part_->Decode(values_->value(), ordinal_, INT64_MIN, INT64_MAX, &columns_));
  const int64_t clock = PartReader::ClockOf(values_->value());
  group_key_ = 0;
  if (clock >= 0) {
    TRY_ASSIGN(const PartReader::Clock c, part_->ReadClock(static_cast<uint32_t>(clock)));
    group_key_ = c.group_key;
  }
  values_->Next();
  return {};
}

// Brings the next series that is whole.
Status SalvageSource::Load() {
  for (; Valid(); ++ordinal_) {
    bool has_labels = false;
    const Status s = LoadOne(&has_labels);
    if (s.ok()) {
      in_gap_ = false;
      return {};
    }
    if (!IsDamage(s)) return s;
    const std::string metric = has_labels ? std::string(labels_.MetricName()) : std::string();
    if (!in_gap_) gaps_->push_back({0, metric, metric});
    in_gap_ = true;
    Gap& gap = gaps_->back();
    ++gap.series;
    if (gap.first_metric.empty() || metric.empty()) {
      gap.first_metric.clear(), gap.last_metric.clear();
    } else {
      gap.last_metric = metric;
    }
  }
  return {};
}

Status SalvageSource::Read(int64_t start_ms, int64_t end_ms, Columns* out) {
  *out = columns_;
  if (start_ms > INT64_MIN) CutRange(INT64_MIN, start_ms - 1, out);
  if (end_ms < INT64_MAX) CutRange(end_ms + 1, INT64_MAX, out);
  for (const TombstonePtr& t : tombstones_) {
    if (MatchesAll(t->matchers, labels_)) CutRange(t->start_ms, t->end_ms, out);
  }
  return {};
}

Status SalvageSource::Next() {
  ++ordinal_;
  return Load();
}

}  // namespace deckwatch::tsdb
