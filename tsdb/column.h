// The samples of one series in an open window, and the same changes as they stand in the log.
//
// Both are sequences of entries over positions. In a column a position is a row of the group's
// clock; in a row record it is one of the series present in the row:
//
//   Entry := varint(skip * 4 + kind) body       `skip` positions repeat their last value first
//     kind 0 delta  zigzag varint: m of the last value plus this, at the column's exponent
//     kind 1 set    byte 0..18: that exponent from now on, zigzag varint m
//                   byte 255: 8 bytes of the double;  byte 254: a histogram (in a log: string of
//                   it)
//     kind 2 jump   zigzag varint: the next position is that far from the last (columns only)
//     kind 3 start  zigzag varint: start timestamp from the next sample on
//   Kinds 2 and 3 take no position.
//
// A value that stays the same costs nothing here: the column only counts it.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "tsdb/codec.h"

namespace deckwatch::tsdb {

enum class EntryKind : uint8_t { kDelta = 0, kSet = 1, kJump = 2, kStart = 3 };
inline constexpr uint8_t kRawDouble = 255;
inline constexpr uint8_t kHistogramMark = 254;

// The last value of a column: what the next entry is relative to.
struct LastValue {
  uint64_t bits = 0;
  uint8_t exponent = 0;
  bool histogram = false;  // the last sample was one: `bits` mean nothing

  bool Same(uint64_t b) const { return !histogram && bits == b; }
};

// Appends the entry that takes `last` to `bits` after `skip` repeats, and moves `last` there.
// `absolute`: whatever the last value was, and leaving `last` alone (late samples).
void PutValueEntry(uint64_t skip, uint64_t bits, LastValue* last, std::string* out);
void PutAbsoluteEntry(uint64_t skip, uint64_t bits, std::string* out);
void PutEntryHead(uint64_t skip, EntryKind kind, std::string* out);

// Reads the body of a delta or set entry and moves `last` to its value. False when damaged.
[[nodiscard]] bool GetValueBody(Reader* in, EntryKind kind, LastValue* last);

// The bytes of many columns in one block of memory. A column's bytes are a chain of pieces, each a
// quarter of what comes before it, so that nothing is moved and little is left unused. A piece
// begins with the place of the one before; the column knows the last one by a 32-bit place. Not
// thread-safe.
class ByteSlab {
 public:
  struct Chain {
    uint32_t last = 0;  // piece, in units of 8 bytes
    uint32_t size = 0;  // of all pieces
  };
  void Append(std::string_view s, Chain* chain);
  size_t bytes() const { return data_.capacity(); }

  // The bytes of a chain in one piece. The slab does not change meanwhile.
  class Text {
   public:
    Text(const ByteSlab& slab, Chain chain);
    std::string_view view() const { return view_; }

   private:
    std::array<char, 1024> near_;  // uninitialised: filled as far as it is used
    std::unique_ptr<char[]> far_;
    std::string_view view_;
  };

 private:
  uint32_t Take(size_t units);

  std::vector<char> data_;
};

// One series' samples in one window. Rows are appended in the order of the series' time; they need
// not ascend. As long as all samples are one value on rows without a gap, which most series' are,
// there are no entries: the last value and the tail say it all. Not thread-safe.
class Column {
 public:
  bool empty() const { return last_row_ == kNoRow; }
  uint32_t last_row() const { return last_row_; }
  LastValue last() const { return {bits_, static_cast<uint8_t>(exponent_), histogram_ != 0}; }

  // Appends a value; `slab` is the same for all calls.
  void AppendValue(uint32_t row, uint64_t bits, ByteSlab* slab);
  // Appends the last value again when that takes no entry; false, with nothing done, when it does.
  bool AppendRepeat(uint32_t row) {
    if (empty() || histogram_ != 0 || row != last_row_ + 1 || tail_ == kMaxTail) return false;
    ++tail_;
    last_row_ = row;
    return true;
  }
  void AppendHistogram(uint32_t row, ByteSlab* slab);
  void AppendStart(int64_t start_ms, ByteSlab* slab);  // of the samples that follow

