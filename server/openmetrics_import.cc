#include "server/openmetrics_import.h"

#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "scraper/series_labels.h"
#include "scraper/text_parser.h"
#include "server/series_cache.h"

namespace deckwatch::server {

namespace {

using scraper::LineKind;
constexpr auto kOpen = scraper::TextFormat::kOpenMetrics;
constexpr size_t kReadBytes = 1 << 20;
constexpr size_t kMaxLineBytes = 16 << 20;

class Import {
 public:
  Import(tsdb::History* history, ImportCounts* counts) : history_(history), counts_(*counts) {}

  Status Run(std::istream* in, const std::function<void(const ImportCounts&)>& progress) {
    std::string buffer;
    while (in->good()) {
      const size_t kept = buffer.size();
      if (kept > kMaxLineBytes) {
        ++lines_;
        return At(Status::InvalidArgument("longer than 16 MiB"));
      }
      buffer.resize(kept + kReadBytes);
      in->read(buffer.data() + kept, kReadBytes);
      const auto read = static_cast<size_t>(in->gcount());
      buffer.resize(kept + read);
      counts_.bytes += read;
      TRY(WholeLines(&buffer));
      progress(counts_);
    }
    if (in->bad()) return Status::Io("cannot read the file");
    if (!buffer.empty()) TRY(Line(buffer));
    if (!ended_) return Status::InvalidArgument("data does not end with # EOF");
    for (auto& [name, metadata] : families_) history_->AddMetadata(std::move(metadata));
    return {};
  }

 private:
  // Leaves the beginning of the last line in the buffer.
  Status WholeLines(std::string* buffer) {
    const char* p = buffer->data();
    const char* const end = p + buffer->size();
    while (p < end) {
      const char* newline =
          static_cast<const char*>(std::memchr(p, '\n', static_cast<size_t>(end - p)));
      if (newline == nullptr) break;
      TRY(Line({p, static_cast<size_t>(newline - p)}));
      p = newline + 1;
    }
    buffer->erase(0, static_cast<size_t>(p - buffer->data()));
    return {};
  }

  Status At(const Status& s) const {
    return s.ok() ? s : s.Annotate("line " + std::to_string(lines_));
  }

  Status Line(std::string_view line) {
    ++lines_;
    if (ended_) return At(Status::InvalidArgument("unexpected data after # EOF"));
    const LineKind kind = scraper::ClassifyLine(kOpen, line);
    if (kind == LineKind::kSample) return At(Sample(line));
    if (kind == LineKind::kEof) ended_ = true;
    if (kind == LineKind::kHelp || kind == LineKind::kType || kind == LineKind::kUnit) {
      return At(Meta(kind, line));
    }
    return {};
  }

  Status Meta(LineKind kind, std::string_view line) {
    scraper::MetaLine meta;
    TRY(scraper::ParseMetaLine(kOpen, kind, line, &meta));
    const std::string name(meta.name);
    MetricMetadata& family = families_[name];
    family.name = name;
    if (kind == LineKind::kType) family.type = type_ = meta.type, last_key_.clear();
    if (kind == LineKind::kHelp) family.help = std::move(meta.text);
    if (kind == LineKind::kUnit) family.unit = std::move(meta.text);
    return {};
  }

  Status Sample(std::string_view line) {
    // The key ends with the space before the value, so that it is no part of a longer name.
    if (last_key_.empty() || !line.starts_with(last_key_)) TRY(NewKey(line));
    scraper::SampleTail sample;
    const std::string_view tail = line.substr(last_key_.size());
    if (const char* why = scraper::ParseSampleTail(kOpen, tail, &sample)) {
      return Status::InvalidArgument(std::string(why) + ": " + QuoteGo(tail.substr(0, 40)));
    }
    if (!sample.has_time) return Status::InvalidArgument("the sample has no timestamp");
    ++counts_.samples;
    TRY(history_->Add(series_, sample.t_ms, sample.value));
    if (sample.exemplar.empty()) return {};
    Exemplar exemplar;
    const Status parsed = scraper::ParseExemplar(sample.exemplar, sample.t_ms, &exemplar);
    if (parsed.code() == StatusCode::kOutOfRange) {
      ++counts_.exemplars_too_long;
      return {};
    }
    TRY(parsed);
    history_->AddExemplar(series_, std::move(exemplar));
    return {};
  }

  // Makes series_ that of the line. The same text means another series under another type.
  Status NewKey(std::string_view line) {
    last_key_.clear();
    TRY(text_.Parse(kOpen, line));
    const std::string_view key = line.substr(0, text_.length);
    SeriesCache::Key hash = SeriesCache::KeyOf(key);
    hash.low += static_cast<uint64_t>(type_);
    SeriesRef known = kNoSeries;
    known_.Find({&hash, 1}, {&known, 1});
    if (known != kNoSeries) {
      series_ = static_cast<uint32_t>(known - 1);
    } else {
      LabelsBuilder builder;
      scraper::SetSeriesLabels(type_, text_, &builder);
      TRY_ASSIGN(series_, history_->SeriesOf(builder.Build()));
      known_.Insert(hash, SeriesRef{series_} + 1);
    }
    last_key_ = key;
    return {};
  }

  tsdb::History* const history_;
  ImportCounts& counts_;
  uint64_t lines_ = 0;
  bool ended_ = false;
  MetricType type_ = MetricType::kUnknown;  // of the family the line stands under
  std::map<std::string, MetricMetadata> families_;
  scraper::SeriesText text_;
  SeriesCache known_;  // number of the series + 1
  std::string last_key_;
  uint32_t series_ = 0;  // of last_key_
};

}  // namespace

Status ReadOpenMetrics(std::istream* in, tsdb::History* history,
                       const std::function<void(const ImportCounts&)>& progress,
                       ImportCounts* counts) {
  return Import(history, counts).Run(in, progress);
}

}  // namespace deckwatch::server
