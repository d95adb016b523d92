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

// The groups of the head, by number, that a read looks at: their windows that reach into its range.
using HeadGroups = std::vector<std::vector<const GroupWindow*>>;

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

  // `only_with_samples`: without the series of the head that have no sample in its windows.
  void SetHead(SelectionPtr selection, HeadGroups groups, bool only_with_samples);
  // After SetHead.
  void AddParts(std::vector<std::pair<uint32_t, SelectionPtr>> parts);

  size_t size() const override { return series_.size(); }
  Status Read(size_t i, Columns* out) const override;
  int64_t start_ms() const { return start_ms_; }
  int64_t end_ms() const { return end_ms_; }
  LabelsView LabelsAt(size_t i) const override { return ViewOfLabels(series_[i].labels); }

 private:
  Status ReadSource(size_t i, const Source& source, Columns* out) const;
  void ReadHead(const Source& source, Columns* out) const;
  Status ReadPart(const Source& source, Columns* out) const;
  Status ReadAll(size_t i, Columns* out) const;
  int64_t NewestOf(const Source& source) const;
  Status ReadLatest(size_t i, Columns* out) const;

  const Store* const store_;
  const ViewPtr view_;
  const int64_t start_ms_, end_ms_;
  const bool latest_only_;
  std::vector<SelectionPtr> selections_;  // own the texts
  HeadGroups head_;
  std::vector<Series> series_;
  std::vector<Source> sources_;
  // Cursors that nobody reads with at the moment, by part. Threads read stretches of series, so
  // each finds the one it left.
  using Cursors = std::vector<std::unique_ptr<PartReader::Cursor>>;
  mutable Mutex mutex_;
  mutable std::vector<Cursors> idle_ GUARDED_BY(mutex_);
};

void StoreSeriesSet::SetHead(SelectionPtr selection, HeadGroups groups, bool only_with_samples) {
  head_ = std::move(groups);
  series_.reserve(selection->items.size());
  sources_.reserve(selection->items.size());
  for (const Selection::Item& item : selection->items) {
    const std::vector<const GroupWindow*>& windows = head_[item.first];
    const auto has = [&item](const GroupWindow* w) { return w->HasSamples(item.second); };
    if (windows.empty() ||
        (only_with_samples && std::none_of(windows.begin(), windows.end(), has))) {
      continue;
    }
    series_.push_back({selection->Labels(item), static_cast<uint32_t>(sources_.size()), 1});
    sources_.push_back({kHead, item.first, item.second});
  }
  selections_.push_back(std::move(selection));
}

// A pairwise merge of sorted lists: each series moves log(lists) times.
void StoreSeriesSet::AddParts(std::vector<std::pair<uint32_t, SelectionPtr>> parts) {
  if (parts.empty()) return;
  struct Entry {
    std::string_view labels;
    Source source;
  };
  std::vector<Entry> all;
  std::vector<std::ptrdiff_t> bounds = {0};
  for (auto& [part, list] : parts) {
    for (const Selection::Item& item : list->items) {
      all.push_back({list->Labels(item), {part, item.first, 0}});
    }
    bounds.push_back(static_cast<std::ptrdiff_t>(all.size()));
    selections_.push_back(std::move(list));
  }
  for (size_t i = 0; i < series_.size(); ++i) all.push_back({series_[i].labels, sources_[i]});
  bounds.push_back(static_cast<std::ptrdiff_t>(all.size()));
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
  series_.clear(), sources_.clear();
  sources_.reserve(all.size());
  for (const Entry& e : all) {
    if (series_.empty() || series_.back().labels != e.labels) {
      series_.push_back({e.labels, static_cast<uint32_t>(sources_.size()), 0});
    }
    sources_.push_back(e.source);
    ++series_.back().sources;
  }
}

// The newest window is read first: what is appended meanwhile can make the answer end later, but
// not leave a gap where one window ends and the next begins.
void StoreSeriesSet::ReadHead(const Source& source, Columns* out) const {
  for (const GroupWindow* w : head_[source.first]) {
    if (w->AppendTo(source.second, start_ms_, end_ms_, latest_only_, out)) continue;
    Columns one;
    w->Read(source.second, start_ms_, end_ms_, &one);
    MergeColumns(std::move(one), out);
  }
}

Status StoreSeriesSet::ReadPart(const Source& source, Columns* out) const {
  std::unique_ptr<PartReader::Cursor> cursor;
  {
    MutexLock lock(mutex_);
    idle_.resize(view_->parts.size());
    Cursors& idle = idle_[source.part];
    const auto near = std::find_if(idle.begin(), idle.end(),
                                   [&](const auto& c) { return c->next() == source.first; });
    if (!idle.empty()) {
      std::swap(near == idle.end() ? idle.back() : *near, idle.back());
      cursor = std::move(idle.back());
      idle.pop_back();
    }
  }
  if (cursor == nullptr) {
    cursor = std::make_unique<PartReader::Cursor>(view_->parts[source.part]);
  }
  const Status s = cursor->Read(source.first, start_ms_, end_ms_, out);
  MutexLock lock(mutex_);
  idle_[source.part].push_back(std::move(cursor));
  return s;
}

