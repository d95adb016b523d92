// `deckwatch tsdb analyze|verify|list|deletes|undelete`.
#pragma once

#include <cstdint>
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

// One line per delete whose samples are still on the disk: id, when, until when it can be undone,
// what of which series.
Status Deletes(const std::string& path, OutputFormat format, std::ostream& out);
// NotFound when the delete cannot be undone.
Status Undelete(const std::string& path, uint64_t id);

}  // namespace deckwatch::tsdb
