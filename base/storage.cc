#include "base/storage.h"

namespace deckwatch {

std::string_view MetricTypeName(MetricType type) {
  switch (type) {
    case MetricType::kUnknown: return "unknown";
    case MetricType::kCounter: return "counter";
    case MetricType::kGauge: return "gauge";
    case MetricType::kHistogram: return "histogram";
    case MetricType::kGaugeHistogram: return "gaugehistogram";
    case MetricType::kSummary: return "summary";
    case MetricType::kInfo: return "info";
    case MetricType::kStateSet: return "stateset";
  }
  return "unknown";
}

Status SeriesSet::ReadEach(size_t begin, size_t end, const Visit& visit) const {
  Columns columns;
  for (size_t i = begin; i < end; ++i) {
    TRY(Read(i, &columns));
    TRY(visit(i, &columns));
  }
  return {};
}

Status SeriesSet::ReadLatest(size_t begin, size_t end, LatestSamples* out) const {
  out->Reset(end - begin);
  return ReadEach(begin, end, [&](size_t i, Columns* c) -> Status {
    if (c->empty()) return {};
    out->Set(i - begin, c->t_ms.back(), c->value.back(),
             c->histogram.empty() ? nullptr : std::move(c->histogram.back()));
    return {};
  });
}

}  // namespace deckwatch
