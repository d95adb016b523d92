// The values of one series in a part, exactly: n doubles, if need be beside the column of another
// series that moves alike (a bucket and the next, a count under two names).
//
//   ValueColumn := Stretch of up to 5,760 values*    each after its varint size if there are
//   several Stretch     := form byte, body
//     0 plain      varint size of each block, if there are several; ValueBlocks (codec.h) of 960
//     1 decimals   exponent byte, Exceptions, CodedInts of m: value = m / 10^exponent
//     2 sums       the same, then CodedInts of e: value = the sum (one float addition) of the value
//                  before and the decimal by which m grew, moved by e units in the last place; the
//                  first value of a block = m / 10^exponent, moved
//     Exceptions   varint count, (varint position gap, double)*; every NaN of 1 and 2 is one
//   CodedInts   := head byte, [gcd], [firsts], IntervalCoder (interval_coder.h), sizes, blocks
//     head         bits 0-1 order: 0 the integers, 1 deltas, 2 deltas of deltas; bit 2 beside: what
//     is
//                  coded is the difference to the neighbour's values as integers of this exponent;
//                  bit 3 gcd given
//     gcd          varint gcd, zigzag offset: residual = offset + gcd * coded
//     firsts       orders 1 and 2: per block the zigzag first integer and, order 2, first delta,
//     both as
//                  the difference to those of the block before
//     sizes        varint bytes of each block
//     blocks       of 960 residuals; orders 1 and 2: less by the firsts
//
// Sums of floats (seconds of many requests) err in the last places as adding does: what adding
// foretells costs nothing. Arithmetic on integers is modulo 2^64. Thread-safe: no state.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/bytes.h"
#include "tsdb/codec.h"

namespace deckwatch::tsdb {

// How much work to put into few bytes: a part that is merged again in hours is not worth much.
enum class Effort { kQuick, kSmall };

// Appends a column of at least one value. `beside` is empty or as long; true when it was of use:
// the reader must bring it too.
bool EncodeColumn(std::span<const double> v, std::span<const double> beside, Effort effort,
                  std::string* out);

struct SampleRange {
  size_t first = 0;
  size_t count = 0;
  size_t end() const { return first + count; }
  friend bool operator==(const SampleRange&, const SampleRange&) = default;
};
// Reads the values of `range` (not empty) out of a column of n and moves `in` past the column.
// `beside` are the neighbour's values in that range, empty when the column was written without.
// False when the bytes are not such a column; `out` then holds anything.
// Want::kNans needs no neighbour and leaves `in` anywhere.
[[nodiscard]] bool DecodeColumn(Reader* in, size_t n, SampleRange range,
                                std::span<const double> beside, double* out,
                                Want want = Want::kValues);

}  // namespace deckwatch::tsdb