  // Calls run(row, count, value, start_ms) for the samples in the order of appending: `count` of
  // the same value on rows from `row` on. Stops when `run` gives false.
  template <typename F>
  void ForEachRun(const ByteSlab& slab, const F& run) const;

 private:
  static constexpr uint32_t kNoRow = UINT32_MAX;
  static constexpr uint32_t kMaxTail = (1u << 26) - 1;

  bool IsOneRun() const { return !empty() && bytes_.size == 0; }
  void SetLast(const LastValue& last);
  void AppendEntries(uint32_t row, std::string* out);
  static void AppendJump(int64_t distance, uint64_t skip, std::string* out);

  uint64_t bits_ = 0;  // of the last value
  uint32_t last_row_ = kNoRow;
  uint32_t tail_ : 26 = 0;  // repeats after the last entry; of one run: after its first sample
  uint32_t exponent_ : 5 = 0;
  uint32_t histogram_ : 1 = 0;
  ByteSlab::Chain bytes_;  // entries
};
static_assert(sizeof(Column) == 24);

// The value that a column's entries have come to; made into a double only where it is wanted.
class ColumnValue {
 public:
  ColumnValue() = default;
  explicit ColumnValue(uint64_t bits) : bits_(bits), form_(Form::kRaw) {}
  bool histogram() const { return form_ == Form::kHistogram; }
  double Float() const {
    return form_ == Form::kRaw ? std::bit_cast<double>(bits_) : FromDecimal(m_, exponent_);
  }
  // Reads the body of a delta or set entry. False when damaged.
  [[nodiscard]] bool Get(Reader* in, EntryKind kind) {
    int64_t m;
    if (kind == EntryKind::kDelta) {
      if (form_ != Form::kDecimal || !in->GetSignedVarint(&m)) return false;
      m_ = static_cast<int64_t>(static_cast<uint64_t>(m_) + static_cast<uint64_t>(m));
      return true;
    }
    uint8_t exponent;
    if (!in->GetByte(&exponent)) return false;
    if (exponent == kHistogramMark) {
      form_ = Form::kHistogram;
      return true;
    }
    form_ = exponent == kRawDouble ? Form::kRaw : Form::kDecimal;
    if (form_ == Form::kRaw) return in->GetFixed64(&bits_);
    exponent_ = exponent;
    return exponent <= kMaxDecimalExponent && in->GetSignedVarint(&m_);
  }

 private:
  // A delta never follows a raw double: that has no decimal form at any exponent. So the decimal
  // of the last value is the one that was written.
  enum class Form : uint8_t { kDecimal, kRaw, kHistogram };
  int64_t m_ = 0;
  uint64_t bits_ = 0;
  uint8_t exponent_ = 0;
  Form form_ = Form::kDecimal;
};

// Columns are made by this process, so damage is a broken invariant.
template <typename F>
void Column::ForEachRun(const ByteSlab& slab, const F& run) const {
  if (empty()) return;
  if (IsOneRun()) {
    run(int64_t{last_row_} - tail_, uint64_t{tail_} + 1, ColumnValue(bits_), int64_t{0});
    return;
  }
  const ByteSlab::Text text(slab, bytes_);
  Reader in(text.view());
  ColumnValue value;
  int64_t row = 0, start_ms = 0;
  bool first = true;
  while (!in.AtEnd()) {
    uint64_t head;
    if (!in.GetVarint(&head)) return;
    if (const uint64_t skip = head >> 2; skip > 0) {
      if (!run(row, skip, value, start_ms)) return;
      row += static_cast<int64_t>(skip);
    }
    const auto kind = static_cast<EntryKind>(head & 3);
    if (kind == EntryKind::kJump) {
      int64_t distance;
      if (!in.GetSignedVarint(&distance)) return;
      row = first ? distance : row - 1 + distance;
    } else if (kind == EntryKind::kStart) {
      if (!in.GetSignedVarint(&start_ms)) return;
    } else {
      if (!value.Get(&in, kind) || !run(row, uint64_t{1}, value, start_ms)) return;
      ++row;
      first = false;
    }
  }
  if (tail_ > 0) run(row, uint64_t{tail_}, value, start_ms);
}

}  // namespace deckwatch::tsdb
