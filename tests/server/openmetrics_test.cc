// Import and export of OpenMetrics text: both against the real store.
#include <bit>
#include <cmath>
#include <filesystem>
#include <map>
#include <random>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "server/openmetrics_export.h"
#include "server/openmetrics_import.h"
#include "server/progress.h"
#include "server/text_page.h"
#include "tests/tsdb/test_directory.h"
#include "tsdb/db.h"

namespace deckwatch::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kNow = 1'700'000'000'000;

class OpenMetricsTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = tsdb::FreshDirectory(testing::UnitTest::GetInstance()->current_test_info()->name());
    Open("store");
  }
  void TearDown() override {
    db_.reset();
    std::filesystem::remove_all(dir_);
  }
  // An empty store.
  void Open(const std::string& name) {
    db_.reset();
    std::filesystem::remove_all(dir_ + "/" + name);
    tsdb::DbOptions options;
    options.path = dir_ + "/" + name;
    options.retention_ms = 0;
    options.clock = &clock_;
    options.background = false;
    auto db = tsdb::Db::Open(options);
    ASSERT_TRUE(db.ok()) << db.status().message();
    db_ = std::move(db).value();
  }
  Status Import(const std::string& text, AppendResult* result = nullptr) {
    TRY_ASSIGN(const auto history, db_->NewHistory(64 << 10));
    std::istringstream in(text);
    ImportCounts counts;
    TRY(ReadOpenMetrics(
        &in, history.get(), [](const ImportCounts&) {}, &counts));
    EXPECT_EQ(counts.bytes, text.size());
    AppendResult ignored;
    return db_->StoreHistory(
        history.get(), [](double) {}, result == nullptr ? &ignored : result);
  }
  std::string Export(ExportOptions options = {{}, 0, kNow}) {
    std::string text;
    const auto querier = db_->NewQuerier();
    counts_ = {};
    const Status s = WriteOpenMetrics(
        **querier, db_->Metadata(""), options,
        [&](std::string_view piece) {
          text += piece;
          return Status();
        },
        [](double) {}, &counts_);
    EXPECT_TRUE(s.ok()) << s.message();
    return text;
  }
  void Commit(const WriteBatch& batch) { ASSERT_TRUE(db_->Commit(batch).ok()); }
  SeriesRef Ref(const Labels& labels) {
    const LabelsView view = labels;
    SeriesRef ref = kNoSeries;
    EXPECT_TRUE(db_->Resolve({&view, 1}, 0, {&ref, 1}).ok());
    return ref;
  }

  FakeClock clock_{kNow};
  std::string dir_;
  std::unique_ptr<tsdb::Db> db_;
  ExportCounts counts_;
};

// Every kind of family, valid by the letter of OpenMetrics 1.0.
constexpr std::string_view kPage =
    "# TYPE build info\n"
    "# HELP build What \\\"runs\\\".\\nHere.\n"
    "build_info{version=\"1.0\"} 1 1600000000\n"
    "# TYPE lag_seconds gauge\n"
    "# UNIT lag_seconds seconds\n"
    "lag_seconds{q=\"a\\\\b\\nc\\\"\"} -1.5e-07 1600000000.123\n"
    "lag_seconds{q=\"a\\\\b\\nc\\\"\"} NaN 1600000060.123\n"
    "lag_seconds{q=\"b\"} +Inf 1600000000\n"
    "# TYPE latency histogram\n"
    "latency_bucket{job=\"x\",le=\"0.5\"} 1 1600000000 # {id=\"7\"} 0.25 1599999999.5\n"
    "latency_bucket{job=\"x\",le=\"+Inf\"} 2 1600000000\n"
    "latency_count{job=\"x\"} 2 1600000000\n"
    "latency_created{job=\"x\"} 1500000000.25 1600000000\n"
    "latency_sum{job=\"x\"} 3.5 1600000000\n"
    "latency_bucket{job=\"x\",le=\"0.5\"} 1 1600000015\n"
    "latency_bucket{job=\"x\",le=\"+Inf\"} 4 1600000015 # {id=\"8\"} 9\n"
    "latency_count{job=\"x\"} 4 1600000015\n"
    "latency_created{job=\"x\"} 1500000000.25 1600000015\n"
    "latency_sum{job=\"x\"} 9007199254740993 1600000015\n"
    "# TYPE loose unknown\n"
    "loose 1 1.0011\n"
    "# TYPE requests counter\n"
    "# HELP requests All of them.\n"
    "requests_total{code=\"200\"} 5 1600000000\n"
    "requests_total{code=\"200\"} 7 1600000015\n"
    "requests_created{code=\"200\"} 1 1600000015\n"
    "# TYPE rpc summary\n"
    "rpc{quantile=\"0.5\"} 1 1600000000\n"
    "rpc{quantile=\"0.99\"} 2 1600000000\n"
    "rpc_count 9 1600000000\n"
    "rpc_sum 12 1600000000\n"
    "# EOF\n";

