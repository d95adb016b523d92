// Writing what a script loads.
#pragma once

#include "base/status.h"
#include "base/storage.h"
#include "query/promqltest_script.h"

namespace deckwatch::query {

// InvalidArgument when a classic histogram cannot be converted or the store rejects samples.
Status StoreLoad(const LoadCommand& load, Appender* appender);

}  // namespace deckwatch::query
