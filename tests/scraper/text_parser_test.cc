#include "scraper/text_parser.h"

#include <cmath>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deckwatch::scraper {
namespace {

using ::testing::HasSubstr;

constexpr TextFormat kText = TextFormat::kPrometheus;
constexpr TextFormat kOpen = TextFormat::kOpenMetrics;

// A sample line as `name{labels} value[@time][ exemplar]`, or "error: reason".
std::string Parsed(TextFormat format, std::string_view line) {
  SeriesText series;
  if (const Status s = series.Parse(format, line); !s.ok()) return "error: " + s.message();
  SampleTail tail;
  if (const char* why = ParseSampleTail(format, line.substr(series.length), &tail)) {
    return std::string("error: ") + why;
  }
  std::string out = std::string(series.name) + "{";
  for (const auto& [name, value] : series.labels) {
    out += std::string(name) + "=" + QuoteGo(value) + ",";
  }
  out += "} " + FormatFloat(tail.value);
  if (tail.has_time) out += "@" + std::to_string(tail.t_ms);
  if (!tail.exemplar.empty()) out += " " + std::string(tail.exemplar);
  return out;
}

TEST(TextParser, ReadsPrometheusSamples) {
  const std::pair<const char*, const char*> cases[] = {
      {"a 1", "a{} 1"},
      {"  a\t1  ", "a{} 1"},
      {"a{} 1", "a{} 1"},
      {"a{b=\"c\"}1", "a{b=\"c\",} 1"},
      {"a { b = \"c\" , d=\"\", } 1 123", "a{b=\"c\",d=\"\",} 1@123"},
      {R"(a{b="x\"y\\z\n\q"} 1)", R"(a{b="x\"y\\z\n\\q",} 1)"},
      {R"({"a.b","c.d"="e"} 1)", R"(a.b{c.d="e",} 1)"},
      {R"({x="y","a.b"} 1)", R"(a.b{x="y",} 1)"},
      {"a:b_1 +Inf", "a:b_1{} +Inf"},
      {"a -Inf", "a{} -Inf"},
      {"a NaN", "a{} NaN"},
      {"a nan", "a{} NaN"},
      {"a 1e3", "a{} 1000"},
      {"a +5", "a{} 5"},
      {"a .5", "a{} 0.5"},
      {"a{b=\"é\"} 1", "a{b=\"é\",} 1"},
      {"a 1 1520879607789", "a{} 1@1520879607789"},
  };
  for (const auto& [line, want] : cases) EXPECT_EQ(Parsed(kText, line), want) << line;
}

TEST(TextParser, RefusesBrokenPrometheusSamples) {
  const std::pair<const char*, const char*> cases[] = {
      {"a", "expected a value"},
      {"a{b=\"c\"}", "expected a value"},
      {"a{b=\"c\"", "expected a comma or a closing brace at the end"},
      {"a{b=\"c} 1", "expected closing quote"},
      {"a{b='c'} 1", "expected a quoted label value"},
      {"a{b} 1", "expected an equal sign"},
      {"a{=\"c\"} 1", "expected a label name"},
      {"a{b=\"c\" d=\"e\"} 1", "expected a comma"},
      {"a{b=\"c\",b=\"d\"} 1", "label name \"b\" is not unique"},
      {"a{__name__=\"x\"} 1", "is not unique"},
      {"{b=\"c\"} 1", "no metric name"},
      {"a{\"b\"} 1", "metric name is given twice"},
      {"{\"a\",\"b\"} 1", "metric name is given twice"},
      {"a b", "not a number"},
      {"a 0x1p3", "not a number"},
      {"a 1_000", "not a number"},
      {"a 1e999", "not a number"},
      {"a 1 1.5", "timestamp is not a number"},
      {"a 1 -5", "timestamp is not a number"},
      {"a 1 2 3", "unexpected text"},
      {"1a 1", "expected a metric name"},
      {"a{b=\"\xff\"} 1", "invalid UTF-8"},
      {"a 1 # {x=\"y\"} 1", "unexpected text after the sample"},
  };
  for (const auto& [line, want] : cases) {
    EXPECT_THAT(Parsed(kText, line), AllOf(HasSubstr("error: "), HasSubstr(want))) << line;
  }
}

