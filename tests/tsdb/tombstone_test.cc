#include <gtest/gtest.h>

#include "base/bytes.h"
#include "tsdb/compaction.h"

namespace deckwatch::tsdb {
namespace {

constexpr int64_t kNow = 1'800'000'000'000;

Tombstone Example() {
  return {.id = 7,
          .last_part = 300,
          .start_ms = -5,
          .end_ms = kNow,
          .matchers = {Matcher::Equal("job", "a"),
                       *Matcher::Create(MatchType::kNotRegex, "path", "/x.*")},
          .created_ms = kNow};
}

std::string Encoded(const Tombstone& t) {
  std::string out;
  t.EncodeTo(&out);
  return out;
}

TEST(Tombstone, ReadsBackWhatItWrote) {
  const auto t = Tombstone::Decode(7, Encoded(Example()));
  ASSERT_TRUE(t.ok()) << t.status().message();
  EXPECT_EQ(t->last_part, 300u);
  EXPECT_EQ(t->start_ms, -5);
  EXPECT_EQ(t->end_ms, kNow);
  ASSERT_EQ(t->matchers.size(), 2u);
  EXPECT_EQ(t->matchers[1].ToString(), "path!~\"/x.*\"");
  EXPECT_TRUE(t->CanBeUndone(kNow + Tombstone::kUndoMs - 1));
  EXPECT_FALSE(t->CanBeUndone(kNow + Tombstone::kUndoMs));
  Tombstone last = Example();
  last.final = true;
  EXPECT_FALSE(Tombstone::Decode(7, Encoded(last))->CanBeUndone(kNow));
}

TEST(Tombstone, OneOfBeforeUndoingIsFinal) {
  std::string row = Encoded(Example());
  std::string tail;
  PutSignedVarint(&tail, kNow);
  row.resize(row.size() - tail.size() - 1);
  const auto t = Tombstone::Decode(7, row);
  ASSERT_TRUE(t.ok()) << t.status().message();
  EXPECT_FALSE(t->CanBeUndone(0));
}

TEST(Tombstone, SurvivesTruncationAndBitFlips) {
  const std::string row = Encoded(Example());
  size_t good = 0;
  for (size_t n = 0; n < row.size(); ++n) good += Tombstone::Decode(7, row.substr(0, n)).ok();
  EXPECT_EQ(good, 1u);  // the form of before
  for (size_t bit = 0; bit < row.size() * 8; ++bit) {
    std::string damaged = row;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    const auto t = Tombstone::Decode(7, damaged);
    EXPECT_TRUE(!t.ok() || t->matchers.size() <= row.size());
  }
}

}  // namespace
}  // namespace deckwatch::tsdb
