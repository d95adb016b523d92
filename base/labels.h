// Label sets: the identity of a series.
//
// A label set is kept as one byte string: (varint length, name, varint length, value)*, sorted by
// name, no name twice, no empty value. So equality is memcmp, hashing is one pass, and a copy is
// one allocation. LabelsView looks at such bytes owned by someone else; Labels owns them. Bytes
// come only from LabelsBuilder or from FromEncoded, which checks.
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace deckwatch {

inline constexpr std::string_view kMetricName = "__name__";

struct LabelRef {
  std::string_view name;
  std::string_view value;
};

class LabelsView {
 public:
  class Iterator {
   public:
    using value_type = LabelRef;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    LabelRef operator*() const { return label_; }
    const LabelRef* operator->() const { return &label_; }
    Iterator& operator++() {
      p_ = next_;
      Load();
      return *this;
    }
    Iterator operator++(int) {
      Iterator old = *this;
      ++*this;
      return old;
    }
    bool operator==(const Iterator& o) const { return p_ == o.p_; }

   private:
    friend class LabelsView;
    Iterator(const char* p, const char* end) : p_(p), end_(end) { Load(); }
    void Load();
    const char* p_ = nullptr;
    const char* end_ = nullptr;
    const char* next_ = nullptr;
    LabelRef label_;
  };

  LabelsView() = default;

  Iterator begin() const { return Iterator(data_.data(), data_.data() + data_.size()); }
  Iterator end() const {
    return Iterator(data_.data() + data_.size(), data_.data() + data_.size());
  }
  bool empty() const { return data_.empty(); }
  size_t Count() const;

  // The value of `name`, or "" when absent (an absent label and an empty one are the same thing).
  std::string_view Get(std::string_view name) const;
  bool Has(std::string_view name) const { return !Get(name).empty(); }
  std::string_view MetricName() const { return Get(kMetricName); }

  uint64_t Hash() const;                          // XXH3-64 of the bytes
  std::pair<uint64_t, uint64_t> Hash128() const;  // XXH3-128 of the bytes: the durable identity
  std::string_view encoded() const { return data_; }

  // `name{a="b", c="d"}`; without a metric name `{a="b"}`. As Prometheus prints a series.
  std::string ToString() const;

  // Prometheus's order: pairwise by name, then value; a proper prefix sorts first.
  std::strong_ordering operator<=>(const LabelsView& o) const;
  bool operator==(const LabelsView& o) const { return data_ == o.data_; }

 protected:
  explicit LabelsView(std::string_view data) : data_(data) {}
  std::string_view data_;

 private:
  friend class Labels;
};

class Labels {
 public:
  Labels() = default;
  explicit Labels(LabelsView v) : data_(v.encoded()) {}
  // Any order; empty values are left out; of a name given twice the last wins.
  Labels(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs);
  // Corruption when `data` is not a well-formed label set (order, duplicates and emptiness are
  // checked).
  static Result<Labels> FromEncoded(std::string_view data);

  operator LabelsView() const { return LabelsView(data_); }  // NOLINT: implicit on purpose
  LabelsView view() const { return LabelsView(data_); }

  LabelsView::Iterator begin() const { return view().begin(); }
  LabelsView::Iterator end() const { return view().end(); }
  bool empty() const { return data_.empty(); }
  size_t Count() const { return view().Count(); }
  // The result points into this object.
  std::string_view Get(std::string_view name) const { return view().Get(name); }
  bool Has(std::string_view name) const { return view().Has(name); }
  std::string_view MetricName() const { return view().MetricName(); }
  uint64_t Hash() const { return view().Hash(); }
  std::string_view encoded() const { return data_; }
  std::string ToString() const { return view().ToString(); }

  friend std::strong_ordering operator<=>(const Labels& a, const Labels& b) {
    return a.view() <=> b.view();
  }
  friend bool operator==(const Labels& a, const Labels& b) { return a.data_ == b.data_; }

 private:
  friend class LabelsBuilder;
  std::string data_;
};

// For unordered containers; transparent, so a LabelsView finds a Labels.
struct LabelsHash {
  using is_transparent = void;
  size_t operator()(LabelsView l) const { return l.Hash(); }
};
struct LabelsEqual {
  using is_transparent = void;
  bool operator()(LabelsView a, LabelsView b) const { return a == b; }
};

// Builds and edits label sets. Not thread-safe; reuse one to save allocations.
class LabelsBuilder {
 public:
  LabelsBuilder() = default;
  explicit LabelsBuilder(LabelsView base) { Reset(base); }

  void Reset(LabelsView base = {});
  // An empty value deletes.
  LabelsBuilder& Set(std::string_view name, std::string_view value);
  LabelsBuilder& Del(std::string_view name);
  // Keeps only / drops the named ones.
  LabelsBuilder& Keep(const std::vector<std::string>& names);
  LabelsBuilder& Drop(const std::vector<std::string>& names);
  std::string_view Get(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }

  Labels Build() const;

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;  // sorted by name, no empty values
};

// [a-zA-Z_:][a-zA-Z0-9_:]* and, for label names, the same without ':'.
bool IsLegacyMetricName(std::string_view s);
bool IsLegacyLabelName(std::string_view s);
bool IsValidUtf8(std::string_view s);

// Go's strconv.Quote: how Prometheus prints label values and strings.
std::string QuoteGo(std::string_view s);

}  // namespace deckwatch
