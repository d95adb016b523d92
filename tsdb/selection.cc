#include "tsdb/selection.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "tsdb/part.h"

namespace deckwatch::tsdb {

size_t Selection::bytes() const {
  return sizeof *this + text_bytes_ + labels_.capacity() * sizeof labels_[0] +
         first_source_.capacity() * sizeof first_source_[0] +
         sources_.capacity() * sizeof sources_[0] + groups_.capacity() * sizeof groups_[0];
}

void Selection::Reserve(size_t series) {
  labels_.reserve(series);
  first_source_.reserve(series + 1);
  sources_.reserve(series);
}

void Selection::Add(std::string_view encoded_labels, uint32_t first, uint32_t second) {
  constexpr size_t kMinPiece = 512, kMaxPiece = size_t{64} << 10;
  if (piece_bytes_ - piece_used_ < encoded_labels.size()) {
    piece_bytes_ = std::clamp(text_bytes_, kMinPiece, kMaxPiece);
    piece_bytes_ = std::max(piece_bytes_, encoded_labels.size());
    texts_.push_back(std::make_unique<char[]>(piece_bytes_));
    piece_used_ = 0;
    text_bytes_ += piece_bytes_;
  }
  char* const text = texts_.back().get() + piece_used_;
  std::memcpy(text, encoded_labels.data(), encoded_labels.size());
  piece_used_ += encoded_labels.size();
  labels_.emplace_back(text, encoded_labels.size());
  sources_.push_back({0, first, second});
  first_source_.push_back(static_cast<uint32_t>(sources_.size()));
}

// A pairwise merge of sorted lists: each series moves log(lists) times. Of equal label sets the
// earlier place comes first.
SelectionPtr Selection::Unite(std::vector<SelectionPtr> places) {
  if (places.size() == 1) return places[0];
  struct Entry {
    std::string_view labels;
    Source source;
  };
  std::vector<Entry> all;
  std::vector<std::ptrdiff_t> bounds = {0};
  auto out = std::make_shared<Selection>();
  size_t series = 0;
  for (const SelectionPtr& p : places) series += p->size();
  all.reserve(series);
  for (uint32_t place = 0; place < places.size(); ++place) {
    const Selection& p = *places[place];
    for (size_t i = 0; i < p.size(); ++i) {
      all.push_back({p.labels_[i], {place, p.sources_[i].first, p.sources_[i].second}});
    }
    if (!p.groups_.empty()) out->groups_ = p.groups_;
    bounds.push_back(static_cast<std::ptrdiff_t>(all.size()));
  }
  const auto before = [](const Entry& a, const Entry& b) {
    return a.labels != b.labels && SeriesBefore(TrustedLabels(a.labels), TrustedLabels(b.labels));
  };
  while (bounds.size() > 2) {
    std::vector<std::ptrdiff_t> next = {0};
    for (size_t i = 2; i < bounds.size(); i += 2) {
      std::inplace_merge(all.begin() + bounds[i - 2], all.begin() + bounds[i - 1],
                         all.begin() + bounds[i], before);
      next.push_back(bounds[i]);
    }
    if (next.back() != bounds.back()) next.push_back(bounds.back());
    bounds = std::move(next);
  }
  out->sources_.reserve(all.size());
  for (const Entry& e : all) {
    if (out->labels_.empty() || out->labels_.back() != e.labels) {
      out->labels_.push_back(e.labels);
      out->first_source_.push_back(0);
    }
    out->sources_.push_back(e.source);
    out->first_source_.back() = static_cast<uint32_t>(out->sources_.size());
  }
  out->united_ = std::move(places);
  return out;
}

size_t TextList::bytes() const {
  size_t n = sizeof *this + texts.capacity() * sizeof texts[0];
  for (const std::string& t : texts) n += t.capacity();
  return n;
}

std::string SelectionKey(char place, uint64_t version, const std::vector<Matcher>& matchers) {
  std::string key(1, place);
  PutFixed64(&key, version);
  for (const Matcher& m : matchers) {
    PutString(&key, m.name());
    key.push_back(static_cast<char>(m.type()));
    PutString(&key, m.value());
  }
  return key;
}

}  // namespace deckwatch::tsdb
