#include "server/metrics_lint.h"

#include <algorithm>
#include <map>

#include "base/labels.h"
#include "scraper/text_parser.h"

namespace deckwatch::server {

namespace {

using scraper::LineKind;
using scraper::TextFormat;

struct Family {
  bool has_help = false;
  MetricType type = MetricType::kUnknown;
  bool has_samples = false;
};
using Families = std::map<std::string, Family, std::less<>>;

bool EndsWith(std::string_view s, std::string_view end) {
  return s.size() >= end.size() && s.substr(s.size() - end.size()) == end;
}

// The family a sample belongs to: its own name, or without the suffix of a histogram or summary.
Family* FamilyOf(std::string_view name, Families* families) {
  for (const std::string_view suffix : {"_bucket", "_count", "_sum"}) {
    if (!EndsWith(name, suffix)) continue;
    const auto it = families->find(name.substr(0, name.size() - suffix.size()));
    if (it != families->end() &&
        (it->second.type == MetricType::kHistogram || it->second.type == MetricType::kSummary)) {
      return &it->second;
    }
  }
  return &(*families)[std::string(name)];
}

Status ReadLine(std::string_view line, Families* families) {
  const LineKind kind = scraper::ClassifyLine(TextFormat::kPrometheus, line);
  if (kind == LineKind::kHelp || kind == LineKind::kType) {
    scraper::MetaLine meta;
    TRY(scraper::ParseMetaLine(TextFormat::kPrometheus, kind, line, &meta));
    Family& f = (*families)[std::string(meta.name)];
    if (kind == LineKind::kHelp) {
      f.has_help = !meta.text.empty();
    } else {
      f.type = meta.type;
    }
    return {};
  }
  if (kind != LineKind::kSample) return {};
  scraper::SeriesText series;
  TRY(series.Parse(TextFormat::kPrometheus, line));
  scraper::SampleTail tail;
  if (const char* why =
          scraper::ParseSampleTail(TextFormat::kPrometheus, line.substr(series.length), &tail)) {
    return Status::InvalidArgument(why);
  }
  FamilyOf(series.name, families)->has_samples = true;
  return {};
}

struct Unit {
  std::string_view found;
  std::string_view base;
};
constexpr Unit kUnits[] = {
    {"milliseconds", "seconds"}, {"microseconds", "seconds"}, {"nanoseconds", "seconds"},
    {"minutes", "seconds"},      {"hours", "seconds"},        {"days", "seconds"},
    {"kilobytes", "bytes"},      {"megabytes", "bytes"},      {"gigabytes", "bytes"},
    {"bits", "bytes"},           {"percent", "ratio"},        {"millivolts", "volts"},
    {"fahrenheit", "celsius"},   {"kilometers", "meters"},    {"milligrams", "grams"}};

// Whether `word` is one of the words of a name joined by '_'.
bool HasWord(std::string_view name, std::string_view word) {
  for (size_t at = 0; (at = name.find(word, at)) != std::string_view::npos; ++at) {
    const bool begins = at == 0 || name[at - 1] == '_';
    const size_t end = at + word.size();
    if (begins && (end == name.size() || name[end] == '_')) return true;
  }
  return false;
}

void LintFamily(const std::string& name, const Family& f, std::vector<LintProblem>* out) {
  const auto add = [&](std::string text) { out->push_back({name, std::move(text)}); };
  if (!f.has_help) add("no help text");
  const bool counter = f.type == MetricType::kCounter;
  if (counter && !EndsWith(name, "_total")) add("counter metrics should have \"_total\" suffix");
  if (!counter && EndsWith(name, "_total") && f.type != MetricType::kUnknown) {
    add("non-counter metrics should not have \"_total\" suffix");
  }
  if (f.type != MetricType::kHistogram && f.type != MetricType::kSummary &&
      f.type != MetricType::kUnknown) {
    for (const std::string_view suffix : {"_bucket", "_count", "_sum"}) {
      if (EndsWith(name, suffix)) {
        add("non-histogram and non-summary metrics should not have \"" + std::string(suffix) +
            "\" suffix");
      }
    }
  }
  if (name.find(':') != std::string::npos) add("metric names should not contain ':'");
  for (size_t i = 1; i < name.size(); ++i) {
    if (std::islower(static_cast<unsigned char>(name[i - 1])) &&
        std::isupper(static_cast<unsigned char>(name[i]))) {
      add("metric names should be written in 'snake_case' not 'camelCase'");
      break;
    }
  }
  for (const Unit& u : kUnits) {
    if (HasWord(name, u.found)) {
      add("use base unit \"" + std::string(u.base) + "\" instead of \"" + std::string(u.found) +
          "\"");
    }
  }
}

}  // namespace

Result<std::vector<LintProblem>> LintMetrics(std::string_view page) {
  Families families;
  size_t number = 0;
  while (!page.empty()) {
    const std::string_view line = page.substr(0, page.find('\n'));
    page.remove_prefix(std::min(line.size() + 1, page.size()));
    ++number;
    const Status s = ReadLine(line, &families);
    if (!s.ok()) return s.Annotate("line " + std::to_string(number));
  }
  std::vector<LintProblem> problems;
  for (const auto& [name, family] : families) {
    if (family.has_samples) LintFamily(name, family, &problems);
  }
  return problems;
}

}  // namespace deckwatch::server
