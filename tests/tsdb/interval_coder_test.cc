#include "tsdb/interval_coder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace deckwatch::tsdb {
namespace {

using Ints = std::vector<int64_t>;

std::optional<IntervalCoder> CoderFor(Ints v) {
  std::sort(v.begin(), v.end());
  return IntervalCoder::For(v);
}

// Encodes the coder and then the blocks of at most kMaxBlock; bytes of all.
std::string Encode(const Ints& v, std::vector<size_t>* sizes) {
  std::string out;
  const auto coder = CoderFor(v);
  EXPECT_TRUE(coder.has_value());
  if (!coder) return out;
  coder->EncodeTo(&out);
  for (size_t i = 0; i < v.size(); i += IntervalCoder::kMaxBlock) {
    const size_t before = out.size();
    coder->EncodeBlock(std::span(v).subspan(i, std::min(IntervalCoder::kMaxBlock, v.size() - i)),
                       &out);
    sizes->push_back(out.size() - before);
  }
  return out;
}

void ExpectRoundTrip(const Ints& v) {
  std::vector<size_t> sizes;
  const std::string encoded = Encode(v, &sizes);
  Reader in(encoded);
  const auto coder = IntervalCoder::Decode(&in);
  ASSERT_TRUE(coder.has_value());
  Ints back(v.size());
  size_t at = 0;
  std::vector<IntervalCoder::Block> blocks;
  for (size_t size : sizes) {
    std::string_view block;
    ASSERT_TRUE(in.GetBytes(size, &block));
    const size_t n = std::min(IntervalCoder::kMaxBlock, v.size() - at);
    blocks.push_back({block, n, back.data() + at});
    at += n;
  }
  ASSERT_TRUE(coder->DecodeBlocks(blocks));
  EXPECT_TRUE(in.AtEnd());
  EXPECT_EQ(back, v);
}

// A few shapes of what residuals look like; nothing beyond the widest interval too often.
Ints RandomInts(std::mt19937_64& rng) {
  Ints v(1 + rng() % 3000);
  const uint64_t shape = rng() % 6;
  const int width = static_cast<int>(rng() % 45);
  const int64_t offset = static_cast<int64_t>(rng()) >> (rng() % 60);
  std::geometric_distribution<int> few(0.3);
  for (int64_t& x : v) {
    switch (shape) {
      case 0: x = offset; break;
      case 1: x = few(rng); break;
      case 2: x = offset + (rng() % 20 == 0 ? static_cast<int64_t>(rng() % 50) : 0); break;
      case 3: x = static_cast<int64_t>(rng() & ((uint64_t{1} << width) - 1)); break;
      case 4: x = few(rng) - few(rng) * 1000; break;
      default: x = rng() % 2 == 0 ? few(rng) : static_cast<int64_t>(rng() % (1 << 20)); break;
    }
  }
  return v;
}

TEST(IntervalCoder, RoundTripsRandomIntegers) {
  const uint64_t seed = 20261121;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 rng(seed);
  for (int i = 0; i < 1000 && !::testing::Test::HasFailure(); ++i) ExpectRoundTrip(RandomInts(rng));
}

TEST(IntervalCoder, RoundTripsTheEndsOfTheRange) {
  const int64_t low = std::numeric_limits<int64_t>::min(), high = -(low + 1);
  ExpectRoundTrip({low});
  ExpectRoundTrip({high});
  ExpectRoundTrip({low, high});
  ExpectRoundTrip({low, low + 1, -1, 0, 1, high - 1, high});
  ExpectRoundTrip({high, 0, 0, 0, 0, 0, 0, 0, 0, low});
}

TEST(IntervalCoder, RoundTripsManyRareIntegersBesideCommonOnes) {
  Ints v;
  for (int64_t i = 0; i < 240; ++i) v.push_back(i * (int64_t{1} << 50));  // too far to share
  ExpectRoundTrip(v);
  for (int i = 0; i < 4000; ++i) v.push_back(i % 7);
  ExpectRoundTrip(v);
}

TEST(IntervalCoder, RefusesMoreThanItCanTell) {
  Ints v;
  for (int64_t i = 0; i < 300; ++i) v.push_back(i * (int64_t{1} << 50));
  EXPECT_FALSE(CoderFor(v).has_value());
}

// Bits per integer of the entropy of `v` itself.
double Entropy(const Ints& v) {
  std::map<int64_t, double> counts;
  for (int64_t x : v) ++counts[x];
  double bits = 0;
  for (const auto& [x, n] : counts) {
    bits += n * std::log2(static_cast<double>(v.size()) / n);
  }
  return bits;
}

TEST(IntervalCoder, ComesNearTheEntropy) {
  std::mt19937_64 rng(1);
  for (const double p : {0.02, 0.2, 0.5, 0.9}) {
    std::geometric_distribution<int> d(p);
    Ints v(IntervalCoder::kMaxBlock);
    for (int64_t& x : v) x = d(rng);
    std::vector<size_t> sizes;
    const std::string encoded = Encode(v, &sizes);
    EXPECT_LE(static_cast<double>(sizes[0]), Entropy(v) / 8 * 1.05 + 12) << p;
    EXPECT_LE(static_cast<double>(encoded.size() - sizes[0]), 100) << p;
  }
}

TEST(IntervalCoder, SurvivesDamage) {
  std::mt19937_64 rng(3);
  int64_t out[IntervalCoder::kMaxBlock];
  for (int i = 0; i < 60; ++i) {
    Ints v = RandomInts(rng);
    v.resize(std::min(v.size(), IntervalCoder::kMaxBlock));
    std::vector<size_t> sizes;
    const std::string encoded = Encode(v, &sizes);
    const auto decode = [&](const std::string& bytes) {
      Reader in(bytes);
      const auto coder = IntervalCoder::Decode(&in);
      if (!coder) return false;
      const IntervalCoder::Block block = {in.rest(), v.size(), out};
      // Beside itself it fares no better than alone.
      const IntervalCoder::Block two[] = {block, block};
      const bool good = coder->DecodeBlocks({two, 1});
      EXPECT_EQ(coder->DecodeBlocks(two), good);
      return good;
    };
    ASSERT_TRUE(decode(encoded));
    for (size_t length = 0; length < encoded.size(); ++length) {
      if (decode(encoded.substr(0, length))) {
        // Words at the end of a lane may be missed only where no integer needs them.
        ADD_FAILURE() << length << " of " << encoded.size();
      }
    }
    for (int k = 0; k < 300; ++k) {
      std::string flipped = encoded;
      flipped[rng() % flipped.size()] ^= static_cast<char>(1u << (rng() % 8));
      (void)decode(flipped);  // any answer, but no crash: the sanitizers judge
    }
  }
}

}  // namespace
}  // namespace deckwatch::tsdb
