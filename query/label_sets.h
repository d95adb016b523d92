// Operations on whole label sets that grouping, matching and name removal need. They work on the
// encoded bytes: a subset of a label set's pairs, in order, is the encoding of a label set.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"

namespace deckwatch::query {

// Which labels a projection keeps. Names are sorted.
class Projection {
 public:
  // by(names), on(names)
  static Projection Keep(std::vector<std::string> names);
  // without(names), ignoring(names): all but these and __name__.
  static Projection Drop(std::vector<std::string> names);
  // All but exactly these.
  static Projection DropOnly(std::vector<std::string> names);

  // Replaces `out` by the encoding of the projected label set.
  void Encode(LabelsView labels, std::string* out) const;
  Labels Apply(LabelsView labels) const;

 private:
  Projection(bool keep, std::vector<std::string> names) : keep_(keep), names_(std::move(names)) {}
  bool keep_;
  std::vector<std::string> names_;
};

// Without __name__, __type__ and __unit__: what remains when a value no longer is the metric's.
Labels DropMetadataLabels(LabelsView labels);

// Numbers distinct encoded label sets 0, 1, 2, … in order of appearance.
class LabelIndex {
 public:
  // The number of `encoded`; `*added` tells whether it is new.
  size_t Insert(std::string_view encoded, bool* added = nullptr);
  size_t size() const { return key_ends_.size() - 1; }

 private:
  struct Place {
    uint32_t hash = 0;
    uint32_t number = 0;  // from 1 on; 0: free
  };
  void Grow();

  std::string_view Key(size_t i) const {
    return std::string_view(keys_).substr(key_ends_[i], key_ends_[i + 1] - key_ends_[i]);
  }

  std::vector<Place> places_;           // open addressing, at most half full
  std::string keys_;                    // one behind the other
  std::vector<size_t> key_ends_ = {0};  // key i begins where the one before it ends
};

// `{__name__="up", job="a"}`: all labels alike, as Prometheus's errors print them.
std::string BracedString(LabelsView labels);

// The label set of bytes that Encode or LabelsView::encoded gave.
Labels LabelsOf(std::string_view encoded);

}  // namespace deckwatch::query
