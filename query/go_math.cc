// The order of operations is what makes the bits: sums and products must stay as they are written,
// and the build forbids contraction. Each function names the source of its method; coefficients are
// those of that source.
#include "query/go_math.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

#include "base/sample.h"

namespace deckwatch::query::go {

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kPi = std::numbers::pi;
constexpr uint64_t kMantissa = (uint64_t{1} << 52) - 1;
constexpr uint64_t kExponentOfHalf = uint64_t{0x3fe} << 52;
constexpr int kBias = 1023;
constexpr double kNearZero = 0x1p-28;  // below, x stands for its own function

// ln 2 in two parts, so that a multiple of the first is exact (FreeBSD msun, e_log.c).
constexpr double kLn2High = 6.93147180369123816490e-01;
constexpr double kLn2Low = 1.90821492927058770002e-10;

// A polynomial by Horner's rule, the coefficient of the highest power first.
template <typename... Rest>
[[gnu::always_inline]] inline double Polynomial(double x, double first, Rest... rest) {
  double sum = first;
  ((sum = sum * x + rest), ...);
  return sum;
}

double PowerOfTwo(int exponent) {  // in -1022..1023
  return std::bit_cast<double>(static_cast<uint64_t>(exponent + kBias) << 52);
}

// e^x for -746 <= x <= 709.79. Shibata 2010 (SLEEF), as in Go's assembler: Taylor's series of
// e^(r/16) - 1, squared four times.
[[gnu::always_inline]] inline double ReducedExp(double x) {
  constexpr double kLn2Upper = 0.69314718055966295651160180568695068359375;
  constexpr double kLn2Lower = 0.28235290563031577122588448175013436025525412068e-12;
  constexpr double kRounder = 0x1.8p52;  // adding it rounds to an integer, halves to even
  const double k = (x * std::numbers::log2e + kRounder) - kRounder;
  const double r = std::fma(-k, kLn2Lower, std::fma(-k, kLn2Upper, x)) * 0.0625;
  double series = 2.4801587301587301587e-5;
  for (const double c :
       {1.9841269841269841270e-4, 1.3888888888888888889e-3, 8.3333333333333333333e-3,
        4.1666666666666666667e-2, 1.6666666666666666667e-1, 0.5, 1.0}) {
    series = std::fma(series, r, c);
  }
  double y = r * series;
  for (int i = 0; i < 3; ++i) y *= y + 2;
  y = std::fma(y + 2, y, 1.0);
  const int exponent = static_cast<int>(k);
  if (exponent > kBias) return kInf;  // also where y < 1 would have brought it back into range
  if (exponent > -kBias) return y * PowerOfTwo(exponent);
  if (exponent < -kBias - 52) return 0;
  return y * PowerOfTwo(exponent + kBias - 1) * PowerOfTwo(1 - kBias);  // rounds once, at the end
}

#if defined(__x86_64__)
[[gnu::target("fma")]] double FusedExp(double x) {
  return ReducedExp(x);
}
const bool kHasFma = __builtin_cpu_supports("fma") != 0;
#else
double FusedExp(double x) {
  return ReducedExp(x);
}
constexpr bool kHasFma = true;
#endif

// e^(high - low) * 2^k (FreeBSD msun, e_exp.c).
double ExpOfParts(double high, double low, int k) {
  const double r = high - low;
  const double t = r * r;
  const double c = r - t * Polynomial(t, 4.13813679705723846039e-08, -1.65339022054652515390e-06,
                                      6.61375632143793436117e-05, -2.77777777770155933842e-03,
                                      1.66666666666666657415e-01);
  const double y = 1 - ((low - (r * c) / (2 - c)) - high);
  return std::ldexp(y, k);
}

// ln(1 + x) for 2^-28 <= x < 2^60, which is all that is asked for (FreeBSD msun, s_log1p.c).
double Log1p(double x) {
  constexpr double kSqrt2Minus1 = 4.142135623730950488017e-01;
  constexpr uint64_t kMantissaOfSqrt2 = 0x6a09e667f3bcd;
  double f = x;           // 1 + x = 2^k (1 + f), where k != 0
  double correction = 0;  // of the rounding of 1 + x
  int k = 0;
  bool close = false;  // |f| < 2^-20
  if (x >= kSqrt2Minus1) {
    const double u = x < 0x1p53 ? 1 + x : x;
    auto bits = std::bit_cast<uint64_t>(u);
    k = static_cast<int>(bits >> 52) - kBias;
    if (x < 0x1p53) correction = (k > 0 ? 1 - (u - x) : x - (u - 1)) / u;
    bits &= kMantissa;
    if (bits < kMantissaOfSqrt2) {
      f = std::bit_cast<double>(bits | uint64_t{kBias} << 52) - 1;
      close = bits == 0;
    } else {
      ++k;
      f = std::bit_cast<double>(bits | kExponentOfHalf) - 1;
      close = kMantissa + 1 - bits < 4;
    }
  }
  const double half_square = 0.5 * f * f;
  const double low = k * kLn2Low + correction;
  if (close) {
    if (f == 0) return k * kLn2High + low;
    const double r = half_square * (1 - 0.66666666666666666 * f);
    return k * kLn2High - ((r - low) - f);
  }
  const double s = f / (2 + f);
  const double z = s * s;
  const double r =
      z * Polynomial(z, 1.479819860511658591e-01, 1.531383769920937332e-01,
                     1.818357216161805012e-01, 2.222219843214978396e-01, 2.857142874366239149e-01,
                     3.999999999940941908e-01, 6.666666666666735130e-01);
  if (k == 0) return f - (half_square - s * (half_square + r));
  return k * kLn2High - ((half_square - (s * (half_square + r) + low)) - f);
}

// An angle less the nearest even multiple of pi/4.
struct Reduced {
  unsigned octant;  // 0, 2, 4 or 6
  double rest;      // within pi/4 of 0
};

// For x >= 2^29, after Payne and Hanek (Ng 1992): multiplies by as many digits of 4/pi as matter.
// The digits are those of Go's trig_reduce.go, 2^-64 a place.
Reduced ReduceHuge(double x) {
  using Wide = unsigned __int128;
  static constexpr uint64_t kFourOverPi[] = {
      0x0000000000000001, 0x45f306dc9c882a53, 0xf84eafa3ea69bb81, 0xb6c52b3278872083,
      0xfca2c757bd778ac3, 0x6e48dc74849ba5c0, 0x0c925dd413a32439, 0xfc3bd63962534e7d,
      0xd1046bea5d768909, 0xd338e04d68befc82, 0x7323ac7306a673e9, 0x3908bf177bf25076,
      0x3ff12fffbc0b301f, 0xde5e2316b414da3e, 0xda6cfd9e4f96136e, 0x9e8c7ecd3cbfd45a,
      0xea4f758fd7cbe2f6, 0x7a0e73ef14a525d4, 0xd7f6bf623f1aba10, 0xac06608df8f6d757};
  const auto top = [](uint64_t high, uint64_t low, unsigned shift) {
    return static_cast<uint64_t>(((Wide{high} << 64 | low) << shift) >> 64);
  };
  const auto bits = std::bit_cast<uint64_t>(x);
  const uint64_t mantissa = (bits & kMantissa) | (kMantissa + 1);
  const unsigned place = static_cast<unsigned>(bits >> 52) - kBias - 52 + 61;
  const uint64_t* digits = kFourOverPi + place / 64;
  const auto digit = [&](int i) { return top(digits[i], digits[i + 1], place % 64); };
  const uint64_t upper = digit(0) * mantissa;  // less whole turns, which overflow
  const Wide product =
      (Wide{upper} << 64) + Wide{digit(1)} * mantissa + (Wide{digit(2)} * mantissa >> 64);
  auto octant = static_cast<unsigned>(product >> 125);
  const auto high = static_cast<uint64_t>(product >> 61);
  const auto leading = static_cast<unsigned>(std::countl_zero(high));
  // Go fills up with the low word as it was before the octant was taken off, and so do we.
  const uint64_t fraction = top(high, static_cast<uint64_t>(product), leading + 1) >> 12;
  const uint64_t exponent = kBias - 1 - leading;
  double z = std::bit_cast<double>(fraction | exponent << 52);
  if (octant % 2 == 1) {
    octant = (octant + 1) % 8;
    z -= 1;
  }
  return {octant, z * (kPi / 4)};
}

// Of x >= 0 (Cephes, sin.c: pi/4 in three parts).
Reduced Reduce(double x) {
  if (x >= 0x1p29) return ReduceHuge(x);
  auto octant = static_cast<unsigned>(x * (4 / kPi));
  octant += octant % 2;
  const double y = octant;
  const double z = ((x - y * 7.85398125648498535156e-1) - y * 3.77489470793079817668e-8) -
                   y * 2.69515142907905952645e-15;
  return {octant % 8, z};
}

// Sine and cosine near 0 (Cephes, sin.c).
double SineOfRest(double z) {
  const double zz = z * z;
  return z + z * zz *
                 Polynomial(zz, 1.58962301576546568060e-10, -2.50507477628578072866e-8,
                            2.75573136213857245213e-6, -1.98412698295895385996e-4,
                            8.33333333332211858878e-3, -1.66666666666666307295e-1);
}
double CosineOfRest(double z) {
  const double zz = z * z;
  return 1.0 - 0.5 * zz +
         zz * zz *
             Polynomial(zz, -1.13585365213876817300e-11, 2.08757008419747316778e-9,
                        -2.75573141792967388112e-7, 2.48015872888517045348e-5,
                        -1.38888888888730564116e-3, 4.16666666666665929218e-2);
}

// Arc tangent in [0, 0.66], and of any x >= 0 (Cephes, atan.c).
double AtanOfRest(double x) {
  const double z = x * x;
  const double p = Polynomial(z, -8.750608600031904122785e-01, -1.615753718733365076637e+01,
                              -7.500855792314704667340e+01, -1.228866684490136173410e+02,
                              -6.485021904942025371773e+01);
  const double q = Polynomial(z, 1.0, 2.485846490142306297962e+01, 1.650270098316988542046e+02,
                              4.328810604912902668951e+02, 4.853903996359136964868e+02,
                              1.945506571482613964425e+02);
  return x * (z * p / q) + x;
}
double AtanOfPositive(double x) {
  constexpr double kMoreBits = 6.123233995736765886130e-17;  // of pi/2
  if (x <= 0.66) return AtanOfRest(x);
  constexpr double kTanOf3Pi8 = 2.41421356237309504880;
  if (x > kTanOf3Pi8) return kPi / 2 - AtanOfRest(1 / x) + kMoreBits;
  return kPi / 4 + AtanOfRest((x - 1) / (x + 1)) + 0.5 * kMoreBits;
}

}  // namespace

