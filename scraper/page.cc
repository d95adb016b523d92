#include "scraper/page.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace deckwatch::scraper {

namespace {

// Values of Line::entry that are no index: lines without a sample.
constexpr uint32_t kComment = 0xffffffff;
constexpr uint32_t kMeta = 0xfffffffe;  // HELP and UNIT
constexpr uint32_t kEof = 0xfffffffd;
constexpr uint32_t kFirstType = 0xfffffff0;  // TYPE: plus the type it gives
constexpr uint32_t kFirstSpecial = kFirstType;

constexpr int64_t kMaxAheadMs = 10 * 60'000;
constexpr size_t kLookAhead = 4;
constexpr size_t kMaxPageBytes = size_t{1} << 31;  // positions are 32-bit

std::optional<MetricType> TypeOf(uint32_t entry) {
  if (entry < kFirstType || entry >= kEof) return {};
  return static_cast<MetricType>(entry - kFirstType);
}

uint32_t SpecialOf(LineKind kind, MetricType type) {
  switch (kind) {
    case LineKind::kHelp:
    case LineKind::kUnit: return kMeta;
    case LineKind::kType: return kFirstType + static_cast<uint32_t>(type);
    case LineKind::kEof: return kEof;
    default: return kComment;
  }
}

}  // namespace

// Finds lines of the last page by their series part: open addressing over line numbers.
class Page::LineIndex {
 public:
  LineIndex(const std::string& text, const std::vector<Line>& lines) : text_(text), lines_(lines) {
    size_t size = 16;
    while (size < lines.size() * 2) size *= 2;
    slots_.assign(size, 0);
    for (size_t i = lines.size(); i-- > 0;) {
      if (lines[i].entry < kFirstSpecial) *Slot(Key(i)) = static_cast<uint32_t>(i + 1);
    }
  }
  // The number of the first line with this key.
  std::optional<size_t> Find(std::string_view key) {
    const uint32_t found = *Slot(key);
    return found == 0 ? std::nullopt : std::optional<size_t>(found - 1);
  }

 private:
  std::string_view Key(size_t i) const {
    return {text_.data() + lines_[i].begin, lines_[i].key_length};
  }
  uint32_t* Slot(std::string_view key) {
    const size_t mask = slots_.size() - 1;
    size_t at = std::hash<std::string_view>()(key) & mask;
    while (slots_[at] != 0 && Key(slots_[at] - 1) != key) at = (at + 1) & mask;
    return &slots_[at];
  }
  const std::string& text_;
  const std::vector<Line>& lines_;
  std::vector<uint32_t> slots_;  // line number + 1; 0: free
};

// One reading of one page. Nothing in the Page but entries' marks changes before Finish.
class Page::Pass {
 public:
  Pass(Page* page, const PageRules& rules, TextFormat format, const std::string& text, int64_t t_ms,
       WriteBatch* batch, PageStats* stats)
      : page_(*page),
        rules_(rules),
        config_(*rules.config),
        format_(format),
        text_(text),
        t_ms_(t_ms),
        batch_(*batch),
        stats_(*stats),
        predict_(page->format_ == format) {
    generation_ = ++page_.generation_;
    const size_t expected = page_.lines_.size() + 16;
    next_.reserve(expected);
    batch_.ref.reserve(batch_.ref.size() + expected);
    batch_.t_ms.reserve(batch_.t_ms.size() + expected);
    batch_.value.reserve(batch_.value.size() + expected);
  }

