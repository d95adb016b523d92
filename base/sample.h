// The values that series hold: floats with Prometheus's special NaNs, and native histograms.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"

namespace deckwatch {

// Prometheus's bit patterns (model/value/value.go). Compare by bits, never with ==.
inline constexpr uint64_t kStaleNanBits = 0x7ff0000000000002;
inline constexpr uint64_t kNormalNanBits = 0x7ff8000000000001;
inline double StaleNan() {
  return std::bit_cast<double>(kStaleNanBits);
}
inline double NormalNan() {
  return std::bit_cast<double>(kNormalNanBits);
}
inline bool IsStale(double v) {
  return std::bit_cast<uint64_t>(v) == kStaleNanBits;
}

// Shortest decimal text that reads back as the same double, in the form Prometheus's JSON and text
// formats use: plain unless |v| < 1e-6 or >= 1e21; "NaN", "+Inf", "-Inf".
std::string FormatFloat(double v);
// Writes FormatFloat(v) to `out`, which has room for kMaxFloatChars; returns its end.
inline constexpr size_t kMaxFloatChars = 40;
char* WriteFloat(double v, char* out);
// Go's %f with shortest precision ('f', -1): never an exponent. Used by count_values and le labels.
std::string FormatFloatPlain(double v);
// Accepts what Prometheus accepts: decimals, exponents, hex, Inf / NaN in any case, a sign.
bool ParseFloat(std::string_view text, double* v);

enum class CounterResetHint : uint8_t { kUnknown, kReset, kNotReset, kGauge };

inline constexpr int kMinExponentialSchema = -4;
inline constexpr int kMaxExponentialSchema = 8;
inline constexpr int kCustomBucketsSchema = -53;

// A run of populated buckets: `offset` from the end of the previous span (or from index 0), then
// `length` buckets.
struct HistogramSpan {
  int32_t offset = 0;
  uint32_t length = 0;
  bool operator==(const HistogramSpan&) const = default;
};

// A native histogram with absolute bucket counts. Integer histograms (from counters of
// observations) are kept in the same form with `integer` set: their counts are whole and exact up
// to 2^53.
struct Histogram {
  bool integer = false;
  CounterResetHint hint = CounterResetHint::kUnknown;
  int32_t schema = 0;  // -4..8: base 2^(2^-schema); -53: custom bounds
  double zero_threshold = 0;
  double zero_count = 0;
  double count = 0;
  double sum = 0;  // a stale marker is a histogram whose sum is StaleNan()
  std::vector<HistogramSpan> positive_spans;
  std::vector<HistogramSpan> negative_spans;
  std::vector<double> positive_buckets;
  std::vector<double> negative_buckets;
  std::vector<double> custom_values;  // upper bounds, schema -53 only; strictly increasing, no +Inf

  bool operator==(const Histogram&) const = default;
};
using HistogramPtr = std::shared_ptr<const Histogram>;

inline bool IsStale(const Histogram& h) {
  return IsStale(h.sum);
}

}  // namespace deckwatch
