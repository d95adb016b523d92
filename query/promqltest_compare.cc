#include "query/promqltest_compare.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "query/histogram_math.h"

namespace deckwatch::query {

namespace {

bool AlmostEqual(double a, double b) {
  constexpr double kEpsilon = 1e-6;
  constexpr double kMinNormal = std::numeric_limits<double>::min();
  if (std::isnan(a) && std::isnan(b)) return true;
  if (a == b) return true;
  const double sum = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  if (a == 0 || b == 0 || sum < kMinNormal) return difference < kEpsilon * kMinNormal;
  return difference / std::min(sum, std::numeric_limits<double>::max()) < kEpsilon;
}

bool AlmostEqual(const std::vector<double>& a, const std::vector<double>& b) {
  return std::ranges::equal(a, b, [](double x, double y) { return AlmostEqual(x, y); });
}

// Spans without empty ones, which only move the next one.
std::vector<HistogramSpan> Merged(const std::vector<HistogramSpan>& spans) {
  std::vector<HistogramSpan> out;
  int32_t offset = 0;
  for (const HistogramSpan& span : spans) {
    offset += span.offset;
    if (span.length == 0) continue;
    out.push_back({offset, span.length});
    offset = 0;
  }
  return out;
}

bool AlmostEqual(Histogram expected, Histogram got, bool with_hint) {
  CompactHistogram(&expected);
  CompactHistogram(&got);
  return expected.schema == got.schema && AlmostEqual(expected.count, got.count) &&
         AlmostEqual(expected.sum, got.sum) &&
         (!UsesCustomBuckets(expected) || expected.custom_values == got.custom_values) &&
         expected.zero_threshold == got.zero_threshold &&
         AlmostEqual(expected.zero_count, got.zero_count) &&
         Merged(expected.negative_spans) == Merged(got.negative_spans) &&
         AlmostEqual(expected.negative_buckets, got.negative_buckets) &&
         Merged(expected.positive_spans) == Merged(got.positive_spans) &&
         AlmostEqual(expected.positive_buckets, got.positive_buckets) &&
         (!with_hint || expected.hint == got.hint);
}

bool AlmostEqual(const SequenceValue& expected, double value, const HistogramPtr& histogram) {
  if ((expected.histogram == nullptr) != (histogram == nullptr)) return false;
  if (!histogram) return AlmostEqual(expected.value, value);
  return AlmostEqual(*expected.histogram, *histogram, expected.hint_given);
}

std::string ValueText(double value, const HistogramPtr& histogram) {
  static constexpr std::string_view kHints[] = {"unknown", "reset", "not_reset", "gauge"};
  if (!histogram) return FormatFloat(value);
  return HistogramToString(*histogram) +
         " hint:" + std::string(kHints[static_cast<int>(histogram->hint)]);
}

std::string PointText(const ResultSeries& s, size_t i) {
  return ValueText(s.value[i], s.histogram.empty() ? nullptr : s.histogram[i]);
}

std::string PointsText(const ResultSeries& s) {
  std::string out;
  for (size_t i = 0; i < s.t_ms.size(); ++i) {
    out += (i > 0 ? " " : "") + PointText(s, i) + "@" + std::to_string(s.t_ms[i]);
  }
  return out.empty() ? "no points" : out;
}

std::string Text(const std::vector<SequenceValue>& values) {
  std::string out;
  for (const SequenceValue& v : values) {
    out += (out.empty() ? "" : " ") + (v.omitted ? "_" : ValueText(v.value, v.histogram));
  }
  return out;
}

Status Differs(const std::string& what) {
  return Status::InvalidArgument(what);
}

Status CompareSeries(const EvalCommand& eval, const ResultSeries& got,
                     const std::vector<SequenceValue>& expected) {
  size_t next = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const int64_t t_ms = eval.start_ms + static_cast<int64_t>(i) * eval.step_ms;
    if (t_ms > eval.end_ms) {
      return Differs("expected " + std::to_string(expected.size()) + " points for " +
                     got.labels.ToString() +
                     ", but query time range cannot return this many points");
    }
    if (expected[i].omitted) continue;
    const bool there = next < got.t_ms.size() && got.t_ms[next] == t_ms;
    const HistogramPtr histogram = !there || got.histogram.empty() ? nullptr : got.histogram[next];
    if (!there || !AlmostEqual(expected[i], got.value[next], histogram)) {
      return Differs("for " + got.labels.ToString() + " at " + std::to_string(t_ms) +
                     "ms: expected " + ValueText(expected[i].value, expected[i].histogram) +
                     ", got " + (there ? PointText(got, next) : "nothing") +
                     "; all points: " + PointsText(got));
    }
    ++next;
  }
  if (next == got.t_ms.size()) return Status::Ok();
  return Differs("for " + got.labels.ToString() + ": expected " + Text(expected) + ", got " +
                 PointsText(got));
}

Status MissingSeries(const EvalCommand& eval, const std::set<Labels>& seen) {
  for (const auto& [labels, expected] : eval.series) {
    if (!seen.contains(labels)) {
      return Differs("expected " + labels.ToString() + " with " + Text(expected.values) +
                     ", got no such series");
    }
  }
  return Status::Ok();
}

Status CompareMatrix(const EvalCommand& eval, const QueryResult& result) {
  if (eval.ordered) return Differs("expected ordered result, but query returned a matrix");
  std::set<Labels> seen;
  const ResultSeries* previous = nullptr;
  for (const ResultSeries& s : result.series) {
    if (previous && previous->labels > s.labels) {
      return Differs("expected a matrix sorted by labels, got " + s.labels.ToString() + " behind " +
                     previous->labels.ToString());
    }
    previous = &s;
    const auto expected = eval.series.find(s.labels);
    if (expected == eval.series.end()) {
      return Differs("unexpected series " + s.labels.ToString() + " with " + PointsText(s));
    }
    TRY(CompareSeries(eval, s, expected->second.values));
    seen.insert(s.labels);
  }
  return MissingSeries(eval, seen);
}

Status CompareVector(const EvalCommand& eval, const QueryResult& result) {
  std::set<Labels> seen;
  int position = 0;
  for (const ResultSeries& s : result.series) {
    ++position;
    const auto found = eval.series.find(s.labels);
    if (found == eval.series.end()) {
      return Differs("unexpected series " + s.labels.ToString() + " with " + PointsText(s));
    }
    const ExpectedSeries& expected = found->second;
    if (eval.ordered && expected.position != position) {
      return Differs("expected " + s.labels.ToString() + " at position " +
                     std::to_string(expected.position) + ", got it at " + std::to_string(position));
    }
    const SequenceValue& first = expected.values.front();
    if (s.value.size() != 1 ||
        !AlmostEqual(first, s.value[0], s.histogram.empty() ? nullptr : s.histogram[0])) {
      return Differs("for " + s.labels.ToString() + ": expected " + Text(expected.values) +
                     ", got " + PointsText(s));
    }
    seen.insert(s.labels);
  }
  return MissingSeries(eval, seen);
}

// Scripts name annotations without the place that the API adds.
std::string WithoutPosition(const std::string& text) {
  const size_t open = text.rfind(" (");
  if (open == std::string::npos || !text.ends_with(')')) return text;
  const std::string_view inside = std::string_view(text).substr(open + 2);
  const bool position = inside.find_first_not_of("0123456789:)") == std::string_view::npos;
  return position ? text.substr(0, open) : text;
}

Status CompareTexts(std::string_view kind, const std::vector<TextExpectation>& expected,
                    const std::vector<std::string>& annotations) {
  if (expected.empty()) return Status::Ok();
  std::vector<std::string> got;
  for (const std::string& text : annotations) got.push_back(WithoutPosition(text));
  for (const TextExpectation& e : expected) {
    if (std::ranges::any_of(got, [&](const auto& text) { return e.Accepts(text); })) continue;
    std::string all;
    for (const std::string& text : got) all += "\n      " + text;
    return Differs("expected " + std::string(kind) + " " + e.ToString() + ", got" +
                   (all.empty() ? " none" : all));
  }
  for (const std::string& text : got) {
    if (std::ranges::none_of(expected, [&](const auto& e) { return e.Accepts(text); })) {
      return Differs("unexpected " + std::string(kind) + " " + QuoteGo(text));
    }
  }
  return Status::Ok();
}

}  // namespace

