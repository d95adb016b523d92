// Words that all mechanisms share when they write __meta_* labels.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/labels.h"
#include "base/yaml.h"

namespace deckwatch::scraper {

// Every character outside [a-zA-Z0-9_] becomes '_'; a UTF-8 sequence counts as one character.
std::string SanitizeLabelName(std::string_view name);

// "host:port", with brackets around an IPv6 host. An empty host gives ":port", as in Go.
std::string JoinHostPort(std::string_view host, std::string_view port);

// Sets `prefix + sanitized key` for each entry of the JSON object `map`.
void SetLabelMap(std::string_view prefix, const Json& map, LabelsBuilder* out);

// A text that is equal for equal configurations: the section, without its place in the file, and
// the folder that relative paths start from. It is a hash, so it may hold secrets.
std::string ConfigKey(std::string_view mechanism, const YamlNode& node, std::string_view file);

}  // namespace deckwatch::scraper
