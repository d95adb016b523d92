// Who has the most series: lists of the largest, made from label pairs with their counts.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tsdb/db.h"

namespace deckwatch::tsdb {

// The `limit` largest of those offered: by count, then by name.
class Largest {
 public:
  explicit Largest(size_t limit) : limit_(limit) {}
  // A name, or with a value "name=value"; the text is made only when it may be taken, as most are
  // not. A count of 0 is none.
  void Offer(uint64_t count, std::string_view name, std::string_view value = {});
  std::vector<NameCount> Take();  // the largest first; nothing is left

 private:
  const size_t limit_;
  std::vector<NameCount> heap_;  // the least of them in front
  NameCount scratch_;
};

class CardinalityCounter {
 public:
  explicit CardinalityCounter(size_t limit);
  // Each pair once. `fresh`: how many of its series are new.
  void Add(std::string_view name, std::string_view value, uint64_t series, uint64_t fresh);
  // Nothing is left.
  Cardinality Take();

 private:
  struct OfName {
    uint64_t values = 0, new_values = 0, bytes = 0;
  };
  const size_t limit_;
  std::map<std::string, OfName, std::less<>> names_;
  uint64_t new_series_ = 0;
  Largest metrics_, pairs_, new_metrics_, new_pairs_;
};

}  // namespace deckwatch::tsdb
