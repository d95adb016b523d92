#include "tsdb/codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "tsdb/bits.h"

namespace deckwatch::tsdb {

namespace {

constexpr int64_t kMaxExact = int64_t{1} << 53;

uint64_t Bits(double v) {
  return std::bit_cast<uint64_t>(v);
}
int64_t Sub(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
int64_t Add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
size_t VarintSize(uint64_t v) {
  return static_cast<size_t>(std::bit_width(v | 1) + 6) / 7;
}

// Unpacks n values of `width` bits. An 8-byte load per value while the input lasts, then slowly.
bool Unpack(Reader* in, size_t n, int width, uint64_t* out) {
  std::string_view data;
  if (!in->GetBytes((n * static_cast<size_t>(width) + 7) / 8, &data)) return false;
  size_t i = 0;
  if (width == 0) {
    std::fill_n(out, n, 0);
    return true;
  }
  if (width <= 56) {
    const uint64_t mask = (uint64_t{1} << width) - 1;
    for (size_t bit = 0; i < n && (bit >> 3) + 8 <= data.size(); ++i) {
      uint64_t word;
      std::memcpy(&word, data.data() + (bit >> 3), 8);
      out[i] = (word >> (bit & 7)) & mask;
      bit += static_cast<size_t>(width);
    }
  }
  if (i < n) {
    const size_t bit = i * static_cast<size_t>(width);
    BitReader rest(data.substr(bit >> 3));
    (void)rest.Get(static_cast<int>(bit & 7));
    for (; i < n; ++i) out[i] = rest.Get(width);
  }
  return true;
}

// ---- integers

// Residuals and how to pack them: residual = offset + gcd * reduced, packed = reduced - base.
struct Packing {
  std::vector<int64_t> reduced;
  int64_t offset = 0;
  int64_t gcd = 1;
  int64_t base = 0;
  int width = 0;
  size_t cost_bits = 0;
};

// Takes the least residual and the greatest common divisor of the rest out of `packing->reduced`.
// Left as it is where differences do not fit 63 bits: modulo 2^64 there is no dividing.
void Reduce(Packing* packing) {
  std::vector<int64_t>& r = packing->reduced;
  const auto [low, high] = std::minmax_element(r.begin(), r.end());
  if (Sub(*high, *low) < 0) return;
  packing->offset = *low;
  int64_t gcd = 0;
  for (int64_t& v : r) {
    v -= packing->offset;
    if (gcd != 1) gcd = std::gcd(gcd, v);
  }
  if (gcd <= 1) return;
  packing->gcd = gcd;
  for (int64_t& v : r) v /= gcd;
}

// For each width, the window [base, base + 2^width) that covers most residuals; those outside
// become patches of about their varint size. One sort, one pass of two pointers per width.
void ChoosePacking(Packing* packing, std::vector<int64_t>* sorted) {
  Reduce(packing);
  *sorted = packing->reduced;
  std::sort(sorted->begin(), sorted->end());
  const std::vector<int64_t>& s = *sorted;
  const size_t n = s.size();
  const uint64_t range = static_cast<uint64_t>(s.back()) - static_cast<uint64_t>(s.front());
  packing->base = s.front();
  packing->width = std::bit_width(range);
  packing->cost_bits = n * static_cast<size_t>(packing->width);
  const size_t patch_bits = 8 + 8 * VarintSize(range);
  for (int w = packing->width - 1; w >= 0 && n * static_cast<size_t>(w) < packing->cost_bits; --w) {
    const uint64_t span = (uint64_t{1} << w) - 1;
    size_t covered = 0, from = 0;
    for (size_t lo = 0, hi = 0; hi < n; ++hi) {
      while (static_cast<uint64_t>(s[hi]) - static_cast<uint64_t>(s[lo]) > span) ++lo;
      if (hi - lo + 1 > covered) covered = hi - lo + 1, from = lo;
    }
    const size_t cost = n * static_cast<size_t>(w) + (n - covered) * patch_bits;
    if (cost >= packing->cost_bits) continue;
    packing->base = s[from];
    packing->width = w;
    packing->cost_bits = cost;
  }
}

void EncodeResiduals(const Packing& packing, uint8_t tag, const std::string& head,
                     std::string* out) {
  const std::vector<int64_t>& r = packing.reduced;
  const uint64_t span = packing.width == 64 ? UINT64_MAX : (uint64_t{1} << packing.width) - 1;
  std::vector<uint64_t> packed(r.size());
  std::string patches;
  size_t patch_count = 0, last = 0;
  for (size_t i = 0; i < r.size(); ++i) {
    const int64_t d = Sub(r[i], packing.base);
    if (static_cast<uint64_t>(d) <= span) {
      packed[i] = static_cast<uint64_t>(d);
      continue;
    }
    PutVarint(&patches, i - last);
    PutSignedVarint(&patches, d);
    last = i;
    ++patch_count;
  }
  if (packing.gcd > 1) tag |= 4;
  if (patch_count > 0) tag |= 8;
  out->push_back(static_cast<char>(tag));
  out->append(head);
  PutSignedVarint(out,
                  Add(packing.offset, static_cast<int64_t>(static_cast<uint64_t>(packing.base) *
                                                           static_cast<uint64_t>(packing.gcd))));
  out->push_back(static_cast<char>(packing.width));
  if (packing.gcd > 1) PutVarint(out, static_cast<uint64_t>(packing.gcd));
  if (patch_count > 0) {
    PutVarint(out, patch_count);
    out->append(patches);
  }
  BitWriter bits(out);
  for (uint64_t p : packed) bits.Put(p, packing.width);
  bits.Finish();
}

bool DecodeResiduals(Reader* in, uint8_t tag, size_t n, int64_t* out) {
  int64_t base;
  uint8_t width;
  uint64_t gcd = 1, patch_count = 0;
  if (!in->GetSignedVarint(&base) || !in->GetByte(&width) || width > 64) return false;
  if ((tag & 4) != 0 && !in->GetVarint(&gcd)) return false;
  Reader patches(std::string_view{});
  if ((tag & 8) != 0) {
    if (!in->GetVarint(&patch_count) || patch_count > n) return false;
    patches = *in;
    for (uint64_t i = 0, ignored; i < patch_count; ++i) {
      if (!in->GetVarint(&ignored) || !in->GetVarint(&ignored)) return false;
    }
  }
  auto* packed = reinterpret_cast<uint64_t*>(out);
  if (!Unpack(in, n, width, packed)) return false;
  size_t position = 0;
  for (uint64_t i = 0; i < patch_count; ++i) {
    uint64_t gap;
    int64_t value;
    if (!patches.GetVarint(&gap) || !patches.GetSignedVarint(&value)) return false;
    if (gap >= n || (position += gap) >= n) return false;
    packed[position] = static_cast<uint64_t>(value);
  }
  for (size_t i = 0; i < n; ++i) {
    out[i] = static_cast<int64_t>(static_cast<uint64_t>(base) + packed[i] * gcd);
  }
  return true;
}

// ---- values

// The largest exponent that any of eight probes needs, then raised while values ask for more.
int ChooseExponent(std::span<const double> v) {
  int e = 0;
  const size_t step = std::max<size_t>(1, v.size() / 8);
  for (size_t i = 0; i < v.size(); i += step) e = std::max(e, DecimalExponent(v[i]));
  return e;
}

void EncodeDecimals(std::span<const double> v, const Decimals& d, std::string* out) {
  out->push_back(static_cast<char>(d.exceptions.empty() ? 0 : 0x80));
  if (!d.exceptions.empty()) PutExceptions(v, d.exceptions, out);
  out->push_back(static_cast<char>(d.exponent));
  EncodeInts(d.m, out);
}

// Near decimals and how many representable doubles away each value is.
bool EncodeDecimalsWithNoise(std::span<const double> v, std::string* out) {
  Decimals d;
  if (!ToNearDecimals(v, &d)) return false;
  std::vector<int64_t> noise(v.size());
  for (size_t i = 0; i < v.size(); ++i) {
    noise[i] = Sub(OrderedBits(v[i]), OrderedBits(FromDecimal(d.m[i], d.exponent)));
  }
  out->push_back(1);
  out->push_back(static_cast<char>(d.exponent));
  EncodeInts(d.m, out);
  EncodeInts(noise, out);
  return true;
}

// Pelkonen et al. 2015, section 4.1.2: 0 = same; 10 = within the last window; 11 = new window.
void EncodeXor(std::span<const double> v, std::string* out) {
  out->push_back(2);
  PutDouble(out, v[0]);
  BitWriter bits(out);
  int lead = 65, trail = 0;
  for (size_t i = 1; i < v.size(); ++i) {
    const uint64_t x = Bits(v[i]) ^ Bits(v[i - 1]);
    if (x == 0) {
      bits.Put(0, 1);
      continue;
    }
    const int l = std::min(std::countl_zero(x), 31), t = std::countr_zero(x);
    if (lead <= 64 && l >= lead && t >= trail) {
      bits.Put(1, 2);
      bits.Put(x >> trail, 64 - lead - trail);
      continue;
    }
    lead = l, trail = t;
    bits.Put(3, 2);
    bits.Put(static_cast<uint64_t>(lead), 5);
    bits.Put(static_cast<uint64_t>(64 - lead - trail - 1), 6);
    bits.Put(x >> trail, 64 - lead - trail);
  }
  bits.Finish();
}

bool DecodeXor(Reader* in, size_t n, double* out) {
  uint64_t last;
  if (!in->GetFixed64(&last)) return false;
  out[0] = std::bit_cast<double>(last);
  BitReader bits(in->rest());
  int trail = 0, width = 0;
  for (size_t i = 1; i < n; ++i) {
    if (bits.Get(1) != 0) {
      if (bits.Get(1) != 0) {
        const int lead = static_cast<int>(bits.Get(5));
        width = static_cast<int>(bits.Get(6)) + 1;
        trail = 64 - lead - width;
        if (trail < 0) return false;
      }
      if (width == 0) return false;
      last ^= bits.Get(width) << trail;
    }
    out[i] = std::bit_cast<double>(last);
  }
  std::string_view used;
  return bits.ok() && in->GetBytes(bits.bytes_read(), &used);
}

// The body of forms 0 and 1.
bool DecodeDecimals(Reader* in, bool moved, int exponent, size_t n, size_t from, size_t to,
                    double* out) {
  int64_t m[kBlockSamples];
  if (!DecodeInts(in, n, m)) return false;
  const double scale = kPow10[static_cast<size_t>(exponent)];
  for (size_t i = from; i < to; ++i) out[i - from] = static_cast<double>(m[i]) / scale;
  if (!moved) return true;
  if (!DecodeInts(in, n, m)) return false;
  for (size_t i = from; i < to; ++i) {
    double& v = out[i - from];
    v = FromOrderedBits(Add(OrderedBits(v), m[i]));
  }
  return true;
}

}  // namespace

bool ToDecimal(double v, int exponent, int64_t* m) {
  const double scaled = v * kPow10[static_cast<size_t>(exponent)];
  if (!(std::fabs(scaled) <= static_cast<double>(kMaxExact))) return false;
  *m = static_cast<int64_t>(std::nearbyint(scaled));
  return Bits(FromDecimal(*m, exponent)) == Bits(v);
}

int DecimalExponent(double v) {
  int64_t m;
  if (!(std::fabs(v) <= static_cast<double>(kMaxExact))) return -1;
  for (int e = 0; e <= kMaxDecimalExponent; ++e) {
    if (ToDecimal(v, e, &m)) return e;
  }
  return -1;
}

int64_t OrderedBits(double v) {
  const int64_t b = static_cast<int64_t>(Bits(v));
  return b >= 0 ? b : Sub(INT64_MIN, b);
}
double FromOrderedBits(int64_t o) {
  return std::bit_cast<double>(o >= 0 ? o : Sub(INT64_MIN, o));
}

Decimals ToDecimals(std::span<const double> v) {
  Decimals d;
  d.exponent = ChooseExponent(v);
  for (int attempt = 0; attempt < 3; ++attempt) {
    d.m.resize(v.size());
    d.exceptions.clear();
    int wanted = d.exponent;
    int64_t last = 0;
    for (size_t i = 0; i < v.size(); ++i) {
      if (!ToDecimal(v[i], d.exponent, &d.m[i])) {
        d.m[i] = last;
        d.exceptions.push_back(static_cast<uint32_t>(i));
        if (d.exceptions.size() <= 16) wanted = std::max(wanted, DecimalExponent(v[i]));
      }
      last = d.m[i];
    }
    if (wanted == d.exponent) break;
    d.exponent = wanted;
  }
  // A leading exception repeats what follows, so that it costs no large first delta.
  if (!d.exceptions.empty() && d.exceptions[0] == 0) {
    size_t i = 0;
    while (i < d.exceptions.size() && d.exceptions[i] == i) ++i;
    if (i < d.m.size()) std::fill_n(d.m.begin(), i, d.m[i]);
  }
  return d;
}

bool ToNearDecimals(std::span<const double> v, Decimals* out) {
  constexpr int64_t kMaxNoise = 4096;
  const auto near = [](double x, int e, int64_t* m) {
    const double scaled = x * kPow10[static_cast<size_t>(e)];
    if (!(std::fabs(scaled) <= static_cast<double>(kMaxExact))) return false;
    *m = std::llround(scaled);
    if (x == 0 && std::signbit(x)) return false;  // shares its ordered bits with 0
    const int64_t noise = Sub(OrderedBits(x), OrderedBits(FromDecimal(*m, e)));
    return noise >= -kMaxNoise && noise <= kMaxNoise;
  };
  int exponent = 0;
  const size_t step = std::max<size_t>(1, v.size() / 16);
  int64_t m;
  for (size_t i = 0; i < v.size(); i += step) {
    while (exponent <= kMaxDecimalExponent && !near(v[i], exponent, &m)) ++exponent;
    if (exponent > kMaxDecimalExponent) return false;
  }
  out->exponent = exponent;
  out->m.resize(v.size());
  for (size_t i = 0; i < v.size(); ++i) {
    if (!near(v[i], exponent, &out->m[i])) return false;
  }
  return true;
}

void PutExceptions(std::span<const double> v, std::span<const uint32_t> positions,
                   std::string* out) {
  PutVarint(out, positions.size());
  uint32_t last = 0;
  for (uint32_t i : positions) {
    PutVarint(out, i - last);
    PutDouble(out, v[i]);
    last = i;
  }
}

bool GetExceptions(Reader* in, size_t n, std::vector<std::pair<size_t, double>>* out) {
  uint64_t count;
  if (!in->GetVarint(&count) || count > n) return false;
  out->resize(count);
  size_t position = 0;
  for (auto& [at, value] : *out) {
    uint64_t gap;
    if (!in->GetVarint(&gap) || !in->GetDouble(&value)) return false;
    if (gap >= n || (position += gap) >= n) return false;
    at = position;
  }
  return true;
}

void EncodeInts(std::span<const int64_t> v, std::string* out) {
  const size_t n = v.size();
  if (std::all_of(v.begin(), v.end(), [&](int64_t x) { return x == v[0]; })) {
    out->push_back(0);
    PutSignedVarint(out, v[0]);
    return;
  }
  Packing delta, dod;
  std::vector<int64_t> sorted;
  for (size_t i = 1; i < n; ++i) delta.reduced.push_back(Sub(v[i], v[i - 1]));
  const int64_t first_delta = delta.reduced[0];
  for (size_t i = 2; i < n; ++i) {
    dod.reduced.push_back(Sub(delta.reduced[i - 1], delta.reduced[i - 2]));
  }
  std::string head;
  PutSignedVarint(&head, v[0]);
  ChoosePacking(&delta, &sorted);
  if (n > 2) {
    ChoosePacking(&dod, &sorted);
    if (dod.cost_bits + 16 < delta.cost_bits) {
      PutSignedVarint(&head, first_delta);
      EncodeResiduals(dod, 2, head, out);
      return;
    }
  }
  EncodeResiduals(delta, 1, head, out);
}

bool DecodeInts(Reader* in, size_t n, int64_t* out) {
  uint8_t tag;
  int64_t first, delta = 0;
  if (n == 0 || !in->GetByte(&tag) || tag > 15 || !in->GetSignedVarint(&first)) return false;
  switch (tag & 3) {
    case 0: std::fill_n(out, n, first); return tag == 0;
    case 1:
      if (n < 2 || !DecodeResiduals(in, tag, n - 1, out + 1)) return false;
      out[0] = first;
      for (size_t i = 1; i < n; ++i) out[i] = Add(out[i - 1], out[i]);
      return true;
    case 2:
      if (n < 3 || !in->GetSignedVarint(&delta) || !DecodeResiduals(in, tag, n - 2, out + 2)) {
        return false;
      }
      out[0] = first;
      out[1] = Add(first, delta);
      for (size_t i = 2; i < n; ++i) {
        delta = Add(delta, out[i]);
        out[i] = Add(out[i - 1], delta);
      }
      return true;
    default: return false;
  }
}

void EncodeValues(std::span<const double> v, std::string* out) {
  const Decimals d = ToDecimals(v);
  std::string best;
  EncodeDecimals(v, d, &best);
  if (d.exceptions.size() > 1 + v.size() / 32) {
    std::string other;
    EncodeXor(v, &other);
    if (other.size() < best.size()) best.swap(other);
    other.clear();
    if (EncodeDecimalsWithNoise(v, &other) && other.size() < best.size()) best.swap(other);
  }
  out->append(best);
}

bool DecodeValues(Reader* in, size_t n, size_t from, size_t to, double* out, Want want) {
  uint8_t form, exponent;
  if (n == 0 || n > kBlockSamples || !in->GetByte(&form)) return false;
  std::vector<std::pair<size_t, double>> exceptions;
  if ((form & 0x80) != 0 && !GetExceptions(in, n, &exceptions)) return false;
  form &= 0x7f;
  if (form == 2) {
    double all[kBlockSamples];
    if (!exceptions.empty() || !DecodeXor(in, n, all)) return false;
    std::copy(all + from, all + to, out);
    return true;
  }
  if (form > 2 || !in->GetByte(&exponent) || exponent > kMaxDecimalExponent) return false;
  if (want == Want::kNans) {
    std::fill_n(out, to - from, 0.0);
  } else if (!DecodeDecimals(in, form == 1, exponent, n, from, to, out)) {
    return false;
  }
  for (const auto& [at, value] : exceptions) {
    if (from <= at && at < to) out[at - from] = value;
  }
  return true;
}

}  // namespace deckwatch::tsdb