  Status Run(Appender* appender) {
    const char* const base = text_.data();
    const char* const end = base + text_.size();
    const char* p = base;
    while (p < end) {
      if (ended_) {
        return Status::InvalidArgument("line " + std::to_string(LineNumber(p)) +
                                       ": unexpected data after # EOF");
      }
      if (predict_ && Predicted(&p, end)) continue;
      const char* newline =
          static_cast<const char*>(std::memchr(p, '\n', static_cast<size_t>(end - p)));
      if (newline == nullptr) newline = end;
      const std::string_view line(p, static_cast<size_t>(newline - p));
      if (Status s = Unpredicted(line); !s.ok())
        return s.Annotate("line " + std::to_string(LineNumber(p)));
      p = newline + 1;
    }
    if (format_ == TextFormat::kOpenMetrics && !ended_) {
      return Status::InvalidArgument("data does not end with # EOF");
    }
    TRY(CheckSampleLimit());
    return Resolve(appender);
  }

  // Makes the page read the last page.
  void Finish(std::string* text) {
    for (const uint32_t e : fresh_) page_.entries_[e].fresh = false;
    if (moved_ || cursor_ != page_.lines_.size()) RetireVanished();
    page_.text_ = std::move(*text);
    page_.lines_ = std::move(next_);
    page_.format_ = format_;
    page_.last_good_ = generation_;
    AppendChangedMetadata();
  }

  // Undoes the marks on the entries and gives back those made for this page.
  void Abandon() {
    for (const Line& line : page_.lines_) {
      if (line.entry >= kFirstSpecial) continue;
      Entry& entry = page_.entries_[line.entry];
      if (entry.seen == generation_) entry.seen = page_.last_good_;
    }
    for (const uint32_t e : fresh_) Free(e);
  }

 private:
  // Takes the line at *p if it repeats the line expected there. False: leave it to the parser.
  bool Predicted(const char** p, const char* end) {
    if (cursor_ == page_.lines_.size()) return false;
    const Line& old = page_.lines_[cursor_];
    const char* const old_line = page_.text_.data() + old.begin;
    const auto left = static_cast<size_t>(end - *p);
    if (left < old.key_length || std::memcmp(*p, old_line, old.key_length) != 0) return false;
    const auto begin = static_cast<uint32_t>(*p - text_.data());
    if (old.entry >= kFirstSpecial) {
      if (left != old.key_length && (*p)[old.key_length] != '\n') return false;
      ended_ = old.entry == kEof;
      type_ = TypeOf(old.entry).value_or(type_);
      next_.push_back({begin, old.length, old.key_length, old.entry, 0});
      *p += old.key_length + 1;
      ++cursor_;
      return true;
    }
    const Entry& entry = page_.entries_[old.entry];
    if (entry.ref == kNoSeries && !entry.dropped) return false;  // try to resolve it again
    if (entry.type != type_) return false;                       // may be named otherwise now
    const char* const tail = *p + old.key_length;
    const uint32_t tail_length = old.length - old.key_length;
    SampleTail sample;
    uint32_t length = old.length;
    if (old.length != 0 && left > old.length && (*p)[old.length] == '\n' &&
        std::memcmp(tail, old_line + old.key_length, tail_length) == 0) {
      sample.value = old.value;
    } else {
      const auto* newline =
          static_cast<const char*>(std::memchr(tail, '\n', static_cast<size_t>(end - tail)));
      if (newline == nullptr) newline = end;
      const std::string_view rest(tail, static_cast<size_t>(newline - tail));
      if (ParseSampleTail(format_, rest, &sample) != nullptr) return false;
      length = static_cast<uint32_t>(newline - *p);
    }
    const Line line{begin, length, old.key_length, old.entry, sample.value};
    if (sample.has_time || !sample.exemplar.empty()) {
      if (!Emit(line, sample).ok()) return false;
    } else {
      EmitPlain(line);
    }
    *p += length + 1;
    ++cursor_;
    ++stats_.predicted;
    return true;
  }

