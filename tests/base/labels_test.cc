#include "base/labels.h"

#include <gtest/gtest.h>

namespace deckwatch {
namespace {

TEST(Labels, AreSortedAndWithoutEmptyValues) {
  const Labels l{{"b", "2"}, {"a", "1"}, {"c", ""}, {kMetricName, "up"}};
  EXPECT_EQ(l.ToString(), "up{a=\"1\", b=\"2\"}");
  EXPECT_EQ(l.Count(), 3u);
  EXPECT_EQ(l.Get("b"), "2");
  EXPECT_EQ(l.Get("c"), "");
}

TEST(Labels, PrintAsPrometheus) {
  EXPECT_EQ(Labels().ToString(), "{}");
  EXPECT_EQ((Labels{{kMetricName, "up"}}).ToString(), "up");
  EXPECT_EQ((Labels{{"a.b", "x\"\n"}}).ToString(), "{\"a.b\"=\"x\\\"\\n\"}");
  EXPECT_EQ((Labels{{kMetricName, "my.metric"}, {"a", "1"}}).ToString(),
            "{\"my.metric\", a=\"1\"}");
}

TEST(Labels, OrderIsPairwise) {
  EXPECT_LT((Labels{{"a", "1"}}), (Labels{{"a", "1"}, {"b", "1"}}));
  EXPECT_LT((Labels{{"a", "1"}, {"b", "2"}}), (Labels{{"a", "2"}}));
}

TEST(Labels, EncodedFormIsChecked) {
  const Labels l{{"a", "1"}, {"b", "2"}};
  EXPECT_EQ(*Labels::FromEncoded(l.encoded()), l);
  for (size_t n = 1; n < l.encoded().size(); ++n) {
    if (n == 4) continue;  // a whole pair
    EXPECT_FALSE(Labels::FromEncoded(l.encoded().substr(0, n)).ok()) << n;
  }
  EXPECT_FALSE(Labels::FromEncoded(std::string_view("\1b\0012\1a\0011", 8)).ok());
}

TEST(LabelsBuilder, SetsDeletesKeepsDrops) {
  LabelsBuilder b(Labels{{"a", "1"}, {"b", "2"}, {"c", "3"}});
  b.Set("a", "9").Del("b").Set("d", "4").Drop({"c"});
  EXPECT_EQ(b.Build(), (Labels{{"a", "9"}, {"d", "4"}}));
  EXPECT_EQ(b.Keep({"d"}).Build(), (Labels{{"d", "4"}}));
}

TEST(Labels, LongValuesSurvive) {
  const std::string big(70'000, 'x');
  const Labels l{{"a", big}, {"b", "2"}};
  EXPECT_EQ(l.Get("a"), big);
  EXPECT_EQ(l.Get("b"), "2");
}

TEST(Utf8, IsChecked) {
  EXPECT_TRUE(IsValidUtf8("grün €"));
  EXPECT_FALSE(IsValidUtf8("\xff"));
  EXPECT_FALSE(IsValidUtf8("\xc0\x80"));
  EXPECT_FALSE(IsValidUtf8("\xed\xa0\x80"));
}

}  // namespace
}  // namespace deckwatch
