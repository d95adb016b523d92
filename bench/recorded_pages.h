// Recorded pages of real exporters as columns, for the benchmarks of the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/labels.h"

namespace deckwatch::bench {

struct RecordedTarget {
  std::string job, phase;
  std::vector<Labels> labels;  // by series number; without instance
  struct Row {
    std::vector<uint32_t> series;  // a page may name one twice
    std::vector<double> value;
  };
  std::vector<Row> rounds;
};

// The targets of all *.rec.zst files of `directory`: frames `#@ <unix_ms> <bytes>\n<page>` of text
// exposition, named after their job. Every `stride`-th page, up to `rounds`, once from each of the
// first `phases` pages on.
std::vector<RecordedTarget> ReadRecordedPages(const std::string& directory, size_t rounds,
                                              size_t stride, size_t phases);

}  // namespace deckwatch::bench
