// Turns the outcome of each scrape of one target into what is stored: the page's samples,
// staleness, and the series the scraper adds itself ("up", …). Everything of one scrape is one
// batch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/storage.h"
#include "scraper/fetcher.h"
#include "scraper/page.h"
#include "scraper/series_labels.h"

namespace deckwatch::scraper {

// When one scrape happened.
struct ScrapeTiming {
  int64_t t_ms = 0;  // the timestamp of its samples
  double duration_s = 0;
  int64_t timeout_ms = 0;
};

struct ScrapeReport {
  Status status;  // why the target counts as down
  PageStats stats;
  uint64_t appended = 0;
  uint64_t rejected = 0;  // too old, too far ahead or conflicting, told by the store
  Status commit;          // the store's refusal: nothing of the scrape was kept
  bool metadata_changed = false;
};

// Not thread-safe: one scrape of a target is written at a time.
class TargetWriter {
 public:
  explicit TargetWriter(PageRules rules);

  // Writes one scrape, good or failed.
  ScrapeReport Write(FetchResult fetched, const ScrapeTiming& timing, Appender* appender);

  // Ends every series of the target at `t_ms`, its own included: the target is gone.
  Status WriteEnd(int64_t t_ms, Appender* appender);

  // The series of `old` go on under new rules: what the next good scrape does not have of them
  // becomes stale.
  void TakeOver(const TargetWriter& old);

  const Page& page() const { return page_; }
  size_t last_body_bytes() const { return last_body_bytes_; }

 private:
  Status ReadPage(FetchResult* fetched, int64_t t_ms, Appender* appender, WriteBatch* batch,
                  PageStats* stats);
  void EndAdopted(int64_t t_ms, WriteBatch* batch);
  void AppendReport(const ScrapeReport& report, const ScrapeTiming& timing, double body_bytes,
                    Appender* appender, WriteBatch* batch);
  Status Commit(Appender* appender, const WriteBatch& batch, ScrapeReport* report);
  Status ResolveOwn(Appender* appender);
  Status RenewOwn(Appender* appender, RenewedRefs* renewed);
  size_t own_count() const;

  const PageRules rules_;
  const uint64_t group_;
  Page page_;
  std::vector<SeriesRef> own_;      // of the series added here, in the order of kOwnSeries
  std::vector<SeriesRef> adopted_;  // alive under former rules, sorted
  size_t last_body_bytes_ = 0;
};

// Which of the text formats a Content-Type stands for; InvalidArgument when it is missing or
// unknown and the job has no fallback_scrape_protocol.
Result<TextFormat> FormatOfContentType(const std::string& content_type, const ScrapeConfig& config);

}  // namespace deckwatch::scraper
