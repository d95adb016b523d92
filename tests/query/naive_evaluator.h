// An evaluator of PromQL that is too simple to be wrong: floats only, one time at a time, one
// sample at a time, sums in the widest type there is, no shortcuts and nothing kept. The engine's
// oracle.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/labels.h"
#include "base/storage.h"
#include "query/ast.h"

namespace deckwatch::query {

// What an instant query gives: labels without the name -> value.
using NaiveVector = std::map<Labels, double>;

class NaiveEvaluator {
 public:
  explicit NaiveEvaluator(const Queryable& storage) : querier_(std::move(*storage.NewQuerier())) {}

  enum class Outcome {
    kValue,
    kError,    // the query must fail: equal label sets, or matching that is not unique
    kUnknown,  // not for this evaluator: what last digits decide, and a few odd combinations
  };
  // `out` is set with kValue.
  Outcome Evaluate(const Expr& e, int64_t t_ms, NaiveVector* out);

 private:
  using Samples = std::vector<std::pair<int64_t, double>>;
  using Matrix = std::map<Labels, Samples>;

  NaiveVector Vector(const Expr& e, int64_t t_ms);
  double Scalar(const Expr& e, int64_t t_ms);
  Matrix Range(const Expr& e, int64_t t_ms, int64_t* end_ms);
  // Samples in (end - range, end], stale markers among them when `stale`.
  Matrix Read(const Expr& selector, int64_t end_ms, int64_t range_ms, bool stale);
  // Of each series its newest sample, unless that is a marker.
  std::map<Labels, std::pair<int64_t, double>> Newest(const Expr& selector, int64_t t_ms);
  NaiveVector Call(const Expr& e, int64_t t_ms);
  NaiveVector RangeCall(const Expr& e, int64_t t_ms);
  NaiveVector Aggregate(const Expr& e, int64_t t_ms);
  NaiveVector WithScalar(const Expr& e, int64_t t_ms);
  NaiveVector Binary(const Expr& e, int64_t t_ms);
  NaiveVector SetOperation(const Expr& e, const NaiveVector& left, const NaiveVector& right);
  NaiveVector Timestamp(const Expr& arg, int64_t t_ms);
  double Arithmetic(BinaryOp op, double a, double b);
  bool Holds(BinaryOp op, double a, double b);

  void Fail() { outcome_ = Outcome::kError; }
  void GiveUp() {
    if (outcome_ == Outcome::kValue) outcome_ = Outcome::kUnknown;
  }
  NaiveVector Unknown() {
    GiveUp();
    return {};
  }

  std::unique_ptr<Querier> querier_;
  Outcome outcome_ = Outcome::kValue;
};

}  // namespace deckwatch::query
