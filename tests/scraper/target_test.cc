#include "scraper/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scraper/pool.h"
#include "scraper/schedule.h"

namespace deckwatch::scraper {
namespace {

using ::testing::HasSubstr;

ScrapeConfigPtr Config(const std::string& more) {
  const auto node = ParseYaml("job_name: j\n" + more, "c.yml");
  EXPECT_TRUE(node.ok()) << node.status().message();
  auto config = ParseScrapeConfig(*node, "c.yml", ScrapeDefaults());
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? *config : std::make_shared<ScrapeConfig>();
}

Result<std::optional<Target>> Make(const Labels& found, const std::string& more = "") {
  Labels discovered;
  return MakeTarget(found, *Config(more), "box", &discovered);
}

TEST(Target, GetsUrlAndLabelsFromTheJob) {
  const auto t = Make(Labels{{"__address__", "h:1"}, {"env", "prod"}, {"__meta_x", "y"}},
                      "metrics_path: /probe\nscheme: https\nparams: {m: [a b, c], z: [d]}");
  ASSERT_TRUE(t.ok() && *t);
  EXPECT_EQ((*t)->url, "https://h:1/probe?m=a+b&m=c&z=d");
  EXPECT_EQ((*t)->labels.view().ToString(), R"({env="prod", instance="h:1", job="j"})");
  EXPECT_EQ((*t)->discovered.Get("__scrape_interval__"), "1m");
  EXPECT_EQ((*t)->discovered.Get("__param_m"), "a b");
}

TEST(Target, RelabellingDecidesEverything) {
  const auto t = Make(Labels{{"__address__", "h"}}, R"(
relabel_configs:
  - {target_label: __address__, replacement: 'other:9'}
  - {target_label: __scheme__, replacement: https}
  - {target_label: __metrics_path__, replacement: /m}
  - {target_label: __param_q, replacement: v}
  - {target_label: __scrape_interval__, replacement: 7s}
  - {target_label: __scrape_timeout__, replacement: 3s}
  - {target_label: instance, replacement: me}
  - {target_label: job, replacement: k}
)");
  ASSERT_TRUE(t.ok() && *t) << t.status().message();
  EXPECT_EQ((*t)->url, "https://other:9/m?q=v");
  EXPECT_EQ((*t)->interval_ms, 7000);
  EXPECT_EQ((*t)->timeout_ms, 3000);
  EXPECT_EQ((*t)->labels.view().ToString(), R"({instance="me", job="k"})");
}

TEST(Target, RefusesWhatCannotBeScraped) {
  const std::pair<const char*, const char*> cases[] = {
      {"{target_label: __address__, replacement: ''}", "no address"},
      {"{target_label: __address__, replacement: 'a/b'}", "not a valid hostname"},
      {"{target_label: __scheme__, replacement: ftp}", "invalid scheme"},
      {"{target_label: __scrape_interval__, replacement: 0s}", "interval cannot be 0"},
      {"{target_label: __scrape_interval__, replacement: soon}", "duration"},
      {"{target_label: __scrape_timeout__, replacement: 2m}", "greater than the scrape interval"},
  };
  for (const auto& [rule, want] : cases) {
    const auto t =
        Make(Labels{{"__address__", "h"}}, "relabel_configs: [" + std::string(rule) + "]");
    EXPECT_FALSE(t.ok()) << rule;
    EXPECT_THAT(t.status().message(), HasSubstr(want));
  }
}

TEST(Target, CollectorsAreNamedByAddressOrScheme) {
  const auto a = Make(Labels{{"__address__", "deckwatch://host"}});
  const auto b = Make(Labels{{"__address__", "host"}}, "scheme: deckwatch");
  ASSERT_TRUE(a.ok() && *a && b.ok() && *b);
  EXPECT_EQ((*a)->collector, "host");
  EXPECT_EQ((*a)->labels.Get("instance"), "box");
  EXPECT_EQ((*a)->identity, (*b)->identity);
}

TEST(Target, OwnLabelsWinOverTheGroups) {
  EXPECT_EQ(JoinGroupLabels(Labels{{"a", "own"}}, Labels{{"a", "group"}, {"b", "group"}})
                .view()
                .ToString(),
            R"({a="own", b="group"})");
}

TEST(Pool, DropsMergesRefusesAndLimits) {
  const auto pool = [](const std::string& more) {
    return MakePoolTargets(*Config("static_configs: [{targets: [a, b, a, bad, gone]}]\n"
                                   "relabel_configs:\n"
                                   "- {source_labels: [__address__], regex: gone, action: drop}\n"
                                   "- {source_labels: [__address__], regex: bad, target_label: "
                                   "__scheme__, replacement: x}\n" +
                                   more),
                           {}, "box");
  };
  const PoolTargets all = pool("");
  EXPECT_EQ(all.active.size(), 2u);
  EXPECT_EQ(all.rejected, 1u);
  ASSERT_EQ(all.dropped.size(), 1u);
  EXPECT_EQ(all.dropped[0].discovered_labels.Get("__address__"), "gone");
  EXPECT_EQ(all.forced_error, "");
  EXPECT_EQ(pool("target_limit: 1").forced_error,
            "target_limit exceeded (number of targets: 2, limit: 1)");
}

TEST(Schedule, NextOnGridIsLaterAndInPhase) {
  for (const int64_t now : {0, 1, 999, 1000, 12'345'678}) {
    for (const int64_t phase : {0, 1, 500, 999}) {
      const int64_t next = NextOnGrid(now, 1000, phase);
      EXPECT_GT(next, now);
      EXPECT_LE(next, now + 1000);
      EXPECT_EQ(next % 1000, phase);
    }
  }
}

TEST(Schedule, SmallLatenessIsSnappedAway) {
  EXPECT_EQ(SnapToGrid(10'002, 10'000, 100), 10'000);
  EXPECT_EQ(SnapToGrid(10'003, 10'000, 100), 10'003);
  EXPECT_EQ(SnapToGrid(10'050, 10'000, 15'000), 10'000);
  EXPECT_EQ(SnapToGrid(10'051, 10'000, 15'000), 10'051);
  EXPECT_EQ(SnapToGrid(9'999, 10'000, 15'000), 9'999);
}

}  // namespace
}  // namespace deckwatch::scraper
