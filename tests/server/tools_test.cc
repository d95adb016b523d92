// The small parts: command line, metric lint, text pages, web configuration.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/flags.h"
#include "server/metrics_lint.h"
#include "server/process_stats.h"
#include "server/text_page.h"
#include "server/web_config.h"

namespace deckwatch::server {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Invocation Parse(std::vector<const char*> args) {
  args.insert(args.begin(), "deckwatch");
  return ParseCommandLine(static_cast<int>(args.size()), args.data());
}

TEST(Flags, AreThoseOfPrometheusInBothForms) {
  const Invocation i =
      Parse({"--config.file=a.yml", "--storage.tsdb.path", "/data",
             "--storage.tsdb.retention.time=100y", "--storage.tsdb.retention.size", "512MB",
             "--storage.memory=2GB", "--web.enable-lifecycle", "--web.listen-address=:1",
             "--web.listen-address=127.0.0.1:2", "--query.max-concurrency=4", "--log.level=debug"});
  ASSERT_EQ(i.kind, Invocation::Kind::kServe) << i.output;
  EXPECT_EQ(i.serve.config_file, "a.yml");
  EXPECT_EQ(i.serve.storage_path, "/data");
  EXPECT_EQ(i.serve.retention_ms, 100LL * 365 * 86'400'000);
  EXPECT_EQ(i.serve.retention_bytes, 512LL << 20);
  EXPECT_EQ(i.serve.memory_bytes, 2LL << 30);
  EXPECT_TRUE(i.serve.enable_lifecycle);
  EXPECT_FALSE(i.serve.enable_admin_api);
  EXPECT_THAT(i.serve.listen_addresses, ElementsAre(":1", "127.0.0.1:2"));
  EXPECT_EQ(i.serve.query_max_concurrency, 4);
  EXPECT_EQ(i.serve.log_level, LogLevel::kDebug);
  EXPECT_EQ(i.serve.all.at("config.file"), "a.yml");
  EXPECT_EQ(i.serve.all.at("query.timeout"), "2m");
}

TEST(Flags, TellWhatHasNoEffectAndRefuseWhatIsUnknown) {
  const Invocation i =
      Parse({"serve", "--enable-feature=native-histograms,no-such-thing,use-start-timestamps",
             "--web.console.templates=x", "--storage.tsdb.wal-compression"});
  ASSERT_EQ(i.kind, Invocation::Kind::kServe) << i.output;
  EXPECT_THAT(i.serve.notes, Contains(HasSubstr("unknown option for --enable-feature: no-such")));
  EXPECT_TRUE(i.serve.use_start_timestamps);
  EXPECT_THAT(i.serve.notes, Contains(HasSubstr("native-histograms is always on")));
  EXPECT_THAT(i.serve.notes, Contains(HasSubstr("--web.console.templates has no effect")));
  for (const char* bad : {"--no.such.flag", "--query.timeout=never", "--log.level=loud"}) {
    const Invocation e = Parse({bad});
    EXPECT_EQ(e.kind, Invocation::Kind::kExit);
    EXPECT_EQ(e.exit_code, 2) << bad;
    EXPECT_FALSE(e.output.empty());
  }
}

TEST(Flags, KnowTheTools) {
  const Invocation i = Parse({"query", "range", "http://h:1", "up", "--start=1", "--step", "5"});
  ASSERT_EQ(i.kind, Invocation::Kind::kTool) << i.output;
  EXPECT_EQ(i.tool.name, "query range");
  EXPECT_THAT(i.tool.args, ElementsAre("http://h:1", "up"));
  EXPECT_EQ(i.tool.start, "1");
  EXPECT_EQ(i.tool.step, "5");
  EXPECT_EQ(Parse({"check", "nonsense"}).kind, Invocation::Kind::kExit);
  EXPECT_EQ(Parse({"--help"}).exit_code, 0);
}

TEST(MetricsLint, FindsWhatPromtoolFinds) {
  const auto problems = LintMetrics(
      "# TYPE a_total counter\na_total 1\n"
      "# HELP b B.\n# TYPE b counter\nb 1\n"
      "# HELP c_count C.\n# TYPE c_count gauge\nc_count 1\n"
      "# HELP d_milliseconds D.\n# TYPE d_milliseconds gauge\nd_milliseconds 1\n"
      "# HELP good_seconds G.\n# TYPE good_seconds histogram\n"
      "good_seconds_bucket{le=\"+Inf\"} 1\ngood_seconds_sum 1\ngood_seconds_count 1\n");
  ASSERT_TRUE(problems.ok()) << problems.status().message();
  ASSERT_EQ(problems->size(), 4u);
  EXPECT_EQ((*problems)[0].text, "no help text");
  EXPECT_EQ((*problems)[1].text, "counter metrics should have \"_total\" suffix");
  EXPECT_THAT((*problems)[2].text, HasSubstr("\"_count\" suffix"));
  EXPECT_THAT((*problems)[3].text, HasSubstr("base unit \"seconds\""));
  EXPECT_THAT(LintMetrics("ok 1\nbroken{ 1\n").status().message(), HasSubstr("line 2"));
}

TEST(TextPage, EscapesAndQuotes) {
  std::string page;
  PageWriter w(&page);
  w.Family("a_total", "counter", "Line\none.").Sample(1, {{"l", "q\"\\\n"}, {"utf8.name", "x"}});
  AppendPageSample("odd.name", {}, 2.5, 1234, &page);
  EXPECT_EQ(page,
            "# HELP a_total Line\\none.\n# TYPE a_total counter\n"
            "a_total{l=\"q\\\"\\\\\\n\",\"utf8.name\"=\"x\"} 1\n"
            "{\"odd.name\"} 2.5 1234\n");
}

TEST(ProcessStats, AreThoseOfThisProcess) {
  const ProcessStats p = ReadProcessStats();
  EXPECT_GT(p.resident_bytes, 1u << 20);
  EXPECT_GT(p.open_fds, 2u);
  EXPECT_GT(p.start_seconds, 1.6e9);
}

class WebConfigTest : public testing::Test {
 protected:
  Result<WebConfig> Load(const std::string& text) {
    const std::string path = testing::TempDir() + "/web.yml";
    std::ofstream(path) << text;
    return LoadWebConfig(path);
  }
  int Status(const BasicAuthGate& gate, const std::string& authorization) {
    Request request;
    if (!authorization.empty()) request.headers = {{"Authorization", authorization}};
    Response response;
    return gate.Admit(request, &response) ? response.status : 401;
  }
};

TEST_F(WebConfigTest, AdmitsOnlyKnownUsersWithTheirPassword) {
  // "secret", cost 10.
  const auto config = Load(
      "basic_auth_users:\n  joe: $2b$10$DWNHyGWa1bKO9/SqoOZ1q.3/Odsb3Ypr7ji7eWmLQ8QIAfvC7Nule\n");
  ASSERT_TRUE(config.ok()) << config.status().message();
  const BasicAuthGate gate(*config);
  EXPECT_EQ(Status(gate, "Basic am9lOnNlY3JldA=="), 200);
  EXPECT_EQ(Status(gate, "Basic am9lOnNlY3JldA=="), 200);  // remembered
  EXPECT_EQ(Status(gate, "Basic am9lOndyb25n"), 401);      // wrong password
  EXPECT_EQ(Status(gate, "Basic YW5uOnNlY3JldA=="), 401);  // unknown user
  EXPECT_EQ(Status(gate, "Bearer am9lOnNlY3JldA=="), 401);
  EXPECT_EQ(Status(gate, ""), 401);
}

TEST_F(WebConfigTest, RefusesUnknownKeysAndWeakHashes) {
  EXPECT_THAT(Load("nope: 1\n").status().message(), HasSubstr("web.yml:1"));
  EXPECT_THAT(Load("basic_auth_users: {joe: plain}\n").status().message(), HasSubstr("bcrypt"));
  EXPECT_THAT(Load("basic_auth_users:\n  joe: "
                   "$2b$04$DWNHyGWa1bKO9/SqoOZ1q.3/Odsb3Ypr7ji7eWmLQ8QIAfvC7Nule\n")
                  .status()
                  .message(),
              HasSubstr("cost"));
}

}  // namespace
}  // namespace deckwatch::server
