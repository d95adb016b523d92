// histogram_… functions of instant vectors.
#include <cmath>

#include "query/eval.h"
#include "query/functions.h"
#include "query/histogram_math.h"
#include "query/histogram_quantile.h"
#include "query/kahan.h"
#include "query/label_sets.h"
#include "query/vector_functions.h"

namespace deckwatch::query {

namespace {

// As OpenMetrics writes the value of a quantile label: "0.5", "1.0".
std::string FormatOpenMetrics(double v) {
  std::string text = FormatGo(v);
  const bool whole = std::isfinite(v) && text.find_first_of(".e") == std::string::npos;
  return whole ? text + ".0" : text;
}

double Variance(const Histogram& h) {
  const double mean = h.sum / h.count;
  KahanSum sum;
  for (const Bucket& b : AllBuckets(h)) {
    if (b.count == 0) continue;
    double v = 0;  // of the zero bucket
    if (UsesCustomBuckets(h)) {
      v = (b.upper + b.lower) / 2.0;
    } else if (!(b.lower <= 0 && b.upper >= 0)) {
      v = std::sqrt(b.upper * b.lower);
      if (b.upper < 0) v = -v;
    }
    const double delta = v - mean;
    sum.Add(b.count * delta * delta);
  }
  return sum.Value() / h.count;
}

double Statistic(FunctionId id, const Histogram& h) {
  switch (id) {
    case FunctionId::kHistogramCount: return h.count;
    case FunctionId::kHistogramSum: return h.sum;
    case FunctionId::kHistogramAvg: return h.sum / h.count;
    case FunctionId::kHistogramStddev: return std::sqrt(Variance(h));
    default: return Variance(h);
  }
}

// One histogram of the input over all steps: a native one's row, or the rows of a classic one's
// buckets, or both under one label set, which is an error where they meet.
struct HistogramSeries {
  static constexpr size_t kNone = SIZE_MAX;
  Labels labels;  // without le
  bool drop_name = false;
  size_t native = kNone;
  std::vector<std::pair<double, size_t>> buckets;  // upper bound, row
};

// The histograms of `v`. Rows whose floats are no buckets are told of and left out.
std::vector<HistogramSeries> GroupHistograms(QueryContext& ctx, const StepVector& v, Position pos) {
  std::vector<HistogramSeries> out;
  LabelIndex index;
  LabelsBuilder builder;
  const auto find = [&](LabelsView labels) -> HistogramSeries& {
    bool added = false;
    const size_t i = index.Insert(labels.encoded(), &added);
    if (added) out.push_back({Labels(labels), true, HistogramSeries::kNone, {}});
    return out[i];
  };
  for (size_t row = 0; row < v.size(); ++row) {
    const LabelsView labels = v.series[row].labels;
    bool floats = false, histograms = false;
    for (size_t i = 0; i < v.steps; ++i) {
      floats |= v.Cells(row)[i] == kFloat;
      histograms |= v.Cells(row)[i] == kHistogram;
    }
    if (histograms) find(labels).native = row;
    if (!floats) continue;
    double upper = 0;
    const std::string_view le = labels.Get("le");
    if (!ParseFloat(le, &upper)) {
      ctx.annotations.BadBucketLabel(
          ctx.options.delayed_name_removal ? labels.MetricName() : std::string_view(), le, pos);
      continue;
    }
    builder.Reset(labels);
    builder.Del("le");
    find(builder.Build()).buckets.emplace_back(upper, row);
  }
  return out;
}

// Applies native(h, step) or classic(buckets, step) to each histogram of `v` at each step.
template <typename Native, typename Classic, typename Emit>
void EachHistogram(QueryContext& ctx, const StepVector& v, Position pos,
                   const std::vector<HistogramSeries>& series, Native native, Classic classic,
                   Emit emit) {
  std::vector<ClassicBucket> buckets;
  for (const HistogramSeries& s : series) {
    for (size_t i = 0; i < v.steps; ++i) {
      buckets.clear();
      for (const auto& [upper, row] : s.buckets) {
        if (v.Cells(row)[i] == kFloat) buckets.push_back({upper, v.Values(row)[i]});
      }
      const Histogram* h =
          s.native == HistogramSeries::kNone ? nullptr : v.HistogramAt(s.native, i);
      if (h != nullptr && !buckets.empty()) {
        ctx.annotations.MixedClassicNative(
            ctx.options.delayed_name_removal ? s.labels.MetricName() : std::string_view(), pos);
      } else if (h != nullptr) {
        emit(s, i, native(s, *h, i));
      } else if (!buckets.empty()) {
        emit(s, i, classic(s, &buckets, i));
      }
    }
  }
}

// Collects results into one row per label set.
class Rows {
 public:
  Rows(QueryContext& ctx, size_t steps) : ctx_(ctx), out_(steps) {}
  Status Set(const Labels& labels, size_t step, double value) {
    if (out_.empty() || labels != last_) {
      last_ = labels;
      row_ = RowOf(labels);
    }
    if (out_.Cells(row_)[step] != kAbsent) {
      return ExecutionError("vector cannot contain metrics with the same labelset");
    }
    out_.SetFloat(row_, step, value);
    return {};
  }
  StepVector Take() { return std::move(out_); }

