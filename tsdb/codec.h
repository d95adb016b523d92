// Columns of numbers to bytes and back, exactly: pure functions over whole blocks.
//
//   IntBlock   := tag first [first_delta] [base width [gcd] [patches] bits]
//     tag        byte: bits 0-1 order (0 all equal, 1 deltas, 2 deltas of deltas), bit 2 gcd given,
//                bit 3 patches given
//     first      zigzag varint; first_delta likewise, order 2 only
//     base       zigzag varint: the residual of a packed 0
//     width      byte 0..64: bits per packed residual
//     gcd        varint: every residual is base + gcd * packed
//     patches    varint count, then per patch: varint position gap, zigzag varint packed
//     bits       the packed residuals, least significant bit first; a patched one is packed as 0
//
//   ValueBlock := form [exceptions] body
//     form       byte: bits 0-1 one of the below, bit 7 exceptions given
//     exceptions varint count, then per exception: varint position gap, 8 bytes of the double
//     body 0     exponent byte, IntBlock of m: value = m / 10^exponent
//     body 1     the same, then IntBlock of e: value = that, moved by e units in the last place;
//                no NaN, as in body 0
//     body 2     first double, then XOR with the previous one, bit by bit (Gorilla)
//     (positions of exceptions repeat the m before them)
//
// A block does not hold its own length: the reader brings n. Arithmetic is modulo 2^64, so every
// sequence of integers has an encoding. Decimals are used only where m / 10^e gives back the very
// same bits. Thread-safe: no state.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace deckwatch::tsdb {

// Samples per block at most: 4 h at 15 s. Longer blocks save little (960 to 1920: under 1 %).
inline constexpr size_t kBlockSamples = 960;
inline constexpr int kMaxDecimalExponent = 18;
inline constexpr std::array<double, kMaxDecimalExponent + 1> kPow10 = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

// Appends a block; 1 <= size. For any integers, best for clocks and counters.
void EncodeInts(std::span<const int64_t> v, std::string* out);
// Reads a block of n integers into `out`. False when the bytes are not such a block; `out` then
// holds anything.
[[nodiscard]] bool DecodeInts(Reader* in, size_t n, int64_t* out);

// What a reader wants of values. kNans: only which are NaN, and these exactly; any other may come
// as any other. Decimals are no NaN, so their bytes need not be read, and `in` is left anywhere.
enum class Want : uint8_t { kValues, kNans };

// The same for 1 <= size <= kBlockSamples doubles.
void EncodeValues(std::span<const double> v, std::string* out);
// Of the n values only [from, to) are made; `out` has room for them.
[[nodiscard]] bool DecodeValues(Reader* in, size_t n, size_t from, size_t to, double* out,
                                Want want = Want::kValues);
[[nodiscard]] inline bool DecodeValues(Reader* in, size_t n, double* out) {
  return DecodeValues(in, n, 0, n, out);
}

// m with m / 10^exponent == v, bit for bit, if there is one with |m| <= 2^53.
[[nodiscard]] bool ToDecimal(double v, int exponent, int64_t* m);
inline double FromDecimal(int64_t m, int exponent) {
  return static_cast<double>(m) / kPow10[static_cast<size_t>(exponent)];
}
// The smallest exponent that ToDecimal accepts for v, or -1.
int DecimalExponent(double v);

// Columns as decimals of one exponent: value = m / 10^exponent but at the exceptions, which repeat
// the m before them.
struct Decimals {
  int exponent = 0;
  std::vector<int64_t> m;
  std::vector<uint32_t> exceptions;  // ascending
};
Decimals ToDecimals(std::span<const double> v);
// The nearest decimals, for sums of floats, whose noise is some units in the last place. False when
// that is not what `v` looks like.
bool ToNearDecimals(std::span<const double> v, Decimals* out);
void PutExceptions(std::span<const double> v, std::span<const uint32_t> positions,
                   std::string* out);
[[nodiscard]] bool GetExceptions(Reader* in, size_t n, std::vector<std::pair<size_t, double>>* out);

// Monotone in v, so that differences count representable doubles. 0 and -0 are the same.
int64_t OrderedBits(double v);
double FromOrderedBits(int64_t o);

}  // namespace deckwatch::tsdb
