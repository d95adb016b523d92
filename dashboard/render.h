// The picture command: one page of the desktop as PNG, without a display.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "dashboard/app.h"

namespace deckwatch::dashboard {

struct RenderOptions {
  AppOptions app;
  int width = 1920, height = 1080;
  float scale = 1;
  std::string out;
  int64_t wait_ms = 10'000;  // for a server that is starting or has not scraped yet
};

// Waits until the page has its data or the time is over, then writes the picture; what is missing
// is said in it. Unavailable after writing when the server was not reached.
Status RenderPicture(const RenderOptions& options, Transport transport, const Clock* clock);

}  // namespace deckwatch::dashboard
