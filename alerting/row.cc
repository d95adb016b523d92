#include "alerting/row.h"

namespace deckwatch::alerting {

void PutKeyValues(std::string* out, const KeyValues& pairs) {
  PutVarint(out, pairs.size());
  for (const auto& [key, value] : pairs) {
    PutString(out, key);
    PutString(out, value);
  }
}

bool GetKeyValues(Reader* r, KeyValues* pairs) {
  uint64_t n = 0;
  pairs->clear();
  if (!r->GetVarint(&n) || n > r->remaining()) return false;
  for (uint64_t i = 0; i < n; ++i) {
    std::string_view key, value;
    if (!r->GetString(&key) || !r->GetString(&value)) return false;
    pairs->emplace_back(key, value);
  }
  return true;
}

void PutAlert(std::string* out, const Alert& alert) {
  PutString(out, alert.labels.encoded());
  PutKeyValues(out, alert.annotations);
  PutSignedVarint(out, alert.starts_at_ms);
  PutSignedVarint(out, alert.ends_at_ms);
  PutSignedVarint(out, alert.updated_at_ms);
  PutString(out, alert.generator_url);
}

bool GetAlert(Reader* r, Alert* alert) {
  std::string_view labels, url;
  if (!r->GetString(&labels) || !GetKeyValues(r, &alert->annotations) ||
      !r->GetSignedVarint(&alert->starts_at_ms) || !r->GetSignedVarint(&alert->ends_at_ms) ||
      !r->GetSignedVarint(&alert->updated_at_ms) || !r->GetString(&url)) {
    return false;
  }
  Result<Labels> decoded = Labels::FromEncoded(labels);
  if (!decoded.ok()) return false;
  alert->labels = std::move(*decoded);
  alert->generator_url = url;
  return true;
}

void PutHashes(std::string* out, const std::vector<uint64_t>& hashes) {
  PutVarint(out, hashes.size());
  for (uint64_t h : hashes) PutFixed64(out, h);
}

bool GetHashes(Reader* r, std::vector<uint64_t>* hashes) {
  uint64_t n = 0;
  hashes->clear();
  if (!r->GetVarint(&n) || n > r->remaining() / 8) return false;
  hashes->resize(n);
  for (uint64_t& h : *hashes) {
    if (!r->GetFixed64(&h)) return false;
  }
  return true;
}

}  // namespace deckwatch::alerting
