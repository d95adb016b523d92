#include "base/json.h"

#include <gtest/gtest.h>

namespace deckwatch {
namespace {

TEST(Json, ParsesAndForgivesMissingParts) {
  const Json j = *Json::Parse(R"({"a":{"b":[1,2.5,"x",true,null]}})");
  EXPECT_EQ(j["a"]["b"].AsArray().size(), 5u);
  EXPECT_EQ(j["a"]["b"].AsArray()[1].AsDouble(), 2.5);
  EXPECT_EQ(j["nope"]["b"].AsString(), "");
  EXPECT_EQ(j.Dump(), R"({"a":{"b":[1,2.5,"x",true,null]}})");
}

TEST(Json, RefusesBrokenAndDeepInput) {
  for (const char* bad : {"", "{", "[1,]", "{\"a\":1}x", "nul"})
    EXPECT_FALSE(Json::Parse(bad).ok()) << bad;
  EXPECT_FALSE(Json::Parse(std::string(100, '[') + std::string(100, ']')).ok());
}

TEST(Json, KnowsWhatNeedsNoEscapesByteByByte) {
  for (size_t size = 1; size < 20; ++size) {
    for (size_t at = 0; at < size; ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string s(size, 'a');
        s[at] = static_cast<char>(c);
        std::string text;
        AppendJsonString(&text, s);
        EXPECT_EQ(IsPlainJson(s), text == "\"" + s + "\"") << size << " " << at << " " << c;
      }
    }
  }
}

TEST(JsonWriter, EscapesAndRepairs) {
  std::string out;
  JsonWriter(&out).BeginArray().String("a\"\\\n\x01é\xff").Int(-1).Double(0.1).EndArray();
  EXPECT_EQ(out, "[\"a\\\"\\\\\\n\\u0001é\xef\xbf\xbd\",-1,0.1]");
}

}  // namespace
}  // namespace deckwatch
