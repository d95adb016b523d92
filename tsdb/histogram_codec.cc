#include "tsdb/histogram_codec.h"

#include <algorithm>
#include <bit>
#include <memory>

#include "tsdb/codec.h"

namespace deckwatch::tsdb {

namespace {

constexpr uint64_t kMaxBuckets = 1 << 16;

bool SameBits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}
bool SameBits(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return SameBits(x, y); });
}

bool SameLayout(const Histogram& a, const Histogram& b) {
  return a.integer == b.integer && a.schema == b.schema &&
         SameBits(a.zero_threshold, b.zero_threshold) && a.positive_spans == b.positive_spans &&
         a.negative_spans == b.negative_spans && SameBits(a.custom_values, b.custom_values) &&
         a.positive_buckets.size() == b.positive_buckets.size() &&
         a.negative_buckets.size() == b.negative_buckets.size();
}

void PutSpans(const std::vector<HistogramSpan>& spans, size_t buckets, std::string* out) {
  PutVarint(out, spans.size());
  for (const HistogramSpan& s : spans) {
    PutSignedVarint(out, s.offset);
    PutVarint(out, s.length);
  }
  PutVarint(out, buckets);
}

bool GetSpans(Reader* in, std::vector<HistogramSpan>* spans, std::vector<double>* buckets) {
  uint64_t count;
  if (!in->GetVarint(&count) || count > in->remaining()) return false;
  spans->resize(count);
  for (HistogramSpan& s : *spans) {
    int64_t offset;
    uint64_t length;
    if (!in->GetSignedVarint(&offset) || !in->GetVarint(&length)) return false;
    if (offset != static_cast<int32_t>(offset) || length > UINT32_MAX) return false;
    s.offset = static_cast<int32_t>(offset);
    s.length = static_cast<uint32_t>(length);
  }
  if (!in->GetVarint(&count) || count > kMaxBuckets) return false;
  buckets->resize(count);
  return true;
}

void PutLayout(const Histogram& h, std::string* out) {
  out->push_back(h.integer ? 1 : 0);
  PutSignedVarint(out, h.schema);
  PutDouble(out, h.zero_threshold);
  PutSpans(h.positive_spans, h.positive_buckets.size(), out);
  PutSpans(h.negative_spans, h.negative_buckets.size(), out);
  PutVarint(out, h.custom_values.size());
  for (double v : h.custom_values) PutDouble(out, v);
}

bool GetLayout(Reader* in, Histogram* h) {
  uint8_t flags;
  int64_t schema;
  uint64_t bounds;
  if (!in->GetByte(&flags) || flags > 1 || !in->GetSignedVarint(&schema)) return false;
  if (schema != static_cast<int32_t>(schema) || !in->GetDouble(&h->zero_threshold)) return false;
  h->integer = flags == 1;
  h->schema = static_cast<int32_t>(schema);
  if (!GetSpans(in, &h->positive_spans, &h->positive_buckets)) return false;
  if (!GetSpans(in, &h->negative_spans, &h->negative_buckets)) return false;
  if (!in->GetVarint(&bounds) || bounds > in->remaining() / 8) return false;
  h->custom_values.resize(bounds);
  for (double& v : h->custom_values) {
    if (!in->GetDouble(&v)) return false;
  }
  return true;
}

// Visits every number of a histogram, always in the same order.
template <typename H, typename F>
bool ForEachNumber(H& h, const F& f) {
  if (!f(h.count) || !f(h.sum) || !f(h.zero_count)) return false;
  return std::all_of(h.positive_buckets.begin(), h.positive_buckets.end(), f) &&
         std::all_of(h.negative_buckets.begin(), h.negative_buckets.end(), f);
}

// The i-th number in the order of ForEachNumber.
template <typename H>
auto& Number(H& h, size_t i) {
  if (i < 3) return i == 0 ? h.count : i == 1 ? h.sum : h.zero_count;
  i -= 3;
  if (i < h.positive_buckets.size()) return h.positive_buckets[i];
  return h.negative_buckets[i - h.positive_buckets.size()];
}
size_t Numbers(const Histogram& h) {
  return 3 + h.positive_buckets.size() + h.negative_buckets.size();
}

void EncodeRun(std::span<const HistogramPtr> run, std::string* out) {
  PutVarint(out, run.size());
  PutLayout(*run[0], out);
  std::vector<int64_t> hints(run.size());
  for (size_t i = 0; i < run.size(); ++i) hints[i] = static_cast<int64_t>(run[i]->hint);
  EncodeInts(hints, out);
  double column[kBlockSamples];
  for (size_t k = 0; k < Numbers(*run[0]); ++k) {
    for (size_t i = 0; i < run.size(); ++i) column[i] = Number(*run[i], k);
    EncodeValues({column, run.size()}, out);
  }
}

}  // namespace

bool SameHistogram(const Histogram& a, const Histogram& b) {
  if (!SameLayout(a, b) || a.hint != b.hint) return false;
  for (size_t k = 0; k < Numbers(a); ++k) {
    if (!SameBits(Number(a, k), Number(b, k))) return false;
  }
  return true;
}

void EncodeHistogram(const Histogram& h, std::string* out) {
  out->push_back(static_cast<char>(h.hint));
  PutLayout(h, out);
  ForEachNumber(h, [out](double v) {
    PutDouble(out, v);
    return true;
  });
}

bool DecodeHistogram(Reader* in, Histogram* out) {
  uint8_t hint;
  if (!in->GetByte(&hint) || hint > static_cast<uint8_t>(CounterResetHint::kGauge)) return false;
  out->hint = static_cast<CounterResetHint>(hint);
  return GetLayout(in, out) && ForEachNumber(*out, [in](double& v) { return in->GetDouble(&v); });
}

void EncodeHistograms(std::span<const HistogramPtr> v, std::string* out) {
  for (size_t i = 0; i < v.size();) {
    size_t n = 1;
    while (i + n < v.size() && n < kBlockSamples && SameLayout(*v[i], *v[i + n])) ++n;
    EncodeRun(v.subspan(i, n), out);
    i += n;
  }
}

bool DecodeHistograms(Reader* in, size_t n, std::vector<HistogramPtr>* out) {
  while (n > 0) {
    uint64_t length;
    Histogram layout;
    if (!in->GetVarint(&length) || length == 0 || length > n || length > kBlockSamples) {
      return false;
    }
    if (!GetLayout(in, &layout)) return false;
    int64_t hints[kBlockSamples];
    if (!DecodeInts(in, length, hints)) return false;
    std::vector<std::shared_ptr<Histogram>> run(length);
    for (size_t i = 0; i < length; ++i) {
      if (hints[i] < 0 || hints[i] > static_cast<int64_t>(CounterResetHint::kGauge)) return false;
      run[i] = std::make_shared<Histogram>(layout);
      run[i]->hint = static_cast<CounterResetHint>(hints[i]);
    }
    double column[kBlockSamples];
    for (size_t k = 0; k < Numbers(layout); ++k) {
      if (!DecodeValues(in, length, column)) return false;
      for (size_t i = 0; i < length; ++i) Number(*run[i], k) = column[i];
    }
    out->insert(out->end(), run.begin(), run.end());
    n -= length;
  }
  return true;
}

}  // namespace deckwatch::tsdb
