// The two ways in which browsers and tools send parameters: as in URLs, and in parts.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace deckwatch::server {

using Params = std::vector<std::pair<std::string, std::string>>;

// Appends the pairs of application/x-www-form-urlencoded text; a broken escape stays as it is.
void ParseUrlEncoded(std::string_view text, Params* out);

// Appends the fields of a multipart/form-data body (RFC 7578). Files are no parameters and are left
// out, as is what a body that is cut off has not finished. `content_type` names the boundary;
// nothing is appended when it does not.
void ParseMultipart(std::string_view content_type, std::string_view body, Params* out);

}  // namespace deckwatch::server
