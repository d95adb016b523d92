// What the parser accepts, what it refuses with which words, and how trees print. Inputs and texts
// are those of Prometheus's own parser (promql/parser/parse_test.go), checked against its source.
#include <gtest/gtest.h>

#include "query/parser.h"

namespace deckwatch::query {
namespace {

struct Printed {
  std::string_view text;
  std::string_view canonical;
};

class ParserPrints : public testing::TestWithParam<Printed> {};

TEST_P(ParserPrints, CanonicalTextThatPrintsItself) {
  const auto [text, canonical] = GetParam();
  const auto first = ParseExpr(text);
  ASSERT_TRUE(first.ok()) << text << ": " << first.status().message();
  EXPECT_EQ(ToString(**first), canonical);
  const auto second = ParseExpr(canonical);
  ASSERT_TRUE(second.ok()) << canonical << ": " << second.status().message();
  EXPECT_EQ(ToString(**second), canonical);
}

INSTANTIATE_TEST_SUITE_P(Numbers, ParserPrints,
                         testing::ValuesIn(std::vector<Printed>{
                             {"1", "1"},
                             {"+Inf", "+Inf"},
                             {"-Inf", "-Inf"},
                             {"nan", "NaN"},
                             {".5", "0.5"},
                             {"5.", "5"},
                             {"5e-3", "0.005"},
                             {"5e3", "5000"},
                             {"0xc", "12"},
                             {"0XF_F", "255"},
                             {"0755", "493"},
                             {"08", "8"},
                             {"-0755", "-493"},
                             {"+5.5e-3", "0.0055"},
                             {"1_000_000", "1000000"},
                             {"1_0.2_5", "10.25"},
                             {"1e-999", "0"},
                             {"1h30m", "1h30m"},
                             {"-5m", "-5m"},
                             {"1 + 2/(3*1)", "1 + 2 / (3 * 1)"},
                             {"-1^2", "-1 ^ 2"},
                             {"-1*2", "-1 * 2"},
                             {"-1^-2", "-1 ^ -2"},
                             {"+1 + -2 * 1", "1 + -2 * 1"},
                             {"1 < bool 2 - 1 * 2", "1 < bool 2 - 1 * 2"},
                             {"-some_metric", "-some_metric"},
                             {"+some_metric # comment\n", "+some_metric"},
                         }));

}  // namespace
}  // namespace deckwatch::query
