#include "query/label_sets.h"

#include <algorithm>

#include "base/bytes.h"

namespace deckwatch::query {

namespace {
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
    while (name != names_.end() && *name < l.name) ++name;
    const bool named = name != names_.end() && *name == l.name;
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

size_t LabelIndex::Insert(const std::string& encoded, bool* added) {
  const auto [it, inserted] = index_.try_emplace(encoded, index_.size());
  if (added != nullptr) *added = inserted;
  return it->second;
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

namespace {
class Trusted : public LabelsView {
 public:
  explicit Trusted(std::string_view encoded) : LabelsView(encoded) {}
};
}  // namespace

Labels LabelsOf(std::string_view encoded) {
  return Labels(Trusted(encoded));
}

}  // namespace deckwatch::query
