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

// ---- slab

// Multiples of 8 bytes up to 64, then four steps to each power of two: on average a tenth is
// unused.
ByteSlab::Room ByteSlab::RoomFor(size_t size) {
  const auto units = static_cast<uint32_t>((size + kUnit - 1) / kUnit);
  if (units <= 8) return {units, units};
  const int shift = std::bit_width(units - 1) - 3;    // the leading 3 bits count
  const uint32_t steps = ((units - 1) >> shift) + 1;  // 5..8
  return {steps << shift, 8 + static_cast<uint32_t>(shift - 1) * 4 + steps - 4};
}

uint32_t ByteSlab::Take(Room room) {
  if (room.rank < free_.size() && free_[room.rank] != kNone) {
    const uint32_t place = free_[room.rank];
    std::memcpy(&free_[room.rank], data_.data() + size_t{place} * kUnit, sizeof place);
    return place;
  }
  const size_t size = data_.size() + room.units * kUnit;
  if (size > data_.capacity()) data_.reserve(std::max<size_t>(128, size + size / 8));
  const auto place = static_cast<uint32_t>(data_.size() / kUnit);
  data_.resize(size);
  return place;
}

void ByteSlab::Append(std::string_view s, Piece* piece) {
  const Room old = RoomFor(piece->size);
  const Room now = RoomFor(piece->size + s.size());
  if (now.rank != old.rank) {
    const uint32_t place = Take(now);
    char* const to = data_.data() + size_t{place} * kUnit;
    if (piece->size > 0) {
      char* const from = data_.data() + size_t{piece->place} * kUnit;
      std::memcpy(to, from, piece->size);
      if (old.rank >= free_.size()) free_.resize(old.rank + 1, kNone);
      std::memcpy(from, &free_[old.rank], sizeof(uint32_t));
      free_[old.rank] = piece->place;
    }
    piece->place = place;
  }
  std::memcpy(data_.data() + size_t{piece->place} * kUnit + piece->size, s.data(), s.size());
  piece->size += static_cast<uint32_t>(s.size());
}

// ---- column

void Column::SetLast(const LastValue& last) {
  bits_ = last.bits;
  exponent_ = last.exponent & 31;
  histogram_ = last.histogram;
}

void Column::AppendJump(int64_t distance, uint64_t skip, std::string* out) {
  PutEntryHead(skip, EntryKind::kJump, out);
  PutSignedVarint(out, distance);
}

// What has to stand before the entry of a sample on `row`, and takes the tail when it must: the
// entries of the one run so far, and a jump.
void Column::AppendEntries(uint32_t row, std::string* out) {
  if (IsOneRun()) {
    const uint32_t first = last_row_ - tail_;
    LastValue from_nothing;
    if (first != 0) AppendJump(first, 0, out);
    PutValueEntry(0, bits_, &from_nothing, out);
  }
  const int64_t distance = int64_t{row} - (empty() ? 0 : last_row_);
  if (distance == (empty() ? 0 : 1)) return;
  AppendJump(distance, tail_, out);
  tail_ = 0;
}

void Column::AppendValue(uint32_t row, uint64_t bits, ByteSlab* slab) {
  LastValue last = this->last();
  if (last.Same(bits) && AppendRepeat(row)) return;
  std::string entry;
  if (empty() && bytes_.size == 0) {
    PutValueEntry(0, bits, &last, &entry);  // for the exponent that it chooses
  } else {
    AppendEntries(row, &entry);
    PutValueEntry(tail_, bits, &last, &entry);
    slab->Append(entry, &bytes_);
  }
  SetLast(last);
  tail_ = 0;
  last_row_ = row;
}

void Column::AppendHistogram(uint32_t row, ByteSlab* slab) {
  std::string entry;
  AppendEntries(row, &entry);
  PutEntryHead(tail_, EntryKind::kSet, &entry);
  entry.push_back(static_cast<char>(kHistogramMark));
  slab->Append(entry, &bytes_);
  histogram_ = 1;
  tail_ = 0;
  last_row_ = row;
}

void Column::AppendStart(int64_t start_ms, ByteSlab* slab) {
  std::string entry;
  if (!empty()) AppendEntries(last_row_ + 1, &entry);
  PutEntryHead(tail_, EntryKind::kStart, &entry);
  PutSignedVarint(&entry, start_ms);
  slab->Append(entry, &bytes_);
  tail_ = 0;
}

}  // namespace deckwatch::tsdb
