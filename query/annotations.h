// Warnings and infos that evaluation raises, in Prometheus's words (util/annotations).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "query/ast.h"
#include "query/value.h"

namespace deckwatch::query {

enum class HistogramOperation { kAddition, kSubtraction, kAggregation };

// A set: the same text is kept once, with the position given last. Not thread-safe; parallel parts
// fill their own and Merge.
class AnnotationSet {
 public:
  void Warn(std::string text, Position pos);  // "PromQL warning: " goes in front
  void Info(std::string text, Position pos);  // "PromQL info: " goes in front
  void Merge(AnnotationSet&& other);
  bool empty() const { return warnings_.empty() && infos_.empty(); }

  void InvalidQuantile(double q, Position pos);
  void InvalidRatio(double ratio, double capped, Position pos);
  void BadBucketLabel(std::string_view metric, std::string_view le, Position pos);
  void MixedFloatsHistograms(std::string_view metric, Position pos);
  void MixedFloatsHistogramsAggregation(Position pos);
  void MixedClassicNative(std::string_view metric, Position pos);
  void NotCounterHistogram(std::string_view metric, Position pos);
  void NotGaugeHistogram(std::string_view metric, Position pos);
  void MixedExponentialCustom(std::string_view metric, Position pos);
  void IncompatibleBucketLayout(std::string_view op, Position pos);
  void CounterResetCollision(HistogramOperation op, Position pos);
  void SortIneffective(Position pos);
  void StartTimeOverlap(std::string_view metric, Position pos);

  void PossibleNonCounter(std::string_view metric, Position pos);
  void PossibleNonCounterLabel(std::string_view metric, std::string_view type, Position pos);
  void ForcedMonotonicity(std::string_view metric, Position pos);
  void IncompatibleTypes(std::string_view lhs, std::string_view op, std::string_view rhs,
                         Position pos);
  void HistogramIgnoredInAggregation(std::string_view aggregation, Position pos);
  void HistogramIgnoredInRange(std::string_view metric, Position pos);
  void QuantileNanResult(std::string_view metric, Position pos);
  void QuantileNanSkew(std::string_view metric, Position pos);
  void FractionNans(std::string_view metric, Position pos);
  void MismatchedCustomBuckets(HistogramOperation op, Position pos);

  // With " (line:col)" of the positions in `query`.
  Annotations Render(std::string_view query) const;

 private:
  std::map<std::string, Position, std::less<>> warnings_;
  std::map<std::string, Position, std::less<>> infos_;
};

// Go's %g for a float, as annotations, errors and histograms print numbers: shortest digits, an
// exponent of at least two digits below 1e-4 and from 1e6 on.
std::string FormatGo(double v);

}  // namespace deckwatch::query
