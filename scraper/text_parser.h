// The exposition formats made of lines: Prometheus text 0.0.4 / 1.0.0 and OpenMetrics text 1.0.0.
//
//   # HELP <name> <text>          # TYPE <name> <type>          # UNIT <name> <unit> (OpenMetrics)
//   <series> <value> [<time>] [# {<labels>} <value> [<time>]]   (the exemplar: OpenMetrics)
//   # EOF                                                       (OpenMetrics: last line)
//   series := name | name{labels} | {"name",labels}             labels: name="v" or "utf8 name"="v"
//
// One line at a time, without copying: views point into the line unless an escape had to be undone.
// Prometheus text allows blanks and tabs between tokens and times in milliseconds; OpenMetrics
// wants single spaces and times in seconds. Meaning and refusals follow Prometheus model/textparse;
// a raw newline inside a label value is refused, as the format's description says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/storage.h"

namespace deckwatch::scraper {

enum class TextFormat { kPrometheus, kOpenMetrics };

enum class LineKind { kBlank, kComment, kHelp, kType, kUnit, kEof, kSample };

// What a line is. Looks at its first bytes only. `line` comes without its newline, here and below.
LineKind ClassifyLine(TextFormat format, std::string_view line);

struct MetaLine {
  std::string_view name;  // metric family
  std::string text;       // help or unit, unescaped; empty for a type
  MetricType type = MetricType::kUnknown;
};
// Parses a kHelp, kType or kUnit line.
Status ParseMetaLine(TextFormat format, LineKind kind, std::string_view line, MetaLine* out);

// The series part of a sample line.
class SeriesText {
 public:
  std::string_view name;
  // In the line's order, unescaped, empty values kept; names unique and valid UTF-8.
  std::vector<std::pair<std::string_view, std::string_view>> labels;
  size_t length = 0;  // bytes up to the first byte of the value

  // InvalidArgument with the reason. On success the views live as long as `line` and this object
  // are left alone.
  Status Parse(TextFormat format, std::string_view line);

 private:
  friend class SeriesLexer;
  std::string_view Unescape(std::string_view quoted);
  std::vector<std::string> unescaped_;  // storage for values with escapes; capacity fixed per Parse
};

// What follows the series.
struct SampleTail {
  double value = 0;
  bool has_time = false;
  int64_t t_ms = 0;
  std::string_view exemplar;  // "{…} value [time]", empty when there is none
};
// Null on success, else the reason. Fast: called for every changed line.
const char* ParseSampleTail(TextFormat format, std::string_view tail, SampleTail* out);

// Parses SampleTail::exemplar; `default_t_ms` is used when it carries no time.
// OutOfRange when well-formed but with more than 128 characters of labels (OpenMetrics' bound).
Status ParseExemplar(std::string_view text, int64_t default_t_ms, Exemplar* out);

// A number as the formats write it, taking all of `text`. Prometheus refuses hexadecimal and '_'.
bool ParseNumber(std::string_view text, double* out);

// The canonical form of `le` and `quantile` values: shortest, with ".0" when it looks whole.
std::string NormalFloatLabel(std::string_view value);

}  // namespace deckwatch::scraper