 private:
  size_t RowOf(const Labels& labels) {
    SeriesInfo info{labels, false};
    DropName(ctx_, &info);
    bool added = false;
    const size_t row = index_.Insert(info.labels.encoded(), &added);
    if (added) out_.AddRow(std::move(info));
    return row;
  }

  QueryContext& ctx_;
  StepVector out_;
  LabelIndex index_;
  Labels last_;  // whose row is row_
  size_t row_ = 0;
};

}  // namespace

Result<StepVector> HistogramStatistic(QueryContext& ctx, const Expr& call, StepVector v) {
  for (size_t row = 0; row < v.size(); ++row) {
    DropName(ctx, &v.series[row]);
    for (size_t i = 0; i < v.steps; ++i) {
      if (const Histogram* h = v.HistogramAt(row, i)) {
        v.SetFloat(row, i, Statistic(call.function->id, *h));
      } else {
        v.Cells(row)[i] = kAbsent;
      }
    }
  }
  v.histogram.clear();
  v.RemoveEmptyRows();
  if (!ctx.options.delayed_name_removal) TRY(MergeEqualSeries(&v));
  return v;
}

Result<StepVector> HistogramQuantiles(QueryContext& ctx, const Expr& call, StepVector v,
                                      const std::vector<std::vector<double>>& scalars) {
  const bool several = call.function->id == FunctionId::kHistogramQuantiles;
  const size_t first_q = several ? 2 : 0;
  const Position vector_pos = call.args[several ? 0 : 1]->pos;
  const Position native_pos = call.args[0]->pos;
  for (size_t n = 0; n < scalars.size(); ++n) {
    for (double q : scalars[n]) {
      if (std::isnan(q) || q < 0 || q > 1) {
        ctx.annotations.InvalidQuantile(q, call.args[first_q + n]->pos);
      }
    }
  }
  const std::vector<HistogramSeries> series = GroupHistograms(ctx, v, vector_pos);
  Rows rows(ctx, v.steps);
  LabelsBuilder builder;
  Status status;
  for (const std::vector<double>& qs : scalars) {
    EachHistogram(
        ctx, v, vector_pos, series,
        [&](const HistogramSeries& s, const Histogram& h, size_t step) {
          return NativeQuantile(qs[step], h, s.labels.MetricName(), native_pos, &ctx.annotations);
        },
        [&](const HistogramSeries& s, std::vector<ClassicBucket>* buckets, size_t step) {
          bool forced = false;
          const double value = ClassicQuantile(qs[step], buckets, &forced);
          if (forced) {
            ctx.annotations.ForcedMonotonicity(
                ctx.options.delayed_name_removal ? s.labels.MetricName() : std::string_view(),
                vector_pos);
          }
          return value;
        },
        [&](const HistogramSeries& s, size_t step, double value) {
          if (!status.ok()) return;
          if (!several) {
            status = rows.Set(s.labels, step, value);
            return;
          }
          builder.Reset(s.labels);
          builder.Set(Unwrap(*call.args[1]).string, FormatOpenMetrics(qs[step]));
          status = rows.Set(builder.Build(), step, value);
        });
  }
  TRY(status);
  return rows.Take();
}

Result<StepVector> HistogramFractions(QueryContext& ctx, const Expr& call, StepVector v,
                                      const std::vector<std::vector<double>>& scalars) {
  const Position pos = call.args[2]->pos;
  const std::vector<HistogramSeries> series = GroupHistograms(ctx, v, pos);
  Rows rows(ctx, v.steps);
  Status status;
  EachHistogram(
      ctx, v, pos, series,
      [&](const HistogramSeries& s, const Histogram& h, size_t step) {
        return NativeFraction(scalars[0][step], scalars[1][step], h, s.labels.MetricName(),
                              call.args[0]->pos, &ctx.annotations);
      },
      [&](const HistogramSeries&, std::vector<ClassicBucket>* buckets, size_t step) {
        return ClassicFraction(scalars[0][step], scalars[1][step], buckets);
      },
      [&](const HistogramSeries& s, size_t step, double value) {
        if (status.ok()) status = rows.Set(s.labels, step, value);
      });
  TRY(status);
  return rows.Take();
}

}  // namespace deckwatch::query
