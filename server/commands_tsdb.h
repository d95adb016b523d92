// `deckwatch tsdb analyze|list|verify|repair|snapshot|deletes|undelete|import|export`.
#pragma once

#include "server/flags.h"

namespace deckwatch::server {

int RunTsdb(const ToolCommand& command);

}  // namespace deckwatch::server
