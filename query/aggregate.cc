#include "query/aggregate.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "query/histogram_math.h"
#include "query/kahan.h"
#include "query/label_sets.h"
#include "query/quantile.h"

namespace deckwatch::query {

namespace {

Projection GroupingOf(const Expr& e) {
  return e.without ? Projection::Drop(e.grouping) : Projection::Keep(e.grouping);
}

// Groups in order of appearance, with their labels.
class Groups {
 public:
  explicit Groups(const Expr& e) : projection_(GroupingOf(e)) {}
  size_t Of(const SeriesInfo& series) {
    projection_.Encode(series.labels, &key_);
    bool added = false;
    const size_t group = index_.Insert(key_, &added);
    if (added) info_.push_back({LabelsOf(key_), false});
    info_[group].drop_name |= series.drop_name;
    return group;
  }
  size_t size() const { return info_.size(); }
  SeriesInfo& info(size_t group) { return info_[group]; }

 private:
  Projection projection_;
  LabelIndex index_;
  std::vector<SeriesInfo> info_;
  std::string key_;
};

// What a group holds of histograms at one step; made when the first one comes.
struct HistogramFold {
  Histogram sum;  // or the mean, once incremental
  std::optional<Histogram> c;
  bool incremental = false;
  bool incompatible = false;
  bool reset_seen = false;
  bool not_reset_seen = false;
};

class FoldingAggregator : public Aggregator {
 public:
  FoldingAggregator(QueryContext& ctx, const Expr& e, size_t steps)
      : ctx_(ctx), e_(e), steps_(steps), groups_(e) {}

  Status Add(StepVector&& block) override {
    for (size_t row = 0; row < block.size(); ++row) {
      const size_t group = groups_.Of(block.series[row]);
      if (group >= rows_) Grow(group + 1);
      Fold(block, row, group);
    }
    return ctx_.budget.Hold(value_.size(), value_.size() * kBytesPerCell, &charge_);
  }

  Result<StepVector> Finish() override {
    StepVector out(steps_);
    out.Reserve(groups_.size());
    for (size_t group = 0; group < groups_.size(); ++group) {
      if (OnlyCounts()) Settle(group);
      const size_t row = out.AddRow(std::move(groups_.info(group)));
      for (size_t i = 0; i < steps_; ++i) Emit(group * steps_ + i, row, i, &out);
    }
    charge_.Release();
    out.RemoveEmptyRows();
    return out;
  }

 private:
  enum Flag : uint8_t { kSeen = 1, kHasFloat = 2, kHasHistogram = 4, kIncremental = 8 };
  static constexpr uint64_t kBytesPerCell = 3 * sizeof(double) + 1;

  void Grow(size_t rows) {
    rows_ = rows;
    value_.resize(rows * steps_);
    flags_.resize(rows * steps_);
    if (NeedsCompensation() || IsVariance()) c_.resize(rows * steps_);
    if (NeedsCount()) count_.resize(rows * steps_);
    if (OnlyCounts()) {
      recent_.resize(rows * steps_);
      recent_rows_.resize(rows);
    }
  }
  bool OnlyCounts() const {
    return e_.aggregate == AggregateOp::kCount || e_.aggregate == AggregateOp::kGroup;
  }
  bool NeedsCompensation() const {
    return e_.aggregate == AggregateOp::kSum || e_.aggregate == AggregateOp::kAvg;
  }
  bool IsVariance() const {
    return e_.aggregate == AggregateOp::kStddev || e_.aggregate == AggregateOp::kStdvar;
  }
  bool NeedsCount() const { return e_.aggregate == AggregateOp::kAvg || IsVariance(); }

  // Calls f(cell, value) for the floats of a row; histograms are ignored with an info.
  template <typename F>
  void EachFloat(const StepVector& v, size_t row, size_t base, F f) {
    const double* values = v.Values(row);
    const uint8_t* cells = v.Cells(row);
    bool ignored = false;
    for (size_t i = 0; i < steps_; ++i) {
      if (cells[i] == kFloat) {
        f(base + i, values[i]);
      } else {
        ignored |= cells[i] == kHistogram;
      }
    }
    if (ignored) {
      ctx_.annotations.HistogramIgnoredInAggregation(AggregateOpName(e_.aggregate), e_.lhs->pos);
    }
  }

