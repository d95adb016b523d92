// A page in the text format as JSON, family by family: what /api/v1/status/self_metrics gives, and
// thus the ProtoJSON of io.prometheus.client.MetricFamily.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/regex.h"

namespace deckwatch::server {

// Writes an array of the families of `page` whose names match `names`; all when that is null.
// `page` is one of ours: lines that cannot be read are left out.
void WriteFamilies(std::string_view page, const Regex* names, JsonWriter* w);

}  // namespace deckwatch::server
