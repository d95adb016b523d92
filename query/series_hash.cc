#include "query/series_hash.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

namespace deckwatch::query {

namespace {

constexpr uint64_t kPrime1 = 0x9e3779b185ebca87u;
constexpr uint64_t kPrime2 = 0xc2b2ae3d27d4eb4fu;
constexpr uint64_t kPrime3 = 0x165667b19e3779f9u;
constexpr uint64_t kPrime4 = 0x85ebca77c2b2ae63u;
constexpr uint64_t kPrime5 = 0x27d4eb2f165667c5u;

template <typename T>
T Load(const char* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

uint64_t Round(uint64_t acc, uint64_t input) {
  return std::rotl(acc + input * kPrime2, 31) * kPrime1;
}

// xxHash64 with seed 0.  Source: Yann Collet, xxHash fast digest algorithm, section "XXH64".
uint64_t XxHash64(std::string_view data) {
  const char* p = data.data();
  const char* const end = p + data.size();
  uint64_t h = kPrime5;
  if (data.size() >= 32) {
    uint64_t acc[4] = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
    for (; end - p >= 32; p += 32) {
      for (int i = 0; i < 4; ++i) acc[i] = Round(acc[i], Load<uint64_t>(p + 8 * i));
    }
    h = std::rotl(acc[0], 1) + std::rotl(acc[1], 7) + std::rotl(acc[2], 12) + std::rotl(acc[3], 18);
    for (uint64_t a : acc) h = (h ^ Round(0, a)) * kPrime1 + kPrime4;
  }
  h += data.size();
  for (; end - p >= 8; p += 8) {
    h = std::rotl(h ^ Round(0, Load<uint64_t>(p)), 27) * kPrime1 + kPrime4;
  }
  if (end - p >= 4) {
    h = std::rotl(h ^ (Load<uint32_t>(p) * kPrime1), 23) * kPrime2 + kPrime3;
    p += 4;
  }
  for (; p < end; ++p) h = std::rotl(h ^ (static_cast<uint8_t>(*p) * kPrime5), 11) * kPrime1;
  h = (h ^ (h >> 33)) * kPrime2;
  h = (h ^ (h >> 29)) * kPrime3;
  return h ^ (h >> 32);
}

// Sizes below 255 take one byte; others 255 and three bytes, low first.
void PutSized(std::string* out, std::string_view s) {
  if (s.size() < 255) {
    out->push_back(static_cast<char>(s.size()));
  } else {
    out->push_back(static_cast<char>(255));
    for (int shift = 0; shift < 24; shift += 8) {
      out->push_back(static_cast<char>(s.size() >> shift));
    }
  }
  out->append(s);
}

}  // namespace

double SeriesHashFraction(LabelsView labels) {
  std::string data;
  for (LabelRef l : labels) {
    PutSized(&data, l.name);
    PutSized(&data, l.value);
  }
  return static_cast<double>(XxHash64(data)) / static_cast<double>(UINT64_MAX);
}

}  // namespace deckwatch::query
