// Sorted sets of series numbers, and how label matchers choose among them.
//
//   Postings := varint count, then runs: (varint gap from the end of the last run, varint length -
//   1)*
//
// Series that share a label are neighbours in a part, so runs are few. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/matcher.h"
#include "base/status.h"

namespace deckwatch::tsdb {

using Postings = std::vector<uint32_t>;  // ascending

// A set in memory that mostly grows at its end, kept as runs:
//
//   varint (gap from the end of the last run << 1 | 1 when longer than one), then varint length - 2
//
// Series are made target by target, so that few runs say it all: a byte or two per number at worst.
class PostingRuns {
 public:
  PostingRuns() = default;
  explicit PostingRuns(const Postings& postings);
  void Insert(uint32_t id);  // not in the set yet; fast when above all others
  Postings Decode() const;
  uint32_t size() const { return size_; }
  uint32_t CountFrom(uint32_t id) const;  // of those that are `id` or above; 0 costs nothing
  size_t heap_bytes() const;

 private:
  void Append(uint32_t id);
  template <typename F>
  void ForEachRun(const F& visit) const;  // visit(first, last + 1)

  std::string closed_;  // all runs but the last
  uint32_t closed_end_ = 0;
  uint32_t begin_ = 0, end_ = 0;  // the last run
  uint32_t size_ = 0;
};

void EncodePostings(std::span<const uint32_t> postings, std::string* out);
// Every number is below `limit`; false when damaged.
[[nodiscard]] bool DecodePostings(Reader* in, uint32_t limit, Postings* out);

Postings Intersect(const Postings& a, const Postings& b);
Postings Subtract(const Postings& a, const Postings& b);
Postings Unite(std::vector<Postings> sets);

// Where the postings of one index live.
class PostingsSource {
 public:
  virtual ~PostingsSource() = default;
  virtual Result<Postings> All() const = 0;
  // Empty when no series has the label.
  virtual Result<Postings> Get(std::string_view name, std::string_view value) const = 0;
  // The values of `name` that begin with `prefix`, with their postings: `want` chooses by value.
  virtual Status GetWhere(std::string_view name, std::string_view prefix,
                          const std::function<bool(std::string_view value)>& want,
                          std::vector<Postings>* out) const = 0;
};

// The series for which every matcher holds; an absent label counts as the empty string.
Result<Postings> SelectPostings(const PostingsSource& source, const std::vector<Matcher>& matchers);

}  // namespace deckwatch::tsdb
