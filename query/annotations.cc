#include "query/annotations.h"

#include <charconv>
#include <cmath>

#include "base/labels.h"
#include "query/parser.h"

namespace deckwatch::query {

namespace {

std::string ForMetric(std::string text, std::string_view metric) {
  if (!metric.empty()) text += " for metric name " + QuoteGo(metric);
  return text;
}

std::string_view Name(HistogramOperation op) {
  switch (op) {
    case HistogramOperation::kAddition: return "addition";
    case HistogramOperation::kSubtraction: return "subtraction";
    case HistogramOperation::kAggregation: return "aggregation";
  }
  return "";
}

}  // namespace

std::string FormatGo(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  const double a = std::fabs(v);
  // The shortest digits of 999999.99… never round up to 1e6, so comparing values is enough.
  const bool exponent = a != 0 && (a < 1e-4 || a >= 1e6);
  char buf[64];
  auto r = std::to_chars(buf, buf + sizeof buf, v,
                         exponent ? std::chars_format::scientific : std::chars_format::fixed);
  return {buf, r.ptr};
}

void AnnotationSet::Warn(std::string text, Position pos) {
  warnings_.insert_or_assign("PromQL warning: " + std::move(text), pos);
}
void AnnotationSet::Info(std::string text, Position pos) {
  infos_.insert_or_assign("PromQL info: " + std::move(text), pos);
}
void AnnotationSet::Merge(AnnotationSet&& other) {
  for (auto& [text, pos] : other.warnings_) warnings_.insert_or_assign(text, pos);
  for (auto& [text, pos] : other.infos_) infos_.insert_or_assign(text, pos);
}

void AnnotationSet::InvalidQuantile(double q, Position pos) {
  Warn("quantile value should be between 0 and 1, got " + FormatGo(q), pos);
}
void AnnotationSet::InvalidRatio(double ratio, double capped, Position pos) {
  Warn("ratio value should be between -1 and 1, got " + FormatGo(ratio) + ", capping to " +
           FormatGo(capped),
       pos);
}
void AnnotationSet::BadBucketLabel(std::string_view metric, std::string_view le, Position pos) {
  Warn(ForMetric("bucket label \"le\" is missing or has a malformed value of " + QuoteGo(le),
                 metric),
       pos);
}
void AnnotationSet::MixedFloatsHistograms(std::string_view metric, Position pos) {
  Warn("encountered a mix of histograms and floats for metric name " + QuoteGo(metric), pos);
}
void AnnotationSet::MixedFloatsHistogramsAggregation(Position pos) {
  Warn("encountered a mix of histograms and floats for aggregation", pos);
}
void AnnotationSet::MixedClassicNative(std::string_view metric, Position pos) {
  Warn(ForMetric("vector contains a mix of classic and native histograms", metric), pos);
}
void AnnotationSet::NotCounterHistogram(std::string_view metric, Position pos) {
  Warn("this native histogram metric is not a counter: " + QuoteGo(metric), pos);
}
void AnnotationSet::NotGaugeHistogram(std::string_view metric, Position pos) {
  Warn("this native histogram metric is not a gauge: " + QuoteGo(metric), pos);
}
void AnnotationSet::MixedExponentialCustom(std::string_view metric, Position pos) {
  Warn(
      "vector contains a mix of histograms with exponential and custom buckets schemas for metric "
      "name " +
          QuoteGo(metric),
      pos);
}
void AnnotationSet::IncompatibleBucketLayout(std::string_view op, Position pos) {
  Warn("incompatible bucket layout encountered for binary operator " + std::string(op), pos);
}
void AnnotationSet::CounterResetCollision(HistogramOperation op, Position pos) {
  Warn("conflicting counter resets during histogram " + std::string(Name(op)), pos);
}
void AnnotationSet::SortIneffective(Position pos) {
  Warn("sort is ineffective for range queries since results are always ordered by labels", pos);
}
void AnnotationSet::StartTimeOverlap(std::string_view metric, Position pos) {
  Warn("sample has start time that overlaps with previous sample timestamp for metric " +
           QuoteGo(metric),
       pos);
}

void AnnotationSet::PossibleNonCounter(std::string_view metric, Position pos) {
  Info("metric might not be a counter, name does not end in _total/_sum/_count/_bucket: " +
           QuoteGo(metric),
       pos);
}
void AnnotationSet::PossibleNonCounterLabel(std::string_view metric, std::string_view type,
                                            Position pos) {
  Info(
      "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", "
      "got " +
          QuoteGo(type) + ": " + QuoteGo(metric),
      pos);
}
void AnnotationSet::ForcedMonotonicity(std::string_view metric, Position pos) {
  Info(ForMetric("input to histogram_quantile needed to be fixed for monotonicity (see "
                 "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                 "#histogram_quantile)",
                 metric),
       pos);
}
void AnnotationSet::IncompatibleTypes(std::string_view lhs, std::string_view op,
                                      std::string_view rhs, Position pos) {
  std::string text = "incompatible sample types encountered for binary operator " + QuoteGo(op);
  text += ": " + std::string(lhs) + " " + std::string(op) + " " + std::string(rhs);
  Info(std::move(text), pos);
}
void AnnotationSet::HistogramIgnoredInAggregation(std::string_view aggregation, Position pos) {
  Info("ignored histogram in " + std::string(aggregation) + " aggregation", pos);
}
void AnnotationSet::HistogramIgnoredInRange(std::string_view metric, Position pos) {
  Info("ignored histograms in a range containing both floats and histograms for metric name " +
           QuoteGo(metric),
       pos);
}
void AnnotationSet::QuantileNanResult(std::string_view metric, Position pos) {
  Info(ForMetric("input to histogram_quantile has NaN observations, result is NaN", metric), pos);
}
void AnnotationSet::QuantileNanSkew(std::string_view metric, Position pos) {
  Info(ForMetric("input to histogram_quantile has NaN observations, result is skewed higher",
                 metric),
       pos);
}
void AnnotationSet::FractionNans(std::string_view metric, Position pos) {
  Info(ForMetric("input to histogram_fraction has NaN observations, which are excluded from all "
                 "fractions",
                 metric),
       pos);
}
void AnnotationSet::MismatchedCustomBuckets(HistogramOperation op, Position pos) {
  Info("mismatched custom buckets were reconciled during " + std::string(Name(op)), pos);
}

Annotations AnnotationSet::Render(std::string_view query) const {
  Annotations out;
  const auto render = [&](const auto& from, std::vector<std::string>* to) {
    for (const auto& [text, pos] : from) {
      to->push_back(text + " (" + LineColumn(query, pos.begin) + ")");
    }
  };
  render(warnings_, &out.warnings);
  render(infos_, &out.infos);
  return out;
}

}  // namespace deckwatch::query
