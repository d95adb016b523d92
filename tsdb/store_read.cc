// Queriers: one view of parts and windows, series united over them by label set.
#include <algorithm>
#include <set>

#include "tsdb/columns.h"
#include "tsdb/store.h"

namespace deckwatch::tsdb {

namespace {

// One place where a series has samples.
struct Source {
  uint32_t part = 0;    // index into View::parts; kHead: the open windows
  uint32_t first = 0;   // ordinal, or group
  uint32_t second = 0;  // column
};
constexpr uint32_t kHead = UINT32_MAX;

// A list of series as one part or the head gave it: sorted, label sets in one text.
struct Found {
  struct Item {
    size_t offset = 0;
    uint32_t length = 0;
    Source source;
  };
  std::string text;
  std::vector<Item> items;

  void Add(LabelsView labels, const Source& source) {
    items.push_back({text.size(), static_cast<uint32_t>(labels.encoded().size()), source});
    text.append(labels.encoded());
  }
};

class ViewOfLabels : public LabelsView {
 public:
  explicit ViewOfLabels(std::string_view trusted) : LabelsView(trusted) {}
};

struct Series {
  std::string_view labels;
  uint32_t first_source = 0;
  uint32_t sources = 0;
};

}  // namespace

class StoreSeriesSet : public SeriesSet {
 public:
  StoreSeriesSet(const Store* store, ViewPtr view, int64_t start_ms, int64_t end_ms,
                 bool latest_only)
      : store_(store),
        view_(std::move(view)),
        start_ms_(start_ms),
        end_ms_(end_ms),
        latest_only_(latest_only) {}

  void Unite(std::vector<Found> lists);

  size_t size() const override { return series_.size(); }
  void GetLabels(size_t i, Labels* out) const override { *out = Labels(LabelsAt(i)); }
  Status Read(size_t i, Columns* out) const override;
  LabelsView LabelsAt(size_t i) const { return ViewOfLabels(series_[i].labels); }

 private:
  Status ReadSource(size_t i, const Source& source, Columns* out) const;
  void ReadHead(const Source& source, Columns* out) const;
  int64_t NewestOf(const Source& source) const;
  Status ReadLatest(size_t i, Columns* out) const;

