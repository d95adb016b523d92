#include <filesystem>

#include <gmock/gmock.h>
#include <unistd.h>

#include "scraper/discovery/mechanisms.h"
#include "tests/scraper/discovery/discovery_testing.h"

namespace deckwatch::scraper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FileDiscovery : public ::testing::Test {
 protected:
  FileDiscovery()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                ("dw_file_sd_" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~FileDiscovery() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  // As configuration management does it: write beside, then rename.
  void Put(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name + ".tmp")) << text;
    std::filesystem::rename(Path(name + ".tmp"), Path(name));
  }
  std::string Target(const std::string& address, const std::string& labels,
                     const std::string& file) const {
    return R"({__address__=")" + address + R"(", __meta_filepath=")" + Path(file) + "\"" + labels +
           "}";
  }

  const std::filesystem::path folder_;
};

TEST_F(FileDiscovery, ReadsJsonAndYaml) {
  Put("a.json", R"([{"targets":["h1:1","h2:2"],"labels":{"env":"x"}}])");
  Put("b.yml", "- targets: ['h3:3']\n  labels: {env: y}\n- targets: [h4:4]\n");
  Put("ignored.txt", "- targets: [h5:5]\n");
  RunningDiscovery running(ParseFileConfig,
                           "files: [" + Path("*.json") + ", " + Path("b*.yml") + "]\n");
  EXPECT_THAT(running.WaitForCount(4),
              ElementsAre(Target("h1:1", R"(, env="x")", "a.json"),
                          Target("h2:2", R"(, env="x")", "a.json"),
                          Target("h3:3", R"(, env="y")", "b.yml"), Target("h4:4", "", "b.yml")));
}

TEST_F(FileDiscovery, SeesChangesAtOnce) {
  RunningDiscovery running(ParseFileConfig, "files: [" + Path("*.yml") + "]\n");
  Put("a.yml", "- targets: [h1:1]\n");
  EXPECT_THAT(running.WaitForCount(1), ElementsAre(Target("h1:1", "", "a.yml")));
  Put("a.yml", "- targets: [h1:1]\n- targets: [h2:2]\n");
  EXPECT_EQ(running.WaitForCount(2).size(), 2u);
  Put("a.yml", "- targets: [h1:1]\n");
  EXPECT_THAT(running.WaitForCount(1), ElementsAre(Target("h1:1", "", "a.yml")));
  std::filesystem::remove(Path("a.yml"));
  EXPECT_TRUE(running.WaitForCount(0).empty());
}

TEST_F(FileDiscovery, KeepsTheTargetsOfAFileThatWentBad) {
  Put("a.yml", "- targets: [h1:1]\n");
  RunningDiscovery running(ParseFileConfig, "files: [" + Path("*.yml") + "]\n");
  EXPECT_EQ(running.WaitForCount(1).size(), 1u);
  for (const char* bad : {"- targets: [h9:9", "- targets: [h9:9]\n  lables: {a: b}\n", "a: b\n",
                          "- targets: [{a: b}]\n", "- nonsense\n", "- targets: ['']\n"}) {
    Put("a.yml", bad);
    Put("b.yml", "- targets: [h2:2]\n");  // when this has come, the bad file has been read
    EXPECT_THAT(running.WaitForCount(2),
                ElementsAre(Target("h1:1", "", "a.yml"), Target("h2:2", "", "b.yml")))
        << bad;
    std::filesystem::remove(Path("b.yml"));
    EXPECT_EQ(running.WaitForCount(1).size(), 1u);
  }
}

TEST_F(FileDiscovery, RefusesBadJsonFiles) {
  Put("good.json", R"([{"targets":["h1:1"]}])");
  const char* const bad[] = {R"({"targets":["x:1"]})",
                             R"([{"targets":["x:1"],"tags":{}}])",
                             R"([null])",
                             R"([{"targets":["x:1"],"labels":{"a":1}}])",
                             "[",
                             R"([{"targets":[1]}])"};
  int i = 0;
  for (const char* text : bad) Put("bad" + std::to_string(i++) + ".json", text);
  RunningDiscovery running(ParseFileConfig, "files: [" + Path("*.json") + "]\n");
  EXPECT_THAT(running.WaitForCount(1), ElementsAre(Target("h1:1", "", "good.json")));
}

TEST_F(FileDiscovery, FindsAFolderThatComesLater) {
  RunningDiscovery running(ParseFileConfig,
                           "files: [" + Path("late/a.yml") + "]\nrefresh_interval: 5ms\n");
  std::filesystem::create_directories(folder_ / "late");
  Put("late/a.yml", "- targets: [h1:1]\n");
  EXPECT_THAT(running.WaitForCount(1), ElementsAre(Target("h1:1", "", "late/a.yml")));
}

TEST(FileConfig, RefusesBadPatterns) {
  for (const char* files : {"[]", "[a.txt]", "['a*/b.yml']", "['a*b*.yml']", "[yml]"}) {
    EXPECT_THAT(ParseError(ParseFileConfig, std::string("files: ") + files + "\n"),
                HasSubstr("test.yml:1"))
        << files;
  }
  EXPECT_THAT(ParseError(ParseFileConfig, "files: [a.yml]\nrefresh: 1s\n"), HasSubstr("refresh"));
  EXPECT_EQ(ParseError(ParseFileConfig, "files: ['a/*.yml', b.json, 'c-*.yaml']\n"), "");
}

}  // namespace
}  // namespace deckwatch::scraper
