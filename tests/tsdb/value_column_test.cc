#include "tsdb/value_column.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "base/sample.h"
#include "tsdb/codec.h"

namespace deckwatch::tsdb {
namespace {

using Column = std::vector<double>;

bool SameBits(std::span<const double> a, std::span<const double> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// Reads all of the column, and then one random range of it, and compares.
void ExpectReads(const std::string& encoded, const Column& v, std::span<const double> beside,
                 std::mt19937_64& rng) {
  Column back(v.size());
  Reader in(encoded);
  ASSERT_TRUE(DecodeColumn(&in, v.size(), {0, v.size()}, beside, back.data()));
  EXPECT_TRUE(in.AtEnd());
  ASSERT_TRUE(SameBits(back, v));
  const size_t first = rng() % v.size(), count = 1 + rng() % (v.size() - first);
  const SampleRange range{first, count};
  back.assign(range.count, -1);
  Reader again(encoded);
  ASSERT_TRUE(DecodeColumn(&again, v.size(), range,
                           beside.empty() ? beside : beside.subspan(range.first, range.count),
                           back.data()));
  EXPECT_TRUE(again.AtEnd());
  EXPECT_TRUE(SameBits(back, std::span(v).subspan(range.first, range.count)));

  Reader nans(encoded);
  ASSERT_TRUE(DecodeColumn(&nans, v.size(), range, {}, back.data(), Want::kNans));
  for (size_t i = 0; i < count; ++i) {
    const double want = v[first + i];
    ASSERT_EQ(std::isnan(back[i]), std::isnan(want)) << first + i;
    ASSERT_TRUE(!std::isnan(want) || SameBits({&back[i], 1}, {&want, 1})) << first + i;
  }
}

void ExpectRoundTrip(const Column& v, const Column& beside, std::mt19937_64& rng) {
  for (const Effort effort : {Effort::kQuick, Effort::kSmall}) {
    std::string alone, paired;
    EXPECT_FALSE(EncodeColumn(v, {}, effort, &alone));
    ExpectReads(alone, v, {}, rng);
    if (beside.empty()) continue;
    const bool used = EncodeColumn(v, beside, effort, &paired);
    ExpectReads(paired, v, used ? std::span(beside) : std::span<const double>(), rng);
  }
}

// Columns as exporters make them, and as nobody does.
Column RandomColumn(std::mt19937_64& rng, size_t n) {
  const auto pick = [&](uint64_t k) { return rng() % k; };
  Column v(n);
  const uint64_t shape = pick(10);
  const double scale = std::pow(10, static_cast<double>(pick(7)));
  int64_t counter = static_cast<int64_t>(pick(1'000'000'000));
  double sum = static_cast<double>(pick(1000));
  for (double& x : v) {
    switch (shape) {
      case 0: x = static_cast<double>(pick(20) == 0 ? ++counter : counter); break;
      case 1: x = static_cast<double>(counter += static_cast<int64_t>(pick(100))); break;
      case 2: x = static_cast<double>(counter += 4096 * static_cast<int64_t>(pick(20))); break;
      case 3: x = static_cast<double>(static_cast<int64_t>(pick(10000))) / scale; break;
      case 4: x = sum += static_cast<double>(pick(1000)) / 1e9; break;  // noise of float sums
      case 5: x = std::bit_cast<double>(rng()); break;                  // any bits
      case 6: x = static_cast<double>(rng()) / 3.0; break;
      case 7: x = pick(500) == 0 ? 0 : static_cast<double>(counter += 1000); break;  // resets
      case 8: x = 1e9 + static_cast<double>(pick(2)); break;
      default: x = std::sin(sum += 0.01); break;
    }
    if (shape != 5 && pick(2000) == 0) {
      const double odd[] = {StaleNan(), NormalNan(), -0.0, HUGE_VAL, -HUGE_VAL, 5e-324, 1e308};
      x = odd[pick(std::size(odd))];
    }
  }
  return v;
}

size_t RandomLength(std::mt19937_64& rng) {
  switch (rng() % 8) {
    case 0: return 1 + rng() % 20;
    case 1: return 1 + rng() % 20000;  // several stretches
    default: return 1 + rng() % 3000;
  }
}

TEST(ValueColumn, RoundTripsRandomColumnsAloneAndBesideOthers) {
  const uint64_t seed = 20261122;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 rng(seed);
  for (int i = 0; i < 250 && !::testing::Test::HasFailure(); ++i) {
    const Column v = RandomColumn(rng, RandomLength(rng));
    Column beside = v;
    switch (rng() % 4) {
      case 0: beside.clear(); break;
      case 1: beside = RandomColumn(rng, v.size()); break;
      case 2:
        for (double& x : beside) x = x * 10 + static_cast<double>(rng() % 3);
        break;
      default: break;
    }
    ExpectRoundTrip(v, beside, rng);
  }
}

TEST(ValueColumn, RoundTripsTheEdgesOfBlocksAndStretches) {
  std::mt19937_64 rng(5);
  for (const size_t n :
       {size_t{1}, size_t{2}, size_t{3}, kBlockSamples - 1, kBlockSamples, kBlockSamples + 1,
        kBlockSamples + 2, 6 * kBlockSamples, 6 * kBlockSamples + 1, 12 * kBlockSamples}) {
    for (int i = 0; i < 10; ++i) ExpectRoundTrip(RandomColumn(rng, n), RandomColumn(rng, n), rng);
  }
}

TEST(ValueColumn, TwinsCostNextToNothing) {
  std::mt19937_64 rng(9);
  Column v(2400), other(2400);
  double a = 0, b = 500;
  for (size_t i = 0; i < v.size(); ++i) {
    const auto step = static_cast<double>(rng() % 100000);
    v[i] = a += step;
    other[i] = b += step;
  }
  std::string alone, paired;
  EncodeColumn(v, {}, Effort::kSmall, &alone);
  EXPECT_TRUE(EncodeColumn(v, other, Effort::kSmall, &paired));
  EXPECT_GE(alone.size(), 4500u);
  EXPECT_LE(paired.size(), 24u);
}

TEST(ValueColumn, SumsOfDecimalsCostWhatTheDecimalsDo) {
  std::mt19937_64 rng(9);
  Column sums(2400), decimals(2400);
  double sum = 0;
  int64_t exact = 0;
  for (size_t i = 0; i < sums.size(); ++i) {
    const auto step = static_cast<int64_t>(rng() % 100000);
    sums[i] = sum += static_cast<double>(step) / 1e9;
    decimals[i] = static_cast<double>(exact += step);
  }
  std::string a, b;
  EncodeColumn(sums, {}, Effort::kSmall, &a);
  EncodeColumn(decimals, {}, Effort::kSmall, &b);
  EXPECT_LE(a.size(), b.size() + 200);
}

TEST(ValueColumn, SurvivesDamage) {
  std::mt19937_64 rng(11);
  for (int i = 0; i < 30; ++i) {
    const Column v = RandomColumn(rng, 1 + rng() % 1500);
    Column beside = v;
    for (double& x : beside) x += static_cast<double>(rng() % 2);
    std::string encoded;
    const bool used = EncodeColumn(v, beside, Effort::kSmall, &encoded);
    const auto decode = [&](const std::string& bytes) {
      Column out(v.size());
      Reader in(bytes);
      return DecodeColumn(&in, v.size(), {0, v.size()},
                          used ? std::span(beside) : std::span<const double>(), out.data());
    };
    for (size_t length = 0; length < encoded.size(); length += 1 + length / 64) {
      ASSERT_FALSE(decode(encoded.substr(0, length))) << length << " of " << encoded.size();
    }
    for (int k = 0; k < 200; ++k) {
      std::string flipped = encoded;
      flipped[rng() % flipped.size()] ^= static_cast<char>(1u << (rng() % 8));
      (void)decode(flipped);  // any answer, but no crash: the sanitizers judge
    }
  }
}

}  // namespace
}  // namespace deckwatch::tsdb
