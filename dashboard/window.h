// The desktop in a window: GLFW and OpenGL 3. Sleeps until an event, an answer or the next refresh.
#pragma once

#include "base/status.h"
#include "dashboard/app.h"

namespace deckwatch::dashboard {

// Runs until the window is closed. Unavailable when there is no display or no OpenGL.
Status RunWindow(const AppOptions& options, Transport transport, const Clock* clock);

}  // namespace deckwatch::dashboard
