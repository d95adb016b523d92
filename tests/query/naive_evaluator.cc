#include "tests/query/naive_evaluator.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "query/function_id.h"
#include "query/functions.h"
#include "query/go_math.h"

namespace deckwatch::query {

namespace {

using Samples = std::vector<std::pair<int64_t, double>>;
using Wide = long double;

const Expr& Bare(const Expr& e) {
  return e.kind == NodeKind::kParen ? Bare(*e.lhs) : e;
}

std::vector<double> Values(const Samples& s) {
  std::vector<double> out;
  for (const auto& [t, v] : s) out.push_back(v);
  return out;
}

// NaN loses to any number.
double Extreme(const std::vector<double>& values, int sign) {
  double best = values[0];
  for (const double v : values) {
    if (std::isnan(best) || sign * v > sign * best) best = v;
  }
  return best;
}

double Sum(const std::vector<double>& values) {
  Wide sum = 0;
  for (const double v : values) sum += v;
  return static_cast<double>(sum);
}

double Average(const std::vector<double>& values) {
  Wide sum = 0;
  for (const double v : values) sum += v;
  return static_cast<double>(sum / static_cast<Wide>(values.size()));
}

double Variance(const std::vector<double>& values) {
  const Wide n = static_cast<Wide>(values.size());
  Wide sum = 0, squares = 0;
  for (const double v : values) sum += v;
  for (const double v : values) squares += (v - sum / n) * (v - sum / n);
  return static_cast<double>(squares / n);
}

double Quantile(double q, std::vector<double> values) {
  if (std::isnan(q)) return q;
  if (q < 0) return -INFINITY;
  if (q > 1) return INFINITY;
  std::sort(values.begin(), values.end(), [](double a, double b) {
    return std::isnan(a) ? !std::isnan(b) : a < b;  // NaN first
  });
  const double n = static_cast<double>(values.size());
  const double rank = q * (n - 1);
  const double lower = std::max(0.0, std::floor(rank));
  const double upper = std::min(n - 1, lower + 1);
  const double weight = rank - std::floor(rank);
  return values[static_cast<size_t>(lower)] * (1 - weight) +
         values[static_cast<size_t>(upper)] * weight;
}

double Changes(const Samples& s) {
  double n = 0;
  for (size_t i = 1; i < s.size(); ++i) {
    const double a = s[i - 1].second, b = s[i].second;
    n += a != b && !(std::isnan(a) && std::isnan(b));
  }
  return n;
}

double Resets(const Samples& s) {
  double n = 0;
  for (size_t i = 1; i < s.size(); ++i) n += s[i].second < s[i - 1].second;
  return n;
}

std::optional<double> Delta(const Samples& s, int64_t end_ms, int64_t range_ms, bool counter,
                            double per) {
  if (s.size() < 2) return std::nullopt;
  double result = s.back().second - s.front().second;
  for (size_t i = 1; counter && i < s.size(); ++i) {
    if (s[i].second < s[i - 1].second) result += s[i - 1].second;
  }
  const double sampled = static_cast<double>(s.back().first - s.front().first) / 1000;
  const double average = sampled / static_cast<double>(s.size() - 1);
  double to_start = static_cast<double>(s.front().first - (end_ms - range_ms)) / 1000;
  double to_end = static_cast<double>(end_ms - s.back().first) / 1000;
  if (to_start >= average * 1.1) to_start = average / 2;
  if (counter && result > 0 && s.front().second >= 0) {
    to_start = std::min(to_start, sampled * (s.front().second / result));
  }
  if (to_end >= average * 1.1) to_end = average / 2;
  return result * ((sampled + to_start + to_end) / sampled / per);
}

std::optional<double> LastTwo(const Samples& s, bool rate) {
  if (s.size() < 2) return std::nullopt;
  const auto [t0, v0] = s[s.size() - 2];
  const auto [t1, v1] = s.back();
  if (!rate) return v1 - v0;
  return (v1 < v0 ? v1 : v1 - v0) / (static_cast<double>(t1 - t0) / 1000);
}

// Least squares: {value at `origin_ms`, slope per second}.
std::optional<std::pair<double, double>> Line(const Samples& s, int64_t origin_ms) {
  if (s.size() < 2) return std::nullopt;
  const double first = s[0].second;
  if (std::all_of(s.begin(), s.end(), [&](const auto& p) { return p.second == first; })) {
    if (std::isinf(first)) return std::pair(std::nan(""), std::nan(""));
    return std::pair(first, 0.0);
  }
  const Wide n = static_cast<Wide>(s.size());
  Wide x = 0, y = 0, xy = 0, xx = 0;
  for (const auto& [t, v] : s) {
    const Wide at = static_cast<Wide>(t - origin_ms) / 1000;
    x += at, y += v, xy += at * v, xx += at * at;
  }
  const Wide slope = (xy - x * y / n) / (xx - x * x / n);
  return std::pair(static_cast<double>(y / n - slope * x / n), static_cast<double>(slope));
}

// Equal but for what rounding in another order makes of them: whatever looks at their order may go
// either way.
bool Unsure(double a, double b) {
  const double larger = std::max(std::fabs(a), std::fabs(b));
  return a != b && (std::fabs(a - b) <= 1e-9 * larger || larger < 1e-9);
}

bool HasOr(const Expr& e) {
  if (e.kind == NodeKind::kBinary && e.op == BinaryOp::kOr) return true;
  return (e.lhs && HasOr(*e.lhs)) || (e.rhs && HasOr(*e.rhs)) ||
         std::any_of(e.args.begin(), e.args.end(), [](const auto& arg) { return HasOr(*arg); });
}

// The labels that decide whether two series match.
Labels MatchKey(const VectorMatching& m, const Labels& labels) {
  LabelsBuilder b(labels);
  return (m.on ? b.Keep(m.labels) : b.Drop(m.labels)).Build();
}

Labels AbsentLabels(const Expr& arg) {
  const Expr& e = Bare(arg);
  if (e.kind != NodeKind::kVectorSelector) return {};
  LabelsBuilder b;
  std::set<std::string> seen;
  for (const Matcher& m : e.matchers) {
    if (m.name() == kMetricName) continue;
    const bool first = seen.insert(m.name()).second;
    b.Set(m.name(), first && m.type() == MatchType::kEqual ? m.value() : "");
  }
  return b.Build();
}

}  // namespace

double NaiveEvaluator::Arithmetic(BinaryOp op, double a, double b) {
  // The remainder of a large quotient is made of last digits.
  if (op == BinaryOp::kMod && std::fabs(a / b) > 1e4) GiveUp();
  switch (op) {
    case BinaryOp::kAdd: return a + b;
    case BinaryOp::kSub: return a - b;
    case BinaryOp::kMul: return a * b;
    case BinaryOp::kDiv: return a / b;
    case BinaryOp::kMod: return std::fmod(a, b);
    case BinaryOp::kPow: return go::Pow(a, b);
    default: return go::Atan2(a, b);
  }
}

bool NaiveEvaluator::Holds(BinaryOp op, double a, double b) {
  if (Unsure(a, b)) GiveUp();
  switch (op) {
    case BinaryOp::kEq: return a == b;
    case BinaryOp::kNe: return a != b;
    case BinaryOp::kGt: return a > b;
    case BinaryOp::kLt: return a < b;
    case BinaryOp::kGe: return a >= b;
    default: return a <= b;
  }
}

NaiveEvaluator::Outcome NaiveEvaluator::Evaluate(const Expr& e, int64_t t_ms, NaiveVector* out) {
  outcome_ = Outcome::kValue;
  *out = Vector(e, t_ms);
  return outcome_;
}

NaiveVector NaiveEvaluator::Vector(const Expr& e, int64_t t_ms) {
  NaiveVector out;
  switch (e.kind) {
    case NodeKind::kParen: return Vector(*e.lhs, t_ms);
    case NodeKind::kUnary:
      for (const auto& [labels, v] : Vector(*e.lhs, t_ms)) out[labels] = e.negative ? -v : v;
      return out;
    case NodeKind::kVectorSelector:
      for (const auto& [labels, sample] : Newest(e, t_ms)) out[labels] = sample.second;
      return out;
    case NodeKind::kCall: return Call(e, t_ms);
    case NodeKind::kAggregate: return Aggregate(e, t_ms);
    case NodeKind::kBinary: return e.matching ? Binary(e, t_ms) : WithScalar(e, t_ms);
    default: return Unknown();
  }
}

double NaiveEvaluator::Scalar(const Expr& arg, int64_t t_ms) {
  const Expr& e = Bare(arg);
  if (e.kind == NodeKind::kNumber) return e.number;
  if (e.kind == NodeKind::kUnary) return (e.negative ? -1 : 1) * Scalar(*e.lhs, t_ms);
  if (e.kind == NodeKind::kCall && e.function->id == FunctionId::kTime) {
    return static_cast<double>(t_ms) / 1000;
  }
  if (e.kind == NodeKind::kCall && e.function->id == FunctionId::kScalar) {
    const NaiveVector v = Vector(*e.args[0], t_ms);
    return v.size() == 1 ? v.begin()->second : std::nan("");
  }
  GiveUp();
  return 0;
}

NaiveEvaluator::Matrix NaiveEvaluator::Read(const Expr& selector, int64_t end_ms, int64_t range_ms,
                                            bool stale) {
  Matrix out;
  auto set = querier_->Select(INT64_MIN, INT64_MAX, selector.matchers, {});
  for (size_t i = 0; i < (*set)->size(); ++i) {
    Columns c;
    const Labels labels = LabelsBuilder((*set)->LabelsAt(i)).Del(kMetricName).Build();
    if (!(*set)->Read(i, &c).ok()) GiveUp();
    Samples found;
    for (size_t k = 0; k < c.size(); ++k) {
      if (c.t_ms[k] <= end_ms - range_ms || c.t_ms[k] > end_ms) continue;
      if (stale || !IsStale(c.value[k])) found.emplace_back(c.t_ms[k], c.value[k]);
    }
    if (found.empty()) continue;
    if (!out.emplace(labels, std::move(found)).second) GiveUp();  // two names
  }
  return out;
}

std::map<Labels, std::pair<int64_t, double>> NaiveEvaluator::Newest(const Expr& selector,
                                                                    int64_t t_ms) {
  const int64_t end_ms =
      (selector.at == AtModifier::kTimestamp ? selector.at_ms : t_ms) - selector.offset_ms;
  std::map<Labels, std::pair<int64_t, double>> out;
  for (const auto& [labels, samples] : Read(selector, end_ms, 300'000, true)) {
    if (!IsStale(samples.back().second)) out[labels] = samples.back();
  }
  return out;
}

NaiveEvaluator::Matrix NaiveEvaluator::Range(const Expr& e, int64_t t_ms, int64_t* end_ms) {
  const Expr& timed = e.kind == NodeKind::kMatrixSelector ? *e.lhs : e;
  *end_ms = (timed.at == AtModifier::kTimestamp ? timed.at_ms : t_ms) - timed.offset_ms;
  if (e.kind == NodeKind::kMatrixSelector) return Read(*e.lhs, *end_ms, e.range_ms, false);
  if (HasOr(*e.lhs)) GiveUp();  // names that are dropped later tell its series apart until then
  Matrix out;
  const int64_t step_ms = e.step_ms == 0 ? 60'000 : e.step_ms;
  for (int64_t t = *end_ms - e.range_ms + 1; t <= *end_ms; ++t) {
    if (t % step_ms != 0) continue;
    for (const auto& [labels, v] : Vector(*e.lhs, t)) out[labels].emplace_back(t, v);
    t += step_ms - 1;
  }
  return out;
}

NaiveVector NaiveEvaluator::RangeCall(const Expr& e, int64_t t_ms) {
  const FunctionId id = e.function->id;
  const Expr& range = Bare(*e.args[id == FunctionId::kQuantileOverTime ? 1 : 0]);
  int64_t end_ms = 0;
  const Matrix matrix = Range(range, t_ms, &end_ms);
  const double seconds = static_cast<double>(range.range_ms) / 1000;
  NaiveVector out;
  for (const auto& [labels, s] : matrix) {
    const std::vector<double> values = Values(s);
    for (size_t i = 1; i < values.size(); ++i) {
      if (Unsure(values[i - 1], values[i])) GiveUp();
    }
    std::optional<double> v;
    switch (id) {
      case FunctionId::kCountOverTime: v = static_cast<double>(s.size()); break;
      case FunctionId::kPresentOverTime: v = 1; break;
      case FunctionId::kMaxOverTime: v = Extreme(values, 1); break;
      case FunctionId::kMinOverTime: v = Extreme(values, -1); break;
      case FunctionId::kFirstOverTime: v = values.front(); break;
      case FunctionId::kLastOverTime: v = values.back(); break;
      case FunctionId::kSumOverTime: v = Sum(values); break;
      case FunctionId::kAvgOverTime: v = Average(values); break;
      case FunctionId::kStdvarOverTime: v = Variance(values); break;
      case FunctionId::kStddevOverTime: v = std::sqrt(Variance(values)); break;
      case FunctionId::kQuantileOverTime: v = Quantile(Scalar(*e.args[0], t_ms), values); break;
      case FunctionId::kChanges: v = Changes(s); break;
      case FunctionId::kResets: v = Resets(s); break;
      case FunctionId::kIncrease: v = Delta(s, end_ms, range.range_ms, true, 1); break;
      case FunctionId::kDelta: v = Delta(s, end_ms, range.range_ms, false, 1); break;
      case FunctionId::kRate: v = Delta(s, end_ms, range.range_ms, true, seconds); break;
      case FunctionId::kIrate: v = LastTwo(s, true); break;
      case FunctionId::kIdelta: v = LastTwo(s, false); break;
      case FunctionId::kDeriv:
        if (const auto line = Line(s, s.front().first)) v = line->second;
        break;
      case FunctionId::kPredictLinear:
        if (const auto line = Line(s, t_ms)) {
          v = line->first + line->second * Scalar(*e.args[1], t_ms);
        }
        break;
      default: return Unknown();
    }
    if (v) out[labels] = *v;
  }
  return out;
}

NaiveVector NaiveEvaluator::Timestamp(const Expr& arg, int64_t t_ms) {
  const Expr& e = Bare(arg);
  NaiveVector out;
  if (e.kind != NodeKind::kVectorSelector) {
    for (const auto& [labels, v] : Vector(e, t_ms)) out[labels] = static_cast<double>(t_ms) / 1000;
    return out;
  }
  if (e.at != AtModifier::kNone && e.offset_ms != 0) return Unknown();
  for (const auto& [labels, sample] : Newest(e, t_ms)) {
    out[labels] = static_cast<double>(sample.first) / 1000;
  }
  return out;
}

NaiveVector NaiveEvaluator::Call(const Expr& e, int64_t t_ms) {
  const auto is_range = [](const auto& arg) { return arg->type == ValueType::kMatrix; };
  if (std::any_of(e.args.begin(), e.args.end(), is_range)) return RangeCall(e, t_ms);
  const FunctionId id = e.function->id;
  if (id == FunctionId::kVector) return {{Labels(), Scalar(*e.args[0], t_ms)}};
  if (id == FunctionId::kTimestamp) return Timestamp(*e.args[0], t_ms);
  if (id == FunctionId::kHistogramQuantile || id == FunctionId::kHistogramFraction) {
    Vector(*e.args.back(), t_ms);  // may fail; floats without `le` are no histograms
    return {};
  }
  const NaiveVector input = Vector(*e.args.front(), t_ms);
  if (id == FunctionId::kAbsent) {
    if (input.empty()) return {{AbsentLabels(*e.args[0]), 1}};
    return {};
  }
  NaiveVector out;
  for (const auto& [labels, v] : input) {
    switch (id) {
      case FunctionId::kAbs: out[labels] = std::fabs(v); break;
      case FunctionId::kClamp: {
        const double low = Scalar(*e.args[1], t_ms), high = Scalar(*e.args[2], t_ms);
        out[labels] = std::isnan(v) ? v : std::max(low, std::min(high, v));
        break;
      }
      case FunctionId::kRound: {
        const double inverse = 1 / Scalar(*e.args[1], t_ms);
        if (Unsure(v * inverse + 0.5, std::round(v * inverse + 0.5))) GiveUp();
        out[labels] = std::floor(v * inverse + 0.5) / inverse;
        break;
      }
      case FunctionId::kHour:
        if (!(std::fabs(v) < 1e12)) return Unknown();
        out[labels] =
            static_cast<double>(((static_cast<int64_t>(v) % 86'400 + 86'400) % 86'400) / 3600);
        break;
      case FunctionId::kLabelReplace: {  // of "a", with "x$1", from "b", where it is one digit
        const std::string_view b = labels.Get("b");
        LabelsBuilder replaced(labels);
        if (b.size() == 1) replaced.Set("a", "x" + std::string(b));
        if (!out.emplace(replaced.Build(), v).second) Fail();
        break;
      }
      case FunctionId::kHistogramCount: break;  // floats are none
      default: return Unknown();
    }
  }
  return out;
}

NaiveVector NaiveEvaluator::Aggregate(const Expr& e, int64_t t_ms) {
  using Member = std::pair<double, Labels>;
  std::map<Labels, std::vector<Member>> groups;
  for (const auto& [labels, v] : Vector(*e.lhs, t_ms)) {
    LabelsBuilder b(labels);
    groups[(e.without ? b.Drop(e.grouping) : b.Keep(e.grouping)).Build()].emplace_back(v, labels);
  }
  const double param = e.param ? Scalar(*e.param, t_ms) : 0;
  NaiveVector out;
  for (auto& [labels, members] : groups) {
    std::vector<double> values;
    for (const Member& m : members) values.push_back(m.first);
    switch (e.aggregate) {
      case AggregateOp::kCount: out[labels] = static_cast<double>(values.size()); break;
      case AggregateOp::kGroup: out[labels] = 1; break;
      case AggregateOp::kMax: out[labels] = Extreme(values, 1); break;
      case AggregateOp::kMin: out[labels] = Extreme(values, -1); break;
      case AggregateOp::kSum: out[labels] = Sum(values); break;
      case AggregateOp::kAvg: out[labels] = Average(values); break;
      case AggregateOp::kStdvar: out[labels] = Variance(values); break;
      case AggregateOp::kStddev: out[labels] = std::sqrt(Variance(values)); break;
      case AggregateOp::kQuantile: out[labels] = Quantile(param, values); break;
      case AggregateOp::kTopk:
      case AggregateOp::kBottomk: {
        const int sign = e.aggregate == AggregateOp::kTopk ? -1 : 1;
        std::sort(members.begin(), members.end(), [sign](const Member& a, const Member& b) {
          if (std::isnan(a.first) || std::isnan(b.first)) {
            return !std::isnan(a.first) && std::isnan(b.first);
          }
          return sign * a.first < sign * b.first;
        });
        const size_t k = static_cast<size_t>(param);
        for (size_t i = 0; i < std::min(k, members.size()); ++i) {
          out[members[i].second] = members[i].first;
        }
        if (members.size() > k) {
          const double last = members[k - 1].first, next = members[k].first;
          if (last == next || Unsure(last, next) || (std::isnan(last) && std::isnan(next)))
            GiveUp();
        }
        break;
      }
      default: return Unknown();
    }
  }
  return out;
}

NaiveVector NaiveEvaluator::WithScalar(const Expr& e, int64_t t_ms) {
  const bool scalar_left = e.lhs->type == ValueType::kScalar;
  if (scalar_left && e.rhs->type == ValueType::kScalar) return Unknown();
  const double scalar = Scalar(scalar_left ? *e.lhs : *e.rhs, t_ms);
  NaiveVector out;
  for (const auto& [labels, v] : Vector(scalar_left ? *e.rhs : *e.lhs, t_ms)) {
    const double a = scalar_left ? scalar : v, b = scalar_left ? v : scalar;
    if (!IsComparison(e.op)) {
      out[labels] = Arithmetic(e.op, a, b);
    } else if (e.return_bool) {
      out[labels] = Holds(e.op, a, b);
    } else if (Holds(e.op, a, b)) {
      out[labels] = v;
    }
  }
  return out;
}

NaiveVector NaiveEvaluator::SetOperation(const Expr& e, const NaiveVector& left,
                                         const NaiveVector& right) {
  const auto any = [&](const NaiveVector& among, const Labels& labels) {
    return std::any_of(among.begin(), among.end(), [&](const auto& other) {
      return MatchKey(*e.matching, other.first) == MatchKey(*e.matching, labels);
    });
  };
  NaiveVector out;
  for (const auto& [labels, v] : left) {
    if (e.op == BinaryOp::kOr || any(right, labels) == (e.op == BinaryOp::kAnd)) out[labels] = v;
  }
  for (const auto& [labels, v] : right) {
    if (e.op == BinaryOp::kOr && !any(left, labels) && !out.emplace(labels, v).second) Fail();
  }
  return out;
}

NaiveVector NaiveEvaluator::Binary(const Expr& e, int64_t t_ms) {
  const NaiveVector left = Vector(*e.lhs, t_ms), right = Vector(*e.rhs, t_ms);
  if (IsSetOperator(e.op)) return SetOperation(e, left, right);
  const VectorMatching& m = *e.matching;
  const bool many = m.card == Cardinality::kManyToOne;
  if ((!many && m.card != Cardinality::kOneToOne) || !m.include.empty()) return Unknown();
  if (left.empty() || right.empty()) return {};
  std::map<Labels, double> ones;
  for (const auto& [labels, v] : right) {
    if (!ones.emplace(MatchKey(m, labels), v).second) Fail();
  }
  std::set<Labels> matched;
  NaiveVector out;
  for (const auto& [labels, v] : left) {
    const Labels key = MatchKey(m, labels);
    const auto one = ones.find(key);
    if (one == ones.end()) continue;
    // Also for what a comparison then leaves out.
    if (!many && !matched.insert(key).second) Fail();
    double result = v;
    if (!IsComparison(e.op)) {
      result = Arithmetic(e.op, v, one->second);
    } else if (e.return_bool) {
      result = Holds(e.op, v, one->second);
    } else if (!Holds(e.op, v, one->second)) {
      continue;
    }
    if (!out.emplace(many ? labels : key, result).second) Fail();
  }
  return out;
}

}  // namespace deckwatch::query
