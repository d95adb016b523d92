#include "scraper/target_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scraper/fake_appender.h"

namespace deckwatch::scraper {
namespace {

using ::testing::HasSubstr;

PageRules Rules(const std::string& more = "") {
  const auto node = ParseYaml("job_name: j\n" + more, "c.yml");
  EXPECT_TRUE(node.ok()) << node.status().message();
  auto config = ParseScrapeConfig(*node, "c.yml", ScrapeDefaults());
  EXPECT_TRUE(config.ok()) << config.status().message();
  return {Labels{{"job", "j"}}, *config};
}

FetchResult Answer(std::string body, std::string type = "text/plain") {
  return {Status::Ok(), std::move(type), std::move(body)};
}

class TargetWriterTest : public ::testing::Test {
 protected:
  ScrapeReport Write(TargetWriter* writer, FetchResult fetched) {
    t_ms_ += 1000;
    return writer->Write(std::move(fetched), {t_ms_, 0.25, 5000}, &store_);
  }
  std::string Own(const std::string& name) { return store_.Samples(name + "{job=\"j\"}"); }

  FakeAppender store_;
  int64_t t_ms_ = 0;
};

TEST_F(TargetWriterTest, ReportsTheScrapeItself) {
  TargetWriter writer(
      Rules("metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]"));
  Write(&writer, Answer("a 1\nb 2\nc 3\n"));
  Write(&writer, Answer("a 1\nb 2\nc 3\n"));
  EXPECT_EQ(Own("up"), "1@1000 1@2000");
  EXPECT_EQ(Own("scrape_duration_seconds"), "0.25@1000 0.25@2000");
  EXPECT_EQ(Own("scrape_samples_scraped"), "3@1000 3@2000");
  EXPECT_EQ(Own("scrape_samples_post_metric_relabeling"), "2@1000 2@2000");
  EXPECT_EQ(Own("scrape_series_added"), "2@1000 0@2000");
  EXPECT_EQ(Own("scrape_timeout_seconds"), "");
}

TEST_F(TargetWriterTest, ExtraMetricsOnDemand) {
  TargetWriter writer(Rules("extra_scrape_metrics: true\nsample_limit: 9"));
  Write(&writer, Answer("a 1\n"));
  Write(&writer, {Status::ResourceExhausted("body too large"), "", ""});
  EXPECT_EQ(Own("scrape_timeout_seconds"), "5@1000 5@2000");
  EXPECT_EQ(Own("scrape_sample_limit"), "9@1000 9@2000");
  EXPECT_EQ(Own("scrape_body_size_bytes"), "4@1000 -1@2000");
}

TEST_F(TargetWriterTest, AFailedScrapeEndsAllButTheReport) {
  TargetWriter writer(Rules());
  Write(&writer, Answer("a 1\n"));
  const ScrapeReport report = Write(&writer, {Status::Io("refused"), "", ""});
  EXPECT_EQ(report.status.message(), "refused");
  EXPECT_EQ(store_.Samples("a{"), "1@1000 stale@2000");
  EXPECT_EQ(Own("up"), "1@1000 0@2000");
  EXPECT_EQ(Own("scrape_samples_scraped"), "1@1000 0@2000");
}

TEST_F(TargetWriterTest, TheEndOfATargetEndsItsReportToo) {
  TargetWriter writer(Rules());
  Write(&writer, Answer("a 1\n"));
  ASSERT_TRUE(writer.WriteEnd(5000, &store_).ok());
  EXPECT_EQ(store_.Samples("a{"), "1@1000 stale@5000");
  EXPECT_EQ(Own("up"), "1@1000 stale@5000");
}

TEST_F(TargetWriterTest, NewRulesEndWhatTheyNoLongerYield) {
  TargetWriter old(Rules());
  Write(&old, Answer("a 1\nb 2\n"));
  TargetWriter writer(
      Rules("metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]"));
  writer.TakeOver(old);
  Write(&writer, Answer("a 1\nb 2\n"));
  Write(&writer, Answer("a 1\nb 2\n"));
  EXPECT_EQ(store_.Samples("a{"), "1@1000 1@2000 1@3000");
  EXPECT_EQ(store_.Samples("b{"), "2@1000 stale@2000");
  EXPECT_EQ(Own("up"), "1@1000 1@2000 1@3000");
}

TEST_F(TargetWriterTest, ForgottenSeriesAreWrittenInTheSameScrape) {
  TargetWriter writer(Rules());
  Write(&writer, Answer("a 1\n"));
  store_.ForgetRefs();
  const ScrapeReport report = Write(&writer, Answer("a 2\n"));
  EXPECT_TRUE(report.commit.ok());
  EXPECT_EQ(report.appended, 6u);
  EXPECT_EQ(store_.Samples("a{"), "1@1000 2@2000");
  EXPECT_EQ(Own("up"), "1@1000 1@2000");
}

TEST_F(TargetWriterTest, ExemplarsOfForgottenSeriesAreWrittenInTheSameScrape) {
  TargetWriter writer(Rules());
  const auto page = [](const std::string& value) {
    return Answer("# TYPE a counter\na_total " + value + " # {id=\"" + value + "\"} 1\n# EOF\n",
                  "application/openmetrics-text");
  };
  Write(&writer, page("1"));
  store_.ForgetRefs();
  EXPECT_TRUE(Write(&writer, page("2")).commit.ok());
  ASSERT_EQ(store_.exemplars().size(), 2u);
  EXPECT_EQ(store_.exemplars()[1].labels.Get("id"), "2");
  EXPECT_EQ(store_.Samples("a_total{"), "1@1000 2@2000");
}

TEST_F(TargetWriterTest, ForgottenSeriesWithoutRoomAreCounted) {
  TargetWriter writer(Rules());
  Write(&writer, Answer("a 1\nb 1\n"));
  store_.ForgetRefs();
  store_.SetMaxSeries(1);
  const ScrapeReport report = Write(&writer, Answer("a 2\nb 2\n"));
  EXPECT_EQ(report.stats.unresolved, 6);  // one line and the five of the report
  store_.SetMaxSeries(99);
  Write(&writer, Answer("a 3\nb 3\n"));
  EXPECT_EQ(store_.Samples("b{"), "1@1000 3@3000");
  EXPECT_EQ(Own("up"), "1@1000 1@3000");
}

TEST_F(TargetWriterTest, AStoreThatRefusesIsReported) {
  TargetWriter writer(Rules());
  store_.SetCommitError(Status::Unavailable("disk full"));
  EXPECT_EQ(Write(&writer, Answer("a 1\n")).commit.message(), "disk full");
  store_.SetCommitError(Status::Ok());
  EXPECT_TRUE(Write(&writer, Answer("a 1\n")).commit.ok());
}

TEST_F(TargetWriterTest, ContentTypeChoosesTheFormat) {
  const auto format = [](const std::string& type, const std::string& more) -> std::string {
    const auto f = FormatOfContentType(type, *Rules(more).config);
    return !f.ok() ? f.status().message() : *f == TextFormat::kOpenMetrics ? "openmetrics" : "text";
  };
  EXPECT_EQ(format("text/plain; version=0.0.4; charset=utf-8", ""), "text");
  EXPECT_EQ(format("Text/Plain", ""), "text");
  EXPECT_EQ(format("application/openmetrics-text; version=1.0.0", ""), "openmetrics");
  EXPECT_THAT(format("", ""), HasSubstr("blank Content-Type"));
  EXPECT_THAT(format("text/html", ""), HasSubstr("unsupported Content-Type \"text/html\""));
  EXPECT_EQ(format("", "fallback_scrape_protocol: PrometheusText0.0.4"), "text");
  EXPECT_EQ(format("text/html", "fallback_scrape_protocol: OpenMetricsText1.0.0"), "openmetrics");
}

}  // namespace
}  // namespace deckwatch::scraper
