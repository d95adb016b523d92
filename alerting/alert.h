// One alert as rules produce it and the dispatcher groups it, and its identity.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/labels.h"

namespace deckwatch::alerting {

// Sorted by key; unlike a label set, values may be empty.
using KeyValues = std::vector<std::pair<std::string, std::string>>;

// "" when absent.
std::string_view Find(const KeyValues& pairs, std::string_view key);

struct Alert {
  Labels labels;
  KeyValues annotations;
  int64_t starts_at_ms = 0;
  // When the alert ends: in the past, it is resolved; in the future, it is resolved by itself then
  // unless it is sent again. 0: firing until told otherwise, which is how our own rules send theirs
  // (their resolves cannot get lost, so no timeout has to stand in for them).
  int64_t ends_at_ms = 0;
  int64_t updated_at_ms = 0;
  std::string generator_url;

  bool ResolvedAt(int64_t now_ms) const { return ends_at_ms != 0 && ends_at_ms <= now_ms; }
};

// Prometheus's fingerprint (model.LabelSet.Fingerprint: FNV-1a over name 0xff value 0xff in name
// order), which receivers see as 16 hex digits.
uint64_t Fingerprint(LabelsView labels);
// FNV-1a of bytes: stable over restarts and versions.
uint64_t StableHash(std::string_view bytes);
std::string FingerprintHex(uint64_t fingerprint);

}  // namespace deckwatch::alerting