TEST(TextParser, RefusesEndlessLabels) {
  std::string line = "a{";
  for (int i = 0; i < 2001; ++i) line += "l" + std::to_string(i) + "=\"1\",";
  EXPECT_THAT(Parsed(kText, line + "} 1"), HasSubstr("more than 2000 labels"));
}

TEST(TextParser, ReadsOpenMetricsSamples) {
  const std::pair<const char*, const char*> cases[] = {
      {"a 1", "a{} 1"},
      {"a{b=\"c\"} 1 1.5", "a{b=\"c\",} 1@1500"},
      {"a 1 # {t=\"x\"} 2", "a{} 1 {t=\"x\"} 2"},
      {"a 1 12 # {t=\"x\"} 2 3.25", "a{} 1@12000 {t=\"x\"} 2 3.25"},
      {"{\"a b\",c=\"d\"} 1", "a b{c=\"d\",} 1"},
  };
  for (const auto& [line, want] : cases) EXPECT_EQ(Parsed(kOpen, line), want) << line;
  for (const char* line : {"a  1", "a{b=\"c\"}1", "a 1 ", "a\t1", "a 1 2 3", "a{b=\"c\" } 1", ""}) {
    EXPECT_THAT(Parsed(kOpen, line), HasSubstr("error: ")) << line;
  }
}

TEST(TextParser, ClassifiesLines) {
  EXPECT_EQ(ClassifyLine(kText, ""), LineKind::kBlank);
  EXPECT_EQ(ClassifyLine(kText, " \t"), LineKind::kBlank);
  EXPECT_EQ(ClassifyLine(kText, "# HELP a b"), LineKind::kHelp);
  EXPECT_EQ(ClassifyLine(kText, "#  TYPE\ta gauge"), LineKind::kType);
  EXPECT_EQ(ClassifyLine(kText, "#TYPE a gauge"), LineKind::kComment);
  EXPECT_EQ(ClassifyLine(kText, "# HELPING"), LineKind::kComment);
  EXPECT_EQ(ClassifyLine(kText, "# UNIT a b"), LineKind::kComment);
  EXPECT_EQ(ClassifyLine(kText, "# EOF"), LineKind::kComment);
  EXPECT_EQ(ClassifyLine(kOpen, "# EOF"), LineKind::kEof);
  EXPECT_EQ(ClassifyLine(kOpen, "# UNIT a_b b"), LineKind::kUnit);
}

TEST(TextParser, ReadsMetadata) {
  MetaLine meta;
  ASSERT_TRUE(ParseMetaLine(kText, LineKind::kHelp, R"(# HELP a x\ny\\z \"q)", &meta).ok());
  EXPECT_EQ(meta.name, "a");
  EXPECT_EQ(meta.text, "x\ny\\z \\\"q");
  ASSERT_TRUE(ParseMetaLine(kText, LineKind::kHelp, "# HELP a", &meta).ok());
  EXPECT_EQ(meta.text, "");
  ASSERT_TRUE(ParseMetaLine(kText, LineKind::kType, "# TYPE \"a.b\" untyped", &meta).ok());
  EXPECT_EQ(meta.name, "a.b");
  ASSERT_TRUE(ParseMetaLine(kOpen, LineKind::kType, "# TYPE a stateset", &meta).ok());
  EXPECT_EQ(meta.type, MetricType::kStateSet);
  ASSERT_TRUE(ParseMetaLine(kOpen, LineKind::kUnit, "# UNIT a_seconds seconds", &meta).ok());
  EXPECT_EQ(meta.text, "seconds");
  EXPECT_FALSE(ParseMetaLine(kOpen, LineKind::kUnit, "# UNIT a_seconds bytes", &meta).ok());
  EXPECT_FALSE(ParseMetaLine(kText, LineKind::kType, "# TYPE a nonsense", &meta).ok());
  EXPECT_FALSE(ParseMetaLine(kText, LineKind::kType, "# TYPE a stateset", &meta).ok());
  EXPECT_FALSE(ParseMetaLine(kText, LineKind::kHelp, "# HELP 1a x", &meta).ok());
  EXPECT_FALSE(ParseMetaLine(kText, LineKind::kHelp, "# HELP a \xff", &meta).ok());
}

