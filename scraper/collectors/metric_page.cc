#include "scraper/collectors/metric_page.h"

#include "base/sample.h"

namespace deckwatch::scraper {
namespace {

void AppendEscaped(std::string* out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') *out += '\\';
    if (c == '\n') {
      *out += "\\n";
    } else {
      *out += c;
    }
  }
}

}  // namespace

MetricPage& MetricPage::Family(std::string_view name, std::string_view type,
                               std::string_view help) {
  name_ = name;
  type_ = type;
  help_ = help;
  head_written_ = false;
  return *this;
}

std::string MetricPage::LabelText(LabelList labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (value.empty()) continue;
    if (!out.empty()) out += ',';
    out.append(name).append("=\"");
    AppendEscaped(&out, value);
    out += '"';
  }
  return out;
}

MetricPage& MetricPage::Sample(LabelList labels, double value) {
  return SampleText(LabelText(labels), value);
}

MetricPage& MetricPage::SampleText(std::string_view labels, double value, std::string_view more) {
  if (!head_written_) {
    text_.append("# HELP ").append(name_).append(" ").append(help_).append("\n");
    text_.append("# TYPE ").append(name_).append(" ").append(type_).append("\n");
    head_written_ = true;
  }
  text_ += name_;
  if (!labels.empty() || !more.empty()) {
    text_.append("{").append(labels);
    if (!labels.empty() && !more.empty()) text_ += ',';
    text_.append(more).append("}");
  }
  text_.append(" ").append(FormatFloat(value)).append("\n");
  return *this;
}

}  // namespace deckwatch::scraper
