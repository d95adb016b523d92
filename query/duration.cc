// Values of duration expressions; semantics of Prometheus's promql/durations.go.
#include <cmath>
#include <string>

#include "query/parser.h"

namespace deckwatch::query {

namespace {

// Go's math.Min and math.Max: NaN wins.
double Min(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? NAN : std::fmin(a, b);
}
double Max(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? NAN : std::fmax(a, b);
}

class DurationResolver {
 public:
  DurationResolver(double range_s, double step_s) : range_s_(range_s), step_s_(step_s) {}

  Status Resolve(Expr* e) const {
    if (e->offset_expr) TRY(Set(*e->offset_expr, true, &e->offset_ms));
    if (e->step_expr) TRY(Set(*e->step_expr, false, &e->step_ms));
    if (e->range_expr) TRY(Set(*e->range_expr, false, &e->range_ms));
    for (Expr* child : {e->lhs.get(), e->rhs.get(), e->param.get()}) {
      if (child) TRY(Resolve(child));
    }
    for (const auto& arg : e->args) TRY(Resolve(arg.get()));
    return Status::Ok();
  }

 private:
  // Prometheus names the place by byte offsets here.
  static Status Fail(const Expr& e, std::string_view message) {
    return Status::InvalidArgument(std::to_string(e.pos.begin) + ":" + std::to_string(e.pos.end) +
                                   ": " + std::string(message));
  }

  Status Set(const Expr& duration, bool may_be_negative, int64_t* ms) const {
    TRY_ASSIGN(const double seconds, Evaluate(duration));
    if (!may_be_negative && !(seconds > 0)) {
      return Fail(duration, "duration must be greater than 0");
    }
    constexpr double kMaxSeconds = 9223372036854775807.0 / 1e9;
    if (!(std::fabs(seconds) < kMaxSeconds)) {
      return Fail(duration, "duration is out of range");
    }
    *ms = static_cast<int64_t>(seconds * 1000);
    return Status::Ok();
  }

  // In seconds.
  Result<double> Evaluate(const Expr& e) const {
    switch (e.duration_op) {
      case 'n': return e.number;
      case 's': return step_s_;
      case 'r': return range_s_;
      case '(': return Evaluate(*e.lhs);
      case 'u': {
        TRY_ASSIGN(const double operand, Evaluate(*e.lhs));
        return -operand;
      }
      default: break;
    }
    TRY_ASSIGN(const double a, Evaluate(*e.lhs));
    TRY_ASSIGN(const double b, Evaluate(*e.rhs));
    switch (e.duration_op) {
      case '+': return a + b;
      case '-': return a - b;
      case '*': return a * b;
      case '/':
        if (b == 0) return Fail(e, "division by zero");
        return a / b;
      case '%':
        if (b == 0) return Fail(e, "modulo by zero");
        return std::fmod(a, b);
      case '^': return std::pow(a, b);
      case 'm': return Min(a, b);
      default: return Max(a, b);
    }
  }

  double range_s_;
  double step_s_;
};

}  // namespace

Status ResolveDurations(Expr* expr, int64_t start_ms, int64_t end_ms, int64_t step_ms) {
  const double range_s = static_cast<double>(end_ms - start_ms) / 1000;
  return DurationResolver(range_s, static_cast<double>(step_ms) / 1000).Resolve(expr);
}

}  // namespace deckwatch::query
