#include "base/labels.h"

#include <algorithm>

#include <xxhash.h>

#include "base/bytes.h"

namespace deckwatch {

namespace {

const char* ReadString(const char* p, std::string_view* s) {
  uint64_t n = static_cast<uint8_t>(*p++);
  if (n >= 0x80) {
    n &= 0x7f;
    for (int shift = 7;; shift += 7) {
      const uint64_t byte = static_cast<uint8_t>(*p++);
      n |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
  }
  *s = {p, n};
  return p + n;
}

auto LowerBound(std::vector<std::pair<std::string, std::string>>& v, std::string_view name) {
  return std::lower_bound(v.begin(), v.end(), name,
                          [](const auto& a, std::string_view b) { return a.first < b; });
}

}  // namespace

void LabelsView::Iterator::Load() {
  if (p_ == end_) return;
  next_ = ReadString(ReadString(p_, &label_.name), &label_.value);
}

size_t LabelsView::Count() const {
  size_t n = 0;
  for (auto it = begin(), e = end(); it != e; ++it) ++n;
  return n;
}

std::string_view LabelsView::Get(std::string_view name) const {
  for (LabelRef l : *this) {
    if (l.name == name) return l.value;
    if (l.name > name) break;
  }
  return {};
}

uint64_t LabelsView::Hash() const {
  return XXH3_64bits(data_.data(), data_.size());
}

std::pair<uint64_t, uint64_t> LabelsView::Hash128() const {
  const XXH128_hash_t h = XXH3_128bits(data_.data(), data_.size());
  return {h.high64, h.low64};
}

std::string LabelsView::ToString() const {
  std::string out(MetricName());
  bool quoted_name = false;
  if (!out.empty() && !IsLegacyMetricName(out)) {
    quoted_name = true;
    out = "{" + QuoteGo(out);
  }
  bool first = !quoted_name;
  const bool has_name = !MetricName().empty();
  for (LabelRef l : *this) {
    if (l.name == kMetricName) continue;
    out += first ? "{" : ", ";
    first = false;
    out += IsLegacyLabelName(l.name) ? std::string(l.name) : QuoteGo(l.name);
    out += "=";
    out += QuoteGo(l.value);
  }
  if (!first) return out + "}";
  return quoted_name ? out + "}" : has_name ? out : "{}";
}

std::strong_ordering LabelsView::operator<=>(const LabelsView& o) const {
  auto a = begin(), b = o.begin();
  const auto ae = end(), be = o.end();
  for (; a != ae && b != be; ++a, ++b) {
    if (auto c = a->name <=> b->name; c != 0) return c;
    if (auto c = a->value <=> b->value; c != 0) return c;
  }
  return (a != ae) <=> (b != be);
}

Labels::Labels(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) {
  LabelsBuilder b;
  for (const auto& [name, value] : pairs) b.Set(name, value);
  *this = b.Build();
}

Result<Labels> Labels::FromEncoded(std::string_view data) {
  Reader r(data);
  std::string_view last;
  bool first = true;
  while (!r.AtEnd()) {
    std::string_view name, value;
    if (!r.GetString(&name) || !r.GetString(&value)) {
      return Status::Corruption("label set is truncated");
    }
    if ((!first && name <= last) || name.empty() || value.empty()) {
      return Status::Corruption("label set is not sorted or holds an empty part");
    }
    first = false;
    last = name;
  }
  if (!r.ok()) return Status::Corruption("label set is truncated");
  Labels out;
  out.data_ = data;
  return out;
}

void LabelsBuilder::Reset(LabelsView base) {
  pairs_.clear();
  for (LabelRef l : base) pairs_.emplace_back(l.name, l.value);
}

LabelsBuilder& LabelsBuilder::Set(std::string_view name, std::string_view value) {
  if (value.empty()) return Del(name);
  auto it = LowerBound(pairs_, name);
  if (it != pairs_.end() && it->first == name) {
    it->second = value;
  } else {
    pairs_.emplace(it, name, value);
  }
  return *this;
}

LabelsBuilder& LabelsBuilder::Del(std::string_view name) {
  auto it = LowerBound(pairs_, name);
  if (it != pairs_.end() && it->first == name) pairs_.erase(it);
  return *this;
}

LabelsBuilder& LabelsBuilder::Keep(const std::vector<std::string>& names) {
  std::erase_if(pairs_, [&](const auto& p) {
    return std::find(names.begin(), names.end(), p.first) == names.end();
  });
  return *this;
}

LabelsBuilder& LabelsBuilder::Drop(const std::vector<std::string>& names) {
  std::erase_if(pairs_, [&](const auto& p) {
    return std::find(names.begin(), names.end(), p.first) != names.end();
  });
  return *this;
}

std::string_view LabelsBuilder::Get(std::string_view name) const {
  for (const auto& p : pairs_) {
    if (p.first == name) return p.second;
  }
  return {};
}

Labels LabelsBuilder::Build() const {
  Labels out;
  size_t size = 0;
  for (const auto& p : pairs_) size += p.first.size() + p.second.size() + 4;
  out.data_.reserve(size);
  for (const auto& p : pairs_) {
    PutString(&out.data_, p.first);
    PutString(&out.data_, p.second);
  }
  return out;
}

namespace {
bool IsAlpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool IsLegacy(std::string_view s, bool colon) {
  if (s.empty()) return false;
  for (size_t i = 0; i < s.size(); ++i) {
    const bool digit = s[i] >= '0' && s[i] <= '9' && i > 0;
    if (!IsAlpha(s[i]) && !digit && !(colon && s[i] == ':')) return false;
  }
  return true;
}

// Decodes one code point of `s` at `i`; returns its length, or 0 when the bytes are not UTF-8 (RFC
// 3629).
size_t DecodeUtf8(std::string_view s, size_t i, uint32_t* cp) {
  const auto at = [&](size_t k) { return static_cast<uint8_t>(s[k]); };
  const uint8_t b = at(i);
  size_t n = b < 0x80                ? 1
             : b >= 0xc2 && b < 0xe0 ? 2
             : b >= 0xe0 && b < 0xf0 ? 3
             : b >= 0xf0 && b < 0xf5 ? 4
                                     : 0;
  if (n == 0 || i + n > s.size()) return 0;
  uint32_t v = n == 1 ? b : b & (0xff >> (n + 1));
  for (size_t k = 1; k < n; ++k) {
    if ((at(i + k) & 0xc0) != 0x80) return 0;
    v = (v << 6) | (at(i + k) & 0x3f);
  }
  if ((n == 3 && v < 0x800) || (n == 4 && (v < 0x10000 || v > 0x10ffff))) return 0;
  if (v >= 0xd800 && v < 0xe000) return 0;
  *cp = v;
  return n;
}
}  // namespace

bool IsLegacyMetricName(std::string_view s) {
  return IsLegacy(s, true);
}
bool IsLegacyLabelName(std::string_view s) {
  return IsLegacy(s, false);
}

bool IsValidUtf8(std::string_view s) {
  uint32_t cp;
  for (size_t i = 0; i < s.size();) {
    const size_t n = DecodeUtf8(s, i, &cp);
    if (n == 0) return false;
    i += n;
  }
  return true;
}

std::string QuoteGo(std::string_view s) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (size_t i = 0; i < s.size();) {
    uint32_t cp = 0;
    const size_t n = DecodeUtf8(s, i, &cp);
    const auto byte = static_cast<uint8_t>(s[i]);
    if (n == 0) {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
      ++i;
      continue;
    }
    switch (cp) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\a': out += "\\a"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\v': out += "\\v"; break;
      default:
        if (cp < 0x20 || cp == 0x7f) {
          out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
        } else {
          out.append(s.substr(i, n));
        }
    }
    i += n;
  }
  return out + "\"";
}

}  // namespace deckwatch