double Exp(double x) {
  constexpr double kOverflow = 7.09782712893384e+02;
  if (!(x <= kOverflow)) return x > kOverflow ? kInf : x;
  if (x < -746) return 0;
  return kHasFma ? FusedExp(x) : ReducedExp(x);
}

// FreeBSD msun, e_exp.c, with another reduction.
double Exp2(double x) {
  if (!(x <= 1.0239999999999999e+03)) return std::isnan(x) ? x : kInf;
  if (x < -1.0740e+03) return 0;
  const int k = static_cast<int>(x > 0 ? x + 0.5 : x - 0.5);
  const double t = x - k;
  return ExpOfParts(t * kLn2High, -t * kLn2Low, k);
}

// FreeBSD msun, e_log.c.
double Log(double x) {
  if (!(x > 0)) return x == 0 ? -kInf : std::isnan(x) ? x : NormalNan();
  if (x == kInf) return x;
  const auto bits = std::bit_cast<uint64_t>(x);
  // No care is taken of subnormals, as in Go's assembler.
  double f = std::bit_cast<double>((bits & kMantissa) | kExponentOfHalf);
  double k = static_cast<int>(bits >> 52) - (kBias - 1);
  if (f <= 7.07106781186547524401e-01) {
    f *= 2;
    k -= 1;
  }
  f -= 1;
  const double s = f / (2 + f);
  const double s2 = s * s;
  const double s4 = s2 * s2;
  const double odd = s2 * Polynomial(s4, 1.479819860511658591e-01, 1.818357216161805012e-01,
                                     2.857142874366239149e-01, 6.666666666666735130e-01);
  const double even = s4 * Polynomial(s4, 1.531383769920937332e-01, 2.222219843214978396e-01,
                                      3.999999999940941908e-01);
  const double half_square = 0.5 * f * f;
  const double low = s * (half_square + (odd + even)) + k * kLn2Low;
  return k * kLn2High - ((half_square - low) - f);
}