TEST_F(OpenMetricsTest, WhatIsImportedIsExported) {
  ASSERT_TRUE(Import(std::string(kPage)).ok());
  std::string expected(kPage);
  // The forms of the exporter: the sum as the double it is, an exemplar's time always.
  const auto replace = [&](const std::string& from, const std::string& to) {
    expected.replace(expected.find(from), from.size(), to);
  };
  replace("9007199254740993", "9007199254740992");
  replace("# {id=\"8\"} 9\n", "# {id=\"8\"} 9 1600000015\n");
  // A name of the family after the other, at each time.
  replace(
      "requests_total{code=\"200\"} 5 1600000000\nrequests_total{code=\"200\"} 7 1600000015\n"
      "requests_created{code=\"200\"} 1 1600000015\n",
      "requests_total{code=\"200\"} 5 1600000000\nrequests_created{code=\"200\"} 1 1600000015\n"
      "requests_total{code=\"200\"} 7 1600000015\n");
  EXPECT_EQ(Export(), expected);
  EXPECT_EQ(counts_.exemplars, 2u);
  EXPECT_EQ(counts_.exemplars_left_out, 0u);
}

TEST_F(OpenMetricsTest, ExportsWhatIsAskedFor) {
  ASSERT_TRUE(Import(std::string(kPage)).ok());
  const Matcher requests = Matcher::Equal("__name__", "requests_total");
  const Matcher code = Matcher::Equal("code", "200");
  EXPECT_EQ(Export({{{requests}, {code, requests}}, 1'600'000'001'000, kNow}),
            "# TYPE requests counter\n# HELP requests All of them.\n"
            "requests_total{code=\"200\"} 7 1600000015\n# EOF\n");
  EXPECT_EQ(Export({{{Matcher::Equal("a", "b")}}, 0, kNow}), "# EOF\n");
}

TEST_F(OpenMetricsTest, LeavesOutWhatTheFormatCannotSay) {
  const SeriesRef m = Ref(Labels{{"__name__", "m"}});
  WriteBatch batch;
  batch.Add(m, kNow - 3, 1);
  batch.Add(m, kNow - 2, StaleNan());
  batch.histograms.push_back({m, kNow - 1, std::make_shared<Histogram>(), 0});
  batch.exemplars.push_back({m, {Labels{{"id", "1"}}, 1, kNow - 3}});
  Commit(batch);
  EXPECT_EQ(Export(), "# TYPE m unknown\nm 1 1699999999.997\n# EOF\n");
  EXPECT_EQ(counts_.stale_markers, 1u);
  EXPECT_EQ(counts_.native_histograms, 1u);
  EXPECT_EQ(counts_.exemplars_left_out, 1u);
}

TEST_F(OpenMetricsTest, MergesStretchesOfALongRange) {
  std::string text = "# TYPE h histogram\n";
  for (int day = 0; day < 40; ++day) {
    const std::string t = " 1 " + std::to_string(1'600'000'000 + day * 86'400) + "\n";
    text += "h_bucket{le=\"1.0\"}" + t + "h_bucket{le=\"+Inf\"}" + t + "h_count" + t;
  }
  ASSERT_TRUE(Import(text + "# EOF\n").ok());
  EXPECT_EQ(Export(), text + "# EOF\n");
}

TEST_F(OpenMetricsTest, NamesTheLineAndTheReason) {
  const auto message = [&](const std::string& text) { return Import(text).message(); };
  EXPECT_THAT(message("a 1 1\nb 1\n# EOF\n"), "line 2: the sample has no timestamp");
  EXPECT_THAT(message("a 1 1\nb{ 1 1\n# EOF\n"), HasSubstr("line 2: expected"));
  EXPECT_THAT(message("a x 1\n# EOF\n"), HasSubstr("line 1: value is not a number: \"x 1\""));
  EXPECT_THAT(message("a 1 1\n"), "data does not end with # EOF");
  EXPECT_THAT(message("# EOF\na 1 1\n"), "line 2: unexpected data after # EOF");
  EXPECT_THAT(message("a 1 1\n\n# EOF\n"), HasSubstr("line 2"));
  EXPECT_THAT(message(std::string(20 << 20, 'x')), HasSubstr("line 1: longer than"));
  EXPECT_EQ(db_->Parts().size(), 0u);
}

TEST_F(OpenMetricsTest, TellsSeriesApartByTheirTypeAndWholeName) {
  ASSERT_TRUE(Import("# TYPE h histogram\nh_bucket{le=\"1\"} 1 1\n"
                     "# TYPE g gauge\nh_bucket{le=\"1\"} 2 1\nh_bucket{le=\"10\"} 3 1\n# EOF")
                  .ok());
  EXPECT_THAT(Export(), HasSubstr("h_bucket{le=\"1.0\"} 1 1\n"));
  EXPECT_THAT(Export(), HasSubstr("h_bucket{le=\"1\"} 2 1\n"));
  EXPECT_THAT(Export(), HasSubstr("h_bucket{le=\"10\"} 3 1\n"));
}

