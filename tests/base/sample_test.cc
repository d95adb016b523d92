#include "base/sample.h"

#include <charconv>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

namespace deckwatch {
namespace {

TEST(FormatFloat, MatchesPrometheusJson) {
  EXPECT_EQ(FormatFloat(1), "1");
  EXPECT_EQ(FormatFloat(-0.0), "-0");
  EXPECT_EQ(FormatFloat(0.1), "0.1");
  EXPECT_EQ(FormatFloat(1e20), "100000000000000000000");
  EXPECT_EQ(FormatFloat(1e21), "1e+21");
  EXPECT_EQ(FormatFloat(1e-6), "0.000001");
  EXPECT_EQ(FormatFloat(1e-7), "1e-07");
  // Shortest digits, then zeros, though the float is not exactly that number.
  EXPECT_EQ(FormatFloat(123456789012345678901.0), "123456789012345680000");
  EXPECT_EQ(FormatFloat(-9007199254740994.0), "-9007199254740994");
  EXPECT_EQ(FormatFloat(9007199254740991.0), "9007199254740991");
  EXPECT_EQ(FormatFloatPlain(1e300), "1" + std::string(300, '0'));
  EXPECT_EQ(FormatFloatPlain(-1.5e300), "-15" + std::string(299, '0'));
  EXPECT_EQ(FormatFloat(NormalNan()), "NaN");
  EXPECT_EQ(FormatFloat(-INFINITY), "-Inf");
}

// Decimals of few digits are written without the general algorithm: it is the oracle.
TEST(FormatFloat, IsTheShortestTextOfAnyNumber) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto check = [](double v) {
    if (v != 0 && std::fabs(v) < 1e-6) return;  // written with an exponent
    char shortest[400];
    const auto end =
        std::to_chars(shortest, shortest + sizeof shortest, v, std::chars_format::fixed).ptr;
    ASSERT_EQ(FormatFloat(v), std::string(shortest, end));
  };
  constexpr int64_t kMost = 1'000'000'000'000'000;
  for (int i = 0; i < 200'000; ++i) {
    const auto n = static_cast<int64_t>(random() % (2 * kMost)) - kMost;
    const double decimal = static_cast<double>(n >> random() % 50) / 1000;
    check(decimal);
    check(std::nextafter(decimal, 1e9));
    check(static_cast<double>(n) / static_cast<double>(random() % 100'000 + 1));
  }
}

TEST(ParseFloat, TakesWhatPrometheusTakes) {
  double v;
  EXPECT_TRUE(ParseFloat("+1.5e3", &v) && v == 1500);
  EXPECT_TRUE(ParseFloat("0x1F", &v) && v == 31);
  EXPECT_TRUE(ParseFloat("-inf", &v) && v == -INFINITY);
  EXPECT_TRUE(ParseFloat("Nan", &v) && std::isnan(v));
  for (const char* bad : {"", "+", "--1", "1x", "abc", "1 ", "0x"})
    EXPECT_FALSE(ParseFloat(bad, &v)) << bad;
}

TEST(StaleNan, IsToldByBits) {
  EXPECT_TRUE(IsStale(StaleNan()));
  EXPECT_FALSE(IsStale(NormalNan()));
}

}  // namespace
}  // namespace deckwatch
