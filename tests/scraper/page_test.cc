#include "scraper/page.h"

#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scraper/fake_appender.h"

namespace deckwatch::scraper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr TextFormat kText = TextFormat::kPrometheus;
constexpr TextFormat kOpen = TextFormat::kOpenMetrics;

class PageTest : public ::testing::Test {
 protected:
  // Reads and commits one page; the times are 1000, 2000, …
  Status Read(const std::string& text, TextFormat format = kText) {
    t_ms_ += 1000;
    stats_ = {};
    WriteBatch batch;
    const Status status = page_.Read(rules_, format, text, t_ms_, &store_, &batch, &stats_);
    if (!status.ok()) {
      EXPECT_TRUE(batch.ref.empty() && batch.t_ms.empty() && batch.value.empty());
      EXPECT_TRUE(batch.exemplars.empty() && batch.metadata.empty());
      page_.MarkAllStale(t_ms_, &batch);
    }
    const auto result = store_.Commit(batch);
    EXPECT_TRUE(result.ok());
    EXPECT_EQ(result->conflicting, 0u);
    return status;
  }
  void Good(const std::string& text, TextFormat format = kText) {
    const Status status = Read(text, format);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  void Configure(const std::string& yaml) {
    const auto node = ParseYaml("job_name: j\n" + yaml, "c.yml");
    ASSERT_TRUE(node.ok());
    auto config = ParseScrapeConfig(*node, "c.yml", ScrapeDefaults());
    ASSERT_TRUE(config.ok()) << config.status().message();
    rules_.config = *config;
  }

  FakeAppender store_;
  PageRules rules_{Labels(), std::make_shared<ScrapeConfig>()};
  Page page_{1};
  PageStats stats_;
  int64_t t_ms_ = 0;
};

TEST_F(PageTest, KnownLinesAreNotResolvedAgain) {
  Good("a 1\nb{c=\"d\"} 2\n");
  EXPECT_EQ(stats_.added, 2);
  Good("a 3\nb{c=\"d\"} 2\n");
  EXPECT_EQ(stats_.added, 0);
  EXPECT_EQ(stats_.predicted, 2);
  EXPECT_EQ(store_.resolve_calls(), 1);
  EXPECT_THAT(store_.Dump(),
              ElementsAre("a 1@1000", "a 3@2000", "b{c=\"d\"} 2@1000", "b{c=\"d\"} 2@2000"));
}

TEST_F(PageTest, TheLastLineNeedsNoNewline) {
  Good("a 1\nb 2");
  Good("a 1\nb 3");
  Good("a 1\nb 3\n");
  EXPECT_EQ(store_.Samples("b"), "2@1000 3@2000 3@3000");
}

TEST_F(PageTest, APrefixOfAKnownNameIsAnotherSeries) {
  Good("a 1\nab 2\n");
  Good("ab 3\na 4\n");
  EXPECT_EQ(store_.Samples("ab"), "2@1000 3@2000");
  Good("a{x=\"y\"} 5\nab 6\n");
  EXPECT_EQ(store_.Samples("a{"), "5@3000");
  EXPECT_EQ(store_.Samples("ab"), "2@1000 3@2000 6@3000");
}

TEST_F(PageTest, VanishedSeriesBecomeStaleOnce) {
  Good("a 1\nb 2\nc 3\n");
  Good("a 1\nc 3\n");
  Good("a 1\nc 3\n");
  EXPECT_EQ(store_.Samples("b"), "2@1000 stale@2000");
  Good("a 1\nb 4\nc 3\n");
  EXPECT_EQ(store_.Samples("b"), "2@1000 stale@2000 4@4000");
  EXPECT_EQ(stats_.added, 1);
  EXPECT_EQ(page_.series(), 3u);
}

TEST_F(PageTest, MovedLinesAreFoundAgain) {
  Good("a 1\nb 2\nc 3\nd 4\ne 5\nf 6\ng 7\n");
  Good("g 7\nf 6\na 1\nnew 0\nb 2\nc 3\nd 4\ne 5\n");
  EXPECT_EQ(stats_.added, 1);
  EXPECT_EQ(store_.SeriesNames().size(), 8u);
  for (const std::string& line : store_.Dump()) EXPECT_THAT(line, Not(HasSubstr("stale")));
}

TEST_F(PageTest, AnEmptyPageEndsAllSeries) {
  Good("a 1\n");
  Good("");
  EXPECT_EQ(store_.Samples("a"), "1@1000 stale@2000");
  Good("");
  EXPECT_EQ(store_.Samples("a"), "1@1000 stale@2000");
}

TEST_F(PageTest, ABrokenPageLeavesNothingButStaleMarkers) {
  Good("a 1\nb 2\n");
  const Status status = Read("a 5\nnew 1\nb{ 2\n");
  EXPECT_THAT(status.message(), HasSubstr("line 3: expected"));
  EXPECT_THAT(store_.Dump(), ElementsAre("a 1@1000", "a stale@2000", "b 2@1000", "b stale@2000"));
  EXPECT_FALSE(Read("still broken").ok());
  EXPECT_EQ(store_.Samples("a"), "1@1000 stale@2000");
  Good("a 6\nb 7\n");
  EXPECT_EQ(stats_.predicted, 2);
  EXPECT_EQ(store_.Samples("a"), "1@1000 stale@2000 6@4000");
  Good("b 7\n");
  EXPECT_EQ(store_.Samples("a"), "1@1000 stale@2000 6@4000 stale@5000");
}

TEST_F(PageTest, TheSecondOfTwoEqualSeriesIsLeftOut) {
  for (int i = 0; i < 3; ++i) {
    Good("a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\na{x=\"1\",y=\"2\"} 3\n");
    EXPECT_EQ(stats_.scraped, 3);
    EXPECT_EQ(stats_.duplicates, 2) << i;
  }
  EXPECT_EQ(store_.Samples("a"), "1@1000 1@2000 1@3000");
  Good("a{y=\"2\",x=\"1\"} 4\n");
  EXPECT_EQ(store_.Samples("a"), "1@1000 1@2000 1@3000 4@4000");
  Good("");
  EXPECT_THAT(store_.Samples("a"), HasSubstr("stale@5000"));
}

TEST_F(PageTest, AnEqualSeriesThatComesLaterIsLeftOutToo) {
  Good("a{x=\"1\",y=\"2\"} 1\n");
  Good("a{y=\"2\",x=\"1\"} 2\na{x=\"1\",y=\"2\"} 1\n");
  EXPECT_EQ(stats_.duplicates, 1);
  EXPECT_EQ(stats_.added, 0);
}

TEST_F(PageTest, ExplicitTimesAreKeptAndNotSubjectToStaleness) {
  Good("a 1 500\nb 1\n");
  Good("b 2\n");
  EXPECT_EQ(store_.Samples("a"), "1@500");
  Good("a 1 700\na 2 800\nb 2\n");
  EXPECT_EQ(store_.Samples("a"), "1@500 1@700 2@800");
  EXPECT_EQ(stats_.duplicates, 0);
  Good("a 1 700\na 3 900\nb 2\n");  // the first repeats a stored sample
}

TEST_F(PageTest, ASeriesThatGainsATimeEndsAsTheScrapesOwn) {
  Good("a 1\n");
  Good("a 1 1500\n");
  EXPECT_EQ(store_.Samples("a"), "1@1000 1@1500 stale@2000");
}

TEST_F(PageTest, TimesCanBeIgnoredOrTracked) {
  Configure("honor_timestamps: false");
  Good("a 1 500\n");
  EXPECT_EQ(store_.Samples("a"), "1@1000");
  Configure("track_timestamps_staleness: true");
  Good("a 1 1900\n");
  Good("b 1\n");
  EXPECT_EQ(store_.Samples("a"), "1@1000 1@1900 stale@3000");
}

TEST_F(PageTest, TimesTooFarAheadAreLeftOut) {
  Good("a 1 601000\nb 1 601001\n");
  EXPECT_EQ(store_.Samples("a"), "1@601000");
  EXPECT_EQ(store_.Samples("b"), "");
  EXPECT_EQ(stats_.too_far_ahead, 1);
}

TEST_F(PageTest, TargetLabelsWinAndConflictsAreExported) {
  rules_.target_labels = Labels{{"job", "j"}, {"instance", "i"}};
  Good("a{job=\"x\",exported_job=\"y\"} 1\n");
  EXPECT_THAT(
      store_.SeriesNames(),
      ElementsAre("a{exported_exported_job=\"x\", exported_job=\"y\", instance=\"i\", job=\"j\"}"));
}

TEST_F(PageTest, HonoredLabelsWinAndEmptyOnesRemove) {
  Configure("honor_labels: true");
  rules_.target_labels = Labels{{"job", "j"}, {"instance", "i"}};
  Good("a{job=\"x\",instance=\"\"} 1\n");
  EXPECT_THAT(store_.SeriesNames(), ElementsAre("a{job=\"x\"}"));
}

TEST_F(PageTest, DroppedSeriesCountButAreNotStored) {
  Configure("metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]");
  for (int i = 0; i < 2; ++i) {
    Good("a 1\nb 2\n");
    EXPECT_EQ(stats_.scraped, 2);
    EXPECT_EQ(stats_.after_relabel, 1);
  }
  EXPECT_THAT(store_.SeriesNames(), ElementsAre("a"));
}

TEST_F(PageTest, BucketBoundsAreNormalisedUnderTheirType) {
  Good("# TYPE h histogram\nh_bucket{le=\"1\"} 1\n# TYPE g gauge\ng{le=\"1\"} 1\n");
  EXPECT_THAT(store_.SeriesNames(), ElementsAre("g{le=\"1\"}", "h_bucket{le=\"1.0\"}"));
  // Also when the TYPE line is a known one and the bucket is new.
  Good(
      "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 1\n# TYPE g gauge\ng{le=\"1\"} "
      "1\n");
  EXPECT_THAT(store_.SeriesNames(),
              ElementsAre("g{le=\"1\"}", "h_bucket{le=\"1.0\"}", "h_bucket{le=\"2.0\"}"));
}

TEST_F(PageTest, AKnownBucketIsNamedAnewUnderAnotherType) {
  const std::string lines = "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n";
  Good("# TYPE h histogram\n" + lines);
  for (const char* comment : {"# h is a histogram\n", "# TYPE h gauge\n"}) {
    Good(comment + lines);
    EXPECT_THAT(page_.Alive().size(), 2u);
  }
  EXPECT_THAT(store_.SeriesNames(),
              ElementsAre("h_bucket{le=\"+Inf\"}", "h_bucket{le=\"1\"}", "h_bucket{le=\"1.0\"}"));
  EXPECT_THAT(store_.Dump(),
              ElementsAre("h_bucket{le=\"+Inf\"} 2@1000", "h_bucket{le=\"+Inf\"} 2@2000",
                          "h_bucket{le=\"+Inf\"} 2@3000", "h_bucket{le=\"1\"} 1@2000",
                          "h_bucket{le=\"1\"} 1@3000", "h_bucket{le=\"1.0\"} 1@1000",
                          "h_bucket{le=\"1.0\"} stale@2000"));
  // And is known under it from then on.
  Good("# TYPE h gauge\n" + lines);
  EXPECT_EQ(stats_.predicted, 2);
}

TEST_F(PageTest, LimitsFailThePage) {
  const std::pair<const char*, const char*> cases[] = {
      {"sample_limit: 1", "sample_limit of 1 exceeded"},
      {"label_limit: 2", "label_limit exceeded (metric: long_name, 3 > 2)"},
      {"label_name_length_limit: 7",
       "label_name_length_limit exceeded (metric: x, label name: __name__, 8 > 7)"},
      {"label_value_length_limit: 8", "label_value_length_limit exceeded"},
  };
  for (const auto& [yaml, want] : cases) {
    Configure(yaml);
    const Status status = Read("x 1\nlong_name{label=\"v\",other=\"123456789\"} 1\n");
    EXPECT_THAT(status.message(), HasSubstr(want)) << yaml;
  }
  EXPECT_THAT(store_.SeriesNames(), IsEmpty());
}

TEST_F(PageTest, LegacyNamesCanBeAskedFor) {
  Configure("metric_name_validation_scheme: legacy");
  EXPECT_THAT(Read("{\"a.b\"} 1\n").message(), HasSubstr("invalid metric name"));
  EXPECT_THAT(Read("a{\"b.c\"=\"d\"} 1\n").message(), HasSubstr("invalid label name"));
}

TEST_F(PageTest, RoomInTheStoreIsAskedForAgain) {
  store_.SetMaxSeries(1);
  Good("a 1\nb 2\n");
  EXPECT_EQ(stats_.unresolved, 1);
  EXPECT_EQ(stats_.added, 1);
  store_.SetMaxSeries(9);
  Good("a 1\nb 3\n");
  EXPECT_EQ(stats_.unresolved, 0);
  EXPECT_EQ(store_.Samples("b"), "3@2000");
}

TEST_F(PageTest, ForgottenSeriesAreNamedAgain) {
  Good("# TYPE h histogram\nh_bucket{le=\"1\"} 1\na 2\n");
  store_.ForgetRefs();
  WriteBatch batch, again;
  ASSERT_TRUE(page_
                  .Read(rules_, kText, "# TYPE h histogram\nh_bucket{le=\"1\"} 3\na 4\n", 2000,
                        &store_, &batch, &stats_)
                  .ok());
  const auto result = store_.Commit(batch);
  ASSERT_EQ(result->unknown_ref.size(), 2u);
  RenewedRefs renewed = {{batch.ref[0], kNoSeries}, {batch.ref[1], kNoSeries}, {999, kNoSeries}};
  ASSERT_TRUE(page_.Renew(rules_, &store_, &renewed).ok());
  EXPECT_EQ(renewed.at(999), kNoSeries);  // not of this page
  for (size_t i = 0; i < 2; ++i) again.Add(renewed.at(batch.ref[i]), 2000, batch.value[i]);
  EXPECT_EQ(store_.Commit(again)->appended, 2u);
  EXPECT_EQ(store_.Samples("h_bucket{le=\"1.0\"}"), "1@1000 3@2000");
  t_ms_ = 2000;
  Good("# TYPE h histogram\nh_bucket{le=\"1\"} 3\na 5\n");
  EXPECT_EQ(store_.Samples("a"), "2@1000 4@2000 5@3000");
}

TEST_F(PageTest, MetadataIsPassedOnChange) {
  Good("# HELP a first\n# TYPE a counter\na 1\n# TYPE b gauge\nb 1\n");
  auto m = store_.TakeMetadata();
  ASSERT_EQ(m.size(), 2u);
  EXPECT_EQ(m[0].help, "first");
  EXPECT_EQ(m[0].type, MetricType::kCounter);
  Good("# HELP a first\n# TYPE a counter\na 1\n# TYPE b gauge\nb 1\n");
  EXPECT_THAT(store_.TakeMetadata(), IsEmpty());
  Good("# HELP a second\n# TYPE a counter\na 1\n# TYPE b gauge\nb 1\n");
  m = store_.TakeMetadata();
  ASSERT_EQ(m.size(), 1u);
  EXPECT_EQ(m[0].help, "second");
  EXPECT_EQ(m[0].type, MetricType::kCounter);
  EXPECT_EQ(page_.Metadata().size(), 2u);
}

TEST_F(PageTest, OpenMetricsMustEndWithEof) {
  EXPECT_THAT(Read("a 1\n", kOpen).message(), HasSubstr("does not end with # EOF"));
  EXPECT_THAT(Read("", kOpen).message(), HasSubstr("does not end with # EOF"));
  EXPECT_THAT(Read("a 1\n# EOF\nb 1\n", kOpen).message(), HasSubstr("after # EOF"));
  Good("a 1\n# EOF\n", kOpen);
  Good("a 1\n# EOF", kOpen);
  EXPECT_THAT(Read("a 1\n# EOF\nb 1\n# EOF\n", kOpen).message(), HasSubstr("after # EOF"));
  EXPECT_THAT(Read("a 1\n\n# EOF\n", kOpen).message(), HasSubstr("line 2"));
}

TEST_F(PageTest, ExemplarsTravelWithTheirSample) {
  Good("# TYPE a counter\na_total 1 # {t=\"x\"} 0.5\n# EOF\n", kOpen);
  Good("# TYPE a counter\na_total 2 # {t=\"y\"} 0.6 1.25\n# EOF\n", kOpen);
  const auto e = store_.exemplars();
  ASSERT_EQ(e.size(), 2u);
  EXPECT_EQ(e[0].t_ms, 1000);
  EXPECT_EQ(e[1].t_ms, 1250);
  EXPECT_EQ(e[1].labels.Get("t"), "y");
  EXPECT_THAT(Read("a_total 1 # {t=\"x} 0.5\n# EOF\n", kOpen).message(), HasSubstr("line 1"));
}

TEST_F(PageTest, TheFormatMayChange) {
  Good("a 1\n");
  Good("a 2\n# EOF\n", kOpen);
  Good("a 3\n");
  EXPECT_EQ(store_.Samples("a"), "1@1000 2@2000 3@3000");
}

// ---- against an obvious reader, which parses every page from scratch ----

struct Sample {
  std::string series;
  double value;
};

TEST_F(PageTest, AgreesWithAReaderWithoutMemory) {
  const uint64_t seed = 20261120;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<Sample> page;
  std::map<std::string, std::string> want;  // series -> "value@t …"
  std::set<std::string> alive;
  int next_name = 0;
  for (int scrape = 0; scrape < 3000; ++scrape) {
    for (auto edits = random() % 4; edits-- > 0;) {
      const size_t at = page.empty() ? 0 : random() % (page.size() + 1);
      switch (random() % 5) {
        case 0:
        case 1: {
          const std::string name = "m" + std::to_string(next_name++ % 50);
          const std::string series =
              random() % 2 == 0 ? name : name + "{l=\"" + std::to_string(random() % 3) + "\"}";
          page.insert(page.begin() + static_cast<long>(at), {series, 0});
          break;
        }
        case 2:
          if (at < page.size()) page.erase(page.begin() + static_cast<long>(at));
          break;
        case 3: std::shuffle(page.begin() + static_cast<long>(at), page.end(), random); break;
        default: break;
      }
    }
    std::string text;
    for (Sample& s : page) {
      if (random() % 3 == 0) s.value = static_cast<double>(random() % 100'000) / 8;
      if (random() % 20 == 0) text += "# TYPE x gauge\n";
      text += s.series + (random() % 40 == 0 ? "  " : " ") + FormatFloat(s.value) + "\n";
    }
    const bool broken = random() % 10 == 0;
    if (broken) text.insert(random() % (text.size() + 1), "\n!\n");
    const Status status = Read(text);
    const std::string at = "@" + std::to_string(t_ms_) + " ";
    std::set<std::string> now;
    if (!status.ok()) {
      ASSERT_TRUE(broken) << status.message() << text;
    } else {
      for (const Sample& s : page) {
        if (now.insert(s.series).second) want[s.series] += FormatFloat(s.value) + at;
      }
    }
    for (const std::string& s : alive) {
      if (!now.contains(s)) want[s] += "stale" + at;
    }
    alive = now;
  }
  std::map<std::string, std::string> got;
  for (const std::string& line : store_.Dump()) {
    const size_t space = line.rfind(' ');
    got[line.substr(0, space)] += line.substr(space + 1) + " ";
  }
  ASSERT_EQ(got.size(), want.size());
  for (const auto& [series, samples] : want) ASSERT_EQ(got[series], samples) << series;
}

}  // namespace
}  // namespace deckwatch::scraper
