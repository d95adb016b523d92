#include "tsdb/exemplars.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace deckwatch::tsdb {
namespace {

const Labels kSeries{{"__name__", "a_bucket"}, {"le", "1"}};

TEST(ExemplarRing, OneThatStaysOnThePageIsStoredOnce) {
  ExemplarRing ring(100, 1 << 20);
  ExemplarRing::Stored stored;
  const auto add = [&](const char* id, int64_t t_ms, bool own_time) {
    return ring.Add(kSeries, {Labels{{"id", id}}, 1, t_ms, own_time}, &stored);
  };
  EXPECT_TRUE(add("x", 1000, false));
  EXPECT_FALSE(add("x", 2000, false));
  EXPECT_TRUE(add("y", 3000, false));
  EXPECT_TRUE(add("x", 4000, false));
  EXPECT_TRUE(add("x", 5000, true));  // it says that it is another
  EXPECT_FALSE(add("x", 5000, true));
  EXPECT_FALSE(add("z", 4999, true));  // older
  EXPECT_EQ(ring.added(), 4u);
}

TEST(ExemplarRing, GoesByNumberBytesAndAge) {
  const auto add = [](ExemplarRing* ring, int64_t t_ms, size_t bytes) {
    ExemplarRing::Stored stored;
    EXPECT_TRUE(ring->Add(kSeries, {Labels{{"id", std::string(bytes, 'x')}}, 1, t_ms}, &stored));
    return stored.dropped;
  };
  ExemplarRing few(2, 1 << 20);
  EXPECT_TRUE(add(&few, 1, 8).empty());
  EXPECT_TRUE(add(&few, 2, 8).empty());
  EXPECT_EQ(add(&few, 3, 8), std::vector<uint64_t>{1});
  ExemplarRing small(100, 4000);
  EXPECT_TRUE(add(&small, 1, 1000).empty());
  EXPECT_TRUE(add(&small, 2, 1000).empty());
  EXPECT_EQ(add(&small, 3, 2500), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(add(&small, 4, 5000), (std::vector<uint64_t>{3}));  // the newest stays
  EXPECT_EQ(small.Find({}).at(0).exemplars.size(), 1u);
  EXPECT_TRUE(small.DropBefore(3'600'001).empty());  // up to an hour late
  EXPECT_EQ(small.DropBefore(3'600'005), std::vector<uint64_t>{4});
  EXPECT_EQ(small.bytes(), 0u);
  EXPECT_TRUE(small.Find({}).empty());
}

}  // namespace
}  // namespace deckwatch::tsdb
