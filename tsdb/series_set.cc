#include "tsdb/series_set.h"

#include <algorithm>
#include <utility>

#include "tsdb/columns.h"

namespace deckwatch::tsdb {

StoreSeriesSet::StoreSeriesSet(const Store* store, ViewPtr view, std::shared_ptr<LossNotes> lost,
                               Range range, SelectionPtr selection,
                               const std::vector<PartPtr>& parts)
    : store_(store),
      view_(std::move(view)),
      lost_(std::move(lost)),
      range_(range),
      selection_(std::move(selection)) {
  for (const PartPtr& part : parts) {
    Place place{part, {}};
    for (const TombstonePtr& t : view_->tombstones) {
      if (part != nullptr && t->Covers(*part)) place.hidden.push_back(t);
    }
    places_.push_back(std::move(place));
  }
  {
    MutexLock lock(mutex_);
    idle_.resize(places_.size());
  }
  const std::vector<uint32_t>& groups = selection_->groups();
  if (groups.empty()) return;
  const size_t per_group = view_->windows.size();
  windows_.resize((groups.back() + 1) * per_group);
  for (size_t w = 0; w < per_group; ++w) {
    for (const uint32_t g : groups) {
      const GroupWindow* group = view_->windows[w]->FindGroup(g);
      if (view_->windows[w]->IsUnread(g)) {
        lost_->Add("rows of an open window cannot be read at the moment");
      }
      if (group != nullptr && group->min_ms() <= range_.end_ms &&
          range_.start_ms <= group->max_ms()) {
        windows_[g * per_group + w] = group;
      }
    }
  }
}

// One thread's way through a stretch of series.
class StoreSeriesSet::Reader {
 public:
  explicit Reader(const StoreSeriesSet& set) : set_(set), cursors_(set.places_.size()) {}
  ~Reader() {
    MutexLock lock(set_.mutex_);
    for (size_t place = 0; place < cursors_.size(); ++place) {
      if (cursors_[place] != nullptr) set_.idle_[place].push_back(std::move(cursors_[place]));
    }
  }

  // What cannot be read is left out of `out`.
  Status Read(size_t i, Columns* out) {
    const Status s = ReadNeeded(i, out);
    if (!IsUnreadable(s)) return s;
    set_.lost_->Add(s.message());
    return {};
  }

 private:
  enum class Take { kAll, kLatest };  // kLatest: at least the newest

  Status ReadNeeded(size_t i, Columns* out);
  Status ReadAll(size_t i, Columns* out);
  Status ReadLatest(size_t i, Columns* out);
  Status ReadPart(size_t i, const Source& source, Take take, Columns* out);
  void ReadHead(const Source& source, Take take, Columns* out);
  Status ReadLatestOf(size_t i, const Source& source, Columns* out);
  int64_t NewestOf(const Source& source) const {
    const PartPtr& part = set_.places_[source.place].part;
    return part == nullptr ? INT64_MAX : part->meta().max_ms;
  }
  Cursor& CursorOf(const Source& source);

