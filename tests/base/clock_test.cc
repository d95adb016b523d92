#include "base/clock.h"

#include <gtest/gtest.h>

namespace deckwatch {
namespace {

TEST(Duration, ParsesPrometheusForms) {
  EXPECT_EQ(*ParseDurationMs("1h30m"), 5'400'000);
  EXPECT_EQ(*ParseDurationMs("15s"), 15'000);
  EXPECT_EQ(*ParseDurationMs("0"), 0);
  EXPECT_EQ(*ParseDurationMs("1y2w3d4h5m6s7ms"), 365LL * 86'400'000 + 14 * 86'400'000LL +
                                                     3 * 86'400'000LL + 4 * 3'600'000 + 5 * 60'000 +
                                                     6'007);
}

TEST(Duration, RefusesNonsenseNamingIt) {
  for (const char* text :
       {"", "1", "-1s", "1m1h", "1s1s", "s", "1.5h", "1 s", "99999999999999999y"}) {
    EXPECT_FALSE(ParseDurationMs(text).ok()) << text;
  }
  EXPECT_NE(ParseDurationMs("abc").status().message().find("abc"), std::string::npos);
  EXPECT_EQ(ParseDurationMs("5y1hs").status().message(),
            "unknown unit \"hs\" in duration \"5y1hs\"");
}

TEST(Duration, PrintsAsPrometheus) {
  EXPECT_EQ(FormatDurationMs(0), "0s");
  EXPECT_EQ(FormatDurationMs(5'400'000), "1h30m");
  EXPECT_EQ(FormatDurationMs(15LL * 86'400'000), "15d");
  EXPECT_EQ(FormatDurationMs(14LL * 86'400'000), "2w");
  EXPECT_EQ(FormatDurationMs(1'001), "1s1ms");
}

TEST(Rfc3339, RoundTrips) {
  const int64_t t = 1'795'187'045'123;
  EXPECT_EQ(*ParseRfc3339Ms(FormatRfc3339Ms(t)), t);
  EXPECT_EQ(*ParseRfc3339Ms("1970-01-01T02:00:00+02:00"), 0);
  EXPECT_EQ(FormatRfc3339Ms(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(FormatRfc3339Ms(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_FALSE(ParseRfc3339Ms("2026-02-30T00:00:00Z").ok());
  EXPECT_FALSE(ParseRfc3339Ms("yesterday").ok());
}

}  // namespace
}  // namespace deckwatch
