#include "server/result_json.h"

#include <charconv>

#include "base/json.h"
#include "query/histogram_math.h"

namespace deckwatch::server {

namespace {

using query::QueryResult;
using query::ResultSeries;
using query::ValueType;

// Seconds with the shortest fraction of milliseconds: 1435781451.78
void AppendTime(int64_t t_ms, std::string* out) {
  uint64_t t = static_cast<uint64_t>(t_ms);
  if (t_ms < 0) {
    *out += '-';
    t = 0 - t;
  }
  char buf[32];
  char* p = std::to_chars(buf, buf + sizeof buf, t / 1000).ptr;
  if (const uint64_t ms = t % 1000; ms != 0) {
    *p++ = '.';
    *p++ = static_cast<char>('0' + ms / 100);
    *p++ = static_cast<char>('0' + ms / 10 % 10);
    *p++ = static_cast<char>('0' + ms % 10);
  }
  out->append(buf, p);
}

void AppendMetric(LabelsView labels, std::string* out) {
  *out += "\"metric\":{";
  const char* separator = "";
  for (const LabelRef& l : labels) {
    *out += separator;
    AppendJsonString(out, l.name);
    *out += ':';
    AppendJsonString(out, l.value);
    separator = ",";
  }
  *out += '}';
}

void AppendPoint(const ResultSeries& s, size_t i, bool is_histogram, std::string* out) {
  *out += '[';
  AppendTime(s.t_ms[i], out);
  *out += ',';
  if (is_histogram) {
    AppendHistogram(*s.histogram[i], out);
  } else {
    AppendSampleValue(s.value[i], out);
  }
  *out += ']';
}

bool IsHistogram(const ResultSeries& s, size_t i) {
  return !s.histogram.empty() && s.histogram[i] != nullptr;
}

// The floats or the histograms of a matrix series; the key only appears when there are any.
void AppendPoints(const ResultSeries& s, bool histograms, std::string_view key, std::string* out) {
  bool any = false;
  for (size_t i = 0; i < s.t_ms.size(); ++i) {
    if (IsHistogram(s, i) != histograms) continue;
    if (any) {
      *out += ',';
    } else {
      out->append(",\"").append(key).append("\":[");
    }
    any = true;
    AppendPoint(s, i, histograms, out);
  }
  if (any) *out += ']';
}

void AppendSeries(const ResultSeries& s, ValueType type, std::string* out) {
  *out += '{';
  AppendMetric(s.labels, out);
  if (type == ValueType::kMatrix) {
    AppendPoints(s, false, "values", out);
    AppendPoints(s, true, "histograms", out);
  } else {
    *out += IsHistogram(s, 0) ? ",\"histogram\":" : ",\"value\":";
    AppendPoint(s, 0, IsHistogram(s, 0), out);
  }
  *out += '}';
}

// How a bucket's bounds belong to it: 0 = (lower, upper], 1 = [lower, upper), 2 = open, 3 = closed.
int BoundaryRule(const query::Bucket& b) {
  if (b.lower_inclusive) return b.upper_inclusive ? 3 : 1;
  return b.upper_inclusive ? 0 : 2;
}

}  // namespace

void AppendSampleValue(double v, std::string* out) {
  *out += '"';
  *out += FormatFloat(v);
  *out += '"';
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
      AppendSampleValue(result.scalar, out);
    } else {
      AppendJsonString(out, result.string);
    }
  } else {
    for (size_t i = 0; i < result.series.size(); ++i) {
      if (i > 0) *out += ',';
      AppendSeries(result.series[i], result.type, out);
    }
  }
  *out += ']';
}

}  // namespace deckwatch::server
