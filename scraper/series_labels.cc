#include "scraper/series_labels.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace deckwatch::scraper {

namespace {

constexpr std::string_view kExported = "exported_";

void JoinHonoring(const Labels& target, const SeriesText& series, LabelsBuilder* out) {
  for (const LabelRef l : target) {
    // Present with an empty value counts: that is how an exposition removes a target label.
    const bool exposed = std::any_of(series.labels.begin(), series.labels.end(),
                                     [&](const auto& s) { return s.first == l.name; });
    if (!exposed) out->Set(l.name, l.value);
  }
}

// Prefixes `exported_` until a name is free, shortest names first.
void KeepAsExported(std::vector<std::pair<std::string, std::string>> conflicts,
                    LabelsBuilder* out) {
  std::stable_sort(conflicts.begin(), conflicts.end(),
                   [](const auto& a, const auto& b) { return a.first.size() < b.first.size(); });
  for (const auto& [old_name, value] : conflicts) {
    std::string name = old_name;
    do {
      name.insert(0, kExported);
    } while (!out->Get(name).empty());
    out->Set(name, value);
  }
}

void JoinOverriding(const Labels& target, LabelsBuilder* out) {
  std::vector<std::pair<std::string, std::string>> conflicts;
  for (const LabelRef l : target) {
    if (const std::string_view exposed = out->Get(l.name); !exposed.empty()) {
      conflicts.emplace_back(l.name, exposed);
    }
    out->Set(l.name, l.value);
  }
  if (!conflicts.empty()) KeepAsExported(std::move(conflicts), out);
}

Status Exceeded(std::string_view limit, std::string_view metric, std::string_view name,
                size_t actual, int64_t allowed) {
  std::string message =
      std::string(limit) + " exceeded (metric: " + std::string(metric.substr(0, 50));
  if (!name.empty()) message += ", label name: " + std::string(name.substr(0, 50));
  return Status::ResourceExhausted(message + ", " + std::to_string(actual) + " > " +
                                   std::to_string(allowed) + ")");
}

bool Above(size_t actual, int64_t limit) {
  return limit > 0 && actual > static_cast<size_t>(limit);
}

Status CheckLabels(const ScrapeConfig& config, const LabelsBuilder& labels) {
  const ScrapeLimits& limits = config.limits;
  const std::string_view metric = labels.Get(kMetricName);
  if (metric.empty()) return Status::InvalidArgument("missing metric name (__name__ label)");
  if (Above(labels.pairs().size(), limits.labels)) {
    return Exceeded("label_limit", metric, "", labels.pairs().size(), limits.labels);
  }
  const bool legacy = config.name_validation == NameValidation::kLegacy;
  if (legacy && !IsLegacyMetricName(metric)) {
    return Status::InvalidArgument("invalid metric name " + QuoteGo(metric.substr(0, 50)));
  }
  for (const auto& [name, value] : labels.pairs()) {
    if (Above(name.size(), limits.label_name_bytes)) {
      return Exceeded("label_name_length_limit", metric, name, name.size(),
                      limits.label_name_bytes);
    }
    if (Above(value.size(), limits.label_value_bytes)) {
      return Exceeded("label_value_length_limit", metric, name, value.size(),
                      limits.label_value_bytes);
    }
    if (legacy && !IsLegacyLabelName(name)) {
      return Status::InvalidArgument("invalid label name " + QuoteGo(name.substr(0, 50)));
    }
  }
  return Status::Ok();
}

}  // namespace

void SetSeriesLabels(MetricType type, const SeriesText& series, LabelsBuilder* out) {
  out->Set(kMetricName, series.name);
  for (const auto& [name, value] : series.labels) {
    const bool number = (type == MetricType::kHistogram && name == "le") ||
                        (type == MetricType::kSummary && name == "quantile");
    if (number) {
      out->Set(name, NormalFloatLabel(value));
    } else {
      out->Set(name, value);
    }
  }
}

Result<std::optional<Labels>> SeriesLabels(const PageRules& rules, MetricType type,
                                           const SeriesText& series) {
  const ScrapeConfig& config = *rules.config;
  LabelsBuilder builder;
  SetSeriesLabels(type, series, &builder);
  if (config.honor_labels) {
    JoinHonoring(rules.target_labels, series, &builder);
  } else {
    JoinOverriding(rules.target_labels, &builder);
  }
  if (!Relabel(config.metric_relabel_rules, &builder) || builder.pairs().empty()) {
    return std::optional<Labels>();
  }
  TRY(CheckLabels(config, builder));
  return std::optional<Labels>(builder.Build());
}

Labels ReportLabels(const Labels& target_labels, std::string_view name) {
  LabelsBuilder builder(target_labels);
  const std::string collision(builder.Get(kMetricName));
  builder.Set(kMetricName, name);
  if (!collision.empty()) builder.Set(std::string(kExported) + std::string(kMetricName), collision);
  return builder.Build();
}

}  // namespace deckwatch::scraper
