#include "tests/query/memory_storage.h"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

#include "query/histogram_math.h"

namespace deckwatch::query {

namespace {

bool SameValue(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

// How Prometheus's store gives back the hint of a histogram behind `previous` (null: behind nothing
// or a float): what continues a chunk is known not to be a reset, and of the first in a chunk
// nothing is known. Whatever may be a reset begins a chunk.
HistogramPtr WithStoredHint(HistogramPtr histogram, const Histogram* previous) {
  if (IsStale(*histogram) || histogram->hint == CounterResetHint::kGauge) return histogram;
  const bool explicit_reset = histogram->hint == CounterResetHint::kReset;
  auto stored = std::make_shared<Histogram>(*histogram);
  stored->hint = CounterResetHint::kUnknown;
  const bool continues =
      !explicit_reset && previous && !IsStale(*previous) &&
      previous->hint != CounterResetHint::kGauge && stored->schema == previous->schema &&
      stored->zero_threshold == previous->zero_threshold &&
      stored->custom_values == previous->custom_values && !DetectReset(*stored, *previous);
  if (continues) stored->hint = CounterResetHint::kNotReset;
  return stored;
}

// The order of SeriesSet: metric name first.
bool NameFirst(LabelsView a, LabelsView b) {
  if (a.MetricName() != b.MetricName()) return a.MetricName() < b.MetricName();
  return a < b;
}

}  // namespace

// ---- reading

class MemoryStorage::Selection : public SeriesSet {
 public:
  Selection(int64_t start_ms, int64_t end_ms, const SelectHints& hints,
            std::vector<SeriesPtr> series)
      : start_ms_(start_ms),
        end_ms_(end_ms),
        latest_float_(hints.latest_float),
        any_value_(hints.any_value),
        series_(std::move(series)) {}

  size_t size() const override { return series_.size(); }
  LabelsView LabelsAt(size_t i) const override { return series_[i]->labels; }
  Status Read(size_t i, Columns* out) const override {
    const Columns& all = series_[i]->columns;
    auto from = std::ranges::lower_bound(all.t_ms, start_ms_) - all.t_ms.begin();
    const auto to = std::ranges::upper_bound(all.t_ms, end_ms_) - all.t_ms.begin();
    if (latest_float_ && from < to) {
      const auto last = static_cast<size_t>(to - 1);
      const bool histogram = !all.histogram.empty() && all.histogram[last] != nullptr;
      if (!histogram && !IsStale(all.value[last])) from = to - 1;
    }
    const auto copy = [&](const auto& column, auto* slice) {
      slice->clear();
      if (!column.empty() && from < to) slice->assign(column.begin() + from, column.begin() + to);
    };
    copy(all.t_ms, &out->t_ms);
    copy(all.value, &out->value);
    copy(all.histogram, &out->histogram);
    copy(all.start_ms, &out->start_ms);
    // Who looks at the values all the same gets wrong ones.
    for (size_t k = 0; any_value_ && k < out->size(); ++k) {
      if (!IsStale(out->value[k])) out->value[k] = -987654.321;
    }
    return Status::Ok();
  }

 private:
  int64_t start_ms_;
  int64_t end_ms_;
  bool latest_float_;
  bool any_value_;
  std::vector<SeriesPtr> series_;
};

class MemoryStorage::View : public Querier {
 public:
  // `series` in the order of SeriesSet.
  explicit View(std::vector<SeriesPtr> series) : series_(std::move(series)) {}

  Result<std::unique_ptr<SeriesSet>> Select(int64_t start_ms, int64_t end_ms,
                                            const std::vector<Matcher>& matchers,
                                            const SelectHints& hints) const override {
    std::vector<SeriesPtr> found;
    for (const SeriesPtr& s : series_) {
      if (MatchesAll(matchers, s->labels) && InRange(*s, start_ms, end_ms)) found.push_back(s);
    }
    return std::unique_ptr<SeriesSet>(
        std::make_unique<Selection>(start_ms, end_ms, hints, std::move(found)));
  }

  Result<std::vector<std::string>> LabelNames(const LabelQuery& query) const override {
    std::set<std::string> names;
    for (const SeriesPtr& s : Matching(query)) {
      for (LabelRef l : s->labels) names.emplace(l.name);
    }
    return Limited(std::vector<std::string>(names.begin(), names.end()), query.limit);
  }

  Result<std::vector<std::string>> LabelValues(const std::string& name,
                                               const LabelQuery& query) const override {
    std::set<std::string> values;
    for (const SeriesPtr& s : Matching(query)) {
      if (s->labels.Has(name)) values.emplace(s->labels.Get(name));
    }
    return Limited(std::vector<std::string>(values.begin(), values.end()), query.limit);
  }

  Result<std::vector<Labels>> Series(const LabelQuery& query) const override {
    std::vector<Labels> found;
    for (const SeriesPtr& s : Matching(query)) found.push_back(s->labels);
    std::ranges::sort(found);
    return Limited(std::move(found), query.limit);
  }

  Result<std::vector<SeriesExemplars>> Exemplars(const LabelQuery& query) const override {
    std::vector<SeriesExemplars> found;
    for (const SeriesPtr& s : Matching(query)) {
      SeriesExemplars one{s->labels, {}};
      for (const Exemplar& e : s->exemplars) {
        if (e.t_ms >= query.start_ms && e.t_ms <= query.end_ms) one.exemplars.push_back(e);
      }
      if (!one.exemplars.empty()) found.push_back(std::move(one));
    }
    return found;
  }

