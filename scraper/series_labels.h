// From the labels a target exposes to the labels its series are stored under: the target's own
// labels joined in, conflicts settled, metric_relabel_configs applied, limits and names checked.
#pragma once

#include <optional>

#include "base/labels.h"
#include "base/relabel.h"
#include "base/status.h"
#include "scraper/config.h"
#include "scraper/text_parser.h"

namespace deckwatch::scraper {

// What the pages of one target mean. The target's labels are its public ones.
struct PageRules {
  Labels target_labels;
  ScrapeConfigPtr config;
};

// The labels as the text has them, with `le` of histograms and `quantile` of summaries in their
// canonical form.
void SetSeriesLabels(MetricType type, const SeriesText& series, LabelsBuilder* out);

// Empty when relabelling dropped the series. `type` is that of the family the series stands under;
// it decides whether `le` and `quantile` are numbers. Errors fail the whole page, as in Prometheus:
// no metric name left, a limit exceeded, a name outside the legacy set when that is asked for.
Result<std::optional<Labels>> SeriesLabels(const PageRules& rules, MetricType type,
                                           const SeriesText& series);

// The labels of a series that the scraper itself adds to a target ("up", …). A label of the target
// that collides with the name is kept as exported___name__, as Prometheus does.
Labels ReportLabels(const Labels& target_labels, std::string_view name);

}  // namespace deckwatch::scraper
