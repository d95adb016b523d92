// The series that matchers choose in one place (the head or a part) or in several, in order, each
// once. Immutable when shared, and kept in a cache: dashboards and rules ask for the same series
// again and again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/matcher.h"
#include "base/status.h"
#include "tsdb/bytes_cache.h"

namespace deckwatch::tsdb {

// Bytes of a label set that was checked when it came in.
class TrustedLabels : public LabelsView {
 public:
  explicit TrustedLabels(std::string_view encoded) : LabelsView(encoded) {}
};

class Selection;
using SelectionPtr = std::shared_ptr<const Selection>;

class Selection {
 public:
  // Where a series has samples.
  struct Source {
    uint32_t place = 0;   // rank of the place among those united; 0 in a selection of one place
    uint32_t first = 0;   // head: group; part: ordinal
    uint32_t second = 0;  // head: column
  };

  size_t size() const { return labels_.size(); }
  LabelsView LabelsAt(size_t i) const { return TrustedLabels(labels_[i]); }
  std::span<const Source> SourcesOf(size_t i) const {
    return std::span(sources_).subspan(first_source_[i], first_source_[i + 1] - first_source_[i]);
  }
  // Head: the groups of its series, ascending, each once.
  const std::vector<uint32_t>& groups() const { return groups_; }
  // Without what it shares with the selections that it unites.
  size_t bytes() const;

  // Making one: series in SeriesBefore order.
  void Reserve(size_t series);
  void Add(std::string_view encoded_labels, uint32_t first, uint32_t second);
  void SetGroups(std::vector<uint32_t> groups) { groups_ = std::move(groups); }
  // The series of all places. Of one place: just that. At most the last may be the head.
  static SelectionPtr Unite(std::vector<SelectionPtr> places);

 private:
  std::vector<std::string_view> labels_;  // into texts_, or those of united_
  std::vector<uint32_t> first_source_ = {0};
  std::vector<Source> sources_;
  std::vector<uint32_t> groups_;
  // Label sets one after the other, in pieces: the views stay where they are.
  std::vector<std::unique_ptr<char[]>> texts_;
  size_t piece_bytes_ = 0, piece_used_ = 0, text_bytes_ = 0;
  std::vector<SelectionPtr> united_;
};

// Label names, or the values of a label; sorted, each once.
struct TextList {
  std::vector<std::string> texts;
  size_t bytes() const;
};

// SelectHints::admit
using Admit = std::function<Status(size_t series)>;

using SelectionCache = BytesCache<Selection>;
// The name of a selection by `matchers`; `place` and `version` name what it is made from: one of
// the same version is the same for ever.
std::string SelectionKey(char place, uint64_t version, const std::vector<Matcher>& matchers);

}  // namespace deckwatch::tsdb
