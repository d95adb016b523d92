#include "tsdb/value_column.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>
#include <vector>

#include "tsdb/codec.h"
#include "tsdb/interval_coder.h"

namespace deckwatch::tsdb {

namespace {

constexpr size_t kStretchBlocks = 6;
constexpr size_t kStretchSamples = kStretchBlocks * kBlockSamples;
static_assert(kBlockSamples <= IntervalCoder::kMaxBlock);

enum Form : uint8_t { kPlain = 0, kDecimals = 1, kSums = 2 };
enum CodedHead : uint8_t { kOrder = 3, kBeside = 4, kGcd = 8 };

using Ints = std::vector<int64_t>;

int64_t Add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
int64_t Sub(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
size_t BlocksIn(size_t n) {
  return (n + kBlockSamples - 1) / kBlockSamples;
}

// A neighbour's value as an integer of an exponent; 0 when it is none.
int64_t Guess(double v, double scale) {
  const double scaled = v * scale;
  return std::fabs(scaled) <= 0x1p53 ? static_cast<int64_t>(std::nearbyint(scaled)) : 0;
}

// ---- coded integers

// Differences of `order` inside each block, first ones left out.
Ints Differences(std::span<const int64_t> v, size_t order) {
  Ints out;
  out.reserve(v.size());
  for (size_t from = 0; from < v.size(); from += kBlockSamples) {
    const size_t to = std::min(from + kBlockSamples, v.size());
    for (size_t i = from + order; i < to; ++i) {
      const int64_t d = order == 0 ? v[i] : Sub(v[i], v[i - 1]);
      out.push_back(order < 2 ? d : Sub(d, Sub(v[i - 1], v[i - 2])));
    }
  }
  return out;
}

struct Plan {
  uint8_t head = 0;
  int64_t gcd = 1;
  int64_t offset = 0;
  Ints residuals;  // reduced by both
  std::optional<IntervalCoder> coder;
  double cost_bits = 0;
};

// The common divisor of all differences, unless one of them exceeds 63 bits.
void Reduce(Plan* plan) {
  const auto [low, high] = std::minmax_element(plan->residuals.begin(), plan->residuals.end());
  const int64_t least = *low;
  if (Sub(*high, least) < 0) return;
  int64_t gcd = 0;
  for (int64_t v : plan->residuals) {
    if ((gcd = std::gcd(gcd, v - least)) == 1) return;
  }
  if (gcd == 0) return;
  plan->gcd = gcd;
  plan->offset = least;
  plan->head |= kGcd;
  for (int64_t& v : plan->residuals) v = (v - least) / gcd;
}

Plan MakePlan(std::span<const int64_t> v, size_t order, uint8_t flags) {
  Plan plan;
  plan.head = static_cast<uint8_t>(order | flags);
  plan.residuals = Differences(v, order);
  if (plan.residuals.empty()) return plan;
  Reduce(&plan);
  Ints sorted = plan.residuals;
  std::sort(sorted.begin(), sorted.end());
  plan.coder = IntervalCoder::For(sorted);
  if (!plan.coder) return plan;
  plan.cost_bits = plan.coder->cost_bits() + 16.0 * static_cast<double>(order * BlocksIn(v.size()));
  return plan;
}

// False when no plan has a coder.
bool EncodeCoded(std::span<const int64_t> v, std::span<const int64_t> guesses, std::string* out,
                 bool* used_beside) {
  Plan best;
  Ints apart(guesses.size());
  for (size_t i = 0; i < apart.size(); ++i) apart[i] = Sub(v[i], guesses[i]);
  for (size_t order = 0; order <= 2; ++order) {
    for (const bool beside : {false, true}) {
      if (beside && guesses.empty()) continue;
      Plan plan = MakePlan(beside ? apart : v, order, beside ? kBeside : 0);
      if (beside) plan.cost_bits = plan.cost_bits * 1.05 + 64;  // reading two costs time
      if (plan.coder && (!best.coder || plan.cost_bits < best.cost_bits)) best = std::move(plan);
    }
  }
  if (!best.coder) return false;
  const std::span<const int64_t> base = (best.head & kBeside) != 0 ? apart : v;
  *used_beside |= (best.head & kBeside) != 0;
  out->push_back(static_cast<char>(best.head));
  if ((best.head & kGcd) != 0) {
    PutVarint(out, static_cast<uint64_t>(best.gcd));
    PutSignedVarint(out, best.offset);
  }
  const size_t order = best.head & kOrder;
  int64_t last = 0, last_delta = 0;
  for (size_t from = 0; order > 0 && from < v.size(); from += kBlockSamples) {
    PutSignedVarint(out, Sub(base[from], last));
    last = base[from];
    if (order < 2) continue;
    const int64_t delta = from + 1 < v.size() ? Sub(base[from + 1], last) : 0;
    PutSignedVarint(out, Sub(delta, last_delta));
    last_delta = delta;
  }
  best.coder->EncodeTo(out);
  std::string blocks;
  size_t at = 0;
  for (size_t from = 0; from < v.size(); from += kBlockSamples) {
    const size_t length = std::min(kBlockSamples, v.size() - from);
    const size_t coded = length - std::min(length, order), before = blocks.size();
    best.coder->EncodeBlock(std::span(best.residuals).subspan(at, coded), &blocks);
    PutVarint(out, blocks.size() - before);
    at += coded;
  }
  out->append(blocks);
  return true;
}

// From residuals at out[order...] to integers, in place.
void Integrate(size_t order, int64_t first, int64_t delta, size_t n, int64_t* out) {
  if (order == 0) return;
  out[0] = first;
  if (order == 1) {
    for (size_t i = 1; i < n; ++i) out[i] = Add(out[i - 1], out[i]);
    return;
  }
  if (n > 1) out[1] = Add(first, delta);
  for (size_t i = 2; i < n; ++i) {
    delta = Add(delta, out[i]);
    out[i] = Add(out[i - 1], delta);
  }
}

// Reads the integers of all blocks that hold some of `range`, from the first of the first on; or,
// with `beside`, their differences to the neighbour's.
bool DecodeCoded(Reader* in, size_t n, SampleRange range, int64_t* out, bool* beside) {
  uint8_t head;
  uint64_t gcd = 1;
  int64_t offset = 0, first[kStretchBlocks] = {}, delta[kStretchBlocks] = {};
  if (!in->GetByte(&head) || head > 15 || (head & kOrder) > 2) return false;
  *beside = (head & kBeside) != 0;
  if ((head & kGcd) != 0 && (!in->GetVarint(&gcd) || !in->GetSignedVarint(&offset))) return false;
  const size_t order = head & kOrder, blocks = BlocksIn(n);
  for (size_t b = 0; order > 0 && b < blocks; ++b) {
    if (!in->GetSignedVarint(&first[b])) return false;
    if (order == 2 && !in->GetSignedVarint(&delta[b])) return false;
    if (b > 0) first[b] = Add(first[b], first[b - 1]), delta[b] = Add(delta[b], delta[b - 1]);
  }
  const std::optional<IntervalCoder> coder = IntervalCoder::Decode(in);
  if (!coder) return false;
  uint64_t sizes[kStretchBlocks];
  for (size_t b = 0; b < blocks; ++b) {
    if (!in->GetVarint(&sizes[b])) return false;
  }
  IntervalCoder::Block read[kStretchBlocks];
  size_t reads = 0, first_read = 0;
  int64_t* at = out;
  for (size_t b = 0; b < blocks; ++b) {
    std::string_view bytes;
    if (!in->GetBytes(sizes[b], &bytes)) return false;
    const size_t from = b * kBlockSamples, length = std::min(kBlockSamples, n - from);
    if (from + length <= range.first || from >= range.end()) continue;
    if (reads == 0) first_read = b;
    const size_t skip = std::min(order, length);
    read[reads++] = {bytes, length - skip, at + skip};
    at += length;
  }
  if (!coder->DecodeBlocks({read, reads})) return false;
  for (size_t k = 0; k < reads; ++k) {
    int64_t* const coded = read[k].out;
    for (size_t i = 0; (head & kGcd) != 0 && i < read[k].n; ++i) {
      coded[i] = Add(offset, static_cast<int64_t>(static_cast<uint64_t>(coded[i]) * gcd));
    }
    const size_t b = first_read + k;
    const size_t length = std::min(kBlockSamples, n - b * kBlockSamples);
    Integrate(order, first[b], delta[b], length, coded - (length - read[k].n));
  }
  return true;
}

// ---- stretches

void EncodePlain(std::span<const double> v, std::string* out) {
  std::string blocks, sizes;
  for (size_t i = 0; i < v.size(); i += kBlockSamples) {
    const size_t before = blocks.size();
    EncodeValues(v.subspan(i, std::min(kBlockSamples, v.size() - i)), &blocks);
    PutVarint(&sizes, blocks.size() - before);
  }
  out->push_back(kPlain);
  if (v.size() > kBlockSamples) out->append(sizes);
  out->append(blocks);
}

bool DecodePlain(Reader* in, size_t n, SampleRange range, Want want, double* out) {
  uint64_t sizes[kStretchBlocks] = {};
  const size_t blocks = BlocksIn(n);
  for (size_t b = 0; blocks > 1 && b < blocks; ++b) {
    if (!in->GetVarint(&sizes[b])) return false;
  }
  for (size_t b = 0; b < blocks; ++b) {
    const size_t from = b * kBlockSamples, length = std::min(kBlockSamples, n - from);
    const size_t low = std::max(from, range.first), high = std::min(from + length, range.end());
    std::string_view skipped;
    if (low < high) {
      Reader block = *in;  // a block is its size long, or the rest
      if (!DecodeValues(blocks > 1 ? &block : in, length, low - from, high - from,
                        out + (low - range.first), want)) {
        return false;
      }
    }
    if (blocks > 1 && !in->GetBytes(sizes[b], &skipped)) return false;
  }
  return true;
}

// How many doubles each value is from what adding foretells.
Ints SumErrors(std::span<const double> v, const Ints& m, int exponent) {
  Ints out(v.size());
  for (size_t i = 0; i < v.size(); ++i) {
    const double foretold = i % kBlockSamples == 0
                                ? FromDecimal(m[i], exponent)
                                : v[i - 1] + FromDecimal(Sub(m[i], m[i - 1]), exponent);
    out[i] = Sub(OrderedBits(v[i]), OrderedBits(foretold));
  }
  return out;
}

// The decimals of the values and the bits they miss; false when that is no good way to put them.
bool EncodeCodedStretch(std::span<const double> v, std::span<const double> beside, std::string* out,
                        bool* used_beside) {
  Decimals d = ToDecimals(v);
  const bool sums = d.exceptions.size() > 1 + v.size() / 32;
  if (sums) {
    d.exceptions.clear();
    if (!ToNearDecimals(v, &d)) return false;
  }
  out->push_back(sums ? kSums : kDecimals);
  out->push_back(static_cast<char>(d.exponent));
  PutExceptions(v, d.exceptions, out);
  Ints guesses;
  if (!sums) {
    const double scale = kPow10[static_cast<size_t>(d.exponent)];
    for (double x : beside) guesses.push_back(Guess(x, scale));
  }
  if (!EncodeCoded(d.m, guesses, out, used_beside)) return false;
  bool ignored = false;
  return !sums || EncodeCoded(SumErrors(v, d.m, d.exponent), {}, out, &ignored);
}

bool DecodeDecimals(Reader* in, int exponent, size_t n, SampleRange range,
                    std::span<const double> neighbour, double* out) {
  int64_t blocks[kStretchSamples];
  bool beside;
  if (!DecodeCoded(in, n, range, blocks, &beside)) return false;
  if (beside && neighbour.size() != range.count) return false;
  int64_t* m = blocks + range.first % kBlockSamples;
  const double scale = kPow10[static_cast<size_t>(exponent)];
  if (beside) {
    for (size_t i = 0; i < range.count; ++i) m[i] = Add(m[i], Guess(neighbour[i], scale));
  }
  if (exponent == 0) {
    for (size_t i = 0; i < range.count; ++i) out[i] = static_cast<double>(m[i]);
  } else {
    for (size_t i = 0; i < range.count; ++i) out[i] = static_cast<double>(m[i]) / scale;
  }
  return true;
}

bool DecodeSums(Reader* in, int exponent, size_t n, SampleRange range, double* out) {
  int64_t m[kStretchSamples], errors[kStretchSamples];
  bool beside, errors_beside;
  if (!DecodeCoded(in, n, range, m, &beside)) return false;
  if (!DecodeCoded(in, n, range, errors, &errors_beside) || beside || errors_beside) return false;
  const size_t skip = range.first % kBlockSamples;
  double v = 0;
  for (size_t i = 0; i < skip + range.count; ++i) {
    const double foretold = i % kBlockSamples == 0 ? FromDecimal(m[i], exponent)
                                                   : v + FromDecimal(Sub(m[i], m[i - 1]), exponent);
    v = FromOrderedBits(Add(OrderedBits(foretold), errors[i]));
    if (i >= skip) out[i - skip] = v;
  }
  return true;
}

bool DecodeCodedStretch(Reader* in, Form form, size_t n, SampleRange range,
                        std::span<const double> beside, Want want, double* out) {
  uint8_t exponent;
  std::vector<std::pair<size_t, double>> exceptions;
  if (!in->GetByte(&exponent) || exponent > kMaxDecimalExponent) return false;
  if (!GetExceptions(in, n, &exceptions)) return false;
  if (want == Want::kNans) {
    std::fill_n(out, range.count, 0.0);
  } else if (form == kDecimals ? !DecodeDecimals(in, exponent, n, range, beside, out)
                               : !DecodeSums(in, exponent, n, range, out)) {
    return false;
  }
  for (const auto& [at, value] : exceptions) {
    if (at >= range.first && at < range.end()) out[at - range.first] = value;
  }
  return true;
}

void EncodeStretch(std::span<const double> v, std::span<const double> beside, Effort effort,
                   std::string* out, bool* used_beside) {
  std::string plain, coded;
  EncodePlain(v, &plain);
  bool used = false;
  if (effort == Effort::kSmall && EncodeCodedStretch(v, beside, &coded, &used) &&
      coded.size() < plain.size()) {
    *used_beside |= used;
    out->append(coded);
  } else {
    out->append(plain);
  }
}

bool DecodeStretch(Reader* in, size_t n, SampleRange range, std::span<const double> beside,
                   Want want, double* out) {
  uint8_t form;
  if (!in->GetByte(&form) || form > kSums) return false;
  if (form == kPlain) return DecodePlain(in, n, range, want, out);
  return DecodeCodedStretch(in, static_cast<Form>(form), n, range, beside, want, out);
}

}  // namespace

bool EncodeColumn(std::span<const double> v, std::span<const double> beside, Effort effort,
                  std::string* out) {
  bool used_beside = false;
  std::string stretch;
  for (size_t i = 0; i < v.size(); i += kStretchSamples) {
    const size_t n = std::min(kStretchSamples, v.size() - i);
    stretch.clear();
    EncodeStretch(v.subspan(i, n), beside.empty() ? beside : beside.subspan(i, n), effort, &stretch,
                  &used_beside);
    if (v.size() > kStretchSamples) PutVarint(out, stretch.size());
    out->append(stretch);
  }
  return used_beside;
}

bool DecodeColumn(Reader* in, size_t n, SampleRange range, std::span<const double> beside,
                  double* out, Want want) {
  for (size_t from = 0; from < n; from += kStretchSamples) {
    const size_t length = std::min(kStretchSamples, n - from);
    const size_t low = std::max(from, range.first), high = std::min(from + length, range.end());
    uint64_t size = 0;
    std::string_view bytes;
    if (n > kStretchSamples && !in->GetVarint(&size)) return false;
    if (low < high) {
      Reader stretch = *in;  // a stretch is its size long, or the rest
      const size_t at = low - range.first;
      if (!DecodeStretch(n > kStretchSamples ? &stretch : in, length, {low - from, high - low},
                         beside.empty() ? beside : beside.subspan(at, high - low), want,
                         out + at)) {
        return false;
      }
    }
    if (n > kStretchSamples && !in->GetBytes(size, &bytes)) return false;
  }
  return true;
}

}  // namespace deckwatch::tsdb
