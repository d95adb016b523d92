#include "server/result_json.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "base/json.h"
#include "query/histogram_math.h"

namespace deckwatch::server {

namespace {

using query::QueryResult;
using query::ResultSeries;
using query::ValueType;

constexpr size_t kMaxTimeChars = 24;

// Seconds with a fraction of milliseconds where there is one: 1435781451.780
char* WriteTime(int64_t t_ms, char* out) {
  uint64_t t = static_cast<uint64_t>(t_ms);
  if (t_ms < 0) {
    *out++ = '-';
    t = 0 - t;
  }
  out = std::to_chars(out, out + kMaxTimeChars, t / 1000).ptr;
  if (const uint64_t ms = t % 1000; ms != 0) {
    *out++ = '.';
    *out++ = static_cast<char>('0' + ms / 100);
    *out++ = static_cast<char>('0' + ms / 10 % 10);
    *out++ = static_cast<char>('0' + ms % 10);
  }
  return out;
}

void AppendTime(int64_t t_ms, std::string* out) {
  char text[kMaxTimeChars];
  out->append(text, WriteTime(t_ms, text));
}

constexpr size_t kMaxPlainLabels = 1024;

// Writes the JSON of label sets that are short and need no escapes, as nearly all are; returns its
// size, 0 for others.
size_t WritePlainLabels(LabelsView labels, char* out) {
  // A label takes at least 4 encoded bytes; 2 of them, its lengths, become 6 of punctuation.
  if (labels.empty() || 2 * labels.encoded().size() + 1 > kMaxPlainLabels) return 0;
  char* p = out;
  const auto write = [&p](std::string_view s) {
    std::memcpy(p, s.data(), s.size());
    p += s.size();
  };
  for (const LabelRef& l : labels) {
    if (!IsPlainJson(l.name) || !IsPlainJson(l.value)) return 0;
    write(p == out ? "{\"" : ",\"");
    write(l.name);
    write("\":\"");
    write(l.value);
    *p++ = '"';
  }
  *p++ = '}';
  return static_cast<size_t>(p - out);
}

void AppendMetric(LabelsView labels, std::string* out) {
  *out += "\"metric\":";
  AppendLabels(labels, out);
}

// Float points of many series: `[1435781451.781,"1.5"],`. What was written before is copied where
// it comes again: the times, which series of a range query share, and runs of one value.
class PointWriter {
 public:
  explicit PointWriter(std::string* out) : out_(out) {}
  ~PointWriter() { Flush(); }

  void BeginSeries() { next_time_ = 0; }
  void Add(int64_t t_ms, double v) {
    if (sizeof block_ - used_ < kMaxPointChars) Flush();
    char* p = block_ + used_;
    const Text& time = Time(t_ms);
    std::memcpy(p, time.chars, sizeof time.chars);
    p += time.size;
    if (std::bit_cast<uint64_t>(v) != value_bits_ || value_.size == 0) SetValue(v);
    std::memcpy(p, value_.chars, sizeof value_.chars);
    used_ = static_cast<size_t>(p + value_.size - block_);
  }
  void Flush() {
    out_->append(block_, used_);
    used_ = 0;
  }

 private:
  struct Text {
    uint32_t size = 0;
    char chars[kMaxFloatChars + 8];
  };
  struct TimeText {
    int64_t t_ms;
    Text text;
  };
  static constexpr size_t kMaxPointChars = 2 * sizeof(Text::chars);
  static constexpr size_t kMaxTimes = 16'384;

  // `[1435781451.781,"`
  const Text& Time(int64_t t_ms) {
    while (next_time_ < times_.size() && times_[next_time_].t_ms < t_ms) ++next_time_;
    if (next_time_ < times_.size() && times_[next_time_].t_ms == t_ms) {
      return times_[next_time_++].text;
    }
    TimeText made{t_ms, {}};
    made.text.chars[0] = '[';
    char* end = WriteTime(t_ms, made.text.chars + 1);
    *end++ = ',';
    *end++ = '"';
    made.text.size = static_cast<uint32_t>(end - made.text.chars);
    if (next_time_ < times_.size() || times_.size() == kMaxTimes) return other_time_ = made.text;
    times_.push_back(made);
    return times_[next_time_++].text;
  }

  // `1.5"],`
  void SetValue(double v) {
    value_bits_ = std::bit_cast<uint64_t>(v);
    char* end = WriteFloat(v, value_.chars);
    *end++ = '"';
    *end++ = ']';
    *end++ = ',';
    value_.size = static_cast<uint32_t>(end - value_.chars);
  }

