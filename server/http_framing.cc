#include "server/http_framing.h"

#include <algorithm>
#include <charconv>

namespace deckwatch::server {

namespace {

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool IsToken(std::string_view s) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
    const char l = Lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

// Visible ASCII, space, tab and bytes above ASCII: no CR, LF, NUL or other control.
bool IsFieldValue(std::string_view s) {
  return std::all_of(s.begin(), s.end(),
                     [](unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); });
}

bool IsTarget(std::string_view s) {
  return !s.empty() && s[0] == '/' &&
         std::all_of(s.begin(), s.end(), [](unsigned char c) { return c > 0x20 && c != 0x7f; });
}

std::string_view Trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

bool ParseNumber(std::string_view s, int base, size_t* out) {
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), *out, base);
  return ec == std::errc() && end == s.data() + s.size() && !s.empty();
}

}  // namespace

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

std::string_view RawRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoreCase(key, name)) return value;
  }
  return {};
}

RequestFramer::State RequestFramer::Bad(int status, std::string_view why) {
  error_status_ = status;
  error_ = why;
  return State::kBad;
}

RequestFramer::State RequestFramer::Feed(std::string* in) {
  if (!head_done_) {
    const size_t end = in->find("\r\n\r\n");
    if (end == std::string::npos ? in->size() > limits_.max_head_bytes
                                 : end > limits_.max_head_bytes) {
      return Bad(431, "request head is too large");
    }
    if (end == std::string::npos) return State::kNeedMore;
    if (ParseHead(std::string_view(*in).substr(0, end)) == State::kBad) return State::kBad;
    in->erase(0, end + 4);
    head_done_ = true;
  }
  return chunked_ ? FeedChunked(in) : FeedSized(in);
}

RequestFramer::State RequestFramer::ParseHead(std::string_view head) {
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const size_t a = line.find(' ');
  const size_t b = line.rfind(' ');
  if (a == std::string_view::npos || a == b) return Bad(400, "malformed request line");
  const std::string_view method = line.substr(0, a);
  const std::string_view target = line.substr(a + 1, b - a - 1);
  const std::string_view version = line.substr(b + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return Bad(505, "want HTTP/1.1");
  if (!IsToken(method)) return Bad(400, "malformed method");
  if (target.size() > limits_.max_target_bytes ||
      target.substr(0, target.find('?')).size() > limits_.max_path_bytes) {
    return Bad(414, "request target is too long");
  }
  if (!IsTarget(target)) return Bad(400, "malformed request target");
  request_.method = method;
  request_.target = target;
  http10_ = version == "HTTP/1.0";
  for (size_t at = line.size(); at < head.size();) {
    at += 2;
    const size_t end = std::min(head.find("\r\n", at), head.size());
    if (ParseHeaderLine(head.substr(at, end - at)) == State::kBad) return State::kBad;
    at = end;
  }
  return DecideBody();
}

RequestFramer::State RequestFramer::ParseHeaderLine(std::string_view line) {
  if (request_.headers.size() == limits_.max_headers) return Bad(431, "too many headers");
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !IsToken(line.substr(0, colon))) {
    return Bad(400, "malformed header line");
  }
  const std::string_view value = Trim(line.substr(colon + 1));
  if (!IsFieldValue(value)) return Bad(400, "control character in a header");
  request_.headers.emplace_back(line.substr(0, colon), value);
  return State::kNeedMore;
}

RequestFramer::State RequestFramer::DecideBody() {
  for (const auto& [name, value] : request_.headers) {
    if (EqualsIgnoreCase(name, "Content-Length")) {
      if (has_length_) return Bad(400, "Content-Length given twice");
      if (!ParseNumber(value, 10, &body_bytes_)) return Bad(400, "malformed Content-Length");
      has_length_ = true;
    } else if (EqualsIgnoreCase(name, "Transfer-Encoding")) {
      if (chunked_ || !EqualsIgnoreCase(value, "chunked")) {
        return Bad(501, "unsupported Transfer-Encoding");
      }
      chunked_ = true;
    } else if (EqualsIgnoreCase(name, "Expect")) {
      if (!EqualsIgnoreCase(value, "100-continue")) return Bad(417, "unsupported Expect");
      expect_continue_ = true;
    }
  }
  if (chunked_ && (has_length_ || http10_)) return Bad(400, "ambiguous body length");
  if (body_bytes_ > limits_.max_body_bytes) return Bad(413, "request body is too large");
  const std::string_view connection = request_.Header("Connection");
  request_.keep_alive =
      http10_ ? EqualsIgnoreCase(connection, "keep-alive") : !EqualsIgnoreCase(connection, "close");
  return State::kNeedMore;
}

RequestFramer::State RequestFramer::FeedSized(std::string* in) {
  if (in->size() < body_bytes_) return State::kNeedMore;
  if (in->size() == body_bytes_) {
    request_.body = std::move(*in);
    in->clear();
  } else {
    request_.body.assign(*in, 0, body_bytes_);
    in->erase(0, body_bytes_);
  }
  return State::kDone;
}

// Moves whole pieces from `in` to the body; `chunk_left_` counts the current chunk and its CRLF.
RequestFramer::State RequestFramer::FeedChunked(std::string* in) {
  size_t at = 0;
  State state = State::kNeedMore;
  while (state == State::kNeedMore) {
    if (chunk_left_ > 0) {
      const size_t data = chunk_left_ > 2 ? std::min(chunk_left_ - 2, in->size() - at) : 0;
      request_.body.append(*in, at, data);
      at += data;
      chunk_left_ -= data;
      if (chunk_left_ > 2 || in->size() - at < 2) break;
      if (in->compare(at, 2, "\r\n") != 0) return Bad(400, "malformed chunk");
      at += 2;
      chunk_left_ = 0;
    }
    const size_t end = in->find("\r\n", at);
    const size_t line_bytes = (end == std::string::npos ? in->size() : end + 2) - at;
    if (framing_bytes_ + line_bytes > limits_.max_head_bytes + limits_.max_body_bytes / 64) {
      return Bad(431, "too much chunk framing");
    }
    if (end == std::string::npos) break;
    framing_bytes_ += line_bytes;
    const std::string_view line = std::string_view(*in).substr(at, end - at);
    at = end + 2;
    if (in_trailer_) {
      if (line.empty()) state = State::kDone;  // trailers are dropped
      continue;
    }
    size_t size = 0;
    if (!ParseNumber(Trim(line.substr(0, line.find(';'))), 16, &size)) {
      return Bad(400, "malformed chunk size");
    }
    if (size > limits_.max_body_bytes - request_.body.size()) {
      return Bad(413, "request body is too large");
    }
    in_trailer_ = size == 0;
    if (size > 0) chunk_left_ = size + 2;
  }
  in->erase(0, at);
  return state;
}

RawRequest RequestFramer::Take() {
  RawRequest done = std::move(request_);
  *this = RequestFramer(limits_);
  return done;
}

}  // namespace deckwatch::server
