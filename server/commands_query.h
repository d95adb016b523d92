// `deckwatch query instant|range|series|labels URL …`.
#pragma once

#include "server/flags.h"

namespace deckwatch::server {

int RunQuery(const ToolCommand& command);

}  // namespace deckwatch::server
