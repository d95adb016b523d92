#include "server/families_json.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/sample.h"
#include "scraper/text_parser.h"

namespace deckwatch::server {

namespace {

using scraper::LineKind;
using scraper::TextFormat;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// One `metric` of a family: all samples that have the same labels, `quantile` and `le` aside.
struct Metric {
  Pairs labels;
  double value = 0, sum = 0, count = 0;
  std::vector<std::pair<double, double>> parts;  // quantile and value, or bound and count
};

struct Family {
  std::string name, help;
  MetricType type = MetricType::kUnknown;
  std::vector<Metric> metrics;
};

bool HasParts(MetricType type) {
  return type == MetricType::kSummary || type == MetricType::kHistogram;
}

// Numbers that JSON has no word for are strings in ProtoJSON.
void WriteNumber(double v, JsonWriter* w) {
  if (std::isnan(v)) {
    w->String("NaN");
  } else if (std::isinf(v)) {
    w->String(v > 0 ? "Infinity" : "-Infinity");
  } else {
    w->Double(v);
  }
}
// As are 64-bit integers.
void WriteCount(double v, JsonWriter* w) {
  w->String(FormatFloatPlain(v));
}

std::string_view TypeName(MetricType type) {
  switch (type) {
    case MetricType::kCounter: return "COUNTER";
    case MetricType::kGauge: return "GAUGE";
    case MetricType::kSummary: return "SUMMARY";
    case MetricType::kHistogram: return "HISTOGRAM";
    default: return "UNTYPED";
  }
}

void WriteValue(MetricType type, const Metric& m, JsonWriter* w) {
  if (!HasParts(type)) {
    w->Key(type == MetricType::kCounter ? "counter"
           : type == MetricType::kGauge ? "gauge"
                                        : "untyped");
    WriteNumber(m.value, &w->BeginObject().Key("value"));
    w->EndObject();
    return;
  }
  const bool summary = type == MetricType::kSummary;
  w->Key(summary ? "summary" : "histogram").BeginObject();
  WriteCount(m.count, &w->Key("sampleCount"));
  WriteNumber(m.sum, &w->Key("sampleSum"));
  if (!m.parts.empty()) {
    w->Key(summary ? "quantile" : "bucket").BeginArray();
    for (const auto& [at, value] : m.parts) {
      w->BeginObject();
      if (summary) {
        WriteNumber(at, &w->Key("quantile"));
        WriteNumber(value, &w->Key("value"));
      } else {
        WriteCount(value, &w->Key("cumulativeCount"));
        WriteNumber(at, &w->Key("upperBound"));
      }
      w->EndObject();
    }
    w->EndArray();
  }
  w->EndObject();
}

void WriteFamily(const Family& f, JsonWriter* w) {
  w->BeginObject().Key("name").String(f.name).Key("help").String(f.help);
  w->Key("type").String(TypeName(f.type)).Key("metric").BeginArray();
  for (const Metric& m : f.metrics) {
    w->BeginObject();
    if (!m.labels.empty()) {
      w->Key("label").BeginArray();
      for (const auto& [name, value] : m.labels) {
        w->BeginObject().Key("name").String(name).Key("value").String(value).EndObject();
      }
      w->EndArray();
    }
    WriteValue(f.type, m, w);
    w->EndObject();
  }
  w->EndArray().EndObject();
}

void AddSample(const scraper::SeriesText& series, double value, Family* f) {
  Pairs labels;
  double at = std::nan("");
  for (const auto& [name, text] : series.labels) {
    if (HasParts(f->type) && (name == "quantile" || name == "le")) {
      ParseFloat(text, &at);
    } else {
      labels.emplace_back(name, text);
    }
  }
  if (f->metrics.empty() || !HasParts(f->type) || f->metrics.back().labels != labels) {
    f->metrics.emplace_back().labels = std::move(labels);
  }
  Metric& m = f->metrics.back();
  const std::string_view suffix = series.name.substr(std::min(f->name.size(), series.name.size()));
  if (!HasParts(f->type)) {
    m.value = value;
  } else if (suffix == "_sum") {
    m.sum = value;
  } else if (suffix == "_count") {
    m.count = value;
  } else {
    m.parts.emplace_back(at, value);
  }
}

}  // namespace

void WriteFamilies(std::string_view page, const Regex* names, JsonWriter* w) {
  Family family;
  const auto finish = [&] {
    const bool wanted = names == nullptr || names->FullMatch(family.name);
    if (!family.metrics.empty() && wanted) WriteFamily(family, w);
  };
  w->BeginArray();
  while (!page.empty()) {
    const std::string_view line = page.substr(0, page.find('\n'));
    page.remove_prefix(std::min(line.size() + 1, page.size()));
    const LineKind kind = ClassifyLine(TextFormat::kPrometheus, line);
    if (kind == LineKind::kHelp || kind == LineKind::kType) {
      scraper::MetaLine meta;
      if (!ParseMetaLine(TextFormat::kPrometheus, kind, line, &meta).ok()) continue;
      if (meta.name != family.name) {
        finish();
        family = {std::string(meta.name), {}, MetricType::kUnknown, {}};
      }
      if (kind == LineKind::kHelp) {
        family.help = std::move(meta.text);
      } else {
        family.type = meta.type;
      }
    } else if (kind == LineKind::kSample) {
      scraper::SeriesText series;
      scraper::SampleTail tail;
      if (!series.Parse(TextFormat::kPrometheus, line).ok()) continue;
      if (ParseSampleTail(TextFormat::kPrometheus, line.substr(series.length), &tail) != nullptr) {
        continue;
      }
      AddSample(series, tail.value, &family);
    }
  }
  finish();
  w->EndArray();
}

}  // namespace deckwatch::server
