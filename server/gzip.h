// gzip for answers. zlib stays in gzip.cc.
#pragma once

#include <string>
#include <string_view>

namespace deckwatch::server {

// `text` as one gzip member, at zlib's fastest level: answers repeat themselves so much that the
// default level takes twice the time for a few per cent of the text's size.
std::string Gzip(std::string_view text);

}  // namespace deckwatch::server
