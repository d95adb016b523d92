// Writes a page in Prometheus text format 0.0.4, family by family.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace deckwatch::scraper {

class MetricPage {
 public:
  using LabelList = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // Begins a family; its head is written with its first sample, so an empty family leaves no trace.
  // `type`: counter, gauge or untyped.
  MetricPage& Family(std::string_view name, std::string_view type, std::string_view help);

  // A sample of the family begun last. Labels with an empty value are left out.
  MetricPage& Sample(double value) { return Sample(LabelList{}, value); }
  MetricPage& Sample(LabelList labels, double value);
  // `labels` as LabelText makes them: `a="b",c="d"`; `more` is appended.
  MetricPage& SampleText(std::string_view labels, double value, std::string_view more = {});

  static std::string LabelText(LabelList labels);

  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
  std::string name_, type_, help_;
  bool head_written_ = false;
};

}  // namespace deckwatch::scraper
