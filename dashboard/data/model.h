// What the dashboard knows about a server: values decoded from its HTTP API, immutable once built.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/labels.h"

namespace deckwatch::dashboard {

// A closed interval of wall-clock time, in milliseconds since the epoch.
struct TimeRange {
  int64_t from_ms = 0;
  int64_t to_ms = 0;
  int64_t span_ms() const { return to_ms - from_ms; }
  bool operator==(const TimeRange&) const = default;
};

// One series as two columns of equal length; t_ms strictly increasing. NaN values are gaps.
struct Series {
  Labels labels;
  std::vector<int64_t> t_ms;
  std::vector<double> value;
};

struct QueryResult {
  std::vector<Series> series;
  std::vector<std::string> warnings;  // the server's warnings and infos, and what we left out
};

using LabelPairs = std::vector<std::pair<std::string, std::string>>;

struct Target {
  std::string job, instance, scrape_url, health, last_error;  // health: up, down, unknown
  int64_t last_scrape_ms = 0;
  int64_t interval_ms = 0;
  double last_duration_s = 0;
};

enum class Severity { kCritical, kWarning, kInfo };

struct Alert {
  std::string name, summary;
  Severity severity = Severity::kInfo;
  bool firing = false;  // else pending
  int64_t active_since_ms = 0;
  LabelPairs labels;  // without alertname and severity
  LabelPairs annotations;
};

struct RuleSummary {
  int groups = 0;
  int alerting = 0;
  int recording = 0;
  int64_t last_evaluation_ms = 0;
  std::vector<std::string> errors;  // "rule: error" of rules whose last evaluation failed
};

}  // namespace deckwatch::dashboard
