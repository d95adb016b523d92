// The columns last written to a part, to find one that moves like the next: beside it, the next
// takes fewer bytes (value_column.h).
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

namespace deckwatch::tsdb {

// Not thread-safe. Keeps columns of the last kReach ordinals, of kMaxBytes at most: a reader of one
// series then finds its neighbour in the same block of the file or one beside it.
class Neighbours {
 public:
  static constexpr uint32_t kReach = 256;

  struct Column {
    uint32_t ordinal = 0;
    std::string rows;  // when its values were taken: clock and runs, as encoded
    std::vector<double> values;
  };
  // Remembers a column that can be read by itself.
  void Add(Column column);
  // The column taken at the same times that moves most like `v`; null when none promises to help.
  const Column* Find(uint32_t ordinal, const std::string& rows, std::span<const double> v) const;

 private:
  static constexpr size_t kMaxBytes = 8 << 20;
  std::deque<Column> columns_;  // by ordinal
  size_t bytes_ = 0;
};

}  // namespace deckwatch::tsdb
