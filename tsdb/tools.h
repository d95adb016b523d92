// What the `deckwatch tsdb` tools do with a store that no server has open.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "tsdb/db.h"

namespace deckwatch::tsdb {

// Opens a store as it is: nothing is sealed, merged or dropped, no threads. Unavailable while a
// server has it open; NotFound when there is none.
Result<std::unique_ptr<Db>> OpenForTool(const std::string& path);
// The same to store history in; made when missing. `retention_ms` 0: none.
Result<std::unique_ptr<Db>> OpenForImport(const std::string& path, int64_t retention_ms);

enum class OutputFormat { kText, kJson };

// Bytes on disk by class, series, samples, parts, and the labels with most values and series (in
// any one part, or in the head). `limit` bounds each list. The store at `path` must not be open
// elsewhere.
Status Analyze(const std::string& path, OutputFormat format, size_t limit, std::ostream& out);

// Reads back every byte. Corruption, with what is damaged, when anything is. Prints what is known
// to be lost from earlier damage.
Status Verify(const std::string& path, const std::function<void(double done)>& progress,
              std::ostream& out);

// Opens the store, which makes it usable again whatever is damaged, and writes damaged parts anew
// without what cannot be read. Prints what is lost; Corruption when anything is.
Status Repair(const std::string& path, const std::function<void(double done)>& progress,
              std::ostream& out);

// One line per part: id, level, time range, series, samples, bytes; and what is known to be lost.
// As JSON: {"parts": [...], "losses": [...]}.
Status List(const std::string& path, OutputFormat format, std::ostream& out);

// Makes a snapshot below the store and prints its directory.
Status Snapshot(const std::string& path, std::ostream& out);
// "20261120T150405Z-5f0c…": time, then something no other snapshot of that second has.
std::string NewSnapshotName(const Clock& clock);

// One line per delete whose samples are still on the disk: id, when, until when it can be undone,
// what of which series.
Status Deletes(const std::string& path, OutputFormat format, std::ostream& out);
// NotFound when the delete cannot be undone.
Status Undelete(const std::string& path, uint64_t id);

}  // namespace deckwatch::tsdb
