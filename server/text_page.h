// Writing the Prometheus text format 0.0.4: our own /metrics and /federate.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/labels.h"

namespace deckwatch::server {

inline constexpr std::string_view kPageContentType = "text/plain; version=0.0.4; charset=utf-8";

using PageLabels = std::span<const std::pair<std::string_view, std::string_view>>;

// `name`, quoted when it is outside the legacy set.
std::string PageMetricName(std::string_view name);
// What stands before the value: `name{a="b"}`, or `{"odd name",a="b"}`.
void AppendPageSeries(LabelsView series, std::string* page);
// `{a="b"}`, with braces even when there are none.
void AppendPageLabels(LabelsView labels, std::string* page);
// With \\, \n and \" escaped.
void AppendPageEscaped(std::string_view text, std::string* page);
// One sample line.
void AppendPageSample(std::string_view name, PageLabels labels, double value,
                      std::optional<int64_t> t_ms, std::string* page);

// A page family by family:  w.Family("up_total", "counter", "Help.").Sample(1, {{"job", "a"}});
class PageWriter {
 public:
  explicit PageWriter(std::string* page) : page_(page) {}

  PageWriter& Family(std::string_view name, std::string_view type, std::string_view help);
  PageWriter& Sample(double value,
                     std::initializer_list<std::pair<std::string_view, std::string_view>> = {});
  // A sample of a summary: `suffix` is "_sum" or "_count".
  PageWriter& Part(std::string_view suffix, double value,
                   std::initializer_list<std::pair<std::string_view, std::string_view>> = {});
  // A family of one sample without labels.
  PageWriter& Counter(std::string_view name, std::string_view help, double value) {
    return Family(name, "counter", help).Sample(value);
  }
  PageWriter& Gauge(std::string_view name, std::string_view help, double value) {
    return Family(name, "gauge", help).Sample(value);
  }

 private:
  std::string* page_;
  std::string family_;
};

}  // namespace deckwatch::server