Status StoreSeriesSet::ReadSource(size_t i, const Source& source, Columns* out) const {
  if (source.part == kHead) {
    out->Clear();
    ReadHead(source, out);
    return {};
  }
  const PartPtr& part = view_->parts[source.part];
  const Status s = ReadPart(source, out);
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
  for (const GroupWindow* w : head_[source.first]) newest = std::max(newest, w->max_ms());
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

Status StoreSeriesSet::ReadAll(size_t i, Columns* out) const {
  Status worst;
  const Series& s = series_[i];
  for (uint32_t k = 0; k < s.sources; ++k) {
    const Source& source = sources_[s.first_source + k];
    if (source.part == kHead) {
      ReadHead(source, out);
      continue;
    }
    Columns one;
    const Status read = ReadSource(i, source, k == 0 ? out : &one);
    if (k > 0) MergeColumns(std::move(one), out);
    if (!read.ok()) worst = read;
  }
  return worst;
}

Status StoreSeriesSet::Read(size_t i, Columns* out) const {
  out->Clear();
  const Status s = latest_only_ && series_[i].sources > 1 ? ReadLatest(i, out) : ReadAll(i, out);
  if (latest_only_ && out->size() > 1) {
    Columns last;
    AppendRange(*out, out->size() - 1, out->size(), &last);
    *out = std::move(last);
  }
  if (!s.ok()) store_->ReportCorruption(s);
  return s;
}

// ---- the querier

class StoreQuerier : public Querier {
 public:
  StoreQuerier(const Store* store, ViewPtr view, int64_t oldest_ms)
      : store_(store), view_(std::move(view)), oldest_ms_(oldest_ms) {}

  Result<std::unique_ptr<SeriesSet>> Select(int64_t start_ms, int64_t end_ms,
                                            const std::vector<Matcher>& matchers,
                                            const SelectHints& hints) const override {
    TRY_ASSIGN(auto set, SelectSet(start_ms, end_ms, matchers, hints.latest_only, false));
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
                                                    bool latest_only, bool only_with_samples) const;
  Status FindInHead(const std::vector<Matcher>& matchers, bool only_with_samples,
                    StoreSeriesSet* set) const;
  // What `from` selects, from the cache when it was asked before.
  template <typename Place>
  Result<SelectionPtr> Cached(char place, uint64_t version, const Place& from,
                              const std::vector<Matcher>& matchers) const;
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

template <typename Place>
Result<SelectionPtr> StoreQuerier::Cached(char place, uint64_t version, const Place& from,
                                          const std::vector<Matcher>& matchers) const {
  const std::string key = SelectionCache::Key(place, version, matchers);
  if (SelectionPtr kept = store_->selections_.Find(key); kept != nullptr) return kept;
  TRY_ASSIGN(SelectionPtr made, from.Select(matchers));
  store_->selections_.Put(key, made);
  return made;
}

Status StoreQuerier::FindInHead(const std::vector<Matcher>& matchers, bool only_with_samples,
                                StoreSeriesSet* set) const {
  const int64_t start_ms = set->start_ms(), end_ms = set->end_ms();
  if (!HeadOverlaps(start_ms, end_ms)) return {};
  TRY_ASSIGN(SelectionPtr selection,
             Cached('H', store_->index_.version(), store_->index_, matchers));
  HeadGroups groups(selection->groups.empty() ? 0 : selection->groups.back() + 1);
  for (const WindowPtr& w : view_->windows) {
    for (const uint32_t g : selection->groups) {
      const GroupWindow* group = w->FindGroup(g);
      if (group != nullptr && group->min_ms() <= end_ms && start_ms <= group->max_ms()) {
        groups[g].push_back(group);
      }
    }
  }
  set->SetHead(std::move(selection), std::move(groups), only_with_samples);
  return {};
}

Result<std::unique_ptr<StoreSeriesSet>> StoreQuerier::SelectSet(
    int64_t start_ms, int64_t end_ms, const std::vector<Matcher>& matchers, bool latest_only,
    bool only_with_samples) const {
  start_ms = std::max(start_ms, oldest_ms_);
  auto set = std::make_unique<StoreSeriesSet>(store_, view_, start_ms, end_ms, latest_only);
  std::vector<std::pair<uint32_t, SelectionPtr>> parts;
  for (uint32_t p = 0; p < view_->parts.size(); ++p) {
    const PartPtr& part = view_->parts[p];
    if (!part->Overlaps(start_ms, end_ms)) continue;
    TRY_ASSIGN(SelectionPtr found, Cached('P', part->id(), *part, matchers));
    if (!found->items.empty()) parts.emplace_back(p, std::move(found));
  }
  TRY(FindInHead(matchers, only_with_samples, set.get()));
  set->AddParts(std::move(parts));
  return set;
}

Status StoreQuerier::ForEachSeries(const LabelQuery& query,
                                   const std::function<bool(LabelsView)>& visit) const {
  static const std::vector<std::vector<Matcher>> kEverything(1);
  const auto& sets = query.matcher_sets.empty() ? kEverything : query.matcher_sets;
  for (const std::vector<Matcher>& matchers : sets) {
    TRY_ASSIGN(const auto set, SelectSet(query.start_ms, query.end_ms, matchers, false, true));
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
  std::vector<Labels> out;
  TRY(ForEachSeries(query, [&](LabelsView labels) {
    out.emplace_back(labels);
    return true;
  }));
  if (!std::is_sorted(out.begin(), out.end())) std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  if (query.limit > 0 && out.size() > query.limit) out.resize(query.limit);
  return out;
}

Result<std::unique_ptr<Querier>> Store::NewQuerier() const {
  return std::unique_ptr<Querier>(std::make_unique<StoreQuerier>(this, view(), OldestAllowedMs()));
}

}  // namespace deckwatch::tsdb