  Status Unpredicted(std::string_view line) {
    const LineKind kind = ClassifyLine(format_, line);
    if (kind != LineKind::kSample) return Special(kind, line);
    TRY(series_.Parse(format_, line));
    SampleTail sample;
    if (const char* why = ParseSampleTail(format_, line.substr(series_.length), &sample)) {
      return Status::InvalidArgument(std::string(why) + ": " +
                                     QuoteGo(line.substr(series_.length, 40)));
    }
    const std::string_view key = line.substr(0, series_.length);
    Line record{static_cast<uint32_t>(line.data() - text_.data()),
                static_cast<uint32_t>(line.size()), static_cast<uint32_t>(key.size()), 0,
                sample.value};
    moved_ = true;
    const std::optional<size_t> old = FindOld(key);
    if (old) cursor_ = *old + 1;
    if (old && page_.entries_[page_.lines_[*old].entry].type == type_) {
      record.entry = page_.lines_[*old].entry;
      const Entry& entry = page_.entries_[record.entry];
      if (entry.ref == kNoSeries && !entry.dropped) TRY(Label(record.entry));
    } else {
      record.entry = NewEntry();
      TRY(Label(record.entry));
    }
    return Emit(record, sample);
  }

  Status Special(LineKind kind, std::string_view line) {
    ended_ = kind == LineKind::kEof;
    MetaLine meta;
    if (kind == LineKind::kHelp || kind == LineKind::kType || kind == LineKind::kUnit) {
      TRY(ParseMetaLine(format_, kind, line, &meta));
      changed_families_.emplace(meta.name);
      if (kind == LineKind::kType) type_ = meta.type;
    }
    const uint32_t special = SpecialOf(kind, meta.type);
    if (special == kComment) return Status::Ok();  // not worth remembering
    moved_ = true;
    const auto length = static_cast<uint32_t>(line.size());
    next_.push_back(
        {static_cast<uint32_t>(line.data() - text_.data()), length, length, special, 0});
    // A changed comment usually stands where the old one stood.
    if (cursor_ == page_.lines_.size()) return Status::Ok();
    const uint32_t old = page_.lines_[cursor_].entry;
    if (old == special || (TypeOf(old) && TypeOf(special))) ++cursor_;
    return Status::Ok();
  }

  std::optional<size_t> FindOld(std::string_view key) {
    if (!predict_ || page_.lines_.empty()) return std::nullopt;
    const std::vector<Line>& lines = page_.lines_;
    for (size_t i = cursor_; i < std::min(cursor_ + kLookAhead, lines.size()); ++i) {
      if (lines[i].entry < kFirstSpecial &&
          key == std::string_view(page_.text_.data() + lines[i].begin, lines[i].key_length)) {
        return i;
      }
    }
    if (!index_) index_.emplace(page_.text_, lines);
    return index_->Find(key);
  }

  uint32_t NewEntry() {
    auto index = static_cast<uint32_t>(page_.entries_.size());
    if (page_.free_.empty()) {
      page_.entries_.emplace_back();
    } else {
      index = page_.free_.back();
      page_.free_.pop_back();
    }
    page_.entries_[index] = {.type = type_, .fresh = true};
    fresh_.push_back(index);
    return index;
  }

  // Gives an entry the labels of series_, or marks it as dropped by relabelling.
  Status Label(uint32_t entry) {
    TRY_ASSIGN(std::optional<Labels> labels, SeriesLabels(rules_, type_, series_));
    if (labels) {
      pending_.push_back({entry, std::move(*labels)});
    } else {
      page_.entries_[entry].dropped = true;
    }
    return Status::Ok();
  }

  void Free(uint32_t entry) {
    page_.entries_[entry] = {};
    page_.free_.push_back(entry);
  }

  // The common case: no time, no exemplar.
  void EmitPlain(const Line& line) {
    next_.push_back(line);
    ++stats_.scraped;
    Entry& entry = page_.entries_[line.entry];
    entry.present = generation_;
    if (entry.dropped) return;
    ++stats_.after_relabel;
    if (entry.seen == generation_) {
      ++stats_.duplicates;
      return;
    }
    entry.seen = generation_;
    AddRow(line, t_ms_, false);
  }

