#include "scraper/target_writer.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/labels.h"

namespace deckwatch::scraper {

namespace {

// The last three only with extra_scrape_metrics.
constexpr std::array<std::string_view, 8> kOwnSeries = {"up",
                                                        "scrape_duration_seconds",
                                                        "scrape_samples_scraped",
                                                        "scrape_samples_post_metric_relabeling",
                                                        "scrape_series_added",
                                                        "scrape_timeout_seconds",
                                                        "scrape_sample_limit",
                                                        "scrape_body_size_bytes"};
constexpr size_t kBasicSeries = 5;

TextFormat FormatOf(ScrapeProtocol protocol) {
  const bool open = protocol == ScrapeProtocol::kOpenMetricsText0_0_1 ||
                    protocol == ScrapeProtocol::kOpenMetricsText1_0_0;
  return open ? TextFormat::kOpenMetrics : TextFormat::kPrometheus;
}

std::string MediaType(std::string_view content_type) {
  std::string out;
  for (const char c : content_type.substr(0, content_type.find(';'))) {
    if (c != ' ' && c != '\t') out += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  return out;
}

}  // namespace

Result<TextFormat> FormatOfContentType(const std::string& content_type,
                                       const ScrapeConfig& config) {
  const std::string media = MediaType(content_type);
  if (media == "text/plain") return TextFormat::kPrometheus;
  if (media == "application/openmetrics-text") return TextFormat::kOpenMetrics;
  if (config.fallback_protocol && *config.fallback_protocol != ScrapeProtocol::kPrometheusProto) {
    return FormatOf(*config.fallback_protocol);
  }
  if (media.empty()) {
    return Status::InvalidArgument(
        "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol "
        "specified for target");
  }
  return Status::InvalidArgument("received unsupported Content-Type " +
                                 QuoteGo(content_type.substr(0, 100)) +
                                 " and no fallback_scrape_protocol specified for target");
}

TargetWriter::TargetWriter(PageRules rules)
    : rules_(std::move(rules)), group_(rules_.target_labels.Hash()), page_(group_) {}

size_t TargetWriter::own_count() const {
  return rules_.config->extra_metrics ? kOwnSeries.size() : kBasicSeries;
}

Status TargetWriter::ReadPage(FetchResult* fetched, int64_t t_ms, Appender* appender,
                              WriteBatch* batch, PageStats* stats) {
  TRY(fetched->status);
  // An empty page has no format to speak of; it is a good scrape of nothing.
  TextFormat format = TextFormat::kPrometheus;
  if (!fetched->body.empty()) {
    TRY_ASSIGN(format, FormatOfContentType(fetched->content_type, *rules_.config));
  }
  return page_.Read(rules_, format, std::move(fetched->body), t_ms, appender, batch, stats);
}

ScrapeReport TargetWriter::Write(FetchResult fetched, const ScrapeTiming& timing,
                                 Appender* appender) {
  const int64_t t_ms = timing.t_ms;
  ScrapeReport report;
  WriteBatch batch;
  const bool too_large = fetched.status.code() == StatusCode::kResourceExhausted;
  const size_t body_bytes = fetched.body.size();
  if (body_bytes > 0) last_body_bytes_ = body_bytes;
  report.status = ReadPage(&fetched, t_ms, appender, &batch, &report.stats);
  if (!report.status.ok()) page_.MarkAllStale(t_ms, &batch);
  AppendReport(report, timing, too_large ? -1 : static_cast<double>(body_bytes), appender, &batch);
  EndAdopted(t_ms, &batch);
  report.metadata_changed = !batch.metadata.empty();
  report.commit = Commit(appender, batch, &report);
  return report;
}

void TargetWriter::AppendReport(const ScrapeReport& report, const ScrapeTiming& timing,
                                double body_bytes, Appender* appender, WriteBatch* batch) {
  // When the store has no room even for these, their rows hold no series and are skipped.
  if (own_.empty() && !ResolveOwn(appender).ok()) return;
  const double values[] = {report.status.ok() ? 1.0 : 0.0,
                           timing.duration_s,
                           static_cast<double>(report.stats.scraped),
                           static_cast<double>(report.stats.after_relabel),
                           static_cast<double>(report.stats.added),
                           static_cast<double>(timing.timeout_ms) / 1000,
                           static_cast<double>(rules_.config->limits.samples),
                           body_bytes};
  for (size_t i = 0; i < own_.size(); ++i) batch->Add(own_[i], timing.t_ms, values[i]);
}

Status TargetWriter::ResolveOwn(Appender* appender) {
  std::vector<Labels> labels;
  std::vector<LabelsView> views;
  for (size_t i = 0; i < own_count(); ++i) {
    labels.push_back(ReportLabels(rules_.target_labels, kOwnSeries[i]));
  }
  for (const Labels& l : labels) views.push_back(l.view());
  own_.assign(views.size(), kNoSeries);
  const Status status = appender->Resolve(views, group_, own_);
  if (!status.ok()) own_.clear();
  return status;
}

Status TargetWriter::Commit(Appender* appender, const WriteBatch& batch, ScrapeReport* report) {
  const auto count = [&](const AppendResult& r) {
    report->appended += r.appended;
    report->rejected += r.conflicting + r.too_old + r.too_far_ahead;
  };
  TRY_ASSIGN(const AppendResult first, appender->Commit(batch));
  count(first);
  if (first.unknown_ref.empty() && first.unknown_exemplar.empty()) return Status::Ok();
  // The store has forgotten idle series: name them again, then write what is theirs.
  RenewedRefs renewed;
  for (const uint32_t row : first.unknown_ref) renewed.emplace(batch.ref[row], kNoSeries);
  for (const uint32_t i : first.unknown_exemplar)
    renewed.emplace(batch.exemplars[i].ref, kNoSeries);
  TRY(page_.Renew(rules_, appender, &renewed));
  TRY(RenewOwn(appender, &renewed));
  // What is left at kNoSeries is the stale marker of a line that has just vanished, which is of no
  // use to a store that forgot the series, or found no room.
  WriteBatch again;
  for (const uint32_t row : first.unknown_ref) {
    const SeriesRef ref = renewed.at(batch.ref[row]);
    report->stats.unresolved += ref == kNoSeries && !IsStale(batch.value[row]);
    again.Add(ref, batch.t_ms[row], batch.value[row]);
  }
  for (const uint32_t i : first.unknown_exemplar) {
    again.exemplars.push_back({renewed.at(batch.exemplars[i].ref), batch.exemplars[i].exemplar});
  }
  TRY_ASSIGN(const AppendResult second, appender->Commit(again));
  count(second);
  return Status::Ok();
}

Status TargetWriter::RenewOwn(Appender* appender, RenewedRefs* renewed) {
  const std::vector<SeriesRef> before = own_;
  const auto forgotten = [renewed](SeriesRef ref) { return renewed->contains(ref); };
  if (std::none_of(before.begin(), before.end(), forgotten)) return Status::Ok();
  const Status resolved = ResolveOwn(appender);
  if (resolved.code() == StatusCode::kResourceExhausted) return Status::Ok();  // next time again
  TRY(resolved);
  for (size_t i = 0; i < before.size(); ++i) {
    if (const auto it = renewed->find(before[i]); it != renewed->end()) it->second = own_[i];
  }
  return Status::Ok();
}

Status TargetWriter::WriteEnd(int64_t t_ms, Appender* appender) {
  WriteBatch batch;
  page_.MarkAllStale(t_ms, &batch);
  for (const SeriesRef ref : std::exchange(adopted_, {})) batch.Add(ref, t_ms, StaleNan());
  for (const SeriesRef ref : own_) batch.Add(ref, t_ms, StaleNan());
  return batch.ref.empty() ? Status::Ok() : internal::ToStatus(appender->Commit(batch));
}

void TargetWriter::TakeOver(const TargetWriter& old) {
  adopted_ = old.page_.Alive();
  adopted_.insert(adopted_.end(), old.adopted_.begin(), old.adopted_.end());
  adopted_.insert(adopted_.end(), old.own_.begin(), old.own_.end());
  std::sort(adopted_.begin(), adopted_.end());
}

void TargetWriter::EndAdopted(int64_t t_ms, WriteBatch* batch) {
  if (adopted_.empty()) return;
  std::vector<SeriesRef> written = batch->ref;
  std::sort(written.begin(), written.end());
  for (const SeriesRef ref : std::exchange(adopted_, {})) {
    const bool goes_on = std::binary_search(written.begin(), written.end(), ref);
    if (!goes_on) batch->Add(ref, t_ms, StaleNan());
  }
}

}  // namespace deckwatch::scraper