  const StoreSeriesSet& set_;
  Cursors cursors_;  // by place; made when first needed
  Columns one_;
};

StoreSeriesSet::Cursor& StoreSeriesSet::Reader::CursorOf(const Source& source) {
  auto& cursor = cursors_[source.place];
  if (cursor != nullptr) return *cursor;
  const Place& place = set_.places_[source.place];
  {
    MutexLock lock(set_.mutex_);
    Cursors& idle = set_.idle_[source.place];
    if (!idle.empty()) {
      const auto near = std::find_if(idle.begin(), idle.end(),
                                     [&](const auto& c) { return c->at.next() == source.first; });
      std::swap(near == idle.end() ? idle.back() : *near, idle.back());
      cursor = std::move(idle.back());
      idle.pop_back();
      return *cursor;
    }
  }
  constexpr size_t kClocks = 256;
  const Range& range = set_.range_;
  const Want want = range.any_value ? Want::kNans : Want::kValues;
  const auto span = [&](bool latest_only) {
    return PartReader::Span(range.start_ms, range.end_ms, latest_only, kClocks, want);
  };
  // Of what is partly deleted, an older sample may be the newest.
  cursor.reset(new Cursor{PartReader::Cursor(place.part), span(false), span(place.hidden.empty())});
  return *cursor;
}

Status StoreSeriesSet::Reader::ReadPart(size_t i, const Source& source, Take take, Columns* out) {
  Cursor& cursor = CursorOf(source);
  PartReader::Span& span = take == Take::kAll ? cursor.all : cursor.latest;
  const Status s = cursor.at.Read(source.first, &span, out);
  if (!s.ok()) set_.store_->Suspect(*set_.places_[source.place].part, s);
  for (const TombstonePtr& t : set_.places_[source.place].hidden) {
    if (!out->empty() && MatchesAll(t->matchers, set_.LabelsAt(i))) {
      CutRange(t->start_ms, t->end_ms, out);
    }
  }
  return s;
}

// After what is in `out`, or united with it.
void StoreSeriesSet::Reader::ReadHead(const Source& source, Take take, Columns* out) {
  const Range& range = set_.range_;
  const bool latest_only = take == Take::kLatest;
  for (const GroupWindow* w : set_.WindowsOf(source.first)) {
    if (w == nullptr ||
        w->AppendTo(source.second, range.start_ms, range.end_ms, latest_only, out)) {
      continue;
    }
    Columns one;
    w->Read(source.second, range.start_ms, range.end_ms, &one);
    MergeColumns(std::move(one), out);
  }
}

Status StoreSeriesSet::Reader::ReadAll(size_t i, Columns* out) {
  Status worst;
  out->Clear();
  for (const Source& source : set_.selection_->SourcesOf(i)) {
    if (set_.places_[source.place].part == nullptr) {
      ReadHead(source, Take::kAll, out);
      continue;
    }
    const bool first = out->empty();
    if (const Status s = ReadPart(i, source, Take::kAll, first ? out : &one_); !s.ok()) worst = s;
    if (!first) MergeColumns(std::move(one_), out);
  }
  return worst;
}

Status StoreSeriesSet::Reader::ReadLatestOf(size_t i, const Source& source, Columns* out) {
  if (set_.places_[source.place].part != nullptr) return ReadPart(i, source, Take::kLatest, out);
  out->Clear();
  ReadHead(source, Take::kLatest, out);
  return {};
}

Status StoreSeriesSet::Reader::ReadNeeded(size_t i, Columns* out) {
  const Range& range = set_.range_;
  if (!range.latest_only && !range.latest_float) return ReadAll(i, out);
  const Status s = ReadLatest(i, out);
  if (range.latest_only || out->empty()) return s;
  const bool histogram = !out->histogram.empty() && out->histogram.back() != nullptr;
  return histogram || IsStale(out->value.back()) ? ReadAll(i, out) : s;
}

namespace {
void KeepLast(Columns* c) {
  if (c->size() <= 1) return;
  Columns last;
  AppendRange(*c, c->size() - 1, c->size(), &last);
  *c = std::move(last);
}
}  // namespace

// From the newest source back, until no older one can hold a newer sample.
Status StoreSeriesSet::Reader::ReadLatest(size_t i, Columns* out) {
  const std::span<const Source> sources = set_.selection_->SourcesOf(i);
  if (sources.size() == 1) {
    const Status s = ReadLatestOf(i, sources[0], out);
    KeepLast(out);
    return s;
  }
  Status worst;
  out->Clear();
  int64_t before_ms = INT64_MAX;
  for (size_t read = 0; read < sources.size();) {
    // Those as new as the newest that was not read yet; sources are few.
    int64_t newest_ms = INT64_MIN;
    for (const Source& s : sources) {
      const int64_t ms = NewestOf(s);
      if (read == 0 || ms < before_ms) newest_ms = std::max(newest_ms, ms);
    }
    if (!out->empty() && out->t_ms.back() >= newest_ms) break;
    for (const Source& source : sources) {
      if (NewestOf(source) != newest_ms) continue;
      ++read;
      if (const Status s = ReadLatestOf(i, source, &one_); !s.ok()) worst = s;
      if (one_.empty() || (!out->empty() && one_.t_ms.back() <= out->t_ms.back())) continue;
      KeepLast(&one_);
      std::swap(*out, one_);
    }
    before_ms = newest_ms;
  }
  return worst;
}

Status StoreSeriesSet::Read(size_t i, Columns* out) const {
  return Reader(*this).Read(i, out);
}

Result<bool> StoreSeriesSet::HasSamples(size_t i) const {
  for (const Source& source : selection_->SourcesOf(i)) {
    const Place& place = places_[source.place];
    const auto hides = [&](const TombstonePtr& t) {
      return t->start_ms <= range_.end_ms && range_.start_ms <= t->end_ms &&
             MatchesAll(t->matchers, LabelsAt(i));
    };
    if (std::any_of(place.hidden.begin(), place.hidden.end(), hides)) {
      Columns left;
      TRY(Read(i, &left));
      return !left.empty();
    }
  }
  for (const Source& source : selection_->SourcesOf(i)) {
    if (places_[source.place].part != nullptr) return true;
    for (const GroupWindow* w : WindowsOf(source.first)) {
      if (w != nullptr && w->HasSamples(source.second)) return true;
    }
  }
  return false;
}

Status StoreSeriesSet::ReadEach(size_t begin, size_t end, const Visit& visit) const {
  Reader reader(*this);
  Columns columns;
  for (size_t i = begin; i < end; ++i) {
    TRY(reader.Read(i, &columns));
    TRY(visit(i, &columns));
  }
  return {};
}

Status StoreSeriesSet::ReadLatest(size_t begin, size_t end, LatestSamples* out) const {
  Reader reader(*this);
  Columns columns;
  out->Reset(end - begin);
  for (size_t i = begin; i < end; ++i) {
    TRY(reader.Read(i, &columns));
    if (columns.empty()) continue;
    out->Set(i - begin, columns.t_ms.back(), columns.value.back(),
             columns.histogram.empty() ? nullptr : std::move(columns.histogram.back()));
  }
  return {};
}

}  // namespace deckwatch::tsdb
