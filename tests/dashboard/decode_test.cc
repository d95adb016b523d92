#include "dashboard/data/decode.h"

#include <cmath>

#include <gtest/gtest.h>

namespace deckwatch::dashboard {
namespace {

const std::string kMatrix =
    R"({"status":"success","data":{"resultType":"matrix","result":[)"
    R"({"metric":{"__name__":"up","job":"n\u00f6de \"a\""},"values":[[1435781430.781,"1"],)"
    R"([1435781445.781,"NaN"],[1435781460.781,"+Inf"],[1435781475.781,"-Inf"],[1435781490.781,"1.5e-7"]]},)"
    R"({"metric":{},"values":[[1435781430.781,"0"]]}]},"warnings":["be careful"]})";

TEST(DecodeQueryResult, ReadsMatrices) {
  const auto result = DecodeQueryResult(kMatrix);
  ASSERT_TRUE(result.ok()) << result.status().message();
  ASSERT_EQ(result->series.size(), 2U);
  const Series& s = result->series[0];
  EXPECT_EQ(s.labels, (Labels{{"__name__", "up"}, {"job", "nöde \"a\""}}));
  EXPECT_EQ(s.t_ms[0], 1435781430781);
  EXPECT_EQ(s.t_ms.size(), 5U);
  EXPECT_EQ(s.value[0], 1);
  EXPECT_TRUE(std::isnan(s.value[1]));
  EXPECT_EQ(s.value[2], HUGE_VAL);
  EXPECT_EQ(s.value[3], -HUGE_VAL);
  EXPECT_EQ(s.value[4], 1.5e-7);
  EXPECT_EQ(result->warnings, std::vector<std::string>{"be careful"});
}

TEST(DecodeQueryResult, ReadsVectorsAndScalars) {
  const auto vector = DecodeQueryResult(
      R"({"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"2"]}]}})");
  ASSERT_TRUE(vector.ok()) << vector.status().message();
  EXPECT_EQ(vector->series[0].value, std::vector<double>{2});
  const auto scalar =
      DecodeQueryResult(R"({"status":"success","data":{"resultType":"scalar","result":[5,"7"]}})");
  ASSERT_TRUE(scalar.ok()) << scalar.status().message();
  EXPECT_EQ(scalar->series[0].t_ms, std::vector<int64_t>{5000});
}

TEST(DecodeQueryResult, GivesTheServersOwnWordsForErrors) {
  const auto result = DecodeQueryResult(
      R"({"status":"error","errorType":"bad_data","error":"1:3: parse error: unexpected )\""})");
  EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(result.status().message(), "1:3: parse error: unexpected )\"");
}

TEST(DecodeQueryResult, TellsWhatItLeavesOut) {
  const auto result =
      DecodeQueryResult(R"({"status":"success","data":{"resultType":"matrix","result":[)"
                        R"({"metric":{"a":"h"},"histograms":[[1,{"count":"3","sum":"2"}]]},)"
                        R"({"metric":{"a":"b"},"values":[[2,"1"],[1,"1"],[3,"1"]]}]}})");
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->series.size(), 1U);
  EXPECT_EQ(result->series[0].t_ms, (std::vector<int64_t>{2000, 3000}));
  EXPECT_EQ(result->warnings.size(), 2U);
}

TEST(DecodeQueryResult, RefusesEveryTruncation) {
  for (size_t n = 0; n < kMatrix.size(); ++n) {
    EXPECT_FALSE(DecodeQueryResult(kMatrix.substr(0, n)).ok()) << n;
  }
  EXPECT_FALSE(DecodeQueryResult(kMatrix + "x").ok());
  EXPECT_TRUE(DecodeQueryResult(kMatrix + "\n").ok());
}

