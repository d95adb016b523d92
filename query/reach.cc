#include "query/reach.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "query/eval.h"
#include "query/function_id.h"
#include "query/functions.h"

namespace deckwatch::query {

namespace {

// A histogram's reset hint comes from the sample before it, at most this much older.
constexpr int64_t kHintsMs = 2 * 3'600'000;

// Further ahead than any time of a query, and far from overflowing with it.
constexpr int64_t kForeverMs = int64_t{1} << 60;

bool IsMetadata(std::string_view label) {
  return label == kMetricName || label == "__type__" || label == "__unit__";
}

bool NamesMetadata(const std::vector<std::string>& labels) {
  return std::any_of(labels.begin(), labels.end(), IsMetadata);
}

// Whether a duration expression asks for the range of the query.
bool AsksForRange(const Expr* duration) {
  return duration != nullptr &&
         (duration->duration_op == 'r' || AsksForRange(duration->lhs.get()) ||
          AsksForRange(duration->rhs.get()));
}

// What becomes of the metric's name of all rows of a vector at the end of the query.
enum class Name { kNone, kStays, kGoes };

class Walker {
 public:
  explicit Walker(int64_t lookback_ms) : lookback_ms_(lookback_ms) {}

  // When an expression is evaluated: at [first, last] from the step on, or at fixed times.
  struct Window {
    int64_t first_ms = 0, last_ms = 0;  // relative to the step, or absolute
    bool fixed = false;
  };
  Name Visit(const Expr& e, const Window& window) {
    if (AsksForRange(e.offset_expr.get()) || AsksForRange(e.range_expr.get()) ||
        AsksForRange(e.step_expr.get())) {
      reach_.stepwise = false;
    }
    switch (e.kind) {
      case NodeKind::kVectorSelector: return Selector(e, 0, window);
      case NodeKind::kMatrixSelector: return Selector(*e.lhs, e.range_ms, window);
      case NodeKind::kSubquery: {
        Window inner = Shifted(e, window);
        inner.first_ms -= e.range_ms;
        return Visit(*e.lhs, inner);
      }
      case NodeKind::kParen: return Visit(*e.lhs, window);
      case NodeKind::kUnary: {
        const Name name = Visit(*e.lhs, window);
        return e.negative ? Name::kGoes : name;
      }
      case NodeKind::kBinary: return Binary(e, window);
      case NodeKind::kAggregate: return Aggregate(e, window);
      case NodeKind::kCall: return Call(e, window);
      default: return Name::kNone;
    }
  }

  Reach Finish() {
    reach_.behind_ms += kHintsMs;
    if (reach_.fixed_first_ms <= reach_.fixed_last_ms) reach_.fixed_first_ms -= kHintsMs;
    return reach_;
  }

 private:
  // With `@` and offset applied.
  Window Shifted(const Expr& e, Window window) {
    if (e.at == AtModifier::kTimestamp) {
      window = {e.at_ms, e.at_ms, true};
    } else if (e.at != AtModifier::kNone) {
      reach_.stepwise = false;
      window = {std::min<int64_t>(window.first_ms, 0), std::max<int64_t>(window.last_ms, 0), false};
    }
    // timestamp() looks at the time of `@` itself, too.
    window.first_ms -= e.at == AtModifier::kNone ? e.offset_ms : std::abs(e.offset_ms);
    window.last_ms += e.at == AtModifier::kNone ? -e.offset_ms : std::abs(e.offset_ms);
    return window;
  }

  Name Selector(const Expr& selector, int64_t range_ms, const Window& window) {
    if (AsksForRange(selector.offset_expr.get())) reach_.stepwise = false;
    Window at = Shifted(selector, window);
    at.first_ms -= range_ms + lookback_ms_;
    if (selector.range_mode == RangeMode::kSmoothed) at.last_ms += lookback_ms_;
    if (at.fixed) {
      reach_.fixed_first_ms = std::min(reach_.fixed_first_ms, at.first_ms);
      reach_.fixed_last_ms = std::max(reach_.fixed_last_ms, at.last_ms);
    } else {
      reach_.behind_ms = std::max(reach_.behind_ms, -at.first_ms);
      reach_.ahead_ms = std::max(reach_.ahead_ms, at.last_ms);
    }
    return Name::kStays;
  }

