#include "server/text_page.h"

#include "base/labels.h"
#include "base/sample.h"

namespace deckwatch::server {

namespace {

void AppendEscaped(std::string_view s, bool quotes, std::string* out) {
  for (const char c : s) {
    if (c == '\\') {
      *out += "\\\\";
    } else if (c == '\n') {
      *out += "\\n";
    } else if (c == '"' && quotes) {
      *out += "\\\"";
    } else {
      *out += c;
    }
  }
}

void AppendQuoted(std::string_view s, std::string* out) {
  *out += '"';
  AppendEscaped(s, true, out);
  *out += '"';
}

void AppendPair(std::string_view name, std::string_view value, std::string* out) {
  if (IsLegacyLabelName(name)) {
    *out += name;
  } else {
    AppendQuoted(name, out);
  }
  *out += '=';
  AppendQuoted(value, out);
}

void AppendSeries(std::string_view name, PageLabels labels, std::string* page) {
  const bool legacy = IsLegacyMetricName(name);
  if (legacy) *page += name;
  if (!legacy || !labels.empty()) *page += '{';
  if (!legacy) AppendQuoted(name, page);
  const char* separator = legacy ? "" : ",";
  for (const auto& [key, text] : labels) {
    *page += separator;
    AppendPair(key, text, page);
    separator = ",";
  }
  if (!legacy || !labels.empty()) *page += '}';
}

}  // namespace

std::string PageMetricName(std::string_view name) {
  if (IsLegacyMetricName(name)) return std::string(name);
  std::string out;
  AppendQuoted(name, &out);
  return out;
}

void AppendPageEscaped(std::string_view text, std::string* page) {
  AppendEscaped(text, true, page);
}

void AppendPageLabels(LabelsView labels, std::string* page) {
  *page += '{';
  const char* separator = "";
  for (const LabelRef l : labels) {
    *page += separator;
    AppendPair(l.name, l.value, page);
    separator = ",";
  }
  *page += '}';
}

void AppendPageSeries(LabelsView series, std::string* page) {
  LabelsBuilder builder(series);
  builder.Del(kMetricName);
  const std::vector<std::pair<std::string_view, std::string_view>> labels(builder.pairs().begin(),
                                                                          builder.pairs().end());
  AppendSeries(series.MetricName(), labels, page);
}

void AppendPageSample(std::string_view name, PageLabels labels, double value,
                      std::optional<int64_t> t_ms, std::string* page) {
  AppendSeries(name, labels, page);
  *page += ' ';
  *page += FormatFloat(value);
  if (t_ms) *page += ' ' + std::to_string(*t_ms);
  *page += '\n';
}

PageWriter& PageWriter::Family(std::string_view name, std::string_view type,
                               std::string_view help) {
  family_ = name;
  page_->append("# HELP ").append(name).append(" ");
  AppendEscaped(help, false, page_);
  page_->append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
  return *this;
}

PageWriter& PageWriter::Sample(
    double value, std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
  return Part("", value, labels);
}

PageWriter& PageWriter::Part(
    std::string_view suffix, double value,
    std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
  AppendPageSample(family_ + std::string(suffix), PageLabels(labels.begin(), labels.size()), value,
                   std::nullopt, page_);
  return *this;
}

}  // namespace deckwatch::server