  void Fold(const StepVector& v, size_t row, size_t group) {
    const size_t base = group * steps_;
    switch (e_.aggregate) {
      case AggregateOp::kSum: return FoldSum(v, row, base);
      case AggregateOp::kAvg: return FoldAvg(v, row, base);
      case AggregateOp::kCount:
      case AggregateOp::kGroup: return FoldCount(v, row, group);
      case AggregateOp::kMin:
        return EachFloat(v, row, base, [this](size_t i, double x) {
          if (!Seen(i) || value_[i] > x || std::isnan(value_[i])) value_[i] = x;
          flags_[i] |= kSeen;
        });
      case AggregateOp::kMax:
        return EachFloat(v, row, base, [this](size_t i, double x) {
          if (!Seen(i) || value_[i] < x || std::isnan(value_[i])) value_[i] = x;
          flags_[i] |= kSeen;
        });
      default: return FoldVariance(v, row, base);
    }
  }

  bool Seen(size_t i) const { return (flags_[i] & kSeen) != 0; }

  void FoldSum(const StepVector& v, size_t row, size_t base) {
    const double* values = v.Values(row);
    const uint8_t* cells = v.Cells(row);
    // Most rows hold floats throughout, and most groups have seen one everywhere.
    const auto all = [n = steps_](const uint8_t* bytes, uint8_t value) {
      return bytes[0] == value && std::memcmp(bytes, bytes + 1, n - 1) == 0;
    };
    if (all(cells, kFloat) && all(&flags_[base], kSeen | kHasFloat)) {
      KahanAddColumns(&value_[base], &c_[base], values, steps_);
      return;
    }
    for (size_t s = 0; s < steps_; ++s) {
      const size_t i = base + s;
      if (cells[s] == kFloat) {
        if (!Seen(i)) {
          value_[i] = values[s];
        } else {
          KahanSum sum{value_[i], c_[i]};
          sum.Add(values[s]);
          value_[i] = sum.sum;
          c_[i] = sum.c;
        }
        flags_[i] |= kSeen | kHasFloat;
      } else if (cells[s] == kHistogram) {
        FoldHistogram(*v.Histograms(row)[s], v.series[row].labels, i);
      }
    }
  }

  void FoldAvg(const StepVector& v, size_t row, size_t base) {
    const double* values = v.Values(row);
    const uint8_t* cells = v.Cells(row);
    for (size_t s = 0; s < steps_; ++s) {
      const size_t i = base + s;
      if (cells[s] == kAbsent) continue;
      count_[i] += 1;
      if (cells[s] == kHistogram) {
        FoldHistogram(*v.Histograms(row)[s], v.series[row].labels, i);
        continue;
      }
      if (!Seen(i)) {
        value_[i] = values[s];
      } else {
        AddToMean(values[s], i);
      }
      flags_[i] |= kSeen | kHasFloat;
    }
  }

  // As KahanMean does, with its state in columns.
  void AddToMean(double x, size_t i) {
    const double n = count_[i];
    KahanSum acc{value_[i], c_[i]};
    if ((flags_[i] & kIncremental) == 0) {
      KahanSum next = acc;
      next.Add(x);
      if (!std::isinf(next.sum)) {
        value_[i] = next.sum;
        c_[i] = next.c;
        return;
      }
      flags_[i] |= kIncremental;
      acc.sum /= n - 1;
      acc.c /= n - 1;
    }
    const double q = (n - 1) / n;
    acc = {q * acc.sum, q * acc.c};
    acc.Add(x / n);
    value_[i] = acc.sum;
    c_[i] = acc.c;
  }

  // Rows are counted in bytes first: many steps at once.
  void FoldCount(const StepVector& v, size_t row, size_t group) {
    const size_t steps = steps_;  // which the bytes written below could alias
    const uint8_t* cells = v.Cells(row);
    uint8_t* recent = &recent_[group * steps];
    for (size_t s = 0; s < steps; ++s) recent[s] += static_cast<uint8_t>(cells[s] != kAbsent);
    if (++recent_rows_[group] == UINT8_MAX) Settle(group);
  }

  void Settle(size_t group) {
    const size_t base = group * steps_;
    static_assert(kSeen == 1);
    for (size_t i = base; i < base + steps_; ++i) {
      value_[i] += recent_[i];
      flags_[i] |= static_cast<uint8_t>(recent_[i] != 0);
    }
    std::fill_n(&recent_[base], steps_, uint8_t{0});
    recent_rows_[group] = 0;
  }

  // Welford's method; value_ is the sum of squared distances, c_ the mean.
  void FoldVariance(const StepVector& v, size_t row, size_t base) {
    EachFloat(v, row, base, [this](size_t i, double x) {
      if (!Seen(i)) {
        flags_[i] |= kSeen;
        count_[i] = 1;
        c_[i] = x;
        value_[i] = std::isfinite(x) ? 0 : NormalNan();
        return;
      }
      count_[i] += 1;
      const double delta = x - c_[i];
      c_[i] += delta / count_[i];
      value_[i] += delta * (x - c_[i]);
    });
  }

