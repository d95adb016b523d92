// The script runner: what passes, what fails with which words, and what is no script. Then the
// acceptance scripts of Prometheus themselves.
#include "query/promqltest.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "query/promqltest_script.h"
#include "tests/query/script_storage.h"

namespace deckwatch::query {
namespace {

ScriptReport RunText(std::string_view script) {
  const Engine engine(ScriptEngineOptions(), nullptr);
  auto report = RunScript(script, MemoryScriptStorage::Create, engine);
  EXPECT_TRUE(report.ok()) << report.status().message();
  return report.ok() ? *std::move(report) : ScriptReport();
}

// "line: message" of each failure.
std::string Failures(std::string_view script) {
  std::string out;
  for (const ScriptFailure& f : RunText(script).failures) {
    out += std::to_string(f.line) + ": " + f.message + "\n";
  }
  return out;
}

TEST(Script, PassesWhenAllIsAsExpected) {
  const ScriptReport report = RunText(R"(
# A comment.
load 1m
  requests{job="a"} 0+10x10
  requests{job="b"} 0+20x10 _ stale

eval instant at 5m requests
  requests{job="b"} 100.00001
  requests{job="a"} 50

eval instant at 5m sum(requests)
  {} 150

EVAL range from 0 to 2m step 1m requests{job="a"}
  requests{job="a"} 0 10 20

eval instant at 5m 1 + 1
  2

eval instant at 5m "a\nb"
  expect string "a\nb"

eval instant at 2m requests{job="a"}[2m]
  expect range vector from 1m to 2m step 1m
  requests{job="a"} 10 20

eval instant at 5m sort_desc(requests)
  expect ordered
  requests{job="b"} 100
  requests{job="a"} 50

eval_fail instant at 5m requests * on() requests

clear

eval instant at 5m requests
)");
  EXPECT_EQ(report.evals, 9);
  for (const auto& f : report.failures) ADD_FAILURE() << f.line << ": " << f.query << f.message;
}

TEST(Script, NamesWhatDiffers) {
  const std::string load = "load 1m\n  m{a=\"1\"} 0+10x10\n\n";
  EXPECT_EQ(Failures(load + "eval instant at 5m m\n  m{a=\"1\"} 51\n"),
            "4: for m{a=\"1\"}: expected 51, got 50@300000\n");
  EXPECT_EQ(Failures(load + "eval instant at 5m m\n  m{a=\"2\"} 50\n"),
            "4: unexpected series m{a=\"1\"} with 50@300000\n");
  EXPECT_EQ(Failures(load + "eval instant at 5m m{a=\"3\"}\n  m{a=\"3\"} 50\n"),
            "4: expected m{a=\"3\"} with 50, got no such series\n");
  EXPECT_EQ(Failures(load + "eval range from 0 to 1m step 1m m\n  m{a=\"1\"} 0 11\n"),
            "4: for m{a=\"1\"} at 60000ms: expected 11, got 10; all points: 0@0 10@60000\n");
  EXPECT_EQ(Failures(load + "eval range from 0 to 1m step 1m m\n  m{a=\"1\"} 0 _\n"),
            "4: for m{a=\"1\"}: expected 0 _, got 0@0 10@60000\n");
  EXPECT_EQ(Failures("eval instant at 1m 1+1\n  3\n"), "1: expected scalar 3, got 2\n");
  EXPECT_EQ(Failures("eval instant at 1m 1\n  {} 1\n"), "1: expected series, got scalar 1\n");
  EXPECT_EQ(Failures("eval instant at 1m \"a\"\n  expect string \"b\"\n"),
            "1: expected string \"b\", got \"a\"\n");
  EXPECT_EQ(Failures("eval_fail instant at 1m 1\n"), "1: expected error, got none\n");
  // Old and new words for the same may stand together.
  EXPECT_EQ(Failures("eval_fail instant at 1m 1\n  expect fail msg: what\n"),
            "1: expected error, got none\n");
  EXPECT_EQ(Failures(load + "eval instant at 5m sum(m) + sum(m)\n  expect fail msg:no\n"),
            "4: expected error, got none\n");
}

TEST(Script, ChecksHistogramsPartByPart) {
  const std::string load = "load 1m\n  h {{schema:1 count:3 sum:5 buckets:[1 2]}}x5\n\n";
  EXPECT_EQ(
      Failures(load + "eval instant at 1m h\n  h {{schema:1 count:3 sum:5 buckets:[1 2 0]}}\n"),
      "");
  EXPECT_NE(Failures(load + "eval instant at 1m h\n  h {{schema:1 count:3 sum:5 buckets:[2 1]}}\n"),
            "");
  EXPECT_NE(Failures(load + "eval instant at 1m h\n  h {{schema:0 count:3 sum:5 buckets:[1 2]}}\n"),
            "");
  EXPECT_NE(Failures(load + "eval instant at 1m h\n  h 3\n"), "");
}

TEST(Script, ChecksAnnotations) {
  const std::string load = "load 1m\n  m 1 2 3\n\n";
  const std::string eval = load + "eval instant at 1m quantile(2, m)\n";
  EXPECT_EQ(Failures(eval + "  expect warn\n  {} +Inf\n"), "");
  EXPECT_EQ(Failures(eval + "  expect warn regex:between 0 and 1\n  {} +Inf\n"), "");
  EXPECT_EQ(Failures(eval + "  expect warn msg:PromQL warning: quantile value should be between 0 "
                            "and 1, got 2\n  {} +Inf\n"),
            "");
  EXPECT_NE(Failures(eval + "  expect warn msg:something else\n  {} +Inf\n"), "");
  EXPECT_NE(Failures(eval + "  expect no_warn\n  {} +Inf\n"), "");
  EXPECT_NE(Failures(eval + "  expect info\n  {} +Inf\n"), "");
}

TEST(Script, StoresClassicHistogramsAsNativeOnesToo) {
  EXPECT_EQ(Failures(R"(
load_with_nhcb 1m
  h_bucket{le="1"} 2x3
  h_bucket{le="5"} 3x3
  h_bucket{le="+Inf"} 4x3
  h_sum 12x3
  h_count 4x3

eval instant at 1m h
  h {{schema:-53 count:4 sum:12 custom_values:[1 5] buckets:[2 1 1]}}

eval instant at 1m h_count
  h_count 4
)"),
            "");
}

TEST(Script, RefusesWhatIsNoScript) {
  const Engine engine(ScriptEngineOptions(), nullptr);
  const auto error = [&](std::string_view script) {
    const auto report = RunScript(script, MemoryScriptStorage::Create, engine);
    return report.ok() ? "" : report.status().message();
  };
  EXPECT_EQ(error("\nfoo"), "line 2: invalid command \"foo\"");
  EXPECT_EQ(error("load 1q"), "line 1: unknown unit \"q\" in duration \"1q\"");
  EXPECT_EQ(error("load 1m\n  m 1\n  m{ 1"),
            "line 3: 1:4: parse error: unexpected character inside braces: '1'");
  EXPECT_EQ(error("eval instant at 1m sum("),
            "line 1: 1:5: parse error: unclosed left parenthesis");
  EXPECT_EQ(error("eval instant at 1m m\n  m 1 2"),
            "line 2: expecting multiple values in instant evaluation not allowed. consider using "
            "'expect range vector' directive to enable a range vector result for an instant query");
  EXPECT_EQ(error("eval instant at 1m m\n  expect warn\n  expect no_warn"),
            "line 3: invalid expect lines, warn and no_warn cannot be used together");
  EXPECT_EQ(error("load 1m\n  m@st 1s 2s\n  m 1"),
            "line 3: @st line has 2 values but sample line has 1");
  EXPECT_NE(error("eval sometime"), "");
  EXPECT_NE(error("eval range from 2m to 1m step 1m m"), "");
}

TEST(ScriptFiles, AreFoundRunAndSummedUp) {
  const std::string folder = testing::TempDir() + "deckwatch_scripts";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/b.test") << "eval instant at 1m 1\n  2\n";
  std::ofstream(folder + "/a.test") << "eval instant at 1m 1\n  1\n";
  std::ofstream(folder + "/other.txt") << "not a script";
  const auto run = [&](const std::vector<std::string>& paths, std::string* printed) {
    char* text = nullptr;
    size_t size = 0;
    std::FILE* out = open_memstream(&text, &size);
    const int code = RunScriptFiles(paths, MemoryScriptStorage::Create, nullptr, out);
    std::fclose(out);
    printed->assign(text, size);
    std::free(text);
    return code;
  };
  std::string printed;
  EXPECT_EQ(run({folder}, &printed), 1);
  EXPECT_EQ(printed, folder + "/a.test: 1 evals, 0 failed\n" + folder +
                         "/b.test:1: 1\n    expected scalar 2, got 1\n" + folder +
                         "/b.test: 1 evals, 1 failed\n2 evals, 1 failed, 0 broken files\n");
  EXPECT_EQ(run({folder + "/a.test"}, &printed), 0);
  EXPECT_EQ(run({folder + "/absent.test"}, &printed), 1);
  EXPECT_EQ(printed, folder + "/absent.test: cannot read " + folder +
                         "/absent.test\n0 evals, 0 failed, 1 broken files\n");
  std::filesystem::remove_all(folder);
}

// Answers of a running Prometheus that the scripts of its suite leave open.
TEST(RunScript, AnswersAsARunningPrometheusDoes) {
  EXPECT_EQ(Failures(R"(
load 1m
  positive {{schema:0 z_bucket_w:0.3 offset:-1 count:4 sum:2 buckets:[2 2]}}
  negative {{schema:0 z_bucket_w:0.3 n_offset:-1 count:4 sum:-2 n_buckets:[2 2]}}
  big 1e300
  m 0x20

# A bucket yields to an empty zero bucket that it reaches into.
eval instant at 0 histogram_quantile(0, positive)
  {} 0.3

eval instant at 0 histogram_quantile(1, negative)
  {} -0.3

eval instant at 0 histogram_stdvar(positive)
  {} 0.0277974420963554

eval instant at 0 histogram_stdvar(negative)
  {} 0.0277974420963554

eval instant at 0 histogram_fraction(-1, 0.4, positive)
  {} 0.2815853973131624

# Shortest digits, then zeros.
eval instant at 0 count_values("v", big)
  {v="1)" + std::string(300, '0') +
                     R"("} 1

# timestamp() looks at the time of @ among the samples selected for that time less the offset.
eval instant at 20m timestamp(m @ 600 offset 4m)
  {} 360

eval instant at 20m timestamp(m @ 600 offset 5m)

eval instant at 20m timestamp(m @ 600 offset -4m)
  {} 600

eval instant at 20m timestamp(m @ 599 offset -4m)
  {} 540

eval instant at 20m timestamp(m @ 600 offset -5m)
)"),
            "");
}

class AcceptanceScript : public testing::TestWithParam<const char*> {};

TEST_P(AcceptanceScript, Passes) {
  std::ifstream in(std::string(TEST_DATA_DIR "/query/") + GetParam() + ".test");
  std::stringstream text;
  text << in.rdbuf();
  const ScriptReport report = RunText(text.str());
  EXPECT_GT(report.evals, 0);
  for (const auto& f : report.failures) {
    ADD_FAILURE() << GetParam() << ".test:" << f.line << ": " << f.query << "\n    " << f.message;
  }
}

INSTANTIATE_TEST_SUITE_P(Prometheus, AcceptanceScript,
                         testing::Values("promqltest/literals", "promqltest/trig_functions",
                                         "promqltest/limit", "promqltest/duration_expression",
                                         "promqltest/fill-modifier",
                                         "promqltest/start_timestamps"));
INSTANTIATE_TEST_SUITE_P(Own, AcceptanceScript,
                         testing::Values("scripts/aggregation", "scripts/info", "scripts/matching",
                                         "scripts/names", "scripts/native", "scripts/time"));

}  // namespace
}  // namespace deckwatch::query
