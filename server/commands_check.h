// `deckwatch check config|rules|alertmanager|metrics|web-config`.
#pragma once

#include "server/flags.h"

namespace deckwatch::server {

int RunCheck(const ToolCommand& command);

}  // namespace deckwatch::server
