// Pieces that several kinds of state rows share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "alerting/alert.h"
#include "base/bytes.h"

namespace deckwatch::alerting {

// count, (key, value)*
void PutKeyValues(std::string* out, const KeyValues& pairs);
bool GetKeyValues(Reader* r, KeyValues* pairs);

// labels, annotations, varints starts_at ends_at updated_at, generator URL
void PutAlert(std::string* out, const Alert& alert);
bool GetAlert(Reader* r, Alert* alert);

// count, fixed64*
void PutHashes(std::string* out, const std::vector<uint64_t>& hashes);
bool GetHashes(Reader* r, std::vector<uint64_t>* hashes);

}  // namespace deckwatch::alerting
