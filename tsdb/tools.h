// What `deckwatch tsdb analyze|verify|list` print.
#pragma once

#include <ostream>
#include <string>

#include "base/status.h"

namespace deckwatch::tsdb {

enum class OutputFormat { kText, kJson };

// Bytes on disk by class, series, samples, parts, and the labels with most values and series.
// `limit` bounds each list. The store at `path` must not be open elsewhere.
Status Analyze(const std::string& path, OutputFormat format, size_t limit, std::ostream& out);

// Reads back every byte; prints progress and what is damaged. Corruption when anything is.
Status Verify(const std::string& path, std::ostream& out);

// One line per part: id, level, time range, series, samples, bytes.
Status List(const std::string& path, OutputFormat format, std::ostream& out);

}  // namespace deckwatch::tsdb
