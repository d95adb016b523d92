#include "server/families_json.h"

#include <string>

#include <gtest/gtest.h>

namespace deckwatch::server {
namespace {

std::string Families(std::string_view page) {
  std::string out;
  JsonWriter w(&out);
  WriteFamilies(page, nullptr, &w);
  return out;
}

TEST(FamiliesJson, Counters) {
  EXPECT_EQ(
      Families("# HELP up_total Help \\\\ of it.\n# TYPE up_total counter\nup_total{a=\"b\"} 3\n"
               "up_total 1e30\n"),
      R"([{"name":"up_total","help":"Help \\ of it.","type":"COUNTER","metric":[)"
      R"({"label":[{"name":"a","value":"b"}],"counter":{"value":3}},{"counter":{"value":1e+30}}]}])");
}

TEST(FamiliesJson, NumbersThatJsonLacksAreStrings) {
  EXPECT_EQ(Families("# HELP odd Gauge.\n# TYPE odd gauge\nodd NaN\nodd{x=\"1\"} -Inf\n"),
            R"([{"name":"odd","help":"Gauge.","type":"GAUGE","metric":[{"gauge":{"value":"NaN"}},)"
            R"({"label":[{"name":"x","value":"1"}],"gauge":{"value":"-Infinity"}}]}])");
}

TEST(FamiliesJson, SamplesOfASummaryAreOneMetric) {
  EXPECT_EQ(Families("# HELP s Summary.\n# TYPE s summary\ns{quantile=\"0.5\",h=\"q\"} 2\n"
                     "s_sum{h=\"q\"} 4.5\ns_count{h=\"q\"} 2\ns_sum{h=\"r\"} 1\ns_count{h=\"r\"} 1\n"),
            R"([{"name":"s","help":"Summary.","type":"SUMMARY","metric":[)"
            R"({"label":[{"name":"h","value":"q"}],"summary":{"sampleCount":"2","sampleSum":4.5,)"
            R"("quantile":[{"quantile":0.5,"value":2}]}},{"label":[{"name":"h","value":"r"}],)"
            R"("summary":{"sampleCount":"1","sampleSum":1}}]}])");
}

TEST(FamiliesJson, SamplesOfAHistogramAreOneMetric) {
  EXPECT_EQ(Families("# HELP b Histogram.\n# TYPE b histogram\nb_bucket{le=\"1\"} 1\n"
                     "b_bucket{le=\"+Inf\"} 2\nb_sum 3\nb_count 2\n"),
            R"([{"name":"b","help":"Histogram.","type":"HISTOGRAM","metric":[{"histogram":{)"
            R"("sampleCount":"2","sampleSum":3,"bucket":[{"cumulativeCount":"1","upperBound":1},)"
            R"({"cumulativeCount":"2","upperBound":"Infinity"}]}}]}])");
}

TEST(FamiliesJson, LeavesOutWhatItCannotRead) {
  EXPECT_EQ(Families(""), "[]");
  EXPECT_EQ(Families("not a line\n# TYPE a\n# HELP a A.\n# TYPE a gauge\na one\n"), "[]");
}

}  // namespace
}  // namespace deckwatch::server
