#include "query/promqltest.h"

#include <gtest/gtest.h>

#include "tests/query/memory_storage.h"

namespace deckwatch::query {
namespace {

class MemoryScriptStorage : public ScriptStorage {
 public:
  Appender& appender() override { return storage_; }
  const Queryable& queryable() override { return storage_; }

 private:
  MemoryStorage storage_;
};

ScriptReport RunText(std::string_view script) {
  const Engine engine(ScriptEngineOptions(), nullptr);
  auto report = RunScript(
      script,
      []() -> Result<std::unique_ptr<ScriptStorage>> {
        return std::unique_ptr<ScriptStorage>(std::make_unique<MemoryScriptStorage>());
      },
      engine);
  EXPECT_TRUE(report.ok()) << report.status().message();
  return report.ok() ? *report : ScriptReport();
}

TEST(PromqlTest, PassesWhatIsRight) {
  const ScriptReport report = RunText(R"(
load 1m
  requests_total{job="a"} 0+10x10

eval instant at 10m rate(requests_total[5m])
  {job="a"} 0.16666666666666666
)");
  EXPECT_EQ(report.evals, 1);
  EXPECT_TRUE(report.failures.empty());
}

TEST(PromqlTest, TellsLineAndQueryOfWhatIsWrong) {
  const ScriptReport report = RunText(R"(load 1m
  x 1

eval instant at 0 x + 1
  {} 3
)");
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_EQ(report.failures[0].line, 4);
  EXPECT_EQ(report.failures[0].query, "x + 1");
}

}  // namespace
}  // namespace deckwatch::query
