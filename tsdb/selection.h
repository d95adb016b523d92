// The series that matchers choose in one place, the head or a part, and a cache of such lists:
// dashboards and rules ask for the same series again and again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/labels.h"
#include "base/matcher.h"
#include "base/mutex.h"

namespace deckwatch::tsdb {

// In SeriesBefore order, the label sets one after the other in one text.
struct Selection {
  struct Item {
    uint64_t offset = 0;  // of its label set in `text`
    uint32_t length = 0;
    uint32_t first = 0;   // head: group; part: ordinal
    uint32_t second = 0;  // head: column
  };
  std::string text;
  std::vector<Item> items;
  std::vector<uint32_t> groups;  // head: the groups of the items, ascending, each once

  void Add(LabelsView labels, uint32_t first, uint32_t second) {
    items.push_back({text.size(), static_cast<uint32_t>(labels.encoded().size()), first, second});
    text.append(labels.encoded());
  }
  std::string_view Labels(const Item& item) const {
    return std::string_view(text).substr(item.offset, item.length);
  }
  size_t bytes() const { return sizeof *this + text.capacity() + items.capacity() * sizeof(Item); }
};
using SelectionPtr = std::shared_ptr<const Selection>;

// Holds up to `max_bytes`; what was used least recently goes first. Thread-safe.
class SelectionCache {
 public:
  explicit SelectionCache(size_t max_bytes) : max_bytes_(max_bytes) {}
  // `place` and `version` name what the selection is made from: a selection of the same version is
  // the same for ever.
  static std::string Key(char place, uint64_t version, const std::vector<Matcher>& matchers);
  SelectionPtr Find(const std::string& key) const;  // null when there is none
  void Put(const std::string& key, SelectionPtr selection);
  size_t bytes() const;

 private:
  struct Slot {
    SelectionPtr selection;
    uint64_t used = 0;  // the turn of its last use
  };
  const size_t max_bytes_;
  mutable Mutex mutex_;
  mutable std::unordered_map<std::string, Slot> slots_ GUARDED_BY(mutex_);
  mutable uint64_t turn_ GUARDED_BY(mutex_) = 0;
  size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace deckwatch::tsdb