  const Store* const store_;
  const ViewPtr view_;
  const int64_t start_ms_, end_ms_;
  const bool latest_only_;
  std::vector<Found> lists_;  // own the texts
  std::vector<Series> series_;
  std::vector<Source> sources_;
};

// A pairwise merge of sorted lists: each series moves log(lists) times.
void StoreSeriesSet::Unite(std::vector<Found> lists) {
  lists_ = std::move(lists);
  struct Entry {
    std::string_view labels;
    Source source;
  };
  std::vector<Entry> all;
  std::vector<std::ptrdiff_t> bounds = {0};
  for (const Found& list : lists_) {
    for (const Found::Item& item : list.items) {
      all.push_back({std::string_view(list.text).substr(item.offset, item.length), item.source});
    }
    bounds.push_back(static_cast<std::ptrdiff_t>(all.size()));
  }
  const auto before = [](const Entry& a, const Entry& b) {
    return a.labels != b.labels && SeriesBefore(ViewOfLabels(a.labels), ViewOfLabels(b.labels));
  };
  while (bounds.size() > 2) {
    std::vector<std::ptrdiff_t> next = {0};
    for (size_t i = 2; i < bounds.size(); i += 2) {
      std::inplace_merge(all.begin() + bounds[i - 2], all.begin() + bounds[i - 1],
                         all.begin() + bounds[i], before);
      next.push_back(bounds[i]);
    }
    if (next.back() != bounds.back()) next.push_back(bounds.back());
    bounds = std::move(next);
  }
  sources_.reserve(all.size());
  for (const Entry& e : all) {
    if (series_.empty() || series_.back().labels != e.labels) {
      series_.push_back({e.labels, static_cast<uint32_t>(sources_.size()), 0});
    }
    sources_.push_back(e.source);
    ++series_.back().sources;
  }
}

void StoreSeriesSet::ReadHead(const Source& source, Columns* out) const {
  out->Clear();
  Columns one;
  for (const WindowPtr& w : view_->windows) {
    const GroupWindow* group = w->FindGroup(source.first);
    if (group == nullptr || group->max_ms() < start_ms_ || group->min_ms() > end_ms_) continue;
    group->Read(source.second, start_ms_, end_ms_, &one);
    MergeColumns(std::move(one), out);
    one.Clear();
  }
}

Status StoreSeriesSet::ReadSource(size_t i, const Source& source, Columns* out) const {
  if (source.part == kHead) {
    ReadHead(source, out);
    return {};
  }
  const PartPtr& part = view_->parts[source.part];
  const Status s = part->Read(source.first, start_ms_, end_ms_, out);
  for (const TombstonePtr& t : view_->tombstones) {
    if (!out->empty() && t->Covers(*part) && MatchesAll(t->matchers, LabelsAt(i))) {
      CutRange(t->start_ms, t->end_ms, out);
    }
  }
  return s;
}

int64_t StoreSeriesSet::NewestOf(const Source& source) const {
  if (source.part != kHead) return view_->parts[source.part]->meta().max_ms;
  int64_t newest = INT64_MIN;
  for (const WindowPtr& w : view_->windows) {
    const GroupWindow* group = w->FindGroup(source.first);
    if (group != nullptr) newest = std::max(newest, group->max_ms());
  }
  return newest;
}

// From the newest source back, until no older one can hold a newer sample.
Status StoreSeriesSet::ReadLatest(size_t i, Columns* out) const {
  std::vector<std::pair<int64_t, Source>> by_age;
  for (uint32_t k = 0; k < series_[i].sources; ++k) {
    const Source& source = sources_[series_[i].first_source + k];
    by_age.emplace_back(NewestOf(source), source);
  }
  std::stable_sort(by_age.begin(), by_age.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  Columns one;
  Status worst;
  for (const auto& [newest_ms, source] : by_age) {
    if (!out->empty() && out->t_ms.back() >= newest_ms) break;
    if (const Status s = ReadSource(i, source, &one); !s.ok()) worst = s;
    if (one.empty() || (!out->empty() && one.t_ms.back() <= out->t_ms.back())) continue;
    out->Clear();
    AppendRange(one, one.size() - 1, one.size(), out);
  }
  return worst;
}

Status StoreSeriesSet::Read(size_t i, Columns* out) const {
  out->Clear();
  Status worst;
  if (latest_only_) {
    worst = ReadLatest(i, out);
  } else {
    Columns one;
    const Series& s = series_[i];
    for (uint32_t k = 0; k < s.sources; ++k) {
      const Status read = ReadSource(i, sources_[s.first_source + k], k == 0 ? out : &one);
      if (k > 0) MergeColumns(std::move(one), out);
      one.Clear();
      if (!read.ok()) worst = read;
    }
  }
  if (!worst.ok()) store_->ReportCorruption(worst);
  return worst;
}

// ---- the querier

class StoreQuerier : public Querier {
 public:
  StoreQuerier(const Store* store, ViewPtr view, int64_t oldest_ms)
      : store_(store), view_(std::move(view)), oldest_ms_(oldest_ms) {}

  Result<std::unique_ptr<SeriesSet>> Select(int64_t start_ms, int64_t end_ms,
                                            const std::vector<Matcher>& matchers,
                                            const SelectHints& hints) const override {
    TRY_ASSIGN(auto set, SelectSet(start_ms, end_ms, matchers, hints));
    return std::unique_ptr<SeriesSet>(std::move(set));
  }
  Result<std::vector<std::string>> LabelNames(const LabelQuery& query) const override;
  Result<std::vector<std::string>> LabelValues(const std::string& name,
                                               const LabelQuery& query) const override;
  Result<std::vector<Labels>> Series(const LabelQuery& query) const override;
  Result<std::vector<SeriesExemplars>> Exemplars(const LabelQuery& query) const override {
    return store_->exemplars_.Find(query);
  }

 private:
  Result<std::unique_ptr<StoreSeriesSet>> SelectSet(int64_t start_ms, int64_t end_ms,
                                                    const std::vector<Matcher>& matchers,
                                                    const SelectHints& hints) const;
  Status FindInHead(int64_t start_ms, int64_t end_ms, const std::vector<Matcher>& matchers,
                    std::vector<Found>* lists) const;
  bool HeadOverlaps(int64_t start_ms, int64_t end_ms) const;
  // Label sets of the series that any matcher set of `query` chooses; sorted.
  Status ForEachSeries(const LabelQuery& query, const std::function<bool(LabelsView)>& visit) const;

  const Store* const store_;
  const ViewPtr view_;
  const int64_t oldest_ms_;
};

bool StoreQuerier::HeadOverlaps(int64_t start_ms, int64_t end_ms) const {
  return std::any_of(view_->windows.begin(), view_->windows.end(), [&](const WindowPtr& w) {
    return w->min_ms() <= end_ms && start_ms <= w->max_ms();
  });
}

Status StoreQuerier::FindInHead(int64_t start_ms, int64_t end_ms,
                                const std::vector<Matcher>& matchers,
                                std::vector<Found>* lists) const {
  if (!HeadOverlaps(start_ms, end_ms)) return {};
  TRY_ASSIGN(const Postings ids, SelectPostings(store_->index_, matchers));
  std::vector<SeriesIndex::Entry> entries = store_->index_.Entries(ids);
  std::vector<const GroupWindow*> groups;
  std::erase_if(entries, [&](const SeriesIndex::Entry& e) {
    return std::none_of(view_->windows.begin(), view_->windows.end(), [&](const WindowPtr& w) {
      const GroupWindow* group = w->FindGroup(e.place.group);
      return group != nullptr && group->min_ms() <= end_ms && start_ms <= group->max_ms() &&
             group->HasSamples(e.place.column);
    });
  });
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return SeriesBefore(a.labels, b.labels); });
  Found found;
  for (const SeriesIndex::Entry& e : entries) {
    found.Add(e.labels, {kHead, e.place.group, e.place.column});
  }
  lists->push_back(std::move(found));
  return {};
}

