// Series of the head in SeriesBefore order, without their text: a label set is kept as the numbers
// of its pairs, and compared by their ranks. So sorting looks at texts once per distinct pair and
// not once per comparison, and a million series take 20 bytes each and 4 a label.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace deckwatch::tsdb {

// Not thread-safe. First pairs and series are added, then Sort, then the rest.
class SeriesOrder {
 public:
  // Adds a distinct pair; its number.
  uint32_t AddPair(std::string_view name, std::string_view value);
  void AddSeries(uint32_t group, uint32_t column);
  void AddLabel(uint32_t pair);  // of the series added last; in order of name
  void Reserve(size_t series) { series_.reserve(series); }
  void Sort();

  size_t size() const { return series_.size(); }
  uint32_t group(size_t i) const { return series_[i].group; }
  uint32_t column(size_t i) const { return series_[i].column; }
  // The encoded label set.
  void AppendLabels(size_t i, std::string* out) const;

 private:
  struct Pair {
    std::string name, value, encoded;
  };
  struct Series {
    uint32_t group = 0;
    uint32_t column = 0;
    uint32_t first = 0;  // of its labels
    uint32_t count = 0;
    uint32_t name_rank = 0;  // of its metric name
  };
  std::vector<uint32_t> RankPairs() const;

  std::vector<Pair> pairs_;
  std::vector<uint32_t> labels_;  // pairs of all series, one after the other
  std::vector<Series> series_;
};

}  // namespace deckwatch::tsdb