TEST(ExportFamilies, NamesThatDoNotFitTheirTypeAreUnknown) {
  const auto families =
      ExportFamilies({"both", "both_total", "bare", "c_seconds_total", "h_bucket", "h_sum", "s"},
                     {{"both", MetricType::kCounter, "", ""},
                      {"bare", MetricType::kCounter, "not OpenMetrics", ""},
                      {"c_seconds_total", MetricType::kCounter, "of the text format", "seconds"},
                      {"h", MetricType::kHistogram, "", "bytes"},
                      {"s", MetricType::kSummary, "", ""}});
  std::vector<std::string> lines;
  for (const ExportFamily& f : families) {
    std::string line = f.name + " " + std::string(MetricTypeName(f.type)) + " " + f.unit;
    for (const std::string& m : f.metrics) line += " " + m;
    lines.push_back(line);
  }
  EXPECT_THAT(lines, ElementsAre("bare unknown  bare", "both unknown  both",
                                 "both_total unknown  both_total",
                                 "c_seconds counter seconds c_seconds_total",
                                 "h histogram  h_bucket h_sum", "s summary  s"));
}

TEST(ExportTime, ReadsBackToTheMillisecondWhenTheReaderCuts) {
  std::mt19937_64 rng(3);
  for (int i = 0; i < 200'000; ++i) {
    const int64_t bound = int64_t{1} << (i % 45);
    const int64_t t = static_cast<int64_t>(rng() % static_cast<uint64_t>(2 * bound)) - bound;
    std::string text;
    AppendExportTime(t, &text);
    ASSERT_EQ(static_cast<int64_t>(std::stod(text) * 1000), t) << text;
  }
}

// Random families through text into a store, out of it, into a second store, and out again.
TEST_F(OpenMetricsTest, RoundTripsRandomPages) {
  const uint64_t seed = 815;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 rng(seed);
  const auto pick = [&](uint64_t n) { return static_cast<int64_t>(rng() % n); };
  for (int round = 0; round < 3; ++round) {
    std::map<std::string, std::map<int64_t, uint64_t>> model;
    std::vector<std::string> lines;
    for (int64_t i = pick(3000); i >= 0; --i) {
      const Labels labels{
          {"__name__", "m:" + std::to_string(pick(3))},
          {"odd.name", pick(2) == 0 ? "" : "\xc3\xa4\"\\\n" + std::to_string(pick(9))},
          {"n", std::to_string(pick(20))}};
      const int64_t t = kNow - pick(uint64_t{1} << (10 + pick(20)));
      double v = std::bit_cast<double>(rng());
      if (std::isnan(v)) v = NormalNan();
      if (pick(3) == 0) v = static_cast<double>(pick(1000)) / 10;
      if (!model[labels.ToString()].emplace(t, std::bit_cast<uint64_t>(v)).second) continue;
      std::string line = std::string(labels.MetricName()) + "{n=\"" + std::string(labels.Get("n"));
      if (labels.Has("odd.name")) {
        line += "\",\"odd.name\"=\"";
        AppendPageEscaped(labels.Get("odd.name"), &line);
      }
      line += "\"} " + FormatFloat(v) + " ";
      AppendExportTime(t, &line);
      lines.push_back(line + "\n");
    }
    std::string text;
    for (const std::string& l : lines) text += l;
    Open("first");
    AppendResult result;
    ASSERT_TRUE(Import(text + "# EOF\n", &result).ok());
    EXPECT_EQ(result.appended, lines.size());
    const std::string once = Export({{}, INT64_MIN / 4, kNow});
    EXPECT_EQ(counts_.samples, lines.size());
    ASSERT_TRUE(Import(once, &result).ok());
    EXPECT_EQ(result.duplicate, lines.size());
    Open("second");
    ASSERT_TRUE(Import(once).ok());
    EXPECT_EQ(Export({{}, INT64_MIN / 4, kNow}), once);
    std::map<std::string, std::map<int64_t, uint64_t>> got;
    const auto querier = db_->NewQuerier();
    const auto set = (*querier)->Select(INT64_MIN, INT64_MAX, {}, {});
    for (size_t i = 0; i < (*set)->size(); ++i) {
      Columns c;
      ASSERT_TRUE((*set)->Read(i, &c).ok());
      for (size_t k = 0; k < c.size(); ++k) {
        got[(*set)->LabelsAt(i).ToString()][c.t_ms[k]] = std::bit_cast<uint64_t>(c.value[k]);
      }
    }
    EXPECT_EQ(got, model);
  }
}

TEST(Progress, ShowsAShareADetailOrBoth) {
  EXPECT_EQ(ProgressText(0, ""), "[>                   ]   0 %");
  EXPECT_EQ(ProgressText(0.525, "x"), "[==========>         ]  52 %  x");
  EXPECT_EQ(ProgressText(1, ""), "[====================] 100 %");
  EXPECT_EQ(ProgressText(-1, "read 3 MB"), "read 3 MB");
  EXPECT_EQ(GroupDigits(7), "7");
  EXPECT_EQ(GroupDigits(123456), "123,456");
  EXPECT_EQ(GroupDigits(1234567), "1,234,567");
}

}  // namespace
}  // namespace deckwatch::server
