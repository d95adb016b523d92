// A query's result as the `data` of /api/v1/query and query_range. Written by hand, not through
// JsonWriter: a range query's answer is mostly numbers, and this loop is what it costs.
#pragma once

#include <string>

#include "base/labels.h"
#include "base/sample.h"
#include "query/value.h"

namespace deckwatch::server {

// Appends `"resultType":…,"result":…`: the members, so that stats can follow in the same object.
void AppendQueryResult(const query::QueryResult& result, std::string* out);

// {"name":"value",…}
void AppendLabels(LabelsView labels, std::string* out);
// "1.5", "NaN", "+Inf" in quotes.
void AppendSampleValue(double v, std::string* out);
// {"count":"…","sum":"…","buckets":[[rule,"lower","upper","count"],…]}; empty buckets left out.
void AppendHistogram(const Histogram& h, std::string* out);

}  // namespace deckwatch::server
