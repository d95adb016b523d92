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
  std::vector<Candidate>& items() { return items_; }
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

 private:
  Less less_;
  std::vector<Candidate> items_;
};

// Rows of `input` that are chosen at one step, group by group.
class Chooser {
 public:
  Chooser(QueryContext& ctx, const Expr& e, const StepVector& input)
      : ctx_(ctx), e_(e), input_(input), group_of_(input.size()) {
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

  std::vector<size_t> Choose(size_t step, double param) {
    switch (e_.aggregate) {
      case AggregateOp::kTopk:
        return ByValue(step, param, [](double a, double b) { return std::isnan(a) || a < b; });
      case AggregateOp::kBottomk:
        return ByValue(step, param, [](double a, double b) { return std::isnan(a) || a > b; });
      case AggregateOp::kLimitk: return First(step, param);
      default: return Ratio(step, std::clamp(param, -1.0, 1.0));
    }
  }

 private:
  size_t K(double param) const {
    const auto k = static_cast<int64_t>(param);
    return k < 1 ? 0 : std::min(static_cast<size_t>(k), input_.size());
  }

  // `less` orders the worst candidate first.
  template <typename Less>
  std::vector<size_t> ByValue(size_t step, double param, Less less) {
    const size_t k = K(param);
    if (k == 0) return {};
    std::vector<Heap<Less>> heaps(groups_, Heap<Less>(less));
    for (size_t row = 0; row < input_.size(); ++row) {
      const uint8_t cell = input_.Cells(row)[step];
      if (cell == kHistogram) {
        ctx_.annotations.HistogramIgnoredInAggregation(AggregateOpName(e_.aggregate), e_.pos);
      }
      if (cell != kFloat) continue;
      const double v = input_.Values(row)[step];
      Heap<Less>& heap = heaps[group_of_[row]];
      if (heap.items().size() < k) {
        heap.Push({v, row});
      } else if (const double worst = heap.items()[0].value;
                 std::isnan(worst) ? !std::isnan(v) : !std::isnan(v) && less(worst, v)) {
        heap.ReplaceTop({v, row});
      }
    }
    std::vector<size_t> out;
    for (Heap<Less>& heap : heaps) {
      // Best first; NaN, being worst, last.
      std::stable_sort(heap.items().begin(), heap.items().end(),
                       [&](const Candidate& a, const Candidate& b) {
                         if (std::isnan(a.value)) return false;
                         return less(b.value, a.value);
                       });
      for (const Candidate& c : heap.items()) out.push_back(c.row);
    }
    return out;
  }

  std::vector<size_t> First(size_t step, double param) {
    const size_t k = K(param);
    std::vector<size_t> taken(groups_);
    std::vector<size_t> out;
    for (size_t row = 0; row < input_.size(); ++row) {
      if (input_.Cells(row)[step] == kAbsent || taken[group_of_[row]] == k) continue;
      ++taken[group_of_[row]];
      out.push_back(row);
    }
    return out;
  }

  // r >= 0 keeps hashes below r, r < 0 those from 1 + r on, so that r and r - 1 complement each
  // other.
  std::vector<size_t> Ratio(size_t step, double r) {
    std::vector<size_t> out;
    if (r == 0) return out;
    for (size_t row = 0; row < input_.size(); ++row) {
      if (input_.Cells(row)[step] == kAbsent) continue;
      const double place = SeriesHashFraction(input_.series[row].labels);
      if (r >= 0 ? place < r : place >= 1.0 + r) out.push_back(row);
    }
    return out;
  }

  QueryContext& ctx_;
  const Expr& e_;
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
  Chooser chooser(ctx, e, input);
  constexpr size_t kNone = SIZE_MAX;
  std::vector<size_t> row_of(input.size(), kNone);
  for (size_t step = 0; step < input.steps; ++step) {
    TRY(ctx.budget.Check());
    for (const size_t row : chooser.Choose(step, param[step])) {
      if (row_of[row] == kNone) row_of[row] = out.AddRow(input.series[row]);
      out.CopyCell(row_of[row], step, input, row, step);
    }
  }
  return out;
}

}  // namespace deckwatch::query
