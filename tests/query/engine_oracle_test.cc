// The engine against an evaluator that is too simple to be wrong: one time at a time, one sample
// at a time, no shortcuts.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include <gtest/gtest.h>

#include "query/engine.h"
#include "query/function_id.h"
#include "query/functions.h"
#include "query/parser.h"
#include "tests/query/random_query.h"

namespace deckwatch::query {
namespace {

constexpr uint64_t kSeed = 4711;

using Vector = std::map<std::string, double>;  // labels without the name, encoded -> value
using Samples = std::vector<std::pair<int64_t, double>>;
using Matrix = std::map<std::string, Samples>;

class Oracle {
 public:
  explicit Oracle(const Queryable& storage) : querier_(std::move(*storage.NewQuerier())) {}

  // Nullopt for what the oracle does not know.
  std::optional<Vector> Evaluate(const Expr& e, int64_t t) {
    switch (e.kind) {
      case NodeKind::kParen: return Evaluate(*e.lhs, t);
      case NodeKind::kVectorSelector: return Selector(e, t);
      case NodeKind::kCall: return Call(e, t);
      case NodeKind::kAggregate: return Aggregate(e, t);
      default: return std::nullopt;
    }
  }

 private:
  static int64_t Reference(const Expr& e, int64_t t) {
    return (e.at == AtModifier::kTimestamp ? e.at_ms : t) - e.offset_ms;
  }

  // Samples in (end - range, end]; with `stale` also the markers.
  Matrix Read(const Expr& selector, int64_t end, int64_t range, bool stale) {
    Matrix out;
    auto set = querier_->Select(INT64_MIN, INT64_MAX, selector.matchers, {});
    for (size_t i = 0; i < (*set)->size(); ++i) {
      Labels labels;
      Columns c;
      labels = Labels((*set)->LabelsAt(i));
      EXPECT_TRUE((*set)->Read(i, &c).ok());
      for (size_t k = 0; k < c.size(); ++k) {
        if (c.t_ms[k] <= end - range || c.t_ms[k] > end) continue;
        if (!stale && IsStale(c.value[k])) continue;
        out[std::string(labels.encoded())].emplace_back(c.t_ms[k], c.value[k]);
      }
    }
    return out;
  }

