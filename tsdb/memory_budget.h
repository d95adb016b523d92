// How the memory of a store is divided. One number says how much there is; each purpose has its
// share of it, and what happens when a share is used up depends on the purpose:
//
//   head        half       index and open windows
//     index     a quarter  no new series are made; those known go on
//     windows   the rest   the largest are sealed at once (at least a quarter: the index stays
//     below)
//   blocks      7/32       of files, RocksDB's cache: the oldest go
//   pages       1/32       of series next to each other in parts: the oldest go
//   selections  1/16       series, names and values that queries chose: the oldest go
//   exemplars   1/32       the oldest go
//   passing     5/32       write buffers, windows that are being sealed, merges. When sealing does
//                          not keep up, the head may grow into it; beyond, samples are refused
#pragma once

#include <cstdint>

namespace deckwatch::tsdb {

struct MemoryBudget {
  uint64_t total = 0;

  uint64_t head() const { return total / 2; }
  uint64_t index() const { return total / 4; }
  uint64_t windows(uint64_t index_used) const {
    return head() - (index_used < index() ? index_used : index());
  }
  uint64_t blocks() const { return total / 32 * 7; }
  uint64_t pages() const { return total / 32; }
  uint64_t selections() const { return total / 128 * 7; }
  uint64_t texts() const { return total / 128; }
  uint64_t exemplars() const { return total / 32; }
  uint64_t head_at_most() const { return total / 16 * 11; }
};

}  // namespace deckwatch::tsdb
