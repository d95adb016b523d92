// topk, bottomk, limitk, limit_ratio.
#include <algorithm>
#include <cmath>
#include <limits>

#include "query/aggregate.h"
#include "query/instant_functions.h"
#include "query/label_sets.h"
#include "query/series_hash.h"

namespace deckwatch::query {

namespace {

struct Candidate {
  double value;
  size_t row;
};

// A heap as Go's container/heap keeps it, so that of equal values the same ones fall out.
template <typename Less>
class Heap {
 public:
  explicit Heap(Less less) : less_(less) {}

  // Keeps `c` if it is among the best k so far; of equal ones the earlier stays.
  void Offer(Candidate c, size_t k) {
    if (items_.size() < k) {
      Push(c);
    } else if (k > 0 && !std::isnan(c.value) && less_(items_[0].value, c.value)) {
      ReplaceTop(c);
    }
  }

  // NaN, being worst, comes last.
  const std::vector<Candidate>& BestFirst() {
    std::stable_sort(items_.begin(), items_.end(), [this](const Candidate& a, const Candidate& b) {
      return !std::isnan(a.value) && less_(b.value, a.value);
    });
    return items_;
  }

 private:
  void Push(Candidate c) {
    items_.push_back(c);
    for (size_t j = items_.size() - 1; j > 0;) {
      const size_t parent = (j - 1) / 2;
      if (!less_(items_[j].value, items_[parent].value)) break;
      std::swap(items_[parent], items_[j]);
      j = parent;
    }
  }
  void ReplaceTop(Candidate c) {
    items_[0] = c;
    for (size_t i = 0;;) {
      size_t child = 2 * i + 1;
      if (child >= items_.size()) break;
      if (child + 1 < items_.size() && less_(items_[child + 1].value, items_[child].value)) ++child;
      if (!less_(items_[child].value, items_[i].value)) break;
      std::swap(items_[i], items_[child]);
      i = child;
    }
  }

  Less less_;
  std::vector<Candidate> items_;
};

// Chooses rows of the input for every step, by group. Goes through the input row by row; what is
// chosen so far at each step of each group is kept beside.
class Chooser {
 public:
  Chooser(QueryContext& ctx, const Expr& e, const std::vector<double>& param,
          const StepVector& input)
      : ctx_(ctx), e_(e), param_(param), input_(input), group_of_(input.size()) {
    const Projection projection =
        e.without ? Projection::Drop(e.grouping) : Projection::Keep(e.grouping);
    LabelIndex index;
    std::string key;
    for (size_t row = 0; row < input.size(); ++row) {
      projection.Encode(input.series[row].labels, &key);
      group_of_[row] = index.Insert(key);
    }
    groups_ = index.size();
  }

  // Calls chosen(row, step), step by step; at one step group by group, the best first.
  template <typename F>
  Status Choose(F chosen) {
    switch (e_.aggregate) {
      case AggregateOp::kTopk:
        return ByValue([](double a, double b) { return std::isnan(a) || a < b; }, chosen);
      case AggregateOp::kBottomk:
        return ByValue([](double a, double b) { return std::isnan(a) || a > b; }, chosen);
      case AggregateOp::kLimitk: return First(chosen);
      default: return Ratio(chosen);
    }
  }

 private:
  size_t K(size_t step) const {
    const auto k = static_cast<int64_t>(param_[step]);
    return k < 1 ? 0 : std::min(static_cast<size_t>(k), input_.size());
  }

  // `less` orders the worst candidate first.
  template <typename Less, typename F>
  Status ByValue(Less less, F chosen) {
    std::vector<Heap<Less>> heaps(groups_ * input_.steps, Heap<Less>(less));
    bool ignored = false;
    for (size_t row = 0; row < input_.size(); ++row) {
      if (row % 256 == 0) TRY(ctx_.budget.Check());
      Heap<Less>* heap = &heaps[group_of_[row] * input_.steps];
      for (size_t step = 0; step < input_.steps; ++step) {
        const uint8_t cell = input_.Cells(row)[step];
        ignored |= cell == kHistogram;
        if (cell == kFloat) heap[step].Offer({input_.Values(row)[step], row}, K(step));
      }
    }
    if (ignored) {
      ctx_.annotations.HistogramIgnoredInAggregation(AggregateOpName(e_.aggregate), e_.pos);
    }
    for (size_t step = 0; step < input_.steps; ++step) {
      for (size_t group = 0; group < groups_; ++group) {
        for (const Candidate& c : heaps[group * input_.steps + step].BestFirst()) {
          chosen(c.row, step);
        }
      }
    }
    return {};
  }