  void FoldHistogram(const Histogram& h, LabelsView labels, size_t i) {
    const bool seen = Seen(i);
    flags_[i] |= kSeen | kHasHistogram;
    if (histograms_.size() < value_.size()) histograms_.resize(value_.size());
    auto& fold = histograms_[i];
    if (!seen) {
      fold = std::make_unique<HistogramFold>();
      fold->sum = h;
    } else if (fold == nullptr || fold->incompatible) {
      return;  // floats came before, or there is no result already
    } else {
      AddToFold(h, labels, i, fold.get());
    }
    fold->reset_seen |= h.hint == CounterResetHint::kReset;
    fold->not_reset_seen |= h.hint == CounterResetHint::kNotReset;
  }

  void AddToFold(const Histogram& h, LabelsView labels, size_t i, HistogramFold* fold) {
    const Position pos = e_.lhs->pos;
    const auto note = [&](const HistogramOpResult& r) {
      if (!r.compatible) {
        ctx_.annotations.MixedExponentialCustom(labels.MetricName(), pos);
        fold->incompatible = true;
      }
      if (r.bounds_reconciled) {
        ctx_.annotations.MismatchedCustomBuckets(HistogramOperation::kAggregation, pos);
      }
      return r.compatible;
    };
    if (e_.aggregate == AggregateOp::kSum) {
      note(KahanAddHistogram(&fold->sum, h, &fold->c));
      return;
    }
    const double n = count_[i];
    if (!fold->incremental) {
      Histogram next = fold->sum;
      std::optional<Histogram> c = fold->c;
      if (!note(KahanAddHistogram(&next, h, &c))) return;
      if (!HasOverflow(next)) {
        fold->sum = std::move(next);
        fold->c = std::move(c);
        return;
      }
      fold->incremental = true;
      DivideHistogram(&fold->sum, n - 1);
      if (fold->c) DivideHistogram(&*fold->c, n - 1);
    }
    const double q = (n - 1) / n;
    if (fold->c) MultiplyHistogram(&*fold->c, q);
    Histogram part = h;
    DivideHistogram(&part, n);
    MultiplyHistogram(&fold->sum, q);
    note(KahanAddHistogram(&fold->sum, part, &fold->c));
  }

  void Emit(size_t i, size_t row, size_t step, StepVector* out) {
    if (!Seen(i)) return;
    if ((flags_[i] & kHasHistogram) != 0) {
      if ((flags_[i] & kHasFloat) != 0) {
        ctx_.annotations.MixedFloatsHistogramsAggregation(e_.lhs->pos);
      } else {
        EmitHistogram(i, row, step, out);
      }
      return;
    }
    double v = value_[i];
    switch (e_.aggregate) {
      case AggregateOp::kSum: v += c_[i]; break;
      case AggregateOp::kGroup: v = 1; break;
      case AggregateOp::kAvg:
        v = (flags_[i] & kIncremental) != 0 ? v + c_[i] : v / count_[i] + c_[i] / count_[i];
        break;
      case AggregateOp::kStdvar: v /= count_[i]; break;
      case AggregateOp::kStddev: v = std::sqrt(v / count_[i]); break;
      default: break;
    }
    out->SetFloat(row, step, v);
  }

  void EmitHistogram(size_t i, size_t row, size_t step, StepVector* out) {
    HistogramFold& fold = *histograms_[i];
    if (fold.incompatible) return;
    Histogram h = std::move(fold.sum);
    if (e_.aggregate == AggregateOp::kAvg && !fold.incremental) {
      DivideHistogram(&h, count_[i]);
      if (fold.c) DivideHistogram(&*fold.c, count_[i]);
    }
    if (fold.c) AddHistogram(&h, *fold.c);
    CompactHistogram(&h);
    if (fold.reset_seen && fold.not_reset_seen) {
      ctx_.annotations.CounterResetCollision(HistogramOperation::kAggregation, e_.lhs->pos);
    }
    out->SetHistogram(row, step, std::make_shared<const Histogram>(std::move(h)));
  }