  Status Emit(Line line, const SampleTail& sample) {
    const bool own_time = sample.has_time && config_.honor_timestamps;
    if (sample.has_time || !sample.exemplar.empty()) line.length = 0;
    Exemplar exemplar;
    bool keep_exemplar = false;
    if (!sample.exemplar.empty()) {
      const Status parsed =
          ParseExemplar(sample.exemplar, own_time ? sample.t_ms : t_ms_, &exemplar);
      // Too long is the exemplar's own misfortune; anything else is a malformed page.
      keep_exemplar = parsed.ok();
      if (!parsed.ok() && parsed.code() != StatusCode::kOutOfRange) return parsed;
    }
    const size_t rows_before = batch_.ref.size();
    if (!own_time) {
      EmitPlain(line);
    } else {
      EmitTimed(line, sample.t_ms);
    }
    if (keep_exemplar && batch_.ref.size() > rows_before) {
      exemplars_.push_back({line.entry, std::move(exemplar)});
    }
    return CheckSampleLimit();
  }

  void EmitTimed(const Line& line, int64_t t_ms) {
    next_.push_back(line);
    ++stats_.scraped;
    Entry& entry = page_.entries_[line.entry];
    entry.present = generation_;
    if (entry.dropped) return;
    ++stats_.after_relabel;
    if (t_ms > t_ms_ + kMaxAheadMs) {
      ++stats_.too_far_ahead;
      return;
    }
    if (config_.track_timestamps_staleness) {
      entry.seen = generation_;
    } else {
      moved_ = true;  // if it was subject to staleness before, it ends now
    }
    AddRow(line, t_ms, true);
  }

  void AddRow(const Line& line, int64_t t_ms, bool timed) {
    const SeriesRef ref = page_.entries_[line.entry].ref;
    if (ref == kNoSeries) {
      rows_.push_back({static_cast<uint32_t>(batch_.ref.size()), line.entry, timed});
    }
    batch_.Add(ref, t_ms, line.value);
  }

  Status CheckSampleLimit() const {
    const int64_t limit = config_.limits.samples;
    if (limit == 0 || stats_.after_relabel <= limit) return Status::Ok();
    return Status::ResourceExhausted("sample_limit of " + std::to_string(limit) + " exceeded");
  }

  // Names the new series, and those the store had no room for last time.
  Status Resolve(Appender* appender) {
    std::unordered_map<uint32_t, uint32_t> alias;
    if (!pending_.empty()) {
      std::vector<LabelsView> labels;
      for (const Pending& p : pending_) labels.push_back(p.labels.view());
      std::vector<SeriesRef> refs(labels.size(), kNoSeries);
      const Status status = appender->Resolve(labels, page_.group_, refs);
      if (!status.ok() && status.code() != StatusCode::kResourceExhausted) return status;
      for (size_t i = 0; i < refs.size(); ++i) page_.entries_[pending_[i].entry].ref = refs[i];
      alias = MergeAliases();
      for (const uint32_t e : fresh_) stats_.added += page_.entries_[e].ref != kNoSeries;
      stats_.added -= static_cast<int64_t>(alias.size());
    }
    FillRows(alias);
    for (auto& [entry, exemplar] : exemplars_) {
      const SeriesRef ref = page_.entries_[entry].ref;
      if (ref != kNoSeries) batch_.exemplars.push_back({ref, std::move(exemplar)});
    }
    for (const auto& merged : alias) Free(merged.first);
    return Status::Ok();
  }

