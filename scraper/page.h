// The series of one target and the page it answered with last.
//
// Pages repeat: the same lines in the same order, with other numbers. So the i-th line of a new
// page is compared (memcmp) with the i-th line of the last one. When the series part is equal, its
// series is known and only the number is parsed; when the whole line is equal, not even that. Only
// lines that are new go through the text parser, relabelling and Appender::Resolve. Lines that
// moved are found again by a hash index, built only in scrapes that need it.
//
// Cost per known line: one compare of ~100 bytes, one number, ~50 bytes written: 20-50 ns.
// Kept per series: its line in the last page, 24 bytes of line record and 16 of series record.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "base/storage.h"
#include "scraper/series_labels.h"
#include "scraper/text_parser.h"

namespace deckwatch::scraper {

struct PageStats {
  int64_t scraped = 0;        // sample lines
  int64_t after_relabel = 0;  // those that relabelling kept
  int64_t added = 0;          // series that the last page did not have
  int64_t duplicates = 0;     // same series again in one page, without a timestamp; left out
  int64_t too_far_ahead = 0;  // timestamps more than 10 minutes after the scrape; left out
  int64_t unresolved = 0;     // series the store had no room for; left out
  int64_t predicted = 0;      // lines whose series was known from their place in the last page
};

// Refs that the store has forgotten (AppendResult) to those that stand for the series now;
// kNoSeries while unknown.
using RenewedRefs = std::unordered_map<SeriesRef, SeriesRef>;

// Not thread-safe.
class Page {
 public:
  // `group` is passed to Appender::Resolve for every series of this target.
  explicit Page(uint64_t group) : group_(group) {}

  // Reads a page and appends to `batch`: its samples at `t_ms` (or at their own time), stale
  // markers for series it has no longer, exemplars, and metadata that changed. On error nothing was
  // appended and the last page stays; the message names line and reason.
  Status Read(const PageRules& rules, TextFormat format, std::string text, int64_t t_ms,
              Appender* appender, WriteBatch* batch, PageStats* stats);

  // Appends a stale marker for every series that is alive: the scrape failed or the target is gone.
  void MarkAllStale(int64_t t_ms, WriteBatch* batch);

  // Resolves anew those of `renewed` that are series of this page, which the store had forgotten:
  // sets what their keys map to.
  Status Renew(const PageRules& rules, Appender* appender, RenewedRefs* renewed);

  // Families of the last good page.
  std::vector<MetricMetadata> Metadata() const;

  // The series that the next page may end.
  std::vector<SeriesRef> Alive() const;

  size_t series() const { return entries_.size() - free_.size(); }

 private:
  // A line of a page. `entry` is an index into entries_, or one of the special kinds.
  struct Line {
    uint32_t begin = 0;
    uint32_t length =
        0;  // without newline; 0: never equal as a whole (it has a time or an exemplar)
    uint32_t key_length = 0;  // of the series part; of the whole line for special kinds
    uint32_t entry = 0;
    double value = 0;
  };
  struct Entry {
    SeriesRef ref = kNoSeries;               // kNoSeries: dropped, or the store had no room
    uint32_t seen = 0;                       // last page that had a sample subject to staleness
    uint32_t present = 0;                    // last page that had the line
    MetricType type = MetricType::kUnknown;  // under which it got its labels
    bool dropped = false;                    // by relabelling
    bool fresh = false;                      // made for the page being read
  };
  struct Pending {
    uint32_t entry;
    Labels labels;
  };
  class LineIndex;
  class Pass;

  MetricType TypeBefore(size_t line) const;

  const uint64_t group_;
  TextFormat format_ = TextFormat::kPrometheus;
  std::string text_;
  std::vector<Line> lines_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;  // unused places in entries_
  uint32_t generation_ = 0;     // number of the page being read or read last
  uint32_t last_good_ = 0;      // `seen` of the series alive; 0: none
};

}  // namespace deckwatch::scraper
