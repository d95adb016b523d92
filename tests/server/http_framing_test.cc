#include "server/http_framing.h"

#include <random>

#include <gtest/gtest.h>

namespace deckwatch::server {
namespace {

using State = RequestFramer::State;

struct Outcome {
  State state;
  RawRequest request;
  int error_status;
};

Outcome FeedAll(std::string_view bytes, HttpLimits limits = {}) {
  RequestFramer framer(limits);
  std::string in(bytes);
  const State state = framer.Feed(&in);
  return {state, state == State::kDone ? framer.Take() : RawRequest{}, framer.error_status()};
}

TEST(RequestFramer, TakesHeadAndSizedBody) {
  const Outcome o = FeedAll(
      "POST /api/v1/query?a=b HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: 5\r\nX:  y \r\n\r\nhello");
  ASSERT_EQ(o.state, State::kDone);
  EXPECT_EQ(o.request.method, "POST");
  EXPECT_EQ(o.request.target, "/api/v1/query?a=b");
  EXPECT_EQ(o.request.Header("x"), "y");
  EXPECT_EQ(o.request.body, "hello");
  EXPECT_TRUE(o.request.keep_alive);
}

TEST(RequestFramer, RemovesChunkFraming) {
  const Outcome o = FeedAll(
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;ext=1\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n");
  ASSERT_EQ(o.state, State::kDone);
  EXPECT_EQ(o.request.body, "hello0123456789");
}

TEST(RequestFramer, AnySplitOfTheBytesGivesTheSameRequests) {
  const std::string stream =
      "GET /a HTTP/1.1\r\n\r\n"
      "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n"
      "0\r\n\r\nPUT /c HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody";
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    RequestFramer framer({});
    std::string in;
    std::vector<RawRequest> got;
    for (size_t at = 0; at < stream.size();) {
      const size_t n = std::min<size_t>(1 + random() % 40, stream.size() - at);
      in.append(stream, at, n);
      at += n;
      while (framer.Feed(&in) == State::kDone) got.push_back(framer.Take());
    }
    ASSERT_EQ(got.size(), 3u);
    EXPECT_EQ(got[0].target, "/a");
    EXPECT_EQ(got[1].body, "abc0123456789abcdef");
    EXPECT_EQ(got[2].body, "body");
    EXPECT_FALSE(got[2].keep_alive);
  }
}

TEST(RequestFramer, RefusesWhatIsAmbiguousOrMalformed) {
  const std::pair<int, std::string_view> cases[] = {
      {400, "GET\r\n\r\n"},
      {400, "G\x01T / HTTP/1.1\r\n\r\n"},
      {400, "GET x HTTP/1.1\r\n\r\n"},
      {400, "GET http://h/ HTTP/1.1\r\n\r\n"},
      {505, "GET / HTTP/2.0\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nA : b\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"},
      {400, "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx"},
      {400, "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {501, "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n"},
      {413, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffe\r\nab\r\n"},
      {400, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"},
      {413, "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"},
      {417, "POST / HTTP/1.1\r\nExpect: tea\r\n\r\n"},
  };
  for (const auto& [status, bytes] : cases) {
    const Outcome o = FeedAll(bytes);
    EXPECT_EQ(o.state, State::kBad) << bytes;
    EXPECT_EQ(o.error_status, status) << bytes;
  }
}

TEST(RequestFramer, EnforcesItsLimitsWhileBytesArrive) {
  const HttpLimits small{.max_head_bytes = 200,
                         .max_headers = 3,
                         .max_target_bytes = 40,
                         .max_path_bytes = 20,
                         .max_body_bytes = 64};
  const auto status = [&](const std::string& bytes) { return FeedAll(bytes, small).error_status; };
  EXPECT_EQ(status("GET / HTTP/1.1\r\nA: " + std::string(300, 'a')), 431);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n"), 431);
  EXPECT_EQ(status("GET /" + std::string(30, 'a') + " HTTP/1.1\r\n\r\n"), 414);
  EXPECT_EQ(status("GET /?" + std::string(50, 'a') + " HTTP/1.1\r\n\r\n"), 414);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nContent-Length: 65\r\n\r\n"), 413);
  std::string tiny_chunks = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 60; ++i) tiny_chunks += "1;" + std::string(20, 'x') + "\r\na\r\n";
  EXPECT_EQ(status(tiny_chunks), 431);
}

TEST(RequestFramer, TellsOnceThatThePeerWaitsForContinue) {
  RequestFramer framer({});
  std::string in = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  EXPECT_EQ(framer.Feed(&in), State::kNeedMore);
  EXPECT_TRUE(framer.TakeExpectContinue());
  EXPECT_FALSE(framer.TakeExpectContinue());
  in += "ok";
  EXPECT_EQ(framer.Feed(&in), State::kDone);
}

}  // namespace
}  // namespace deckwatch::server
