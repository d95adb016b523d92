#include "query/label_sets.h"

#include <algorithm>

#include "base/bytes.h"

namespace deckwatch::query {

namespace {
class Trusted : public LabelsView {
 public:
  explicit Trusted(std::string_view encoded) : LabelsView(encoded) {}
};

void Normalize(std::vector<std::string>* names) {
  std::sort(names->begin(), names->end());
  names->erase(std::unique(names->begin(), names->end()), names->end());
}
}  // namespace

Projection Projection::Keep(std::vector<std::string> names) {
  Normalize(&names);
  return {true, std::move(names)};
}

Projection Projection::DropOnly(std::vector<std::string> names) {
  Normalize(&names);
  return {false, std::move(names)};
}

Projection Projection::Drop(std::vector<std::string> names) {
  names.emplace_back(kMetricName);
  return DropOnly(std::move(names));
}

void Projection::Encode(LabelsView labels, std::string* out) const {
  out->clear();
  if (keep_ && names_.empty()) return;
  auto name = names_.begin();
  for (LabelRef l : labels) {
    int order = 1;
    while (name != names_.end() && (order = name->compare(l.name)) < 0) ++name;
    if (keep_ && name == names_.end()) return;
    const bool named = name != names_.end() && order == 0;
    if (named != keep_) continue;
    PutString(out, l.name);
    PutString(out, l.value);
  }
}

Labels Projection::Apply(LabelsView labels) const {
  std::string encoded;
  Encode(labels, &encoded);
  return LabelsOf(encoded);
}

Labels DropMetadataLabels(LabelsView labels) {
  static const Projection kWithoutMetadata = Projection::Drop({"__type__", "__unit__"});
  return kWithoutMetadata.Apply(labels);
}

size_t LabelIndex::Insert(std::string_view encoded, bool* added) {
  if (2 * size() >= places_.size()) Grow();
  const auto hash = static_cast<uint32_t>(Trusted(encoded).Hash());
  const size_t mask = places_.size() - 1;
  size_t at = hash & mask;
  for (; places_[at].number != 0; at = (at + 1) & mask) {
    if (places_[at].hash == hash && Key(places_[at].number - 1) == encoded) break;
  }
  const bool found = places_[at].number != 0;
  if (!found) {
    keys_ += encoded;
    key_ends_.push_back(keys_.size());
    places_[at] = {hash, static_cast<uint32_t>(size())};
  }
  if (added != nullptr) *added = !found;
  return places_[at].number - 1;
}

void LabelIndex::Grow() {
  constexpr size_t kFirst = 64;
  std::vector<Place> old(std::max(kFirst, 2 * places_.size()));
  old.swap(places_);
  const size_t mask = places_.size() - 1;
  for (const Place& p : old) {
    if (p.number == 0) continue;
    size_t at = p.hash & mask;
    while (places_[at].number != 0) at = (at + 1) & mask;
    places_[at] = p;
  }
}

std::string BracedString(LabelsView labels) {
  std::string out = "{";
  for (LabelRef l : labels) {
    if (out.size() > 1) out += ", ";
    out += IsLegacyLabelName(l.name) ? std::string(l.name) : QuoteGo(l.name);
    out += "=" + QuoteGo(l.value);
  }
  return out + "}";
}

Labels LabelsOf(std::string_view encoded) {
  return Labels(Trusted(encoded));
}

}  // namespace deckwatch::query
