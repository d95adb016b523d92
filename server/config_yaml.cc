#include "server/config_yaml.h"

#include <algorithm>

#include "base/json.h"
#include "base/labels.h"

namespace deckwatch::server {

namespace {

bool Contains(std::string_view s, std::string_view part) {
  return s.find(part) != std::string_view::npos;
}

bool EndsWith(std::string_view s, std::string_view end) {
  return s.size() >= end.size() && s.substr(s.size() - end.size()) == end;
}

bool IsSecretKey(std::string_view key) {
  if (EndsWith(key, "_file") || EndsWith(key, "_url") || EndsWith(key, "_ref")) return false;
  return Contains(key, "password") || Contains(key, "secret") || Contains(key, "token") ||
         Contains(key, "credentials") || Contains(key, "api_key") || key == "key" ||
         EndsWith(key, "_key");
}

// scheme://user:password@host -> the password hidden.
std::string HideUrlPassword(const std::string& s) {
  const size_t scheme = s.find("://");
  if (scheme == std::string::npos) return s;
  const size_t end = std::min(s.find_first_of("/?#", scheme + 3), s.size());
  const size_t at = s.rfind('@', end);
  const size_t colon = s.find(':', scheme + 3);
  if (at == std::string::npos || at < scheme || colon == std::string::npos || colon > at) return s;
  return s.substr(0, colon + 1) + "<secret>" + s.substr(at);
}

// Plain where YAML would read the same string back, else in JSON's quotes.
std::string ScalarText(const YamlNode& node) {
  const std::string text = HideUrlPassword(node.scalar);
  constexpr std::string_view kSpecial = ":#{}[]&*!|>'\"%@`,\\\n\t";
  const bool plain = !text.empty() && text.find_first_of(kSpecial) == std::string::npos &&
                     text.front() != ' ' && text.back() != ' ' && text.front() != '-' &&
                     text.front() != '?';
  if (plain && !node.quoted) return text;
  std::string out;
  AppendJsonString(&out, text);
  return out;
}

void Print(const YamlNode& node, bool secret, size_t indent, std::string* out);

void PrintMap(const YamlNode& node, bool secret, size_t indent, std::string* out) {
  for (const auto& [key, value] : node.entries) {
    if (!out->empty() && out->back() == '\n') out->append(indent, ' ');
    YamlNode name;
    name.scalar = key;
    *out += ScalarText(name) + ":";
    Print(value, secret || IsSecretKey(key), indent + 2, out);
  }
}

void PrintList(const YamlNode& node, bool secret, size_t indent, std::string* out) {
  for (const YamlNode& item : node.items) {
    out->append(indent, ' ');
    *out += "-";
    if (item.kind == YamlNode::Kind::kMap && !item.entries.empty()) {
      *out += " ";
      PrintMap(item, secret, indent + 2, out);
    } else {
      Print(item, secret, indent + 2, out);
    }
  }
}

// Everything after "key:" or "-", up to and with the end of the line.
void Print(const YamlNode& node, bool secret, size_t indent, std::string* out) {
  switch (node.kind) {
    case YamlNode::Kind::kNull: *out += "\n"; break;
    case YamlNode::Kind::kScalar:
      *out += " " + (secret ? std::string("<secret>") : ScalarText(node)) + "\n";
      break;
    case YamlNode::Kind::kSequence:
      *out += node.items.empty() ? " []\n" : "\n";
      PrintList(node, secret, indent, out);
      break;
    case YamlNode::Kind::kMap:
      *out += node.entries.empty() ? " {}\n" : "\n";
      PrintMap(node, secret, indent, out);
      break;
  }
}

}  // namespace

std::string RedactedYaml(const YamlNode& root) {
  std::string out;
  if (root.kind == YamlNode::Kind::kMap) PrintMap(root, false, 0, &out);
  return out;
}

}  // namespace deckwatch::server
