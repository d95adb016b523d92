#include "query/kahan.h"

#include <cstdint>

namespace deckwatch::query {

namespace {

struct TwoLanes {
  using Values = double __attribute__((vector_size(16), aligned(8), may_alias));
  using Bits = int64_t __attribute__((vector_size(16), aligned(8), may_alias));
};
struct FourLanes {
  using Values = double __attribute__((vector_size(32), aligned(8), may_alias));
  using Bits = int64_t __attribute__((vector_size(32), aligned(8), may_alias));
};

// As far as whole vectors go; returns how far that is. Without branches: both orders of the
// subtraction are worked out and one is chosen by mask.
template <typename Lanes>
[[gnu::always_inline]] inline size_t AddVectors(double* sum, double* c, const double* v, size_t n) {
  using Values = typename Lanes::Values;
  using Bits = typename Lanes::Bits;
  constexpr size_t kLanes = sizeof(Values) / sizeof(double);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    auto& s = *reinterpret_cast<Values*>(sum + i);
    auto& lost = *reinterpret_cast<Values*>(c + i);
    const Values x = *reinterpret_cast<const Values*>(v + i);
    const Values t = s + x;
    const auto abs_s = reinterpret_cast<Values>(reinterpret_cast<Bits>(s) & INT64_MAX);
    const auto abs_x = reinterpret_cast<Values>(reinterpret_cast<Bits>(x) & INT64_MAX);
    const auto abs_t = reinterpret_cast<Values>(reinterpret_cast<Bits>(t) & INT64_MAX);
    const auto after_s = reinterpret_cast<Bits>(lost + ((s - t) + x));
    const auto after_x = reinterpret_cast<Bits>(lost + ((x - t) + s));
    const Bits s_is_larger = abs_s >= abs_x, finite = ~(abs_t == HUGE_VAL);
    const Bits after = (s_is_larger & after_s) | (~s_is_larger & after_x);
    lost = reinterpret_cast<Values>(after & finite);
    s = t;
  }
  return i;
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] size_t AddWide(double* sum, double* c, const double* v, size_t n) {
  return AddVectors<FourLanes>(sum, c, v, n);
}
bool HasWide() {
  return __builtin_cpu_supports("avx2") != 0;
}
#else
size_t AddWide(double*, double*, const double*, size_t) {
  return 0;
}
bool HasWide() {
  return false;
}
#endif

}  // namespace

void KahanAddColumns(double* sum, double* c, const double* v, size_t n) {
  static const bool kWide = HasWide();
  size_t i = kWide ? AddWide(sum, c, v, n) : 0;
  i += AddVectors<TwoLanes>(sum + i, c + i, v + i, n - i);
  for (; i < n; ++i) {
    KahanSum k{sum[i], c[i]};
    k.Add(v[i]);
    sum[i] = k.sum;
    c[i] = k.c;
  }
}

}  // namespace deckwatch::query