  Name Binary(const Expr& e, const Window& window) {
    const Name lhs = Visit(*e.lhs, window);
    const Name rhs = Visit(*e.rhs, window);
    if (e.op == BinaryOp::kOr) {
      // A row that comes from either side keeps what the left one says of its name.
      if (lhs != rhs && lhs != Name::kNone && rhs != Name::kNone) reach_.stepwise = false;
      return lhs == Name::kNone ? rhs : lhs;
    }
    if (IsSetOperator(e.op)) return lhs;
    if (e.lhs->type == ValueType::kScalar || e.rhs->type == ValueType::kScalar) {
      const Name name = e.lhs->type == ValueType::kScalar ? rhs : lhs;
      return e.return_bool || e.op <= BinaryOp::kAtan2 ? Name::kGoes : name;
    }
    return e.return_bool ? Name::kGoes : Name::kStays;
  }

  Name Aggregate(const Expr& e, const Window& window) {
    if (e.param != nullptr) {
      Visit(*e.param, window);
      // k and ratio are checked over all steps together.
      if (!StepInvariant(*e.param)) reach_.stepwise = false;
    }
    const Name name = Visit(*e.lhs, window);
    switch (e.aggregate) {
      case AggregateOp::kTopk:
      case AggregateOp::kBottomk:
      case AggregateOp::kLimitk:
      case AggregateOp::kLimitRatio: return name;
      case AggregateOp::kCountValues: return Name::kStays;
      default: return e.without || NamesMetadata(e.grouping) ? name : Name::kNone;
    }
  }

  Name Call(const Expr& e, const Window& window) {
    Name name = Name::kNone;  // of the first argument that is no scalar
    bool found = false;
    for (const auto& arg : e.args) {
      const Name of = Visit(*arg, window);
      if (found || (arg->type != ValueType::kVector && arg->type != ValueType::kMatrix)) continue;
      name = of;
      found = true;
    }
    switch (e.function->id) {
      case FunctionId::kStart:
      case FunctionId::kEnd:
      case FunctionId::kRange: reach_.stepwise = false; return Name::kNone;
      case FunctionId::kInfo:
        // Looks at info series of no row of the step, at the times of a selector somewhere below.
        reach_.stepwise = false;
        reach_.ahead_ms = kForeverMs;
        return name;
      case FunctionId::kLabelReplace:
      case FunctionId::kLabelJoin:
        // Gives some rows a name for good.
        if (IsMetadata(Unwrap(*e.args[1]).string)) reach_.stepwise = false;
        return name;
      case FunctionId::kLastOverTime:
      case FunctionId::kFirstOverTime:
      case FunctionId::kSort:
      case FunctionId::kSortDesc:
      case FunctionId::kSortByLabel:
      case FunctionId::kSortByLabelDesc: return name;
      case FunctionId::kAbsent:
      case FunctionId::kAbsentOverTime: return Name::kNone;
      default: return found ? Name::kGoes : Name::kNone;
    }
  }

  const int64_t lookback_ms_;
  Reach reach_;
};

}  // namespace

Reach ReachOf(const Expr& e, int64_t lookback_ms) {
  Walker walker(lookback_ms);
  walker.Visit(e, {});
  return walker.Finish();
}

bool InFixedOrder(const Expr& e) {
  switch (e.kind) {
    case NodeKind::kVectorSelector:
    case NodeKind::kMatrixSelector:
    case NodeKind::kSubquery: return true;
    case NodeKind::kParen:
    case NodeKind::kUnary: return InFixedOrder(*e.lhs);
    case NodeKind::kBinary:
      if (e.lhs->type == ValueType::kScalar) return InFixedOrder(*e.rhs);
      if (e.rhs->type == ValueType::kScalar) return InFixedOrder(*e.lhs);
      return IsSetOperator(e.op) && e.op != BinaryOp::kOr && InFixedOrder(*e.lhs);
    case NodeKind::kCall: {
      constexpr std::array kRegrouping = {
          FunctionId::kLabelReplace,
          FunctionId::kLabelJoin,
          FunctionId::kInfo,
          FunctionId::kHistogramQuantile,
          FunctionId::kHistogramFraction,
          FunctionId::kHistogramQuantiles,
      };
      if (std::find(kRegrouping.begin(), kRegrouping.end(), e.function->id) != kRegrouping.end()) {
        return false;
      }
      return std::all_of(e.args.begin(), e.args.end(), [](const auto& arg) {
        return arg->type == ValueType::kScalar || InFixedOrder(*arg);
      });
    }
    case NodeKind::kAggregate: return false;
    default: return true;
  }
}

}  // namespace deckwatch::query
