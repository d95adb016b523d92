// The labels of a part that is being written: its distinct pairs with the series that have them,
// and the label set of each series. Sets come in order, so that a set is kept as what it does not
// share with the one before: a few bytes a series, however long the labels are.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/labels.h"
#include "base/status.h"
#include "tsdb/postings.h"

namespace deckwatch::tsdb {

// Not thread-safe. First all sets, then the writing: keys of the index file (part.h) in order.
class PartLabels {
 public:
  using Put = std::function<Status(const std::string& key, const std::string& value)>;

  void Add(LabelsView labels);  // of the next ordinal
  uint32_t pairs() const { return static_cast<uint32_t>(pairs_.size()); }

  Status WriteDictionary(const Put& put);  // numbers the pairs
  Status WritePostings(const Put& put) const;
  Status WriteSets(const Put& put) const;

 private:
  struct Pair {
    PostingRuns series;
    uint32_t number = 0;  // in order of appearance
  };
  uint32_t NumberOf(LabelRef label);

  std::map<std::string, Pair, std::less<>> pairs_;  // by PairText
  std::vector<Pair*> by_number_;
  std::vector<uint32_t> rank_;  // by number
  // Per series: varint pairs shared with the one before, varint others, their numbers as varints.
  std::string sets_;
  uint32_t series_ = 0;
  Labels last_;
  std::vector<uint32_t> last_numbers_, numbers_;
};

}  // namespace deckwatch::tsdb
