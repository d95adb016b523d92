#include "tsdb/codec.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "base/sample.h"

namespace deckwatch::tsdb {
namespace {

std::vector<uint64_t> Bits(const std::vector<double>& v) {
  std::vector<uint64_t> out;
  for (double x : v) out.push_back(std::bit_cast<uint64_t>(x));
  return out;
}

void ExpectRoundTrip(const std::vector<double>& v) {
  std::string encoded;
  EncodeValues(v, &encoded);
  std::vector<double> back(v.size());
  Reader in(encoded);
  ASSERT_TRUE(DecodeValues(&in, v.size(), back.data()));
  EXPECT_TRUE(in.AtEnd());
  EXPECT_EQ(Bits(back), Bits(v));
  const size_t from = v.size() / 3, to = v.size() - v.size() / 4;
  std::vector<double> some(to - from);
  Reader again(encoded);
  ASSERT_TRUE(DecodeValues(&again, v.size(), from, to, some.data()));
  EXPECT_TRUE(again.AtEnd());
  EXPECT_EQ(Bits(some), Bits({back.begin() + static_cast<std::ptrdiff_t>(from),
                              back.begin() + static_cast<std::ptrdiff_t>(to)}));
}

void ExpectRoundTrip(const std::vector<int64_t>& v) {
  std::string encoded;
  EncodeInts(v, &encoded);
  std::vector<int64_t> back(v.size());
  Reader in(encoded);
  ASSERT_TRUE(DecodeInts(&in, v.size(), back.data()));
  EXPECT_TRUE(in.AtEnd());
  EXPECT_EQ(back, v);
}

// Columns as exporters make them, and as nobody does.
std::vector<double> RandomColumn(std::mt19937_64& rng) {
  const auto pick = [&](uint64_t n) { return rng() % n; };
  std::vector<double> v(1 + pick(kBlockSamples));
  const uint64_t shape = pick(9);
  const double scale = std::pow(10, -static_cast<double>(pick(7)));
  int64_t counter = static_cast<int64_t>(pick(1'000'000'000));
  double sum = static_cast<double>(pick(1000));
  for (double& x : v) {
    switch (shape) {
      case 0: x = static_cast<double>(counter); break;
      case 1: x = static_cast<double>(counter += static_cast<int64_t>(pick(100))); break;
      case 2: x = static_cast<double>(counter += 4096 * static_cast<int64_t>(pick(20))); break;
      case 3: x = static_cast<double>(static_cast<int64_t>(pick(10000))) * scale; break;
      case 4: x = sum += 0.1 * static_cast<double>(pick(10)); break;  // noise of float sums
      case 5: x = std::bit_cast<double>(rng()); break;                // any bits, NaNs among them
      case 6: x = static_cast<double>(rng()) / 3.0; break;
      case 7: x = pick(50) == 0 ? 0 : static_cast<double>(counter += 1000); break;  // resets
      default: x = std::sin(sum += 0.01); break;
    }
    if (shape != 5 && pick(200) == 0) {
      const double odd[] = {StaleNan(), NormalNan(), -0.0, HUGE_VAL, -HUGE_VAL, 5e-324, 1e308};
      x = odd[pick(std::size(odd))];
    }
  }
  return v;
}

TEST(Codec, RoundTripsSpecialValuesBitForBit) {
  ExpectRoundTrip(std::vector<double>{StaleNan()});
  ExpectRoundTrip(std::vector<double>{0.0, -0.0, StaleNan(), NormalNan(), HUGE_VAL, -HUGE_VAL});
  ExpectRoundTrip(std::vector<double>{0.1, 0.2, 0.30000000000000004, 0.3});
  ExpectRoundTrip(std::vector<double>{0.123, 1.2e12, 1e18, 0.3});
  ExpectRoundTrip(std::vector<double>{9007199254740992.0, 9007199254740993.0, 1e300, 5e-324});
  ExpectRoundTrip(std::vector<double>{std::bit_cast<double>(0x7ff0000000000001),
                                      std::bit_cast<double>(0xffffffffffffffff)});
}

TEST(Codec, RoundTripsExtremeIntegers) {
  const int64_t low = std::numeric_limits<int64_t>::min(), high = -(low + 1);
  ExpectRoundTrip(std::vector<int64_t>{low});
  ExpectRoundTrip(std::vector<int64_t>{low, high});
  ExpectRoundTrip(std::vector<int64_t>{low, high, low, 0, high, -1, 1});
  ExpectRoundTrip(std::vector<int64_t>{0, low, 0, low, 0, 0, 0});
}

TEST(Codec, RoundTripsRandomColumns) {
  const uint64_t seed = 20261120;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 rng(seed);
  for (int i = 0; i < 2000 && !::testing::Test::HasFailure(); ++i) {
    ExpectRoundTrip(RandomColumn(rng));
    std::vector<int64_t> ints(1 + rng() % kBlockSamples);
    const int width = static_cast<int>(rng() % 64);
    for (int64_t& x : ints) x = static_cast<int64_t>(rng() >> width);
    ExpectRoundTrip(ints);
  }
}

TEST(Codec, KeepsRegularColumnsSmall) {
  std::string out;
  std::vector<int64_t> clock;
  for (int i = 0; i < 480; ++i) clock.push_back(1'700'000'000'000 + i * 15'000);
  EncodeInts(clock, &out);
  EXPECT_LE(out.size(), 16u);
  out.clear();
  EncodeValues(std::vector<double>(480, 42.5), &out);
  EXPECT_LE(out.size(), 5u);
  out.clear();
  std::vector<double> pages;
  for (int i = 0; i < 480; ++i) pages.push_back(4096.0 * static_cast<double>(i * i % 16));
  EncodeValues(pages, &out);
  EXPECT_LE(out.size(), 480u * 5 / 8 + 32);
}

TEST(Codec, SurvivesDamage) {
  std::mt19937_64 rng(7);
  double values[kBlockSamples];
  int64_t ints[kBlockSamples];
  for (int i = 0; i < 40; ++i) {
    const std::vector<double> v = RandomColumn(rng);
    std::string encoded;
    EncodeValues(v, &encoded);
    for (size_t length = 0; length < encoded.size(); ++length) {
      const std::string cut = encoded.substr(0, length);
      Reader in(cut);
      ASSERT_FALSE(DecodeValues(&in, v.size(), values)) << length << " of " << encoded.size();
    }
    for (int k = 0; k < 250; ++k) {
      std::string flipped = encoded;
      flipped[rng() % flipped.size()] ^= static_cast<char>(1u << (rng() % 8));
      Reader in(flipped), in_ints(flipped);
      (void)DecodeValues(&in, v.size(), values);  // any answer, but no crash: the sanitizers judge
      (void)DecodeInts(&in_ints, v.size(), ints);
    }
  }
}

}  // namespace
}  // namespace deckwatch::tsdb
