// Answers of the Prometheus HTTP API (/api/v1/…) as values. The bytes are untrusted: anything that
// is not the documented shape is Corruption with the reason; {"status":"error"} is InvalidArgument
// with the server's own words. All functions are thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "dashboard/data/model.h"

namespace deckwatch::dashboard {

// /query and /query_range: scalar, vector and matrix become series (sorted as the server sent
// them). Samples out of time order are dropped, native histograms too; both are told in `warnings`.
// `body` is taken by value because the parser needs spare capacity behind it.
Result<QueryResult> DecodeQueryResult(std::string body);

Result<std::vector<Target>> DecodeTargets(std::string_view body);     // /targets, active ones
Result<std::vector<Alert>> DecodeAlerts(std::string_view body);       // /alerts
Result<RuleSummary> DecodeRules(std::string_view body);               // /rules
Result<std::string> DecodeBuildVersion(std::string_view body);        // /status/buildinfo
Result<std::vector<std::string>> DecodeNames(std::string_view body);  // /label/<name>/values

}  // namespace deckwatch::dashboard
