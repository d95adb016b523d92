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
