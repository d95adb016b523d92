// What a query yields: scalar, string, instant vector or range matrix, with annotations.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/labels.h"
#include "base/sample.h"

namespace deckwatch::query {

// One series of a result, columns in time order. For an instant vector: exactly one point.
struct ResultSeries {
  Labels labels;
  std::vector<int64_t> t_ms;
  std::vector<double> value;            // parallel to t_ms; unspecified where a histogram stands
  std::vector<HistogramPtr> histogram;  // empty, or parallel to t_ms with null where a float stands
};

enum class ValueType { kNone, kScalar, kString, kVector, kMatrix };
std::string_view ValueTypeName(
    ValueType type);  // "scalar", "string", "instant vector", "range vector": as errors say
std::string_view ValueTypeApiName(
    ValueType type);  // "scalar", "string", "vector", "matrix": as the API says

struct Annotations {
  std::vector<std::string>
      warnings;  // whole text with " (line:col)", as the API prints it; no duplicates
  std::vector<std::string> infos;
};

struct QueryStats {
  uint64_t samples_read = 0;  // decoded from the store
  // Looked at, step by step (query/sample_tally.h); those of steps_cached are not among them.
  uint64_t queryable_samples = 0;
  std::vector<std::pair<int64_t, uint64_t>> queryable_per_step;  // by time; where asked for
  uint64_t peak_samples = 0;                                     // most held at once
  uint64_t series_selected = 0;
  uint64_t peak_bytes = 0;
  uint64_t steps = 0;         // of the query; 1 for an instant one
  uint64_t steps_cached = 0;  // of them, taken from an answer kept
  int64_t queue_ns = 0;       // waiting for a place
  int64_t prepare_ns = 0;     // parse, analyse, select
  int64_t eval_ns = 0;
};

// What evaluating one node of the expression gave and took; its children's work included.
struct TraceNode {
  int depth = 0;  // of nesting; nodes come in the order in which they were finished
  std::string expr;
  uint64_t series = 0;
  uint64_t samples = 0;
  uint64_t bytes = 0;
  int64_t ns = 0;
};

struct QueryResult {
  ValueType type = ValueType::kNone;
  int64_t scalar_t_ms = 0;  // kScalar and kString
  double scalar = 0;
  std::string string;
  std::vector<ResultSeries>
      series;  // kVector (order as Prometheus gives it) and kMatrix (sorted by labels)
  Annotations annotations;
  bool incomplete = false;  // samples that it asked for are lost; the warnings say which
  QueryStats stats;
  std::vector<TraceNode> trace;  // empty unless asked for
};

}  // namespace deckwatch::query
