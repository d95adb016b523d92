#include "server/form.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deckwatch::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

Params UrlEncoded(std::string_view text) {
  Params out;
  ParseUrlEncoded(text, &out);
  return out;
}

Params Multipart(std::string_view body,
                 std::string_view content_type = "multipart/form-data; boundary=b-1") {
  Params out;
  ParseMultipart(content_type, body, &out);
  return out;
}

constexpr std::string_view kBody =
    "--b-1\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nup{a=\"b\"}\r\n"
    "--b-1\r\ncontent-type: text/plain\r\ncontent-disposition: form-data; name=time\r\n\r\n5\r\n"
    "--b-1\r\nContent-Disposition: form-data; name=\"match[]\"; filename=\"f\"\r\n\r\nno\r\n"
    "--b-1\r\nContent-Disposition: form-data; name=\"a \\\"b\\\"\"\r\n\r\nx\r\ny--b-1\r\n\r\n"
    "--b-1--\r\n";

TEST(Form, DecodesUrlEncodedText) {
  EXPECT_THAT(UrlEncoded("a=1&&b=x+y%3D%zz&c&=d"),
              ElementsAre(Pair("a", "1"), Pair("b", "x y=%zz"), Pair("c", ""), Pair("", "d")));
  EXPECT_THAT(UrlEncoded(""), IsEmpty());
}

TEST(Form, TakesTheFieldsOfPartsButNoFiles) {
  const auto fields = ElementsAre(Pair("query", "up{a=\"b\"}"), Pair("time", "5"),
                                  Pair("a \"b\"", "x\r\ny--b-1\r\n"));
  EXPECT_THAT(Multipart(kBody), fields);
  EXPECT_THAT(Multipart("preamble\r\n" + std::string(kBody),
                        "multipart/form-data; charset=utf-8; Boundary=\"b-1\""),
              fields);
  EXPECT_THAT(Multipart(kBody, "multipart/form-data"), IsEmpty());
  EXPECT_THAT(Multipart(kBody, "multipart/form-data; boundary="), IsEmpty());
}

// Whatever is cut off, only whole fields come out.
TEST(Form, ACutBodyGivesTheFieldsBeforeTheCut) {
  const Params all = Multipart(kBody);
  for (size_t n = 0; n < kBody.size(); ++n) {
    const Params some = Multipart(kBody.substr(0, n));
    ASSERT_LE(some.size(), all.size()) << n;
    for (size_t i = 0; i < some.size(); ++i) EXPECT_EQ(some[i], all[i]) << n;
  }
}

TEST(Form, SurvivesFlippedBits) {
  std::mt19937_64 random(20261130);
  for (int i = 0; i < 2000; ++i) {
    std::string body(kBody);
    for (int k = 0; k < 4; ++k) body[random() % body.size()] ^= char(1 << random() % 8);
    for (const auto& [name, value] : Multipart(body)) {
      EXPECT_LE(name.size() + value.size(), body.size());
    }
  }
}

}  // namespace
}  // namespace deckwatch::server
