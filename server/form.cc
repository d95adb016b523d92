#include "server/form.h"

#include <algorithm>

#include "server/http_framing.h"

namespace deckwatch::server {

namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// %XX and '+'; a broken escape stays as it is.
std::string DecodeComponent(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '%' && i + 2 < s.size() && HexDigit(s[i + 1]) >= 0 && HexDigit(s[i + 2]) >= 0) {
      out += static_cast<char>(HexDigit(s[i + 1]) * 16 + HexDigit(s[i + 2]));
      i += 2;
    } else {
      out += s[i] == '+' ? ' ' : s[i];
    }
  }
  return out;
}

// Takes from `text` what stands before `end`, and `end` with it; all of it when there is no `end`.
std::string_view TakeUntil(std::string_view end, std::string_view* text) {
  const size_t at = text->find(end);
  const std::string_view taken = text->substr(0, at);
  text->remove_prefix(at == std::string_view::npos ? text->size() : at + end.size());
  return taken;
}

std::string_view Trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// The parameter `name` of a header value such as `form-data; name="a"`. False: it has none.
bool FindParameter(std::string_view header, std::string_view name, std::string* out) {
  TakeUntil(";", &header);
  while (!header.empty()) {
    const std::string_view key = Trim(TakeUntil("=", &header));
    std::string value;
    header = Trim(header);
    if (!header.empty() && header.front() == '"') {
      size_t i = 1;
      for (; i < header.size() && header[i] != '"'; ++i) {
        if (header[i] == '\\' && i + 1 < header.size()) ++i;
        value += header[i];
      }
      header.remove_prefix(std::min(i + 1, header.size()));
      TakeUntil(";", &header);
    } else {
      value = Trim(TakeUntil(";", &header));
    }
    if (!EqualsIgnoreCase(key, name)) continue;
    *out = std::move(value);
    return true;
  }
  return false;
}

// The headers of a part that say that it is a field, and of what name.
bool IsField(std::string_view headers, std::string* name) {
  while (!headers.empty()) {
    std::string_view value = TakeUntil("\r\n", &headers);
    const std::string_view key = TakeUntil(":", &value);
    if (!EqualsIgnoreCase(Trim(key), "Content-Disposition")) continue;
    std::string file;
    return FindParameter(value, "name", name) && !FindParameter(value, "filename", &file);
  }
  return false;
}

}  // namespace

void ParseUrlEncoded(std::string_view text, Params* out) {
  while (!text.empty()) {
    std::string_view pair = TakeUntil("&", &text);
    if (pair.empty()) continue;
    std::string name = DecodeComponent(TakeUntil("=", &pair));
    out->emplace_back(std::move(name), DecodeComponent(pair));
  }
}

//   --boundary CRLF headers CRLF CRLF value CRLF --boundary … CRLF --boundary--
void ParseMultipart(std::string_view content_type, std::string_view body, Params* out) {
  std::string boundary;
  if (!FindParameter(content_type, "boundary", &boundary) || boundary.empty()) return;
  const std::string between = "\r\n--" + boundary;
  const std::string_view first = std::string_view(between).substr(2);
  if (body.starts_with(first)) {
    body.remove_prefix(first.size());
  } else {
    TakeUntil(between, &body);  // a preamble
  }
  while (!body.empty() && !body.starts_with("--")) {
    const size_t end = body.find(between);
    if (end == std::string_view::npos) return;
    std::string_view part = body.substr(0, end);
    body.remove_prefix(end + between.size());
    TakeUntil("\r\n", &part);  // the rest of the boundary's line
    const std::string_view headers = TakeUntil("\r\n\r\n", &part);
    std::string name;
    if (IsField(headers, &name)) out->emplace_back(std::move(name), part);
  }
}

}  // namespace deckwatch::server