 private:
  static bool InRange(const MemoryStorage::Series& s, int64_t start_ms, int64_t end_ms) {
    const auto first = std::ranges::lower_bound(s.columns.t_ms, start_ms);
    return first != s.columns.t_ms.end() && *first <= end_ms;
  }

  std::vector<SeriesPtr> Matching(const LabelQuery& query) const {
    std::vector<SeriesPtr> found;
    for (const SeriesPtr& s : series_) {
      const auto matches = [&](const auto& set) { return MatchesAll(set, s->labels); };
      const bool wanted =
          query.matcher_sets.empty() || std::ranges::any_of(query.matcher_sets, matches);
      if (wanted && InRange(*s, query.start_ms, query.end_ms)) found.push_back(s);
    }
    return found;
  }

  template <typename T>
  static std::vector<T> Limited(std::vector<T> all, size_t limit) {
    if (limit > 0 && all.size() > limit) all.resize(limit);
    return all;
  }

  std::vector<SeriesPtr> series_;
};

Result<std::unique_ptr<Querier>> MemoryStorage::NewQuerier() const {
  std::vector<SeriesPtr> series;
  {
    MutexLock lock(mutex_);
    series = series_;
  }
  std::ranges::sort(series, [](const SeriesPtr& a, const SeriesPtr& b) {
    return NameFirst(a->labels, b->labels);
  });
  return std::unique_ptr<Querier>(std::make_unique<View>(std::move(series)));
}

// ---- writing

Status MemoryStorage::Resolve(std::span<const LabelsView> labels, uint64_t,
                              std::span<SeriesRef> refs) {
  MutexLock lock(mutex_);
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto [it, is_new] =
        refs_.try_emplace(std::string(labels[i].encoded()), series_.size() + 1);
    if (is_new) series_.push_back(std::make_shared<Series>(Series{Labels(labels[i]), {}, {}}));
    refs[i] = it->second;
  }
  return Status::Ok();
}

MemoryStorage::Series* MemoryStorage::Writable(SeriesRef ref,
                                               std::map<SeriesRef, Series*>* touched) {
  if (ref == kNoSeries || ref > series_.size()) return nullptr;
  Series*& writable = (*touched)[ref];
  if (!writable) {
    auto copy = std::make_shared<Series>(*series_[ref - 1]);
    writable = copy.get();
    series_[ref - 1] = std::move(copy);
  }
  return writable;
}

void MemoryStorage::Insert(Columns* c, int64_t t_ms, double value, HistogramPtr histogram,
                           int64_t start_ms, AppendResult* result) {
  const auto at = std::ranges::lower_bound(c->t_ms, t_ms) - c->t_ms.begin();
  if (static_cast<size_t>(at) < c->size() && c->t_ms[at] == t_ms) {
    const HistogramPtr stored = c->histogram.empty() ? nullptr : c->histogram[at];
    const bool same =
        histogram ? stored && *stored == *histogram : !stored && SameValue(c->value[at], value);
    ++(same ? result->duplicate : result->conflicting);
    return;
  }
  if (histogram) {
    if (c->histogram.empty()) c->histogram.resize(c->size());
    histogram = WithStoredHint(std::move(histogram), at > 0 ? c->histogram[at - 1].get() : nullptr);
  }
  if (start_ms != 0 && c->start_ms.empty()) c->start_ms.resize(c->size());
  const bool histograms = histogram || !c->histogram.empty();
  const bool starts = start_ms != 0 || !c->start_ms.empty();
  c->t_ms.insert(c->t_ms.begin() + at, t_ms);
  c->value.insert(c->value.begin() + at, value);
  if (histograms) c->histogram.insert(c->histogram.begin() + at, std::move(histogram));
  if (starts) c->start_ms.insert(c->start_ms.begin() + at, start_ms);
  ++result->appended;
}

Result<AppendResult> MemoryStorage::Commit(const WriteBatch& batch) {
  AppendResult result;
  std::map<SeriesRef, Series*> touched;
  MutexLock lock(mutex_);
  for (size_t i = 0; i < batch.ref.size(); ++i) {
    if (batch.ref[i] == kNoSeries) continue;
    if (Series* s = Writable(batch.ref[i], &touched)) {
      const int64_t start_ms = batch.start_ms.empty() ? 0 : batch.start_ms[i];
      Insert(&s->columns, batch.t_ms[i], batch.value[i], nullptr, start_ms, &result);
    } else {
      result.unknown_ref.push_back(static_cast<uint32_t>(i));
    }
  }
  for (const WriteBatch::HistogramSample& h : batch.histograms) {
    if (Series* s = Writable(h.ref, &touched)) {
      Insert(&s->columns, h.t_ms, 0, h.value, h.start_ms, &result);
    }
  }
  for (const WriteBatch::ExemplarSample& e : batch.exemplars) {
    if (Series* s = Writable(e.ref, &touched)) s->exemplars.push_back(e.exemplar);
  }
  return result;
}

void MemoryStorage::Add(const Labels& labels, int64_t start_ms, int64_t step_ms,
                        const std::vector<double>& values) {
  const LabelsView view = labels;
  SeriesRef ref = kNoSeries;
  CHECK(Resolve({&view, 1}, 0, {&ref, 1}).ok());
  WriteBatch batch;
  for (size_t i = 0; i < values.size(); ++i) {
    batch.Add(ref, start_ms + static_cast<int64_t>(i) * step_ms, values[i]);
  }
  CHECK(Commit(batch).ok());
}

}  // namespace deckwatch::query
