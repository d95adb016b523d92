#include "tsdb/column.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

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

namespace {

constexpr size_t kUnit = 8;
constexpr size_t kLinkBytes = sizeof(uint32_t);

// Piece k of a chain holds its bytes from End(k - 1) to End(k); all but the first begin with a
// link.
class Pieces {
 public:
  constexpr Pieces() {
    for (size_t k = 0; k < kMax; ++k) {
      const uint64_t before = k == 0 ? 0 : ends_[k - 1];
      units_[k] = std::max<uint64_t>(2, before / 4 / kUnit);
      ends_[k] = before + units_[k] * kUnit - (k == 0 ? 0 : kLinkBytes);
    }
  }
  constexpr uint64_t Begin(size_t k) const { return k == 0 ? 0 : ends_[k - 1]; }
  constexpr uint64_t End(size_t k) const { return ends_[k]; }
  constexpr size_t Units(size_t k) const { return units_[k]; }
  // The piece of the byte at `position`.
  size_t Of(uint64_t position) const {
    return static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), position) -
                               ends_.begin());
  }

 private:
  static constexpr size_t kMax = 112;  // more than 4 GiB
  std::array<uint64_t, kMax> ends_{}, units_{};
};
constexpr Pieces kPieces;
static_assert(kPieces.End(111) > UINT32_MAX);

}  // namespace

uint32_t ByteSlab::Take(size_t units) {
  const size_t size = data_.size() + units * kUnit;
  if (size > data_.capacity()) data_.reserve(std::max<size_t>(128, size + size / 8));
  const auto place = static_cast<uint32_t>(data_.size() / kUnit);
  data_.resize(size);
  return place;
}

void ByteSlab::Append(std::string_view s, Chain* chain) {
  while (!s.empty()) {
    const size_t k = kPieces.Of(chain->size);
    if (chain->size == kPieces.Begin(k)) {
      const uint32_t place = Take(kPieces.Units(k));
      if (k > 0) std::memcpy(data_.data() + place * kUnit, &chain->last, kLinkBytes);
      chain->last = place;
    }
    const size_t offset = chain->size - kPieces.Begin(k) + (k > 0 ? kLinkBytes : 0);
    const size_t n = std::min<size_t>(s.size(), kPieces.End(k) - chain->size);
    std::memcpy(data_.data() + chain->last * kUnit + offset, s.data(), n);
    chain->size += static_cast<uint32_t>(n);
    s.remove_prefix(n);
  }
}

ByteSlab::Text::Text(const ByteSlab& slab, Chain chain) {
  const char* const data = slab.data_.data();
  if (chain.size <= kPieces.End(0)) {
    view_ = {data + chain.last * kUnit, chain.size};
    return;
  }
  if (chain.size > near_.size()) far_ = std::make_unique_for_overwrite<char[]>(chain.size);
  char* const to = far_ == nullptr ? near_.data() : far_.get();
  uint64_t end = chain.size;
  uint32_t place = chain.last;
  for (size_t k = kPieces.Of(end - 1);; --k) {
    const uint64_t begin = kPieces.Begin(k);
    const char* const piece = data + place * kUnit;
    std::memcpy(to + begin, piece + (k > 0 ? kLinkBytes : 0), end - begin);
    if (k == 0) break;
    std::memcpy(&place, piece, kLinkBytes);
    end = begin;
  }
  view_ = {to, chain.size};
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
