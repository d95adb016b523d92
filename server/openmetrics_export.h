// A store's samples as OpenMetrics text: families with their types, a metric's points together and
// in time order, `# EOF` at the end.
//
// A family has the type that the metadata gives when its names fit it, else `unknown`; no sample
// depends on it. Numbers read back bit for bit, times to the millisecond. What the format cannot
// say is left out and counted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/matcher.h"
#include "base/status.h"
#include "base/storage.h"

namespace deckwatch::server {

struct ExportOptions {
  std::vector<std::vector<Matcher>> matcher_sets;  // union of them; empty: everything
  int64_t start_ms = 0, end_ms = 0;                // both inclusive
};

struct ExportCounts {
  uint64_t samples = 0;
  uint64_t exemplars = 0;
  // Left out: native histograms; stale markers, which end a series and are no number; exemplars of
  // lines that may have none, or without a sample to stand at.
  uint64_t native_histograms = 0;
  uint64_t stale_markers = 0;
  uint64_t exemplars_left_out = 0;
};

// Calls `write` with one piece of the text after another; its error ends the export. Memory: the
// label sets of one family, and of one metric the samples of a sixteenth of the range (at least a
// day).
Status WriteOpenMetrics(const Querier& querier, const std::vector<MetricMetadata>& metadata,
                        const ExportOptions& options,
                        const std::function<Status(std::string_view)>& write,
                        const std::function<void(double done)>& progress, ExportCounts* counts);

// ---- its parts

// What the family line says, and the metric names that belong to it.
struct ExportFamily {
  std::string name;
  MetricType type = MetricType::kUnknown;
  std::string help, unit;
  std::vector<std::string> metrics;
};
// Families of the given metric names (sorted), in name order.
std::vector<ExportFamily> ExportFamilies(const std::vector<std::string>& names,
                                         const std::vector<MetricMetadata>& metadata);
// Seconds such that a reader who multiplies by 1000 and cuts gets `t_ms` back, as all readers of
// OpenMetrics we know of do.
void AppendExportTime(int64_t t_ms, std::string* out);

}  // namespace deckwatch::server
