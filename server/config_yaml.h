// A YAML document printed again with its secrets hidden.
#pragma once

#include <string>

#include "base/yaml.h"

namespace deckwatch::server {

// Block style, keys in their order, comments gone. Values of keys that hold secrets (passwords,
// tokens, credentials, inline keys) and passwords inside URLs read <secret>. Hides rather too much
// than too little.
std::string RedactedYaml(const YamlNode& root);

}  // namespace deckwatch::server