  Vector Selector(const Expr& e, int64_t t) {
    Vector out;
    for (const auto& [labels, samples] : Read(e, Reference(e, t), 300'000, true)) {
      if (!IsStale(samples.back().second)) out[labels] = samples.back().second;
    }
    return out;
  }

  std::optional<Vector> Call(const Expr& e, int64_t t) {
    if (e.args.empty()) return std::nullopt;
    const Expr& range = *e.args[0];
    if (range.kind != NodeKind::kMatrixSelector) return std::nullopt;
    const int64_t end = Reference(*range.lhs, t);
    Vector out;
    for (const auto& [labels, s] : Read(*range.lhs, end, range.range_ms, false)) {
      std::optional<double> v;
      switch (e.function->id) {
        case FunctionId::kCountOverTime: v = static_cast<double>(s.size()); break;
        case FunctionId::kMaxOverTime: v = Extreme(s, 1); break;
        case FunctionId::kMinOverTime: v = Extreme(s, -1); break;
        case FunctionId::kLastOverTime: v = s.back().second; break;
        case FunctionId::kChanges: v = Changes(s); break;
        case FunctionId::kResets: v = Resets(s); break;
        case FunctionId::kIncrease: v = Increase(s, end, range.range_ms); break;
        default: return std::nullopt;
      }
      if (v) out[labels] = *v;
    }
    return out;
  }

  static double Extreme(const Samples& s, int sign) {
    double best = s[0].second;
    for (const auto& [t, v] : s) {
      if (std::isnan(best) || sign * v > sign * best) best = v;
    }
    return best;
  }
  static double Changes(const Samples& s) {
    double n = 0;
    for (size_t i = 1; i < s.size(); ++i) {
      const double a = s[i - 1].second, b = s[i].second;
      n += a != b && !(std::isnan(a) && std::isnan(b));
    }
    return n;
  }
  static double Resets(const Samples& s) {
    double n = 0;
    for (size_t i = 1; i < s.size(); ++i) n += s[i].second < s[i - 1].second;
    return n;
  }
  static std::optional<double> Increase(const Samples& s, int64_t end, int64_t range) {
    if (s.size() < 2) return std::nullopt;
    double result = s.back().second - s.front().second;
    for (size_t i = 1; i < s.size(); ++i) {
      if (s[i].second < s[i - 1].second) result += s[i - 1].second;
    }
    const double sampled = static_cast<double>(s.back().first - s.front().first) / 1000;
    const double average = sampled / static_cast<double>(s.size() - 1);
    double to_start = static_cast<double>(s.front().first - (end - range)) / 1000;
    double to_end = static_cast<double>(end - s.back().first) / 1000;
    if (to_start >= average * 1.1) to_start = average / 2;
    if (result > 0 && s.front().second >= 0) {
      to_start = std::min(to_start, sampled * (s.front().second / result));
    }
    if (to_end >= average * 1.1) to_end = average / 2;
    return result * ((sampled + to_start + to_end) / sampled);
  }

  std::optional<Vector> Aggregate(const Expr& e, int64_t t) {
    const auto input = Evaluate(*e.lhs, t);
    if (!input) return std::nullopt;
    std::map<std::string, std::vector<double>> groups;
    for (const auto& [encoded, v] : *input) {
      LabelsBuilder b(*Labels::FromEncoded(encoded));
      if (e.without) {
        b.Drop(e.grouping).Del(kMetricName);
      } else {
        b.Keep(e.grouping);
      }
      groups[std::string(b.Build().encoded())].push_back(v);
    }
    Vector out;
    for (const auto& [labels, values] : groups) {
      Samples s;
      for (double v : values) s.emplace_back(0, v);
      switch (e.aggregate) {
        case AggregateOp::kCount: out[labels] = static_cast<double>(values.size()); break;
        case AggregateOp::kGroup: out[labels] = 1; break;
        case AggregateOp::kMax: out[labels] = Extreme(s, 1); break;
        case AggregateOp::kMin: out[labels] = Extreme(s, -1); break;
        default: return std::nullopt;
      }
    }
    return out;
  }

  std::unique_ptr<Querier> querier_;
};

Vector WithoutNames(const Vector& v) {
  Vector out;
  for (const auto& [encoded, value] : v) {
    out[std::string(
        LabelsBuilder(*Labels::FromEncoded(encoded)).Del(kMetricName).Build().encoded())] = value;
  }
  return out;
}

bool Same(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : a == b;
}

TEST(EngineOracle, AgreesWithTheNaiveEvaluator) {
  std::mt19937_64 random(kSeed);
  MemoryStorage storage;
  FillRandomly(random, false, &storage);
  const Engine engine({}, nullptr);
  Oracle oracle(storage);
  QueryGenerator generator(random, true);
  int compared = 0;
  for (int i = 0; i < 20'000 && compared < 1500; ++i) {
    const std::string query = generator.Vector(i % 2);
    if (query.find("__name__") != std::string::npos) continue;  // equal sets without the name
    auto expr = ParseExpr(query);
    ASSERT_TRUE(expr.ok()) << query;
    const int64_t t = static_cast<int64_t>(random() % 600'000);
    const auto expected = oracle.Evaluate(**expr, t);
    if (!expected) continue;
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ": " + query + " at " + std::to_string(t));
    auto got = engine.Instant(storage, query, t);
    ASSERT_TRUE(got.ok()) << got.status().message();
    Vector actual;
    for (const ResultSeries& s : got->series) {
      actual[std::string(s.labels.encoded())] = s.value[0];
    }
    const Vector want = WithoutNames(*expected), have = WithoutNames(actual);
    ASSERT_EQ(want.size(), have.size());
    for (const auto& [labels, value] : want) {
      const auto it = have.find(labels);
      ASSERT_TRUE(it != have.end() && Same(it->second, value))
          << "expected " << value << " for " << Labels::FromEncoded(labels)->ToString();
    }
    ++compared;
  }
  EXPECT_EQ(compared, 1500);
}

}  // namespace
}  // namespace deckwatch::query