double Log2(double x) {
  if (!(x > 0) || x == kInf) return Log(x);
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);
  if (fraction == 0.5) return exponent - 1;
  return Log(fraction) * std::numbers::log2e + exponent;
}

double Log10(double x) {
  return Log(x) * std::numbers::log10e;
}

// x to the whole part of |y| by squaring, its powers of two apart; to the rest of it by Exp and
// Log.
double Pow(double x, double y) {
  constexpr int kBeyond = 1 << 12;  // an exponent that overflows, whatever follows
  if (y == 0 || x == 1) return 1;
  if (y == 1) return x;
  if (std::isnan(x) || std::isnan(y)) return NormalNan();
  // These are exact, zero or infinite, and prescribed by IEEE 754.
  if (x == 0 || std::isinf(x) || std::fabs(y) >= 0x1p63) return std::pow(x, y);
  if (y == 0.5) return std::sqrt(x);
  if (y == -0.5) return 1 / std::sqrt(x);
  double whole = 0;
  double rest = std::modf(std::fabs(y), &whole);
  double product = 1;
  if (rest != 0) {
    if (x < 0) return NormalNan();
    if (rest > 0.5) {
      rest -= 1;
      whole += 1;
    }
    product = Exp(rest * Log(x));
  }
  int exponent = 0;
  int square_exponent = 0;
  double square = std::frexp(x, &square_exponent);
  for (auto n = static_cast<uint64_t>(whole); n != 0; n >>= 1) {
    if (square_exponent < -kBeyond || square_exponent > kBeyond) {
      exponent += square_exponent;
      break;
    }
    if ((n & 1) != 0) {
      product *= square;
      exponent += square_exponent;
    }
    square *= square;
    square_exponent *= 2;
    if (square < 0.5) {
      square += square;
      --square_exponent;
    }
  }
  return y < 0 ? std::ldexp(1 / product, -exponent) : std::ldexp(product, exponent);
}

