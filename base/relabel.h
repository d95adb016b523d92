// Relabelling: ordered rules that rewrite or drop a label set. Used on targets
// (relabel_configs), scraped series (metric_relabel_configs), alerts (alert_relabel_configs) and
// remote write. Meaning: Prometheus model/relabel/relabel.go, with UTF-8 label names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/labels.h"
#include "base/regex.h"
#include "base/status.h"
#include "base/yaml.h"

namespace deckwatch {

enum class RelabelAction {
  kReplace,
  kKeep,
  kDrop,
  kKeepEqual,
  kDropEqual,
  kHashMod,
  kLabelMap,
  kLabelDrop,
  kLabelKeep,
  kLowercase,
  kUppercase
};

std::string_view RelabelActionName(RelabelAction action);  // as the configuration writes it

// One rule, immutable once parsed; safe to use from several threads.
struct RelabelRule {
  RelabelAction action = RelabelAction::kReplace;
  std::vector<std::string> source_labels;
  std::string separator = ";";
  Regex regex;
  uint64_t modulus = 0;
  std::string target_label;
  std::string replacement = "$1";

  // Decodes and validates one rule; errors name file, line and key.
  static Result<RelabelRule> Parse(const YamlNode& node, std::string_view file);

  bool operator==(const RelabelRule& o) const;
};
using RelabelRules = std::vector<RelabelRule>;

// Takes the list at `key` out of `d`, appending its rules to `out`.
void DecodeRelabelRules(YamlDecoder* d, std::string_view key, std::string_view file,
                        RelabelRules* out);

// Applies the rules in order. False when one of them dropped the set; `labels` is then unspecified.
[[nodiscard]] bool Relabel(const RelabelRules& rules, LabelsBuilder* labels);

}  // namespace deckwatch
