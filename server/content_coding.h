// Compressed answers. zlib and zstd stay in content_coding.cc.
#pragma once

#include <string>
#include <string_view>

namespace deckwatch::server {

enum class ContentCoding { kIdentity, kGzip, kZstd };

// What to send to a client with this Accept-Encoding: of gzip and zstd the one it prefers, zstd
// when it takes both alike; identity when it takes neither.
ContentCoding ChooseCoding(std::string_view accept_encoding);
// As the header Content-Encoding names it.
std::string_view CodingName(ContentCoding coding);

// `text` as one gzip member, at zlib's fastest level: answers repeat themselves so much that the
// default level takes twice the time for a few per cent of the text's size.
std::string Gzip(std::string_view text);
// `text` as one zstd frame, for the same reason at level 1.
std::string Zstd(std::string_view text);

}  // namespace deckwatch::server
