#pragma once

#include <string>

#include "base/status.h"
#include "dashboard/offscreen.h"

namespace deckwatch::dashboard {

// Writes `image` as PNG without alpha. The file appears whole or not at all: it is written beside
// `path` and renamed. Io with the reason otherwise.
Status WritePng(const Image& image, const std::string& path);

}  // namespace deckwatch::dashboard
