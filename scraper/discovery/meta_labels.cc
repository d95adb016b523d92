#include "scraper/discovery/meta_labels.h"

#include <algorithm>
#include <cstdio>

#include "base/http_config.h"

namespace deckwatch::scraper {
namespace {

bool IsLabelChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void AppendCanonical(const YamlNode& node, std::string* out) {
  switch (node.kind) {
    case YamlNode::Kind::kNull: *out += "~;"; return;
    case YamlNode::Kind::kScalar:
      *out += std::to_string(node.scalar.size()) + ":" + node.scalar + (node.quoted ? "'" : ";");
      return;
    case YamlNode::Kind::kSequence:
      *out += '[';
      for (const YamlNode& item : node.items) AppendCanonical(item, out);
      *out += ']';
      return;
    case YamlNode::Kind::kMap: break;
  }
  std::vector<const std::pair<std::string, YamlNode>*> entries;
  for (const auto& entry : node.entries) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
  *out += '{';
  for (const auto* entry : entries) {
    *out += std::to_string(entry->first.size()) + ":" + entry->first + "=";
    AppendCanonical(entry->second, out);
  }
  *out += '}';
}

}  // namespace

std::string SanitizeLabelName(std::string_view name) {
  std::string out;
  out.reserve(name.size());
  for (const char c : name) {
    if (IsLabelChar(c)) {
      out += c;
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {  // not inside a UTF-8 sequence
      out += '_';
    }
  }
  return out;
}

std::string JoinHostPort(std::string_view host, std::string_view port) {
  std::string out;
  const bool v6 = host.find(':') != std::string_view::npos;
  if (v6) out += '[';
  out += host;
  if (v6) out += ']';
  out += ':';
  out += port;
  return out;
}

void SetLabelMap(std::string_view prefix, const Json& map, LabelsBuilder* out) {
  for (const auto& [key, value] : map.AsObject()) {
    out->Set(std::string(prefix) + SanitizeLabelName(key), value.AsString());
  }
}

std::string ConfigKey(std::string_view mechanism, const YamlNode& node, std::string_view file) {
  std::string text;
  AppendCanonical(node, &text);
  const auto [high, low] =
      Labels{{"folder", ResolvePath(file, ".")}, {"text", text}}.view().Hash128();
  char hex[33];
  std::snprintf(hex, sizeof hex, "%016llx%016llx", static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return std::string(mechanism) + ":" + hex;
}

}  // namespace deckwatch::scraper
