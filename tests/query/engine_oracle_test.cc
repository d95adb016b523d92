// The engine against the naive evaluator, on random data and random queries.
// QUERY_SEED=n and QUERY_COUNT=n in the environment choose others than those of every run.
#include <cmath>
#include <cstdlib>

#include <gtest/gtest.h>

#include "query/engine.h"
#include "query/parser.h"
#include "tests/query/naive_evaluator.h"
#include "tests/query/random_query.h"

namespace deckwatch::query {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// The naive evaluator sums in another order and with more digits.
bool Same(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::fabs(a - b) <= 1e-9 * std::max(std::fabs(a), std::fabs(b));
}

class EngineOracle : public testing::Test {
 protected:
  // A difference between what the two say about `query` at `t_ms`; "" when there is none.
  std::string Difference(const std::string& query, int64_t t_ms) {
    auto expr = ParseExpr(query);
    if (!expr.ok()) return expr.status().message();
    NaiveVector want;
    const auto outcome = naive_.Evaluate(**expr, t_ms, &want);
    if (outcome == NaiveEvaluator::Outcome::kUnknown) {
      ++unknown_;
      return "";
    }
    const auto got = engine_.Instant(storage_, query, t_ms);
    ++compared_;
    if (outcome == NaiveEvaluator::Outcome::kError) {
      ++failing_;
      return got.ok() ? "expected an error" : "";
    }
    if (!got.ok()) return "error: " + got.status().message();
    NaiveVector have;
    for (const ResultSeries& s : got->series) {
      have[LabelsBuilder(s.labels).Del(kMetricName).Build()] = s.value[0];
    }
    for (const auto& [labels, value] : want) {
      const auto it = have.find(labels);
      if (it == have.end()) return "nothing for " + labels.ToString();
      if (!Same(it->second, value)) {
        return "for " + labels.ToString() + ": expected " + FormatFloat(value) + ", got " +
               FormatFloat(it->second);
      }
    }
    if (have.size() != want.size()) {
      return std::to_string(have.size()) + " series, expected " + std::to_string(want.size());
    }
    non_empty_ += !want.empty();
    return "";
  }

  MemoryStorage storage_;
  Engine engine_{{}, nullptr};
  NaiveEvaluator naive_{storage_};
  int compared_ = 0, failing_ = 0, unknown_ = 0, non_empty_ = 0;
};

TEST_F(EngineOracle, AgreesWithTheNaiveEvaluator) {
  const uint64_t seed = FromEnvironment("QUERY_SEED", 4711);
  const uint64_t count = FromEnvironment("QUERY_COUNT", 6000);
  std::printf("QUERY_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  FillRandomly(random, false, &storage_);
  naive_ = NaiveEvaluator(storage_);
  QueryGenerator generator(random, true);
  for (uint64_t i = 0; i < count; ++i) {
    const std::string query = generator.Vector(static_cast<int>(i % 4));
    const int64_t t = static_cast<int64_t>(random() % 600'000);
    if (query.find("__name__") != std::string::npos) continue;  // equal sets without the name
    ASSERT_EQ(Difference(query, t), "")
        << "QUERY_SEED=" << seed << ", query " << i << ": " << query << " at " << t << " ms";
  }
  std::printf("%d compared, %d not empty, %d errors, %d beyond the evaluator\n", compared_,
              non_empty_, failing_, unknown_);
  EXPECT_GT(compared_ * 2, static_cast<int>(count));
  EXPECT_GT(non_empty_ * 2, compared_);
  EXPECT_GT(failing_, 0);
}

}  // namespace
}  // namespace deckwatch::query
