// Writing Prometheus's protobuf exposition format (io.prometheus.client.MetricFamily, each message
// behind its length): the one form of /federate that has room for native histograms. protozero
// stays in metric_family.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/sample.h"

namespace deckwatch::server {

inline constexpr std::string_view kMetricFamilyContentType =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

struct FamilySample {
  std::vector<std::pair<std::string, std::string>> labels;  // without the name
  int64_t t_ms = 0;
  double value = 0;
  HistogramPtr histogram;  // instead of `value` when set
};

// One family: all `samples` are floats, or all are histograms of counters, or all of gauges.
void AppendMetricFamily(std::string_view name, std::span<const FamilySample> samples,
                        std::string* out);

}  // namespace deckwatch::server
