// The tools behind `deckwatch check|query|test|tsdb …`, with promtool's words and exit codes.
#pragma once

#include "server/flags.h"

namespace deckwatch::server {

// Returns the process's exit code: 0 good, 1 failed, 3 lint.
int RunTool(const ToolCommand& command);

}  // namespace deckwatch::server
