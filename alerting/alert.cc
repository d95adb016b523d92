#include "alerting/alert.h"

#include <algorithm>

#include "alerting/snapshot.h"

namespace deckwatch::alerting {
namespace {

constexpr uint64_t kFnvOffset = 14695981039346656037u;
constexpr uint64_t kFnvPrime = 1099511628211u;

uint64_t FnvAdd(uint64_t h, std::string_view s) {
  for (unsigned char c : s) h = (h ^ c) * kFnvPrime;
  return h;
}

}  // namespace

std::string_view Find(const KeyValues& pairs, std::string_view key) {
  const auto it = std::ranges::find(pairs, key, &KeyValues::value_type::first);
  return it == pairs.end() ? std::string_view() : std::string_view(it->second);
}

uint64_t Fingerprint(LabelsView labels) {
  uint64_t h = kFnvOffset;
  for (const LabelRef& l : labels) {
    h = FnvAdd(h, l.name);
    h = FnvAdd(h, "\xff");
    h = FnvAdd(h, l.value);
    h = FnvAdd(h, "\xff");
  }
  return h;
}

uint64_t StableHash(std::string_view bytes) {
  return FnvAdd(kFnvOffset, bytes);
}

std::string FingerprintHex(uint64_t fingerprint) {
  std::string out(16, '0');
  for (int i = 15; i >= 0; --i, fingerprint >>= 4) out[i] = "0123456789abcdef"[fingerprint & 15];
  return out;
}

std::string_view AlertStateName(AlertState state) {
  static constexpr std::string_view kNames[] = {"inactive", "pending", "firing"};
  return kNames[static_cast<int>(state)];
}

std::string_view RuleHealthName(RuleHealth health) {
  static constexpr std::string_view kNames[] = {"unknown", "ok", "err"};
  return kNames[static_cast<int>(health)];
}

}  // namespace deckwatch::alerting