  QueryContext& ctx_;
  const Expr& e_;
  const size_t steps_;
  Groups groups_;
  size_t rows_ = 0;
  std::vector<double> value_;  // per group and step: the running result
  std::vector<double> c_;      // compensation of a sum; the mean, for variances
  std::vector<double> count_;
  std::vector<uint8_t> flags_;
  std::vector<uint8_t> recent_;       // per group and step: rows since the last Settle
  std::vector<uint8_t> recent_rows_;  // per group: how many rows may be in there
  std::vector<std::unique_ptr<HistogramFold>> histograms_;
  Charge charge_;
};

class QuantileAggregator : public Aggregator {
 public:
  QuantileAggregator(QueryContext& ctx, const Expr& e, std::vector<double> q, size_t steps)
      : ctx_(ctx), e_(e), q_(std::move(q)), groups_(e), input_(steps) {}

  Status Add(StepVector&& block) override {
    for (const SeriesInfo& s : block.series) group_of_.push_back(groups_.Of(s));
    input_.Append(std::move(block));
    return {};
  }

  Result<StepVector> Finish() override {
    CheckParam();
    std::vector<std::vector<size_t>> rows(groups_.size());
    for (size_t row = 0; row < input_.size(); ++row) rows[group_of_[row]].push_back(row);
    StepVector out(input_.steps);
    std::vector<double> values;
    bool ignored = false;
    for (size_t group = 0; group < groups_.size(); ++group) {
      const size_t to = out.AddRow(std::move(groups_.info(group)));
      for (size_t i = 0; i < input_.steps; ++i) {
        values.clear();
        for (const size_t row : rows[group]) {
          const uint8_t cell = input_.Cells(row)[i];
          if (cell == kFloat) values.push_back(input_.Values(row)[i]);
          ignored |= cell == kHistogram;
        }
        if (!values.empty()) out.SetFloat(to, i, Quantile(q_[i], &values));
      }
    }
    if (ignored) ctx_.annotations.HistogramIgnoredInAggregation("quantile", e_.lhs->pos);
    out.RemoveEmptyRows();
    return out;
  }

 private:
  void CheckParam() {
    double low = 0, high = 1;
    bool nan = false;
    for (double q : q_) {
      nan |= std::isnan(q);
      low = std::fmin(low, q);
      high = std::fmax(high, q);
    }
    const Position pos = e_.param->pos;
    if (nan) ctx_.annotations.InvalidQuantile(NormalNan(), pos);
    if (high > 1) ctx_.annotations.InvalidQuantile(high, pos);
    if (low < 0) ctx_.annotations.InvalidQuantile(low, pos);
  }

  QueryContext& ctx_;
  const Expr& e_;
  const std::vector<double> q_;
  Groups groups_;
  StepVector input_;
  std::vector<size_t> group_of_;
};

}  // namespace

std::unique_ptr<Aggregator> NewAggregator(QueryContext& ctx, const Expr& e,
                                          std::vector<double> param, size_t steps) {
  if (e.aggregate == AggregateOp::kQuantile) {
    return std::make_unique<QuantileAggregator>(ctx, e, std::move(param), steps);
  }
  return std::make_unique<FoldingAggregator>(ctx, e, steps);
}

Result<StepVector> CountValues(QueryContext& ctx, const Expr& e, const StepVector& input) {
  const Expr* param = e.param.get();
  while (param->kind == NodeKind::kParen) param = param->lhs.get();
  const std::string& value_label = param->string;
  if (value_label.empty() || !IsValidUtf8(value_label)) {
    return ExecutionError("invalid label name " + QuoteGo(value_label));
  }
  std::vector<std::string> grouping = e.grouping;
  if (!e.without) grouping.push_back(value_label);
  const Projection projection =
      e.without ? Projection::Drop(std::move(grouping)) : Projection::Keep(std::move(grouping));
  StepVector out(input.steps);
  LabelIndex index;
  LabelsBuilder builder;
  std::string key;
  for (size_t row = 0; row < input.size(); ++row) {
    for (size_t i = 0; i < input.steps; ++i) {
      if (input.Cells(row)[i] == kAbsent) continue;
      const Histogram* h = input.HistogramAt(row, i);
      builder.Reset(input.series[row].labels);
      builder.Set(value_label,
                  h != nullptr ? HistogramToString(*h) : FormatFloatPlain(input.Values(row)[i]));
      projection.Encode(builder.Build(), &key);
      bool added = false;
      const size_t to = index.Insert(key, &added);
      if (added) out.AddRow({LabelsOf(key), false});
      out.SetFloat(to, i, out.Cells(to)[i] == kFloat ? out.Values(to)[i] + 1 : 1);
    }
    TRY(ctx.budget.Check());
  }
  return out;
}

}  // namespace deckwatch::query