TEST(DecodeQueryResult, SurvivesEveryBitFlip) {
  for (size_t i = 0; i < kMatrix.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = kMatrix;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      const auto result = DecodeQueryResult(damaged);
      if (!result.ok()) continue;
      for (const Series& s : result->series) {
        ASSERT_EQ(s.t_ms.size(), s.value.size());
        for (size_t k = 1; k < s.t_ms.size(); ++k) ASSERT_LT(s.t_ms[k - 1], s.t_ms[k]);
      }
    }
  }
}

TEST(DecodeQueryResult, RefusesOtherShapes) {
  for (
      const char* body :
      {"", "null", "[]", "{}", R"({"status":"success"})", R"({"status":"success","data":[]})",
       R"({"status":"success","data":{"resultType":"streams","result":[]}})",
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"x"]]}]}})",
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1e300,"1"]]}]}})",
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1",2]]}]}})",
       "<html>502 Bad Gateway</html>"}) {
    EXPECT_FALSE(DecodeQueryResult(body).ok()) << body;
  }
}

TEST(DecodeTargets, SortsByJobAndReadsTimes) {
  const auto targets = DecodeTargets(
      R"({"status":"success","data":{"activeTargets":[)"
      R"({"labels":{"job":"b","instance":"x"},"health":"down","lastError":"refused",)"
      R"("lastScrape":"2026-11-20T15:04:05.5Z","lastScrapeDuration":0.25,"scrapeInterval":"1m"},)"
      R"({"labels":{"job":"a","instance":"y"},"health":"unknown","lastScrape":"0001-01-01T00:00:00Z"}]}})");
  ASSERT_TRUE(targets.ok()) << targets.status().message();
  EXPECT_EQ((*targets)[0].job, "a");
  EXPECT_EQ((*targets)[0].last_scrape_ms, 0);
  EXPECT_EQ((*targets)[1].last_error, "refused");
  EXPECT_EQ((*targets)[1].interval_ms, 60'000);
  EXPECT_EQ((*targets)[1].last_scrape_ms % 60'000, 5500);
}

TEST(DecodeAlerts, PutsTheWorstFirst) {
  const auto alerts = DecodeAlerts(
      R"({"status":"success","data":{"alerts":[)"
      R"({"labels":{"alertname":"A","severity":"info"},"state":"firing","annotations":{}},)"
      R"({"labels":{"alertname":"B","severity":"critical"},"state":"pending","annotations":{}},)"
      R"({"labels":{"alertname":"C","severity":"critical","pod":"p"},"state":"firing",)"
      R"("annotations":{"summary":"it broke"}}]}})");
  ASSERT_TRUE(alerts.ok()) << alerts.status().message();
  EXPECT_EQ((*alerts)[0].name, "C");
  EXPECT_EQ((*alerts)[0].summary, "it broke");
  EXPECT_EQ((*alerts)[0].labels, (LabelPairs{{"pod", "p"}}));
  EXPECT_EQ((*alerts)[1].name, "A");
  EXPECT_EQ((*alerts)[2].name, "B");
}

TEST(DecodeRules, CountsAndNamesErrors) {
  const auto rules = DecodeRules(
      R"({"status":"success","data":{"groups":[{"lastEvaluation":"2026-11-20T15:04:05Z","rules":[)"
      R"({"type":"alerting","name":"A","lastError":"boom"},{"type":"recording","name":"r"}]}]}})");
  ASSERT_TRUE(rules.ok()) << rules.status().message();
  EXPECT_EQ(rules->alerting, 1);
  EXPECT_EQ(rules->recording, 1);
  EXPECT_EQ(rules->errors, std::vector<std::string>{"A: boom"});
}

TEST(DecodeLists, RefuseWhatIsNoAnswer) {
  for (const char* body : {"", "{", "null", R"({"status":"success","data":{}})"}) {
    EXPECT_FALSE(DecodeTargets(body).ok()) << body;
    EXPECT_FALSE(DecodeAlerts(body).ok()) << body;
    EXPECT_FALSE(DecodeRules(body).ok()) << body;
    EXPECT_FALSE(DecodeNames(body).ok()) << body;
  }
}

}  // namespace
}  // namespace deckwatch::dashboard
