#include "tsdb/column.h"

#include <algorithm>
#include <bit>

#include "tsdb/codec.h"

namespace deckwatch::tsdb {

void PutEntryHead(uint64_t skip, EntryKind kind, std::string* out) {
  PutVarint(out, skip << 2 | static_cast<uint64_t>(kind));
}

void PutAbsoluteEntry(uint64_t skip, uint64_t bits, std::string* out) {
  PutEntryHead(skip, EntryKind::kSet, out);
  const double v = std::bit_cast<double>(bits);
  const int exponent = DecimalExponent(v);
  int64_t m;
  if (exponent < 0 || !ToDecimal(v, exponent, &m)) {
    out->push_back(static_cast<char>(kRawDouble));
    PutFixed64(out, bits);
    return;
  }
  out->push_back(static_cast<char>(exponent));
  PutSignedVarint(out, m);
}

void PutValueEntry(uint64_t skip, uint64_t bits, LastValue* last, std::string* out) {
  int64_t from, to;
  const double v = std::bit_cast<double>(bits);
  if (!last->histogram && ToDecimal(v, last->exponent, &to) &&
      ToDecimal(std::bit_cast<double>(last->bits), last->exponent, &from)) {
    PutEntryHead(skip, EntryKind::kDelta, out);
    PutSignedVarint(out, to - from);
  } else {
    PutAbsoluteEntry(skip, bits, out);
    if (const int e = DecimalExponent(v); e >= 0) last->exponent = static_cast<uint8_t>(e);
  }
  last->bits = bits;
  last->histogram = false;
}

bool GetValueBody(Reader* in, EntryKind kind, LastValue* last) {
  int64_t m, from;
  if (kind == EntryKind::kDelta) {
    if (last->histogram || !in->GetSignedVarint(&m)) return false;
    if (!ToDecimal(std::bit_cast<double>(last->bits), last->exponent, &from)) return false;
    m = static_cast<int64_t>(static_cast<uint64_t>(from) + static_cast<uint64_t>(m));
    last->bits = std::bit_cast<uint64_t>(FromDecimal(m, last->exponent));
    return true;
  }
  uint8_t exponent;
  if (kind != EntryKind::kSet || !in->GetByte(&exponent)) return false;
  last->histogram = exponent == kHistogramMark;
  if (last->histogram) return true;
  if (exponent == kRawDouble) return in->GetFixed64(&last->bits);
  if (exponent > kMaxDecimalExponent || !in->GetSignedVarint(&m)) return false;
  last->exponent = exponent;
  last->bits = std::bit_cast<uint64_t>(FromDecimal(m, exponent));
  return true;
}

void SmallBytes::Append(std::string_view s) {
  const size_t needed = size_ + s.size();
  if (needed > capacity_) {
    const size_t grown = std::max<size_t>(needed + 8, capacity_ + capacity_ / 4);
    const auto capacity = static_cast<uint32_t>((grown + 7) / 8 * 8);
    char* p = new char[capacity];
    std::memcpy(p, view().data(), size_);
    if (capacity_ > kInline) delete[] heap_;
    heap_ = p;
    capacity_ = capacity;
  }
  std::memcpy((capacity_ > kInline ? heap_ : inline_) + size_, s.data(), s.size());
  size_ = static_cast<uint32_t>(needed);
}

void Column::AppendJump(uint32_t row, std::string* out) {
  const int64_t distance = static_cast<int64_t>(row) - (empty_ ? 0 : last_row_);
  if (distance == (empty_ ? 0 : 1)) return;
  PutEntryHead(tail_, EntryKind::kJump, out);
  PutSignedVarint(out, distance);
  tail_ = 0;
}

void Column::AppendValue(uint32_t row, uint64_t bits) {
  if (last_.Same(bits) && AppendRepeat(row)) return;
  std::string entry;
  AppendJump(row, &entry);
  PutValueEntry(tail_, bits, &last_, &entry);
  bytes_.Append(entry);
  tail_ = 0;
  last_row_ = row;
  empty_ = false;
}

void Column::AppendHistogram(uint32_t row) {
  std::string entry;
  AppendJump(row, &entry);
  PutEntryHead(tail_, EntryKind::kSet, &entry);
  entry.push_back(static_cast<char>(kHistogramMark));
  bytes_.Append(entry);
  last_.histogram = true;
  tail_ = 0;
  last_row_ = row;
  empty_ = false;
}

void Column::AppendStart(int64_t start_ms) {
  std::string entry;
  PutEntryHead(tail_, EntryKind::kStart, &entry);
  PutSignedVarint(&entry, start_ms);
  bytes_.Append(entry);
  tail_ = 0;
}

}  // namespace deckwatch::tsdb
