#include "tsdb/part_labels.h"

#include <algorithm>

#include "base/bytes.h"
#include "tsdb/part.h"

namespace deckwatch::tsdb {

namespace {

size_t Shared(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                             a.begin());
}

}  // namespace

uint32_t PartLabels::NumberOf(LabelRef label) {
  const auto [it, added] = pairs_.try_emplace(PairText(label.name, label.value));
  if (added) {
    it->second.number = static_cast<uint32_t>(by_number_.size());
    by_number_.push_back(&it->second);
  }
  return it->second.number;
}

// Most labels stand where the set before had them.
void PartLabels::Add(LabelsView labels) {
  numbers_.clear();
  auto before = last_.begin();
  size_t place = 0;
  for (const LabelRef l : labels) {
    const bool same = before != last_.end() && before->name == l.name && before->value == l.value;
    numbers_.push_back(same ? last_numbers_[place] : NumberOf(l));
    by_number_[numbers_.back()]->series.Insert(series_);
    if (before != last_.end()) ++before, ++place;
  }
  const size_t shared = Shared(numbers_, last_numbers_);
  PutVarint(&sets_, shared);
  PutVarint(&sets_, numbers_.size() - shared);
  for (size_t i = shared; i < numbers_.size(); ++i) PutVarint(&sets_, numbers_[i]);
  last_numbers_.swap(numbers_);
  last_ = Labels(labels);
  ++series_;
}

Status PartLabels::WriteDictionary(const Put& put) {
  uint32_t rank = 0;
  std::string block, last;
  rank_.resize(pairs_.size());
  for (const auto& [text, pair] : pairs_) {
    rank_[pair.number] = rank++;
    const auto shared = static_cast<size_t>(
        std::mismatch(text.begin(), text.end(), last.begin(), last.end()).first - text.begin());
    PutVarint(&block, shared);
    PutString(&block, std::string_view(text).substr(shared));
    last = text;
    if (rank % kPairsPerBlock == 0 || rank == pairs_.size()) {
      TRY(put(PartKey('D', (rank - 1) / kPairsPerBlock), block));
      block.clear();
      last.clear();
    }
  }
  return {};
}

Status PartLabels::WritePostings(const Put& put) const {
  std::string value;
  for (const auto& [text, pair] : pairs_) {
    value.clear();
    EncodePostings(pair.series.Decode(), &value);
    TRY(put("P" + text, value));
  }
  return {};
}

Status PartLabels::WriteSets(const Put& put) const {
  Reader in(sets_);
  std::string value;
  std::vector<uint32_t> numbers, current, last;
  for (uint32_t i = 0; i < series_; ++i) {
    uint64_t shared = 0, others = 0, number = 0;
    CHECK(in.GetVarint(&shared) && in.GetVarint(&others));
    numbers.resize(shared);
    for (; others > 0; --others) {
      CHECK(in.GetVarint(&number));
      numbers.push_back(static_cast<uint32_t>(number));
    }
    current.clear();
    for (const uint32_t n : numbers) current.push_back(rank_[n]);
    const size_t same = Shared(current, last);
    PutVarint(&value, same);
    PutVarint(&value, current.size() - same);
    for (size_t k = same; k < current.size(); ++k) {
      PutSignedVarint(&value, int64_t{current[k]} - (k < last.size() ? last[k] : 0));
    }
    last.swap(current);
    if ((i + 1) % kSeriesPerBlock != 0 && i + 1 < series_) continue;
    TRY(put(PartKey('S', i / kSeriesPerBlock), value));
    value.clear();
    last.clear();
  }
  return {};
}

}  // namespace deckwatch::tsdb
