// What this program calls itself.
#pragma once

#include <string_view>

namespace deckwatch::server {

#ifdef DECKWATCH_VERSION
inline constexpr std::string_view kVersion = DECKWATCH_VERSION;
#else
inline constexpr std::string_view kVersion = "0.0.0-dev";
#endif
// The Prometheus release whose API and query language this follows.
inline constexpr std::string_view kPrometheusCompatible = "3.14.0";

}  // namespace deckwatch::server