Result<std::unique_ptr<StoreSeriesSet>> StoreQuerier::SelectSet(
    int64_t start_ms, int64_t end_ms, const std::vector<Matcher>& matchers,
    const SelectHints& hints) const {
  start_ms = std::max(start_ms, oldest_ms_);
  auto set = std::make_unique<StoreSeriesSet>(store_, view_, start_ms, end_ms, hints.latest_only);
  std::vector<Found> lists;
  for (uint32_t p = 0; p < view_->parts.size(); ++p) {
    const PartPtr& part = view_->parts[p];
    if (!part->Overlaps(start_ms, end_ms)) continue;
    TRY_ASSIGN(const Postings ordinals, SelectPostings(*part, matchers));
    if (ordinals.empty()) continue;
    Found found;
    TRY(part->GetLabels(ordinals, [&](uint32_t ordinal, LabelsView labels) {
      found.Add(labels, {p, ordinal, 0});
    }));
    lists.push_back(std::move(found));
  }
  TRY(FindInHead(start_ms, end_ms, matchers, &lists));
  set->Unite(std::move(lists));
  return set;
}

Status StoreQuerier::ForEachSeries(const LabelQuery& query,
                                   const std::function<bool(LabelsView)>& visit) const {
  static const std::vector<std::vector<Matcher>> kEverything(1);
  const auto& sets = query.matcher_sets.empty() ? kEverything : query.matcher_sets;
  for (const std::vector<Matcher>& matchers : sets) {
    TRY_ASSIGN(const auto set, SelectSet(query.start_ms, query.end_ms, matchers, {}));
    for (size_t i = 0; i < set->size(); ++i) {
      if (!visit(set->LabelsAt(i))) return {};
    }
  }
  return {};
}

namespace {
std::vector<std::string> Limited(std::set<std::string, std::less<>> all, size_t limit) {
  std::vector<std::string> out;
  for (auto it = all.begin(); it != all.end() && (limit == 0 || out.size() < limit);) {
    out.push_back(std::move(all.extract(it++).value()));
  }
  return out;
}
}  // namespace

Result<std::vector<std::string>> StoreQuerier::LabelNames(const LabelQuery& query) const {
  std::set<std::string, std::less<>> names;
  if (!query.matcher_sets.empty()) {
    TRY(ForEachSeries(query, [&](LabelsView labels) {
      for (const LabelRef l : labels) {
        if (!names.contains(l.name)) names.emplace(l.name);
      }
      return true;
    }));
    return Limited(std::move(names), query.limit);
  }
  const int64_t start_ms = std::max(query.start_ms, oldest_ms_);
  for (const PartPtr& part : view_->parts) {
    if (!part->Overlaps(start_ms, query.end_ms)) continue;
    TRY(part->LabelNames([&](std::string_view n) { names.emplace(n); }));
  }
  if (HeadOverlaps(start_ms, query.end_ms))
    names.merge([&] {
      const auto head = store_->index_.Names();
      return std::set<std::string, std::less<>>(head.begin(), head.end());
    }());
  return Limited(std::move(names), query.limit);
}

Result<std::vector<std::string>> StoreQuerier::LabelValues(const std::string& name,
                                                           const LabelQuery& query) const {
  std::set<std::string, std::less<>> values;
  const auto add = [&](std::string_view v) {
    if (!v.empty() && !values.contains(v)) values.emplace(v);
  };
  if (!query.matcher_sets.empty()) {
    TRY(ForEachSeries(query, [&](LabelsView labels) {
      add(labels.Get(name));
      return true;
    }));
    return Limited(std::move(values), query.limit);
  }
  const int64_t start_ms = std::max(query.start_ms, oldest_ms_);
  for (const PartPtr& part : view_->parts) {
    if (!part->Overlaps(start_ms, query.end_ms)) continue;
    TRY(part->LabelValues(name, add));
  }
  if (HeadOverlaps(start_ms, query.end_ms)) {
    for (const std::string& v : store_->index_.Values(name)) add(v);
  }
  return Limited(std::move(values), query.limit);
}

Result<std::vector<Labels>> StoreQuerier::Series(const LabelQuery& query) const {
  std::set<Labels> all;
  TRY(ForEachSeries(query, [&](LabelsView labels) {
    all.emplace(labels);
    return true;
  }));
  std::vector<Labels> out;
  for (auto it = all.begin(); it != all.end() && (query.limit == 0 || out.size() < query.limit);) {
    out.push_back(std::move(all.extract(it++).value()));
  }
  return out;
}

Result<std::unique_ptr<Querier>> Store::NewQuerier() const {
  return std::unique_ptr<Querier>(std::make_unique<StoreQuerier>(this, view(), OldestAllowedMs()));
}

}  // namespace deckwatch::tsdb