TEST(TextParser, NumbersAreExactAsStrtodReadsThem) {
  const uint64_t seed = 20261120;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 200'000; ++i) {
    char text[64];
    const auto bits = random();
    const double v = std::bit_cast<double>(bits);
    switch (i % 4) {
      case 0: std::snprintf(text, sizeof text, "%.17g", v); break;
      case 1: std::snprintf(text, sizeof text, "%.*e", static_cast<int>(bits % 18), v); break;
      case 2:
        std::snprintf(text, sizeof text, "%.3f", static_cast<double>(bits % 1'000'000'007) / 64);
        break;
      default:
        std::snprintf(text, sizeof text, "%llu",
                      static_cast<unsigned long long>(bits >> (bits % 64)));
    }
    if (!std::isfinite(std::strtod(text, nullptr))) continue;
    double got = 0;
    ASSERT_TRUE(ParseNumber(text, &got)) << text;
    EXPECT_EQ(std::bit_cast<uint64_t>(got), std::bit_cast<uint64_t>(std::strtod(text, nullptr)))
        << text;
  }
}

TEST(TextParser, NanIsTheCanonicalOne) {
  double v = 0;
  ASSERT_TRUE(ParseNumber("NaN", &v));
  EXPECT_EQ(std::bit_cast<uint64_t>(v), kNormalNanBits);
}

TEST(TextParser, NormalisesBucketBounds) {
  const std::pair<const char*, const char*> cases[] = {
      {"1", "1.0"}, {"0.50", "0.5"},   {"+Inf", "+Inf"},  {"1e3", "1000.0"},
      {"0", "0.0"}, {"1e-5", "1e-05"}, {"1e22", "1e+22"}, {"1e20", "100000000000000000000.0"},
      {"x", "x"},   {"0.001", "0.001"}};
  for (const auto& [in, want] : cases) EXPECT_EQ(NormalFloatLabel(in), want) << in;
}

TEST(TextParser, ExemplarsCarryTheirOwnTimeOrTheSamples) {
  Exemplar e;
  ASSERT_TRUE(ParseExemplar("{trace=\"1\",span=\"2\"} 0.5 10.001", 7, &e).ok());
  EXPECT_EQ(e.labels.view().ToString(), "{span=\"2\", trace=\"1\"}");
  EXPECT_EQ(e.value, 0.5);
  EXPECT_EQ(e.t_ms, 10'001);
  ASSERT_TRUE(ParseExemplar("{} 1", 7, &e).ok());
  EXPECT_EQ(e.t_ms, 7);
  EXPECT_EQ(ParseExemplar("{a=\"" + std::string(128, 'x') + "\"} 1", 7, &e).code(),
            StatusCode::kOutOfRange);
  EXPECT_FALSE(ParseExemplar("{a=\"x\"}", 7, &e).ok());
  EXPECT_FALSE(ParseExemplar("{a=\"x\"} 1 2 # {} 3", 7, &e).ok());
}

// Nothing a target sends may crash the parser or read past the line.
TEST(TextParser, SurvivesTruncationAndBitFlips) {
  const std::string lines[] = {R"(a{b="c\"d",e="f"} 1.5e3 1234 # {x="y"} 3 4)",
                               R"({"a.b",c="d"} NaN)", R"(# HELP "a.b" some \n text)",
                               "# TYPE a_seconds gauge", "# UNIT a_seconds seconds"};
  for (const TextFormat format : {kText, kOpen}) {
    for (const std::string& line : lines) {
      for (size_t n = 0; n <= line.size(); ++n) {
        for (int bit = -1; bit < 8; ++bit) {
          // A copy of its own, so that a sanitizer sees every byte read behind its end.
          std::string cut = bit < 0 ? line.substr(0, n) : line;
          if (bit >= 0 && n < cut.size()) cut[n] = static_cast<char>(cut[n] ^ (1 << bit));
          cut.shrink_to_fit();
          MetaLine meta;
          const LineKind kind = ClassifyLine(format, cut);
          if (kind == LineKind::kHelp || kind == LineKind::kType || kind == LineKind::kUnit) {
            (void)ParseMetaLine(format, kind, cut, &meta);
          } else {
            EXPECT_FALSE(Parsed(format, cut).empty());
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace deckwatch::scraper