  template <typename F>
  Status First(F chosen) {
    std::vector<size_t> taken(groups_ * input_.steps);
    for (size_t row = 0; row < input_.size(); ++row) {
      for (size_t step = 0; step < input_.steps; ++step) {
        size_t& n = taken[group_of_[row] * input_.steps + step];
        if (input_.Cells(row)[step] == kAbsent || n >= K(step)) continue;
        ++n;
        chosen(row, step);
      }
    }
    return {};
  }

  // r >= 0 keeps hashes below r, r < 0 those from 1 + r on, so that r and r - 1 complement each
  // other.
  template <typename F>
  Status Ratio(F chosen) {
    for (size_t row = 0; row < input_.size(); ++row) {
      const double place = SeriesHashFraction(input_.series[row].labels);
      for (size_t step = 0; step < input_.steps; ++step) {
        const double r = std::clamp(param_[step], -1.0, 1.0);
        if (input_.Cells(row)[step] == kAbsent || r == 0) continue;
        if (r > 0 ? place < r : place >= 1.0 + r) chosen(row, step);
      }
    }
    return {};
  }

  QueryContext& ctx_;
  const Expr& e_;
  const std::vector<double>& param_;
  const StepVector& input_;
  std::vector<size_t> group_of_;
  size_t groups_ = 0;
};

struct Bounds {
  double min = std::numeric_limits<double>::max();
  double max = std::numeric_limits<double>::lowest();
  bool nan = false;
};

Bounds BoundsOf(const std::vector<double>& v) {
  Bounds b;
  for (double x : v) {
    b.min = GoMin(b.min, x);
    b.max = GoMax(b.max, x);
    b.nan |= std::isnan(x);
  }
  return b;
}

// Whether there is anything to choose; errors of the parameter.
Result<bool> CheckParam(QueryContext& ctx, const Expr& e, const std::vector<double>& param) {
  const Bounds b = BoundsOf(param);
  if (e.aggregate == AggregateOp::kLimitRatio) {
    if (b.max == 0 && b.min == 0) return false;
    if (b.nan) return ExecutionError("Ratio value is NaN");
    if (b.max > 1) ctx.annotations.InvalidRatio(b.max, 1, e.param->pos);
    if (b.min < -1) ctx.annotations.InvalidRatio(b.min, -1, e.param->pos);
    return true;
  }
  if (b.max < 1) return false;
  if (b.nan) return ExecutionError("Parameter value is NaN");
  if (b.min <= -9223372036854775808.0) {
    return ExecutionError("Scalar value " + FormatGo(b.min) + " underflows int64");
  }
  if (b.max >= 9223372036854774784.0) {
    return ExecutionError("Scalar value " + FormatGo(b.max) + " overflows int64");
  }
  return true;
}

}  // namespace

Result<StepVector> SelectK(QueryContext& ctx, const Expr& e, const std::vector<double>& param,
                           const StepVector& input) {
  StepVector out(input.steps);
  TRY_ASSIGN(const bool any, CheckParam(ctx, e, param));
  if (!any) return out;
  Chooser chooser(ctx, e, param, input);
  constexpr size_t kNone = SIZE_MAX;
  std::vector<size_t> row_of(input.size(), kNone);
  TRY(chooser.Choose([&](size_t row, size_t step) {
    if (row_of[row] == kNone) row_of[row] = out.AddRow(input.series[row]);
    out.CopyCell(row_of[row], step, input, row, step);
  }));
  return out;
}

}  // namespace deckwatch::query
