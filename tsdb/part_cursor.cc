// Reading series of a part one after the other.
#include <algorithm>

#include "base/bytes.h"
#include "tsdb/part_reader.h"

namespace deckwatch::tsdb {

Result<const PartReader::Span::Rows*> PartReader::Span::RowsOf(const PartReader& part,
                                                               uint32_t clock) {
  if (rows_.empty()) rows_.resize(std::min<size_t>(kept_, part.meta_.clocks));
  auto& [number, rows] = rows_[clock % rows_.size()];
  if (rows.times_ms != nullptr && number == clock) return &rows;
  TRY_ASSIGN(Clock read, part.ReadClock(clock));
  const std::vector<int64_t>& times = *read.times_ms;
  const auto low = std::lower_bound(times.begin(), times.end(), start_ms);
  const auto high = std::upper_bound(low, times.end(), end_ms);
  rows.low = static_cast<uint64_t>(low - times.begin());
  rows.high = static_cast<uint64_t>(high - times.begin());
  rows.times_ms = std::move(read.times_ms);
  number = clock;
  return &rows;
}

void PartReader::Cursor::Seek(uint32_t ordinal) {
  if (it_ == nullptr) it_ = part_->kv_->NewIterator(part_->family_);
  it_->Seek(PartKey('V', ordinal));
}

std::string PartReader::Cursor::PageKey(uint32_t page) const {
  std::string key;
  PutFixed64(&key, part_->id_);
  PutVarint(&key, page);
  return key;
}

const ValuePage* PartReader::Cursor::PageOf(uint32_t ordinal, bool make) {
  const uint32_t number = ordinal / ValuePage::kSeries;
  if (number != page_number_) {
    page_ = part_->pages_->Find(PageKey(number));
    page_number_ = number;
    made_ = false;
  }
  if (page_ != nullptr || !make || made_) return page_.get();
  made_ = true;
  const uint32_t first = number * ValuePage::kSeries;
  const auto last = static_cast<uint32_t>(
      std::min<uint64_t>(part_->meta_.series, uint64_t{first} + ValuePage::kSeries));
  auto page = std::make_shared<ValuePage>();
  page->end.reserve(last - first);
  Seek(first);
  for (at_ = first; at_ < last; ++at_, it_->Next()) {
    if (!it_->Valid() || it_->key() != PartKey('V', at_)) {
      at_ = UINT32_MAX;  // reading what is damaged says so
      return nullptr;
    }
    page->text.append(it_->value());
    page->end.push_back(static_cast<uint32_t>(page->text.size()));
  }
  page->text.shrink_to_fit();
  part_->pages_->Put(PageKey(number), page);
  page_ = std::move(page);
  return page_.get();
}

Status PartReader::Cursor::Read(uint32_t ordinal, Span* span, Columns* out) {
  constexpr uint32_t kFar = 8;  // entries that are not worth a search
  out->Clear();
  const bool neighbour = ordinal == next_ && ordinal != 0;
  next_ = ordinal + 1;
  if (const ValuePage* page = PageOf(ordinal, neighbour); page != nullptr) {
    return part_->Decode(page->Entry(ordinal % ValuePage::kSeries), ordinal, span, out);
  }
  if (at_ == UINT32_MAX || ordinal < at_ || ordinal - at_ > kFar) {
    Seek(ordinal);
  } else {
    for (; at_ < ordinal && it_->Valid(); ++at_) it_->Next();
  }
  at_ = UINT32_MAX;
  if (!it_->Valid() || it_->key() != PartKey('V', ordinal)) {
    return part_->Damaged("a value block", it_->status());
  }
  const Status s = part_->Decode(it_->value(), ordinal, span, out);
  it_->Next();
  at_ = ordinal + 1;
  return s;
}

}  // namespace deckwatch::tsdb
