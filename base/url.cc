// URLs of the HTTP client: http, https and unix sockets.
#include <algorithm>
#include <charconv>

#include "base/http_client.h"

namespace deckwatch {
namespace {

bool IsUnreserved(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<int> ParsePort(std::string_view text) {
  int port = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (ec != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) {
    return Status::InvalidArgument("bad port " + std::string(text));
  }
  return port;
}

// host, host:port, [v6], [v6]:port; a port that is not given stays as it is.
Status ParseAuthority(std::string_view text, Url* url) {
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return Status::InvalidArgument("missing ']'");
    url->host = text.substr(1, close - 1);
    text.remove_prefix(close + 1);
    if (!text.empty() && text.front() != ':') return Status::InvalidArgument("text after ']'");
    port = text.empty() ? text : text.substr(1);
  } else {
    const size_t colon = text.find(':');
    url->host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
  }
  if (url->host.empty()) return Status::InvalidArgument("no host");
  if (!port.empty()) {
    TRY_ASSIGN(url->port, ParsePort(port));
  }
  return Status::Ok();
}

// unix:///path/of.sock[:/target]
Status ParseUnix(std::string_view rest, Url* url) {
  const size_t split = rest.find(":/");
  url->host = rest.substr(0, split);
  url->target = split == std::string_view::npos ? "/" : rest.substr(split + 1);
  if (url->host.empty() || url->host[0] != '/') {
    return Status::InvalidArgument("a unix socket needs an absolute path");
  }
  return Status::Ok();
}

Status ParseWeb(std::string_view rest, Url* url) {
  url->port = url->scheme == "https" ? 443 : 80;
  const size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, end);
  rest.remove_prefix(end);
  rest = rest.substr(0, rest.find('#'));
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
    url->user_info = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  url->target = rest.empty() || rest[0] != '/' ? "/" + std::string(rest) : std::string(rest);
  return ParseAuthority(authority, url);
}

}  // namespace

Result<Url> Url::Parse(std::string_view text) {
  const auto bad = [](const Status& why) { return why.Annotate("invalid URL"); };
  // Blanks and control bytes would end the request line early or forge headers.
  if (std::any_of(text.begin(), text.end(),
                  [](unsigned char c) { return c <= ' ' || c == 0x7f; })) {
    return bad(Status::InvalidArgument("contains a blank or control character"));
  }
  const size_t mark = text.find("://");
  if (mark == std::string_view::npos) return bad(Status::InvalidArgument("no scheme"));
  Url url;
  url.scheme = text.substr(0, mark);
  std::transform(url.scheme.begin(), url.scheme.end(), url.scheme.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const std::string_view rest = text.substr(mark + 3);
  Status status;
  if (url.scheme == "unix") {
    status = ParseUnix(rest, &url);
  } else if (url.scheme == "http" || url.scheme == "https") {
    status = ParseWeb(rest, &url);
  } else {
    status = Status::InvalidArgument("scheme must be http, https or unix, not " + url.scheme);
  }
  if (!status.ok()) return bad(status);
  return url;
}

std::string Url::ToString() const {
  if (scheme == "unix") return "unix://" + host + (target == "/" ? "" : ":" + target);
  std::string out = scheme + "://";
  out += host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (scheme == "https" ? 443 : 80)) out += ":" + std::to_string(port);
  return out + target;
}

std::string UrlEncode(std::string_view s) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(s.size());
  for (const unsigned char c : s) {
    if (IsUnreserved(c)) {
      out += static_cast<char>(c);
    } else {
      out += {'%', kHex[c >> 4], kHex[c & 15]};
    }
  }
  return out;
}

Result<std::string> UrlDecode(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '+') {
      out += ' ';
    } else if (s[i] != '%') {
      out += s[i];
    } else {
      const int high = i + 2 < s.size() ? HexValue(s[i + 1]) : -1;
      const int low = i + 2 < s.size() ? HexValue(s[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return Status::InvalidArgument("invalid URL escape at byte " + std::to_string(i));
      }
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

}  // namespace deckwatch
