// Compensated summation (Kahan-Babuska in Neumaier's form), step for step as Prometheus does it
// (util/kahansum), so that sums are equal to the last bit.
#pragma once

#include <cmath>
#include <cstddef>

namespace deckwatch::query {

struct KahanSum {
  double sum = 0;
  double c = 0;  // what rounding has lost so far

  void Add(double v) {
    const double t = sum + v;
    if (std::isinf(t)) {
      c = 0;
    } else if (std::fabs(sum) >= std::fabs(v)) {
      c += (sum - t) + v;
    } else {
      c += (v - t) + sum;
    }
    sum = t;
  }
  double Value() const { return sum + c; }
};

// Adds v[i] to the compensated sums (sum[i], c[i]), lane by lane as KahanSum does.
void KahanAddColumns(double* sum, double* c, const double* v, size_t n);

// The mean of values: a compensated sum divided by the count for as long as the sum is finite, a
// compensated incremental mean from the value on that would make it overflow.
class KahanMean {
 public:
  explicit KahanMean(double first) : acc_{first, 0} {}

  void Add(double v) {
    count_ += 1;
    if (!incremental_) {
      KahanSum next = acc_;
      next.Add(v);
      if (!std::isinf(next.sum)) {
        acc_ = next;
        return;
      }
      incremental_ = true;
      acc_.sum /= count_ - 1;
      acc_.c /= count_ - 1;
    }
    const double q = (count_ - 1) / count_;
    acc_ = {q * acc_.sum, q * acc_.c};
    acc_.Add(v / count_);
  }
  double Value() const {
    return incremental_ ? acc_.sum + acc_.c : acc_.sum / count_ + acc_.c / count_;
  }

 private:
  KahanSum acc_;  // the sum, or the mean once incremental
  double count_ = 1;
  bool incremental_ = false;
};

}  // namespace deckwatch::query
