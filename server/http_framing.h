// Where one HTTP/1.1 request ends, decided before anything else looks at it.
//
// The framer is the gate between the network and cpp-httplib, whose packaged version trusts chunk
// sizes, header counts and duplicate lengths. It reads only what framing needs, refuses everything
// ambiguous (RFC 9112 section 6.3: two lengths, length with chunks, folded lines) and enforces
// every limit while bytes arrive. Pure: no sockets, no clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace deckwatch::server {

struct HttpLimits {
  size_t max_head_bytes = 32 << 10;
  size_t max_headers = 64;
  size_t max_target_bytes = 8 << 10;
  size_t max_path_bytes = 1 << 10;   // without the query string
  size_t max_body_bytes = 32 << 20;  // after removing chunk framing, and again after decompression
};

// A complete request whose framing is beyond doubt. The body is free of chunk framing.
struct RawRequest {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool keep_alive = true;

  std::string_view Header(std::string_view name) const;  // any case; first one; "" when absent
};

bool EqualsIgnoreCase(std::string_view a, std::string_view b);

class RequestFramer {
 public:
  enum class State { kNeedMore, kDone, kBad };

  explicit RequestFramer(const HttpLimits& limits) : limits_(limits) {}

  // Takes the bytes of one request from the front of `in` as far as they are there. After kDone
  // call Take; what is left in `in` belongs to the next request. After kBad the connection must be
  // closed once error_status() was answered.
  State Feed(std::string* in);
  RawRequest Take();

  int error_status() const { return error_status_; }
  std::string_view error() const { return error_; }
  // True once per request that waits for "100 Continue" before it sends its body.
  bool TakeExpectContinue() { return std::exchange(expect_continue_, false); }
  bool idle() const { return !head_done_; }  // no request begun, as far as the head tells

 private:
  State Bad(int status, std::string_view why);
  State ParseHead(std::string_view head);
  State ParseHeaderLine(std::string_view line);
  State DecideBody();
  State FeedSized(std::string* in);
  State FeedChunked(std::string* in);

  HttpLimits limits_;
  RawRequest request_;
  bool head_done_ = false;
  bool chunked_ = false;
  bool in_trailer_ = false;
  bool expect_continue_ = false;
  bool has_length_ = false;
  bool http10_ = false;
  size_t body_bytes_ = 0;     // Content-Length
  size_t chunk_left_ = 0;     // bytes of the current chunk still to come, its CRLF included
  size_t framing_bytes_ = 0;  // chunk sizes and trailers seen: bounded like a head
  int error_status_ = 0;
  std::string_view error_;
};

}  // namespace deckwatch::server