double Sin(double x) {
  if (x == 0 || std::isnan(x)) return x;
  if (std::isinf(x)) return NormalNan();
  const Reduced r = Reduce(std::fabs(x));
  const double y = r.octant % 4 == 0 ? SineOfRest(r.rest) : CosineOfRest(r.rest);
  return (x < 0) != (r.octant > 3) ? -y : y;
}

double Cos(double x) {
  if (!std::isfinite(x)) return NormalNan();
  const Reduced r = Reduce(std::fabs(x));
  const double y = r.octant % 4 == 0 ? CosineOfRest(r.rest) : SineOfRest(r.rest);
  return r.octant == 2 || r.octant == 4 ? -y : y;
}

// Cephes, tan.c.
double Tan(double x) {
  if (x == 0 || std::isnan(x)) return x;
  if (std::isinf(x)) return NormalNan();
  const auto [octant, z] = Reduce(std::fabs(x));
  const double zz = z * z;
  double y = z;
  if (zz > 1e-14) {
    const double p = Polynomial(zz, -1.30936939181383777646e4, 1.15351664838587416140e6,
                                -1.79565251976484877988e7);
    const double q = Polynomial(zz, 1.0, 1.36812963470692954678e4, -1.32089234440210967447e6,
                                2.50083801823357915839e7, -5.38695755929454629881e7);
    y = z + z * (zz * p / q);
  }
  if (octant % 4 == 2) y = -1 / y;
  return x < 0 ? -y : y;
}

double Asin(double x) {
  if (x == 0) return x;
  const double a = std::fabs(x);
  if (a > 1) return NormalNan();
  const double other = std::sqrt(1 - a * a);
  const double y = a > 0.7 ? kPi / 2 - AtanOfPositive(other / a) : AtanOfPositive(a / other);
  return x < 0 ? -y : y;
}

