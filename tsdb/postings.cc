#include "tsdb/postings.h"

#include <algorithm>
#include <iterator>

namespace deckwatch::tsdb {

void EncodePostings(std::span<const uint32_t> postings, std::string* out) {
  PutVarint(out, postings.size());
  uint32_t next = 0;
  for (size_t i = 0; i < postings.size();) {
    size_t n = 1;
    while (i + n < postings.size() && postings[i + n] == postings[i] + n) ++n;
    PutVarint(out, postings[i] - next);
    PutVarint(out, n - 1);
    next = postings[i] + static_cast<uint32_t>(n);
    i += n;
  }
}

PostingRuns::PostingRuns(const Postings& postings) {
  for (const uint32_t id : postings) Append(id);
  closed_.shrink_to_fit();
}

void PostingRuns::Append(uint32_t id) {
  if (id != end_ || size_ == 0) {
    if (size_ > 0) {
      const uint32_t length = end_ - begin_;
      PutVarint(&closed_, uint64_t{begin_ - closed_end_} << 1 | (length > 1 ? 1 : 0));
      if (length > 1) PutVarint(&closed_, length - 2);
      closed_end_ = end_;
    }
    begin_ = id;
  }
  end_ = id + 1;
  ++size_;
}

void PostingRuns::Insert(uint32_t id) {
  if (size_ == 0 || id >= end_) return Append(id);
  Postings all = Decode();
  all.insert(std::lower_bound(all.begin(), all.end(), id), id);
  *this = PostingRuns(all);
}

template <typename F>
void PostingRuns::ForEachRun(const F& visit) const {
  Reader in(closed_);
  uint32_t end = 0;
  for (uint64_t head, more = 0; in.GetVarint(&head);) {
    const uint32_t begin = end + static_cast<uint32_t>(head >> 1);
    const bool longer = (head & 1) != 0 && in.GetVarint(&more);
    end = begin + (longer ? static_cast<uint32_t>(more) + 2 : 1);
    visit(begin, end);
  }
  if (size_ > 0) visit(begin_, end_);
}

Postings PostingRuns::Decode() const {
  Postings out;
  out.reserve(size_);
  ForEachRun([&](uint32_t begin, uint32_t end) {
    for (uint32_t id = begin; id < end; ++id) out.push_back(id);
  });
  return out;
}

uint32_t PostingRuns::CountFrom(uint32_t id) const {
  if (end_ <= id) return 0;
  uint32_t n = 0;
  ForEachRun([&](uint32_t begin, uint32_t end) { n += end - std::clamp(id, begin, end); });
  return n;
}

size_t PostingRuns::heap_bytes() const {
  return closed_.capacity() > std::string().capacity() ? closed_.capacity() : 0;
}

bool DecodePostings(Reader* in, uint32_t limit, Postings* out) {
  uint64_t count;
  out->clear();
  if (!in->GetVarint(&count) || count > limit) return false;
  out->reserve(count);
  uint64_t next = 0;
  while (out->size() < count) {
    uint64_t gap, length;
    if (!in->GetVarint(&gap) || !in->GetVarint(&length)) return false;
    if (gap > limit || length >= limit || next + gap + length >= limit) return false;
    if (length >= count - out->size()) return false;
    next += gap;
    for (uint64_t i = 0; i <= length; ++i) out->push_back(static_cast<uint32_t>(next++));
  }
  return true;
}

namespace {

// For a short list against a long one: look each up, doubling the stride from the last find.
template <typename F>
void Gallop(const Postings& few, const Postings& many, const F& found) {
  auto from = many.begin();
  for (uint32_t id : few) {
    std::ptrdiff_t stride = 1;
    while (many.end() - from > stride && from[stride] < id) stride *= 2;
    from = std::lower_bound(from, from + std::min(stride + 1, many.end() - from), id);
    found(id, from != many.end() && *from == id);
  }
}

constexpr size_t kGallopRatio = 16;

}  // namespace

Postings Intersect(const Postings& a, const Postings& b) {
  Postings out;
  const Postings& few = a.size() < b.size() ? a : b;
  const Postings& many = a.size() < b.size() ? b : a;
  if (many.size() / kGallopRatio > few.size()) {
    Gallop(few, many, [&](uint32_t id, bool found) {
      if (found) out.push_back(id);
    });
  } else {
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  }
  return out;
}

Postings Subtract(const Postings& a, const Postings& b) {
  Postings out;
  if (b.size() / kGallopRatio > a.size()) {
    Gallop(a, b, [&](uint32_t id, bool found) {
      if (!found) out.push_back(id);
    });
  } else {
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  }
  return out;
}

Postings Unite(std::vector<Postings> sets) {
  if (sets.empty()) return {};
  while (sets.size() > 1) {  // pairwise, so that each number moves log(sets) times
    std::vector<Postings> next;
    for (size_t i = 0; i + 1 < sets.size(); i += 2) {
      Postings u;
      u.reserve(sets[i].size() + sets[i + 1].size());
      std::set_union(sets[i].begin(), sets[i].end(), sets[i + 1].begin(), sets[i + 1].end(),
                     std::back_inserter(u));
      next.push_back(std::move(u));
    }
    if (sets.size() % 2 == 1) next.push_back(std::move(sets.back()));
    sets = std::move(next);
  }
  return std::move(sets[0]);
}

namespace {

// Union of the postings of the non-empty values of the matcher's label that match, or that do not.
Result<Postings> ValuesThat(const PostingsSource& source, const Matcher& m, bool match) {
  const bool positive = m.type() == MatchType::kEqual || m.type() == MatchType::kRegex;
  if (positive == match) {  // the values named by the text itself
    if (m.regex() == nullptr) return source.Get(m.name(), m.value());
    std::vector<Postings> sets;
    if (!m.regex()->literals().empty()) {
      for (const std::string& value : m.regex()->literals()) {
        if (value.empty()) continue;
        TRY_ASSIGN(Postings p, source.Get(m.name(), value));
        sets.push_back(std::move(p));
      }
      return Unite(std::move(sets));
    }
  }
  std::vector<Postings> sets;
  const std::string_view prefix =
      positive == match && m.regex() != nullptr ? m.regex()->prefix() : std::string_view();
  TRY(source.GetWhere(
      m.name(), prefix, [&](std::string_view v) { return m.Matches(v) == match; }, &sets));
  return Unite(std::move(sets));
}

}  // namespace

Result<Postings> SelectPostings(const PostingsSource& source,
                                const std::vector<Matcher>& matchers) {
  std::vector<Postings> wanted;
  std::vector<const Matcher*> exclusions;
  for (const Matcher& m : matchers) {
    if (m.MatchesEmpty()) {
      if (m.regex() == nullptr || !m.regex()->matches_all()) exclusions.push_back(&m);
      continue;
    }
    TRY_ASSIGN(Postings p, ValuesThat(source, m, true));
    if (p.empty()) return Postings{};
    wanted.push_back(std::move(p));
  }
  Postings result;
  if (wanted.empty()) {
    TRY_ASSIGN(result, source.All());
  } else {
    std::sort(wanted.begin(), wanted.end(),
              [](const Postings& a, const Postings& b) { return a.size() < b.size(); });
    result = std::move(wanted[0]);
    for (size_t i = 1; i < wanted.size(); ++i) result = Intersect(result, wanted[i]);
  }
  for (const Matcher* m : exclusions) {
    if (result.empty()) break;
    TRY_ASSIGN(const Postings out, ValuesThat(source, *m, false));
    result = Subtract(result, out);
  }
  return result;
}

}  // namespace deckwatch::tsdb
