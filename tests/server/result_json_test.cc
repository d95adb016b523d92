#include "server/result_json.h"

#include <random>

#include <gtest/gtest.h>

#include "base/json.h"

namespace deckwatch::server {
namespace {

using query::QueryResult;
using query::ResultSeries;
using query::ValueType;

std::string Text(const QueryResult& result) {
  std::string out;
  AppendQueryResult(result, &out);
  return out;
}

std::string LabelsText(const Labels& labels) {
  std::string out;
  AppendLabels(labels, &out);
  return out;
}

TEST(ResultJson, WritesLabelsOfAnyKind) {
  EXPECT_EQ(LabelsText({}), "{}");
  EXPECT_EQ(LabelsText(Labels{{"__name__", "up"}, {"job", "a"}}), R"({"__name__":"up","job":"a"})");
  EXPECT_EQ(LabelsText(Labels{{"job", "a\"b\\c\n"}, {"zone", "ü"}}),
            R"({"job":"a\"b\\c\n","zone":"ü"})");
  const std::string longer(3000, 'x');
  EXPECT_EQ(LabelsText(Labels{{"path", longer}}), "{\"path\":\"" + longer + "\"}");
  for (size_t n = 500; n < 520; ++n) {  // around the size of the buffer
    const std::string value(n, 'y');
    EXPECT_EQ(LabelsText(Labels{{"p", value}}), "{\"p\":\"" + value + "\"}");
  }
}

TEST(ResultJson, WritesVectorsScalarsAndStrings) {
  QueryResult result;
  result.type = ValueType::kVector;
  EXPECT_EQ(Text(result), R"("resultType":"vector","result":[])");
  result.series = {{Labels{{"a", "1"}}, {1'435'781'451'781}, {-0.5}, {}},
                   {Labels{}, {60'000}, {1e300}, {}}};
  EXPECT_EQ(
      Text(result),
      R"("resultType":"vector","result":[{"metric":{"a":"1"},"value":[1435781451.781,"-0.5"]},)"
      R"({"metric":{},"value":[60,"1e+300"]}])");
  result.type = ValueType::kScalar;
  result.scalar_t_ms = -1500;
  result.scalar = 3;
  EXPECT_EQ(Text(result), R"("resultType":"scalar","result":[-1.500,"3"])");
  result.scalar = 5e-8;
  EXPECT_EQ(Text(result), R"("resultType":"scalar","result":[-1.500,"0.00000005"])");
}

TEST(ResultJson, KeepsFloatsAndHistogramsOfASeriesApart) {
  auto h = std::make_shared<Histogram>();
  h->count = 2;
  h->sum = 1.5;
  QueryResult result;
  result.type = ValueType::kMatrix;
  result.series = {{Labels{{"a", "1"}}, {1000, 2000}, {7, 0}, {nullptr, h}}};
  EXPECT_EQ(Text(result),
            R"("resultType":"matrix","result":[{"metric":{"a":"1"},"values":[[1,"7"]],)"
            R"("histograms":[[2,{"count":"2","sum":"1.5"}]]}])");
}

// One point after the other, as the format says it.
std::string NaivePoints(const ResultSeries& s) {
  std::string out;
  for (size_t i = 0; i < s.t_ms.size(); ++i) {
    char time[32];
    const int64_t t = s.t_ms[i];
    std::snprintf(time, sizeof time, t % 1000 == 0 ? "%ld" : "%ld.%03ld", t / 1000, t % 1000);
    out += (i > 0 ? ",[" : "[") + std::string(time) + ",\"" + FormatFloat(s.value[i]) + "\"]";
  }
  return out;
}

TEST(ResultJson, WritesEverySeriesAsIfItWereAlone) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50; ++round) {
    QueryResult result;
    result.type = ValueType::kMatrix;
    std::string expected;
    const bool gaps = random() % 2 == 0;
    for (size_t n = random() % 6; n > 0; --n) {
      ResultSeries s;
      const auto shift = static_cast<int64_t>(random() % 4 == 0 ? random() % 1000 : 0);
      double v = 0;
      for (int64_t k = 0; k < 400; ++k) {
        if (gaps && random() % 3 == 0) continue;
        if (random() % 2 == 0) v = static_cast<double>(random() % 100'000) / 7;
        s.t_ms.push_back(1'700'000'000'000 + k * 15'000 + shift);
        s.value.push_back(v);
      }
      s.labels = Labels{{"n", std::to_string(n)}};
      expected += std::string(expected.empty() ? "" : ",") + "{\"metric\":{\"n\":\"" +
                  std::to_string(n) + "\"},\"values\":[" + NaivePoints(s) + "]}";
      result.series.push_back(std::move(s));
    }
    ASSERT_EQ(Text(result), R"("resultType":"matrix","result":[)" + expected + "]");
  }
}

}  // namespace
}  // namespace deckwatch::server
