#include "query/promqltest_load.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "query/histogram_math.h"

namespace deckwatch::query {

namespace {

using SeriesSamples = std::map<Labels, std::vector<LoadedSample>>;

// The classic histogram of one moment: cumulative counts by upper bound.
struct ClassicHistogram {
  std::map<double, double> buckets;
  std::optional<double> count;
  double sum = 0;
};

// With custom buckets; the infinite one has no bound of its own.
Result<Histogram> Convert(ClassicHistogram classic) {
  if (!classic.count) {
    if (classic.buckets.empty()) {
      return Status::InvalidArgument("count must be provided when no buckets are present");
    }
    classic.count = classic.buckets.rbegin()->second;
  }
  classic.buckets.try_emplace(INFINITY, *classic.count);
  Histogram h;
  h.schema = kCustomBucketsSchema;
  h.count = *classic.count;
  h.sum = classic.sum;
  h.positive_spans = {{0, static_cast<uint32_t>(classic.buckets.size())}};
  double below = 0;
  for (const auto& [bound, count] : classic.buckets) {
    if (count < below) return Status::InvalidArgument("count is not cumulative");
    h.positive_buckets.push_back(count - below);
    if (std::isfinite(bound)) h.custom_values.push_back(bound);
    below = count;
  }
  if (below != h.count) return Status::InvalidArgument("count mismatch");
  CompactHistogram(&h);
  return h;
}

// The native histograms that the classic ones among `series` amount to.
Result<SeriesSamples> NativeHistograms(const SeriesSamples& series) {
  std::map<Labels, std::map<int64_t, ClassicHistogram>> classic;
  for (const auto& [labels, samples] : series) {
    std::string_view name = labels.MetricName();
    const auto ends_with = [&](std::string_view suffix) {
      if (!name.ends_with(suffix)) return false;
      name.remove_suffix(suffix.size());
      return true;
    };
    const bool bucket = ends_with("_bucket");
    const bool count = !bucket && ends_with("_count");
    if (!bucket && !count && !ends_with("_sum")) continue;
    double bound = 0;
    if (bucket && (!ParseFloat(labels.Get("le"), &bound) || std::isnan(bound))) continue;

    LabelsBuilder base(labels);
    base.Set(kMetricName, name).Del("le");
    for (const LoadedSample& sample : samples) {
      if (sample.histogram) continue;
      ClassicHistogram& h = classic[base.Build()][sample.t_ms];
      if (bucket) {
        h.buckets[bound] = sample.value;
      } else if (count) {
        h.count = sample.value;
      } else {
        h.sum = sample.value;
      }
    }
  }
  SeriesSamples native;
  for (auto& [labels, by_time] : classic) {
    for (auto& [t_ms, histogram] : by_time) {
      auto converted = Convert(std::move(histogram));
      if (!converted.ok()) return converted.status().Annotate(labels.ToString());
      native[labels].push_back({t_ms, 0, std::make_shared<Histogram>(*std::move(converted)), 0});
    }
  }
  return native;
}

Status Store(const SeriesSamples& series, Appender* appender) {
  WriteBatch batch;
  size_t samples = 0;
  for (const auto& [labels, values] : series) {
    const LabelsView view = labels;
    SeriesRef ref = kNoSeries;
    TRY(appender->Resolve({&view, 1}, 0, {&ref, 1}));
    for (const LoadedSample& sample : values) {
      ++samples;
      if (sample.histogram) {
        batch.histograms.push_back({ref, sample.t_ms, sample.histogram, sample.start_ms});
      } else {
        batch.Add(ref, sample.t_ms, sample.value);
        batch.start_ms.push_back(sample.start_ms);
      }
    }
  }
  TRY_ASSIGN(const AppendResult result, appender->Commit(batch));
  if (result.appended == samples) return Status::Ok();
  return Status::InvalidArgument("the store took " + std::to_string(result.appended) + " of " +
                                 std::to_string(samples) + " samples");
}

}  // namespace

Status StoreLoad(const LoadCommand& load, Appender* appender) {
  TRY(Store(load.series, appender));
  if (!load.with_nhcb) return Status::Ok();
  TRY_ASSIGN(const SeriesSamples native, NativeHistograms(load.series));
  return Store(native, appender);
}

}  // namespace deckwatch::query