  // Different lines may mean one series: labels in another order, or relabelled alike, in one page
  // or in two. They share one entry, so that the second sample counts as a duplicate and a series
  // whose line was rewritten does not end. Maps merged entries to those kept: the one the last page
  // had, else the first of this page.
  std::unordered_map<uint32_t, uint32_t> MergeAliases() {
    std::unordered_map<SeriesRef, uint32_t> owner;
    std::unordered_map<uint32_t, uint32_t> alias;
    for (const Line& line : page_.lines_) {
      if (line.entry < kFirstSpecial) owner.emplace(page_.entries_[line.entry].ref, line.entry);
    }
    for (Line& line : next_) {
      if (line.entry >= kFirstSpecial || !page_.entries_[line.entry].fresh) continue;
      const SeriesRef ref = page_.entries_[line.entry].ref;
      if (ref == kNoSeries) continue;
      const auto [it, first] = owner.emplace(ref, line.entry);
      if (first || it->second == line.entry) continue;
      alias.emplace(line.entry, it->second);
      page_.entries_[it->second].present = generation_;
      page_.entries_[it->second].type = page_.entries_[line.entry].type;
      line.entry = it->second;
    }
    return alias;
  }

  void FillRows(const std::unordered_map<uint32_t, uint32_t>& alias) {
    for (const Row& row : rows_) {
      const SeriesRef ref = page_.entries_[row.entry].ref;
      if (const auto it = alias.find(row.entry); it != alias.end() && !row.timed) {
        Entry& kept = page_.entries_[it->second];
        if (kept.seen == generation_) {
          ++stats_.duplicates;
          if (!GiveWay(row.row, ref)) continue;  // the row keeps kNoSeries: the store skips it
        }
        kept.seen = generation_;
      }
      batch_.ref[row.row] = ref;
      stats_.unresolved += ref == kNoSeries;
    }
  }

  // Of two samples of one series the first of the page wins: takes the series off the row behind
  // `row` that has it. False when there is none.
  bool GiveWay(uint32_t row, SeriesRef ref) {
    for (size_t i = row + size_t{1}; i < batch_.ref.size(); ++i) {
      if (batch_.ref[i] != ref || batch_.t_ms[i] != t_ms_) continue;
      batch_.ref[i] = kNoSeries;
      return true;
    }
    return false;
  }

  // Stale markers for series that were alive and are not in this page; entries without a line go.
  void RetireVanished() {
    const uint32_t alive = page_.last_good_;
    for (const Line& line : page_.lines_) {
      if (line.entry >= kFirstSpecial) continue;
      Entry& entry = page_.entries_[line.entry];
      if (alive != 0 && entry.seen == alive && entry.ref != kNoSeries) {
        batch_.Add(entry.ref, t_ms_, StaleNan());
        entry.seen = 0;
      }
      if (entry.present != generation_ && entry.present != 0) Free(line.entry);
    }
  }

  size_t LineNumber(const char* p) const {
    return 1 + static_cast<size_t>(std::count(text_.data(), p, '\n'));
  }

  void AppendChangedMetadata() {
    if (changed_families_.empty()) return;
    for (MetricMetadata& m : page_.Metadata()) {
      if (changed_families_.contains(m.name)) batch_.metadata.push_back(std::move(m));
    }
  }

  struct Row {
    uint32_t row;
    uint32_t entry;
    bool timed;
  };

  Page& page_;
  const PageRules& rules_;
  const ScrapeConfig& config_;
  const TextFormat format_;
  const std::string& text_;
  const int64_t t_ms_;
  WriteBatch& batch_;
  PageStats& stats_;
  const bool predict_;  // the last page had this format
  uint32_t generation_ = 0;
  size_t cursor_ = 0;   // the line of the last page expected next
  bool ended_ = false;  // # EOF was read
  bool moved_ = false;  // some line was not predicted
  std::vector<Line> next_;
  MetricType type_ = MetricType::kUnknown;  // of the TYPE line that the current line stands under
  SeriesText series_;
  std::optional<LineIndex> index_;
  std::vector<Pending> pending_;
  std::vector<uint32_t> fresh_;  // entries made for this page
  std::vector<Row> rows_;        // rows of the batch whose series has no ref yet
  std::vector<std::pair<uint32_t, Exemplar>> exemplars_;
  std::set<std::string, std::less<>> changed_families_;
};

