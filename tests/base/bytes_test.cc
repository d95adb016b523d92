#include "base/bytes.h"

#include <cmath>

#include <gtest/gtest.h>

namespace deckwatch {
namespace {

TEST(Bytes, RoundTripsEveryForm) {
  std::string buf;
  PutFixed32(&buf, 0xdeadbeef);
  PutBig64(&buf, 42);
  PutVarint(&buf, UINT64_MAX);
  PutSignedVarint(&buf, INT64_MIN);
  PutString(&buf, "abc");
  PutDouble(&buf, -0.0);
  PutBigSigned64(&buf, -7);
  Reader r(buf);
  uint32_t a;
  uint64_t b, c;
  int64_t d, g;
  std::string_view e;
  double f;
  ASSERT_TRUE(r.GetFixed32(&a) && r.GetBig64(&b) && r.GetVarint(&c) && r.GetSignedVarint(&d) &&
              r.GetString(&e) && r.GetDouble(&f) && r.GetBigSigned64(&g));
  EXPECT_EQ(a, 0xdeadbeef);
  EXPECT_EQ(b, 42u);
  EXPECT_EQ(c, UINT64_MAX);
  EXPECT_EQ(d, INT64_MIN);
  EXPECT_EQ(e, "abc");
  EXPECT_TRUE(std::signbit(f));
  EXPECT_EQ(g, -7);
  EXPECT_TRUE(r.AtEnd());
}

TEST(Bytes, EveryTruncationFails) {
  std::string buf;
  PutVarint(&buf, 1 << 20);
  PutString(&buf, "hello");
  for (size_t n = 0; n < buf.size(); ++n) {
    Reader r(std::string_view(buf).substr(0, n));
    uint64_t v;
    std::string_view s;
    EXPECT_FALSE(r.GetVarint(&v) && r.GetString(&s)) << n;
    EXPECT_FALSE(r.ok());
  }
}

TEST(Bytes, OverlongVarintIsRefused) {
  Reader r(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10));
  uint64_t v;
  EXPECT_FALSE(r.GetVarint(&v));
}

TEST(Bytes, SignedKeysSortNumerically) {
  std::string a, b;
  PutBigSigned64(&a, -5);
  PutBigSigned64(&b, 3);
  EXPECT_LT(a, b);
}

}  // namespace
}  // namespace deckwatch
