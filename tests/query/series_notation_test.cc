// Series as scripts and rule tests write them; cases of Prometheus's documentation of the notation.
#include "query/series_notation.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deckwatch::query {
namespace {

std::string Shown(std::string_view text) {
  const auto values = ParseSequence(text);
  if (!values.ok()) return "error: " + values.status().message();
  std::string out;
  for (const SequenceValue& v : *values) {
    out += out.empty() ? "" : " ";
    out += v.omitted          ? "_"
           : v.histogram      ? "h" + FormatFloat(v.histogram->count)
           : IsStale(v.value) ? "stale"
                              : FormatFloat(v.value);
  }
  return out;
}

TEST(SeriesNotation, Numbers) {
  EXPECT_EQ(Shown(""), "");
  EXPECT_EQ(Shown("1"), "1");
  EXPECT_EQ(Shown(" 1 -2\t3.5e1 "), "1 -2 35");
  EXPECT_EQ(Shown("+Inf -Inf NaN inf"), "+Inf -Inf NaN +Inf");
  EXPECT_EQ(Shown("7x2"), "7 7 7");
  EXPECT_EQ(Shown("1+2x3"), "1 3 5 7");
  EXPECT_EQ(Shown("1-2x3"), "1 -1 -3 -5");
  EXPECT_EQ(Shown("-4+1.5x2"), "-4 -2.5 -1");
  EXPECT_EQ(Shown("0+1x0"), "0");
}

TEST(SeriesNotation, GapsAndStaleness) {
  EXPECT_EQ(Shown("_ 1 _x3 stale"), "_ 1 _ _ _ stale");
  EXPECT_EQ(Shown("_x0 1"), "1");
}

TEST(SeriesNotation, Refusals) {
  EXPECT_EQ(Shown("1 x"), "error: column 3: expected a number, found \"x\"");
  EXPECT_EQ(Shown("1+2"), "error: column 4: expected 'x' and a number of repetitions at the end");
  EXPECT_EQ(Shown("1y"), "error: column 2: expected a space, found \"y\"");
  EXPECT_EQ(Shown("1x99999999"),
            "error: column 3: expected a number of repetitions, found \"99999999\"");
  EXPECT_EQ(Shown("sale"), "error: column 5: expected a number or \"stale\" at the end");
}

TEST(SeriesNotation, AHistogramHasAllItsFields) {
  const auto values = ParseSequence(
      "{{schema:-1 sum:-0.3 count:7 z_bucket:1 z_bucket_w:0.25 offset:-2 buckets:[1 2 0] "
      "n_offset:3 "
      "n_buckets:[4] counter_reset_hint:gauge}}");
  ASSERT_TRUE(values.ok()) << values.status().message();
  ASSERT_EQ(values->size(), 1u);
  EXPECT_TRUE((*values)[0].hint_given);
  Histogram expected;
  expected.hint = CounterResetHint::kGauge;
  expected.schema = -1;
  expected.sum = -0.3;
  expected.count = 7;
  expected.zero_count = 1;
  expected.zero_threshold = 0.25;
  expected.positive_spans = {{-2, 3}};
  expected.positive_buckets = {1, 2, 0};
  expected.negative_spans = {{3, 1}};
  expected.negative_buckets = {4};
  EXPECT_EQ(*(*values)[0].histogram, expected);
}

TEST(SeriesNotation, CustomBucketsAndEmptyHistograms) {
  const auto values =
      ParseSequence("{{}} {{ schema:-53  custom_values:[-5 0 +Inf] buckets:[1 2] }}");
  ASSERT_TRUE(values.ok()) << values.status().message();
  EXPECT_EQ(*(*values)[0].histogram, Histogram());
  EXPECT_EQ((*values)[1].histogram->custom_values, (std::vector<double>{-5, 0, INFINITY}));
  EXPECT_FALSE((*values)[1].hint_given);
}

TEST(SeriesNotation, HistogramsRepeatAndStep) {
  EXPECT_EQ(Shown("{{count:3}}x2"), "h3 h3 h3");
  EXPECT_EQ(Shown("{{count:3 buckets:[3]}}+{{count:1 buckets:[1]}}x2"), "h3 h4 h5");
  EXPECT_EQ(Shown("{{count:3 buckets:[3]}}-{{count:1 buckets:[1]}}x2 {{}}"), "h3 h2 h1 h0");
}

TEST(SeriesNotation, HistogramRefusals) {
  EXPECT_EQ(Shown("{{sum:1 sum:2}}"), "error: duplicate key \"sum\" in histogram");
  EXPECT_EQ(Shown("{{some:1}}"), "error: bad histogram descriptor found: \"some\"");
  EXPECT_EQ(Shown("{{sum}}"), "error: column 6: expected ':' behind \"sum\", found \"}}\"");
  EXPECT_EQ(Shown("{{schema:1.5}}"), "error: column 13: expected an integer, found \"}}\"");
  for (const char* unknown : {"{{schema:9}}", "{{schema:-5}}"}) {
    EXPECT_THAT(Shown(unknown), testing::HasSubstr("expected a schema, -4 to 8 or -53"));
  }
  EXPECT_EQ(Shown("{{schema:2}}+{{schema:1}}x2"),
            "error: error combining histograms: cannot merge from schema 1 to 2");
}

TEST(SeriesNotation, ALineIsAMetricAndItsValues) {
  const auto line = ParseSeriesLine("a:b{x=\"}\\\" y\", 'z'=`\\`} 1 2");
  ASSERT_TRUE(line.ok()) << line.status().message();
  EXPECT_EQ(line->labels, (Labels{{"__name__", "a:b"}, {"x", "}\" y"}, {"z", "\\"}}));
  EXPECT_EQ(line->values.size(), 2u);
  EXPECT_EQ(ParseSeriesLine("{} 1")->labels, Labels());
  EXPECT_EQ(ParseSeriesLine("{\"my metric\"} 1")->labels, (Labels{{"__name__", "my metric"}}));
}

TEST(SeriesNotation, StartTimesAreSignedDurations) {
  const auto starts = ParseStartTimes("_ -1m 500ms -1s+1sx2 * *x1 _x2 0");
  ASSERT_TRUE(starts.ok()) << starts.status().message();
  std::vector<double> ms;
  for (const SequenceValue& v : *starts) ms.push_back(v.omitted ? NAN : v.value);
  const std::vector<double> expected = {NAN,  -60000, 500,  -1000, 0,   1000,
                                        1000, 1000,   1000, NAN,   NAN, 0};
  ASSERT_EQ(ms.size(), expected.size());
  for (size_t i = 0; i < ms.size(); ++i) {
    EXPECT_TRUE(ms[i] == expected[i] || (std::isnan(ms[i]) && std::isnan(expected[i]))) << i;
  }
  EXPECT_FALSE(ParseStartTimes("-1q").ok());
}

// Every prefix of a valid line is either read or refused, never worse.
TEST(SeriesNotation, SurvivesTruncation) {
  const std::string line =
      "m{a=\"b\\\"c\"} 1+2x3 _x2 stale {{schema:0 buckets:[1 2] "
      "counter_reset_hint:reset}}+{{count:1}}x2";
  ASSERT_TRUE(ParseSeriesLine(line).ok());
  for (size_t n = 0; n < line.size(); ++n) {
    (void)ParseSeriesLine(std::string_view(line).substr(0, n)).ok();
    std::string flipped = line;
    flipped[n] = static_cast<char>(flipped[n] ^ 0x15);
    (void)ParseSeriesLine(flipped).ok();
  }
}

}  // namespace
}  // namespace deckwatch::query