  std::string* const out_;
  std::vector<TimeText> times_;  // ascending
  size_t next_time_ = 0;         // the first one that the next point of the series may have
  Text other_time_;
  Text value_;  // of value_bits_
  uint64_t value_bits_ = 0;
  size_t used_ = 0;
  char block_[8192];
};

bool IsHistogram(const ResultSeries& s, size_t i) {
  return !s.histogram.empty() && s.histogram[i] != nullptr;
}

void AppendFloats(const ResultSeries& s, PointWriter* points, std::string* out) {
  *out += ",\"values\":[";
  points->BeginSeries();
  for (size_t i = 0; i < s.t_ms.size(); ++i) {
    if (!IsHistogram(s, i)) points->Add(s.t_ms[i], s.value[i]);
  }
  points->Flush();
  out->back() = ']';  // in place of the last comma
}

void AppendHistograms(const ResultSeries& s, std::string* out) {
  *out += ",\"histograms\":[";
  for (size_t i = 0; i < s.t_ms.size(); ++i) {
    if (!IsHistogram(s, i)) continue;
    *out += '[';
    AppendTime(s.t_ms[i], out);
    *out += ',';
    AppendHistogram(*s.histogram[i], out);
    *out += "],";
  }
  out->back() = ']';
}

// A member only appears when it holds something.
void AppendMatrixPoints(const ResultSeries& s, PointWriter* points, std::string* out) {
  const auto floats = s.t_ms.size() - static_cast<size_t>(std::count_if(
                                          s.histogram.begin(), s.histogram.end(),
                                          [](const HistogramPtr& h) { return h != nullptr; }));
  if (floats > 0) AppendFloats(s, points, out);
  if (floats < s.t_ms.size()) AppendHistograms(s, out);
}

void AppendVectorPoint(const ResultSeries& s, std::string* out) {
  *out += IsHistogram(s, 0) ? ",\"histogram\":[" : ",\"value\":[";
  AppendTime(s.t_ms[0], out);
  *out += ',';
  if (IsHistogram(s, 0)) {
    AppendHistogram(*s.histogram[0], out);
  } else {
    AppendSampleValue(s.value[0], out);
  }
  *out += ']';
}

void AppendSeries(const QueryResult& result, std::string* out) {
  PointWriter points(out);
  for (const ResultSeries& s : result.series) {
    *out += '{';
    AppendMetric(s.labels, out);
    if (result.type == ValueType::kMatrix) {
      AppendMatrixPoints(s, &points, out);
    } else {
      AppendVectorPoint(s, out);
    }
    *out += "},";
  }
  if (!result.series.empty()) out->pop_back();
}

// About how long the text becomes.
size_t EstimatedSize(const QueryResult& result) {
  constexpr size_t kSeriesChars = 64, kPointChars = 24;
  size_t size = 0;
  for (const ResultSeries& s : result.series) {
    size += kSeriesChars + 2 * s.labels.encoded().size() + s.t_ms.size() * kPointChars;
  }
  return size;
}

// How a bucket's bounds belong to it: 0 = (lower, upper], 1 = [lower, upper), 2 = open, 3 = closed.
int BoundaryRule(const query::Bucket& b) {
  if (b.lower_inclusive) return b.upper_inclusive ? 3 : 1;
  return b.upper_inclusive ? 0 : 2;
}

}  // namespace

void AppendLabels(LabelsView labels, std::string* out) {
  char plain[kMaxPlainLabels];
  if (const size_t n = WritePlainLabels(labels, plain); n > 0) {
    out->append(plain, n);
    return;
  }
  *out += '{';
  for (const LabelRef& l : labels) {
    AppendJsonString(out, l.name);
    *out += ':';
    AppendJsonString(out, l.value);
    *out += ',';
  }
  if (out->back() == ',') {
    out->back() = '}';
  } else {
    *out += '}';
  }
}

void AppendSampleValue(double v, std::string* out) {
  char text[kMaxFloatChars + 2];
  text[0] = '"';
  char* end = WriteFloat(v, text + 1);
  *end++ = '"';
  out->append(text, end);
}

void AppendHistogram(const Histogram& h, std::string* out) {
  *out += "{\"count\":";
  AppendSampleValue(h.count, out);
  *out += ",\"sum\":";
  AppendSampleValue(h.sum, out);
  bool any = false;
  for (const query::Bucket& b : query::AllBuckets(h)) {
    if (b.count == 0) continue;
    *out += any ? ",[" : ",\"buckets\":[[";
    any = true;
    *out += std::to_string(BoundaryRule(b));
    for (const double v : {b.lower, b.upper, b.count}) {
      *out += ',';
      AppendSampleValue(v, out);
    }
    *out += ']';
  }
  *out += any ? "]}" : "}";
}

void AppendQueryResult(const QueryResult& result, std::string* out) {
  *out += "\"resultType\":";
  AppendJsonString(out, query::ValueTypeApiName(result.type));
  *out += ",\"result\":[";
  if (result.type == ValueType::kScalar || result.type == ValueType::kString) {
    AppendTime(result.scalar_t_ms, out);
    *out += ',';
    if (result.type == ValueType::kScalar) {
      // Prometheus writes these, and only these, without an exponent.
      AppendJsonString(out, FormatFloatPlain(result.scalar));
    } else {
      AppendJsonString(out, result.string);
    }
  } else {
    out->reserve(out->size() + EstimatedSize(result));
    AppendSeries(result, out);
  }
  *out += ']';
}

}  // namespace deckwatch::server
