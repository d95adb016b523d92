// Scripts in Prometheus's promqltest language (promql/promqltest/README.md), read into commands:
//
//   clear
//   load <step> | load_with_nhcb <step>      followed by one series per line
//   eval instant at <time> <expr>            followed by what is expected, up to an empty line
//   eval range from <start> to <end> step <step> <expr>
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/labels.h"
#include "base/regex.h"
#include "base/sample.h"
#include "base/status.h"
#include "query/series_notation.h"

namespace deckwatch::query {

struct LoadedSample {
  int64_t t_ms = 0;
  double value = 0;
  HistogramPtr histogram;
  int64_t start_ms = 0;  // 0: unknown
};

struct LoadCommand {
  bool with_nhcb = false;  // classic histograms are stored as native ones with custom buckets too
  std::map<Labels, std::vector<LoadedSample>> series;
};

struct ClearCommand {};

// A text that must be equal, or a pattern that must be found in it; neither: anything.
struct TextExpectation {
  std::optional<std::string> message;
  std::optional<Regex> regex;

  bool Accepts(const std::string& text) const;
  std::string ToString() const;
};

struct ExpectedSeries {
  int position = 0;  // 1 is the first; counts for ordered results
  std::vector<SequenceValue> values;
};

struct EvalCommand {
  std::string expr;
  bool is_range = false;
  // Instant: both are the time of evaluation, unless a range vector is expected. All since the
  // epoch.
  int64_t eval_ms = 0;
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  int64_t step_ms = 0;

  bool ordered = false;
  bool any_warning = false, any_info = false;  // eval_warn, eval_info
  bool no_warnings = false, no_infos = false;
  std::optional<TextExpectation> failure;
  std::vector<TextExpectation> warnings, infos;

  std::optional<SequenceValue> scalar;
  std::optional<std::string> string;
  bool range_vector = false;
  std::map<Labels, ExpectedSeries> series;
};

struct ScriptCommand {
  int line = 0;  // the first is 1
  std::variant<ClearCommand, LoadCommand, EvalCommand> command;
};

// InvalidArgument with "line N: ".
Result<std::vector<ScriptCommand>> ParseScript(std::string_view text);

}  // namespace deckwatch::query
