#include "base/sample.h"

#include <cmath>

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
  EXPECT_EQ(FormatFloat(NormalNan()), "NaN");
  EXPECT_EQ(FormatFloat(-INFINITY), "-Inf");
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
