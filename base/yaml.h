// YAML documents as trees that know where each value stood, and a strict decoder for configuration
// sections. yaml-cpp stays in yaml.cc, behind caps on size, depth and aliases. YAML is read from
// local files only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace deckwatch {

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };

  // Defined in yaml.cc: clang 14 cannot make them here, where a pair of string and YamlNode (in
  // `entries`) is not complete yet.
  YamlNode();
  YamlNode(const YamlNode&);
  YamlNode(YamlNode&&) noexcept;
  YamlNode& operator=(const YamlNode&);
  YamlNode& operator=(YamlNode&&) noexcept;
  ~YamlNode();

  Kind kind = Kind::kNull;
  bool quoted = false;  // a scalar in quotes or a block: always a string
  int line = 0;         // 1-based
  int column = 0;
  std::string scalar;
  std::vector<YamlNode> items;                            // kSequence
  std::vector<std::pair<std::string, YamlNode>> entries;  // kMap, in file order, no key twice
  std::vector<std::pair<int, int>> entry_marks;           // line and column of each key

  bool IsNull() const { return kind == Kind::kNull; }
  const YamlNode* Find(std::string_view key) const;  // null when absent or no map
};

// Parses one document; an empty text is a null node. Errors read "<file>:<line>:<column>: reason".
Result<YamlNode> ParseYaml(std::string_view text, std::string_view file);
Result<YamlNode> ParseYamlFile(const std::string& path);  // reads, then parses; 16 MB at most

// Decodes one map strictly. Each call takes a key (absent or null leaves the target as it is);
// Finish refuses keys that no call has taken. The first error is kept and returned by Finish; it
// names file, line, key and reason:
//
//   YamlDecoder d(node, file, "scrape_config");
//   d.String("job_name", &job).Duration("scrape_interval", &interval_ms).Bool("honor_labels",
//   &honor); d.Each("static_configs", [&](const YamlNode& n) { return ParseStatic(n, file, &out);
//   }); return d.Finish();
class YamlDecoder {
 public:
  // `node` and `file` must outlive the decoder. A null node counts as an empty map.
  YamlDecoder(const YamlNode& node, std::string_view file, std::string_view section);

  YamlDecoder& String(std::string_view key, std::string* out);
  YamlDecoder& Bool(std::string_view key, bool* out);
  YamlDecoder& Int(std::string_view key, int64_t* out);
  YamlDecoder& Double(std::string_view key, double* out);
  YamlDecoder& Duration(std::string_view key, int64_t* out_ms);
  YamlDecoder& Size(std::string_view key,
                    int64_t* out_bytes);  // "10MB", "512KiB", "0": powers of 1024, as Prometheus
  YamlDecoder& Strings(std::string_view key, std::vector<std::string>* out);
  YamlDecoder& StringMap(std::string_view key,
                         std::vector<std::pair<std::string, std::string>>* out);
  // Calls `parse` with the value when present (null included: check IsNull).
  YamlDecoder& Child(std::string_view key, const std::function<Status(const YamlNode&)>& parse);
  YamlDecoder& Each(std::string_view key, const std::function<Status(const YamlNode&)>& parse);
  // Known but without effect here.
  YamlDecoder& Ignore(std::string_view key);

  bool Has(std::string_view key) const { return node_.Find(key) != nullptr; }
  // "<file>:<line>: <section>: <reason>", InvalidArgument, at the node or at one of its keys.
  Status Error(std::string_view reason) const;
  Status ErrorAt(std::string_view key, std::string_view reason) const;
  Status Finish();

 private:
  const YamlNode* Take(std::string_view key);
  const YamlNode* TakeScalar(std::string_view key, std::string_view want);
  void Fail(Status s);

  const YamlNode& node_;
  std::string_view file_;
  std::string section_;
  std::vector<bool> taken_;
  Status status_;
};

// "10MB" -> 10485760.
Result<int64_t> ParseSizeBytes(std::string_view text);

}  // namespace deckwatch
