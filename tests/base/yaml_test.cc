#include "base/yaml.h"

#include <gtest/gtest.h>

namespace deckwatch {
namespace {

struct Section {
  std::string name;
  int64_t interval_ms = 60'000;
  bool flag = false;
  std::vector<std::string> list;
};

Status Decode(std::string_view text, Section* s) {
  TRY_ASSIGN(const YamlNode node, ParseYaml(text, "x.yml"));
  YamlDecoder d(node, "x.yml", "section");
  d.String("name", &s->name)
      .Duration("interval", &s->interval_ms)
      .Bool("flag", &s->flag)
      .Strings("list", &s->list);
  return d.Finish();
}

TEST(YamlDecoder, ReadsValuesAndKeepsDefaults) {
  Section s;
  ASSERT_TRUE(Decode("name: a\nflag: true\nlist: [x, y]\n", &s).ok());
  EXPECT_EQ(s.name, "a");
  EXPECT_EQ(s.interval_ms, 60'000);
  EXPECT_TRUE(s.flag);
  EXPECT_EQ(s.list.size(), 2u);
}

TEST(YamlDecoder, ErrorsNameFileLineKeyAndReason) {
  Section s;
  EXPECT_EQ(Decode("name: a\nintervall: 5s\n", &s).message(),
            "x.yml:2: section: intervall: unknown key");
  EXPECT_EQ(Decode("name: a\n\ninterval: 5x\n", &s).message(),
            "x.yml:3: section: interval: unknown unit \"x\" in duration \"5x\"");
  EXPECT_EQ(Decode("flag: maybe", &s).message(),
            "x.yml:1: section: flag: expected true or false, got \"maybe\"");
  EXPECT_NE(Decode("name: a\nname: b", &s).message().find("given twice"), std::string::npos);
}

TEST(Yaml, BombsAreRefused) {
  std::string bomb = "a0: &a0 [x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 9; ++k) bomb += "*a" + std::to_string(i - 1) + ", ";
    bomb += "]\n";
  }
  EXPECT_FALSE(ParseYaml(bomb, "x.yml").ok());
  EXPECT_FALSE(ParseYaml(std::string(5000, '['), "x.yml").ok());
}

TEST(Size, IsPowersOf1024) {
  EXPECT_EQ(*ParseSizeBytes("10MB"), 10 << 20);
  EXPECT_EQ(*ParseSizeBytes("1KiB"), 1024);
  EXPECT_EQ(*ParseSizeBytes("0"), 0);
  EXPECT_FALSE(ParseSizeBytes("ten").ok());
}

TEST(Yaml, BinaryScalarsAreTheirBytes) {
  const auto root = ParseYaml("a: !!binary \"/w==\"", "f");
  ASSERT_TRUE(root.ok()) << root.status().message();
  EXPECT_EQ(root->Find("a")->scalar, "\xff");
  EXPECT_FALSE(ParseYaml("a: !!binary \"/w==$1\"", "f").ok());
}

}  // namespace
}  // namespace deckwatch