Status Page::Read(const PageRules& rules, TextFormat format, std::string text, int64_t t_ms,
                  Appender* appender, WriteBatch* batch, PageStats* stats) {
  if (text.size() > kMaxPageBytes) return Status::ResourceExhausted("page is larger than 2 GiB");
  const size_t rows = batch->ref.size();
  const size_t exemplars = batch->exemplars.size();
  Pass pass(this, rules, format, text, t_ms, batch, stats);
  if (Status status = pass.Run(appender); !status.ok()) {
    pass.Abandon();
    batch->ref.resize(rows);
    batch->t_ms.resize(rows);
    batch->value.resize(rows);
    batch->exemplars.resize(exemplars);
    return status;
  }
  pass.Finish(&text);
  return Status::Ok();
}

void Page::MarkAllStale(int64_t t_ms, WriteBatch* batch) {
  if (last_good_ == 0) return;
  for (const Line& line : lines_) {
    if (line.entry >= kFirstSpecial) continue;
    Entry& entry = entries_[line.entry];
    if (entry.seen != last_good_) continue;
    entry.seen = 0;
    if (entry.ref != kNoSeries) batch->Add(entry.ref, t_ms, StaleNan());
  }
  last_good_ = 0;
}

std::vector<SeriesRef> Page::Alive() const {
  std::vector<SeriesRef> out;
  for (const Line& line : lines_) {
    if (line.entry >= kFirstSpecial) continue;
    const Entry& entry = entries_[line.entry];
    if (last_good_ != 0 && entry.seen == last_good_ && entry.ref != kNoSeries) {
      out.push_back(entry.ref);
    }
  }
  return out;
}

MetricType Page::TypeBefore(size_t line) const {
  while (line-- > 0) {
    if (const auto type = TypeOf(lines_[line].entry)) return *type;
  }
  return MetricType::kUnknown;
}

Status Page::Renew(const PageRules& rules, Appender* appender, RenewedRefs* renewed) {
  SeriesText series;
  for (size_t i = 0; i < lines_.size(); ++i) {
    const Line& line = lines_[i];
    if (line.entry >= kFirstSpecial) continue;
    SeriesRef& entry_ref = entries_[line.entry].ref;
    const auto it = renewed->find(entry_ref);
    if (it == renewed->end()) continue;
    // The series parser wants to see a value behind the series.
    TRY(series.Parse(format_, std::string_view(text_).substr(line.begin, line.key_length + 1)));
    TRY_ASSIGN(const std::optional<Labels> labels, SeriesLabels(rules, TypeBefore(i), series));
    if (!labels) continue;
    const LabelsView view = labels->view();
    // A store without room answers kNoSeries: the next page asks again.
    const Status resolved = appender->Resolve({&view, 1}, group_, {&it->second, 1});
    if (!resolved.ok() && resolved.code() != StatusCode::kResourceExhausted) return resolved;
    entry_ref = it->second;
  }
  return Status::Ok();
}

std::vector<MetricMetadata> Page::Metadata() const {
  std::vector<MetricMetadata> out;
  std::unordered_map<std::string, size_t> place;
  MetaLine meta;
  for (const Line& line : lines_) {
    if (line.entry != kMeta && !TypeOf(line.entry)) continue;
    const std::string_view text(text_.data() + line.begin, line.key_length);
    const LineKind kind = ClassifyLine(format_, text);
    if (!ParseMetaLine(format_, kind, text, &meta).ok()) continue;
    const auto [it, first] = place.emplace(meta.name, out.size());
    if (first) out.push_back({std::string(meta.name), MetricType::kUnknown, "", ""});
    MetricMetadata& m = out[it->second];
    if (kind == LineKind::kType) m.type = meta.type;
    if (kind == LineKind::kHelp) m.help = std::move(meta.text);
    if (kind == LineKind::kUnit) m.unit = std::move(meta.text);
  }
  return out;
}

}  // namespace deckwatch::scraper