Status CompareResult(const EvalCommand& eval, const QueryResult& result) {
  if (result.type == ValueType::kString) {
    const std::string expected = eval.string.value_or("");
    if (expected == result.string) return Status::Ok();
    return Differs("expected string " + QuoteGo(expected) + ", got " + QuoteGo(result.string));
  }
  if (result.type == ValueType::kScalar) {
    if (!eval.scalar) return Differs("expected series, got scalar " + FormatFloat(result.scalar));
    if (AlmostEqual(eval.scalar->value, result.scalar)) return Status::Ok();
    return Differs("expected scalar " + FormatFloat(eval.scalar->value) + ", got " +
                   FormatFloat(result.scalar));
  }
  const bool matrix = result.type == ValueType::kMatrix;
  if (eval.scalar) {
    return Differs("expected scalar result, got " + std::string(matrix ? "matrix" : "vector"));
  }
  return matrix ? CompareMatrix(eval, result) : CompareVector(eval, result);
}

Status CompareAnnotations(const EvalCommand& eval, const Annotations& annotations) {
  if (eval.any_warning && annotations.warnings.empty()) {
    return Differs("expected warnings, got none");
  }
  if (eval.any_info && annotations.infos.empty()) {
    return Differs("expected info annotations, got none");
  }
  TRY(CompareTexts("warning", eval.warnings, annotations.warnings));
  TRY(CompareTexts("info", eval.infos, annotations.infos));
  if (eval.no_warnings && !annotations.warnings.empty()) {
    return Differs("expected no warnings, got " + QuoteGo(annotations.warnings.front()));
  }
  if (eval.no_infos && !annotations.infos.empty()) {
    return Differs("expected no infos, got " + QuoteGo(annotations.infos.front()));
  }
  return Status::Ok();
}

Status CompareFailure(const EvalCommand& eval, const Status& failure) {
  if (!eval.failure) return Differs("expected success, got error: " + failure.message());
  if (eval.failure->Accepts(failure.message())) return Status::Ok();
  return Differs("expected error " + eval.failure->ToString() + ", got: " + failure.message());
}

}  // namespace deckwatch::query
