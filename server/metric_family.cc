#include "server/metric_family.h"

#include <protozero/pbf_writer.hpp>

namespace deckwatch::server {

namespace {

using protozero::pbf_tag_type;
using protozero::pbf_writer;

// Field numbers and types of io.prometheus.client.
namespace family {
constexpr pbf_tag_type kName = 1, kType = 3, kMetric = 4;
constexpr int32_t kUntyped = 3, kHistogram = 4, kGaugeHistogram = 5;
}  // namespace family
namespace metric {
constexpr pbf_tag_type kLabel = 1, kUntyped = 5, kTimestampMs = 6, kHistogram = 7;
}  // namespace metric
namespace histogram {
constexpr pbf_tag_type kSum = 2, kBucket = 3, kCount = 4, kSchema = 5, kZeroThreshold = 6,
                       kZeroCount = 8, kNegativeSpan = 9, kNegativeCount = 11, kPositiveSpan = 12,
                       kPositiveCount = 14;
}  // namespace histogram

void AddSpans(pbf_writer* out, pbf_tag_type tag, const std::vector<HistogramSpan>& spans) {
  for (const HistogramSpan& s : spans) {
    pbf_writer span(*out, tag);
    span.add_sint32(1, s.offset);
    span.add_uint32(2, s.length);
  }
}

// Custom bounds have a form only as those of a classic histogram: each with all that is below it.
void AddClassicBuckets(pbf_writer* out, const Histogram& h) {
  constexpr pbf_tag_type kUpperBound = 2, kCumulativeCount = 4;
  double below = 0;
  size_t bound = 0, next = 0;
  const auto add = [&](double count) {
    below += count;
    if (bound == h.custom_values.size()) return;  // the infinite one is the histogram's count
    pbf_writer bucket(*out, histogram::kBucket);
    bucket.add_double(kUpperBound, h.custom_values[bound++]);
    bucket.add_double(kCumulativeCount, below);
  };
  for (const HistogramSpan& span : h.positive_spans) {
    for (int32_t i = 0; i < span.offset; ++i) add(0);
    for (uint32_t i = 0; i < span.length; ++i) add(h.positive_buckets[next++]);
  }
  while (bound < h.custom_values.size()) add(0);
}

void AddHistogram(pbf_writer* out, const Histogram& h) {
  pbf_writer w(*out, metric::kHistogram);
  w.add_double(histogram::kSum, h.sum);
  w.add_double(histogram::kCount, h.count);
  if (h.schema == kCustomBucketsSchema) return AddClassicBuckets(&w, h);
  w.add_sint32(histogram::kSchema, h.schema);
  w.add_double(histogram::kZeroThreshold, h.zero_threshold);
  w.add_double(histogram::kZeroCount, h.zero_count);
  AddSpans(&w, histogram::kNegativeSpan, h.negative_spans);
  for (const double count : h.negative_buckets) w.add_double(histogram::kNegativeCount, count);
  // A histogram without any bucket needs an empty span to tell it from a classic one.
  if (h.positive_spans.empty() && h.negative_spans.empty()) {
    AddSpans(&w, histogram::kPositiveSpan, {{}});
  }
  AddSpans(&w, histogram::kPositiveSpan, h.positive_spans);
  for (const double count : h.positive_buckets) w.add_double(histogram::kPositiveCount, count);
}

int32_t TypeOf(const FamilySample& s) {
  if (!s.histogram) return family::kUntyped;
  return s.histogram->hint == CounterResetHint::kGauge ? family::kGaugeHistogram
                                                       : family::kHistogram;
}

}  // namespace

void AppendMetricFamily(std::string_view name, std::span<const FamilySample> samples,
                        std::string* out) {
  std::string message;
  pbf_writer w(message);
  w.add_string(family::kName, name.data(), name.size());
  if (!samples.empty()) w.add_enum(family::kType, TypeOf(samples.front()));
  for (const FamilySample& s : samples) {
    pbf_writer m(w, family::kMetric);
    for (const auto& [label, value] : s.labels) {
      pbf_writer pair(m, metric::kLabel);
      pair.add_string(1, label);
      pair.add_string(2, value);
    }
    if (s.histogram) {
      AddHistogram(&m, *s.histogram);
    } else {
      pbf_writer untyped(m, metric::kUntyped);
      untyped.add_double(1, s.value);
    }
    m.add_int64(metric::kTimestampMs, s.t_ms);
  }
  protozero::add_varint_to_buffer(out, message.size());
  out->append(message);
}

}  // namespace deckwatch::server