double Acos(double x) {
  return kPi / 2 - Asin(x);
}

double Atan(double x) {
  if (x == 0) return x;
  return x > 0 ? AtanOfPositive(x) : -AtanOfPositive(-x);
}

double Atan2(double y, double x) {
  if (std::isnan(x) || std::isnan(y)) return NormalNan();
  // Zeros and infinities give multiples of pi/4, which IEEE 754 prescribes.
  if (x == 0 || y == 0 || std::isinf(x) || std::isinf(y)) return std::atan2(y, x);
  const double q = Atan(y / x);
  if (x > 0) return q;
  return q <= 0 ? q + kPi : q - kPi;
}

// Near 0: Hart and Cheney 1968, no. 2029.
double Sinh(double x) {
  const double a = std::fabs(x);
  double y = 0;
  if (a > 21) {
    y = Exp(a) * 0.5;
  } else if (a > 0.5) {
    const double e = Exp(a);
    y = (e - 1 / e) * 0.5;
  } else {
    const double sq = a * a;
    y = Polynomial(sq, -0.2630563213397497062819489e+2, -0.2894211355989563807284660366e+4,
                   -0.8991272022039509355398013511e+5, -0.6307673640497716991184787251e+6) *
        a /
        Polynomial(sq, 1.0, -0.173678953558233699533450911e+3, 0.1521517378790019070696485176e+5,
                   -0.6307673640497716991212077277e+6);
  }
  return std::signbit(x) ? -y : y;
}

double Cosh(double x) {
  const double a = std::fabs(x);
  const double e = Exp(a);
  return a > 21 ? e * 0.5 : (e + 1 / e) * 0.5;
}

// Cephes, tanh.c.
double Tanh(double x) {
  constexpr double kMaxLog = 8.8029691931113054295988e+01;  // ln 2^127
  const double a = std::fabs(x);
  if (a > 0.5 * kMaxLog) return x < 0 ? -1 : 1;
  if (a >= 0.625) {
    const double y = 1 - 2 / (Exp(2 * a) + 1);
    return x < 0 ? -y : y;
  }
  if (x == 0) return x;
  const double s = x * x;
  const double p = Polynomial(s, -9.64399179425052238628E-1, -9.92877231001918586564E1,
                              -1.61468768441708447952E3);
  const double q = Polynomial(s, 1.0, 1.12811678491632931402E2, 2.23548839060100448583E3,
                              4.84406305325125486048E3);
  return x + x * s * p / q;
}

// FreeBSD msun, s_asinh.c, e_acosh.c and e_atanh.c.
double Asinh(double x) {
  const double a = std::fabs(x);
  double y = a;
  if (a > 0x1p28) {
    y = Log(a) + std::numbers::ln2;
  } else if (a > 2) {
    y = Log(2 * a + 1 / (std::sqrt(a * a + 1) + a));
  } else if (a >= kNearZero) {
    y = Log1p(a + a * a / (1 + std::sqrt(1 + a * a)));
  }
  return std::signbit(x) ? -y : y;
}

double Acosh(double x) {
  if (!(x >= 1)) return NormalNan();
  if (x == 1) return 0;
  if (x >= 0x1p28) return Log(x) + std::numbers::ln2;
  if (x > 2) return Log(2 * x - 1 / (x + std::sqrt(x * x - 1)));
  const double t = x - 1;
  return Log1p(t + std::sqrt(2 * t + t * t));
}

double Atanh(double x) {
  const double a = std::fabs(x);
  if (!(a <= 1)) return NormalNan();
  if (a == 1) return x < 0 ? -kInf : kInf;
  double y = a;
  if (a >= 0.5) {
    y = 0.5 * Log1p((a + a) / (1 - a));
  } else if (a >= kNearZero) {
    const double twice = a + a;
    y = 0.5 * Log1p(twice + twice * a / (1 - a));
  }
  return std::signbit(x) ? -y : y;
}

}  // namespace deckwatch::query::go
