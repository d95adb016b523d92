// Commit: from a batch to row records in the log and columns in memory.
#include <algorithm>
#include <mutex>

#include "base/bytes.h"
#include "base/log.h"
#include "tsdb/columns.h"
#include "tsdb/store.h"

namespace deckwatch::tsdb {

namespace {

constexpr int64_t kMaxAheadMs = 600'000;

std::string RowKey(uint64_t group_key, uint32_t number) {
  std::string key;
  PutBig64(&key, group_key);
  PutBig32(&key, number);
  return key;
}

}  // namespace

// What a commit holds: the turns of its groups and a place in its windows, until its record is in
// the log.
struct Store::CommitScope {
  std::vector<std::unique_lock<Mutex>> turns;
  std::vector<WindowPtr> windows;
  KvBatch batch;
  int64_t now_ms = 0;  // one time for the whole commit: it decides about windows

  Window* Find(const Window::Info& range) const {
    for (const WindowPtr& w : windows) {
      if (w->info().start_ms == range.start_ms && w->info().end_ms == range.end_ms) return w.get();
    }
    return nullptr;
  }
  ~CommitScope() {
    for (const WindowPtr& w : windows) w->Leave();
  }
};

Status Store::Resolve(std::span<const LabelsView> labels, uint64_t group,
                      std::span<SeriesRef> refs) {
  TRY(CheckTakesSamples());
  return index_.Resolve(labels, group, refs);
}

Status Store::CheckUsable() const {
  if (!failed_ && !head_->failed()) return {};
  return Status::Unavailable("the store takes no writes after an error of its log");
}

Status Store::CheckTakesSamples() const {
  TRY(CheckUsable());
  if (disk_.level() == DiskGuard::Level::kFull) {
    return Status::Unavailable("the store takes no samples: the disk is full");
  }
  if (index_.MemoryBytes() + WindowBytes() <= budget_.head_at_most()) return {};
  return Status::Unavailable(
      "the store takes no samples: its memory is full until some are sealed");
}

Mutex& Store::Turn(uint32_t group) {
  MutexLock lock(turns_mutex_);
  while (turns_.size() <= group) turns_.push_back(std::make_unique<Mutex>());
  return *turns_[group];
}

ViewPtr Store::view() const {
  MutexLock lock(mutex_);
  return view_;
}

int64_t Store::OldestAllowedMs() const {
  if (options_.retention_ms <= 0) return kOldestMs;
  return std::max(kOldestMs, options_.clock->WallMs() - options_.retention_ms);
}

// ---- windows

// Recent samples go to the window of their time; all that is older shares one window, which is
// split when it is sealed.
Window::Info Store::RangeOf(int64_t t_ms, int64_t now_ms) const {
  const int64_t start = BucketStart(t_ms, options_.window_ms);
  const int64_t end = start + options_.window_ms;
  if (end + WindowGraceMs() <= now_ms) return {};
  return {.id = 0, .start_ms = start, .end_ms = end};
}

Result<WindowPtr> Store::OpenWindow(const Window::Info& range) {
  const auto find = [&]() -> WindowPtr {
    MutexLock lock(mutex_);
    for (const WindowPtr& w : open_) {
      if (w->info().start_ms == range.start_ms && w->info().end_ms == range.end_ms) return w;
    }
    return nullptr;
  };
  if (WindowPtr w = find(); w != nullptr) return w;
  MutexLock turn(create_turn_);
  if (WindowPtr w = find(); w != nullptr) return w;
  return CreateWindow(range);
}

Result<WindowPtr> Store::CreateWindow(const Window::Info& range) {
  Window::Info info = range;
  {
    MutexLock lock(mutex_);
    info.id = next_window_++;
  }
  TRY(CheckUsable());
  auto rows = head_->GetOrCreate(NumberedName("rows.", info.id));
  if (!rows.ok()) {
    Fail("cannot make a window", rows.status());
    return Status::Unavailable("a window cannot be made: " + rows.status().message());
  }
  KvBatch batch;
  meta_.Put(&batch, MetaKey('W', info.id), WindowValue(info));
  TRY(WriteHead(&batch));
  auto window = std::make_shared<Window>(info, std::move(rows).value());
  window->last_append_ms = options_.clock->MonotonicMs();
  MutexLock lock(mutex_);
  TRY(CheckUsable());  // Recover takes all windows there are out of use, and must not miss one
  View next = *view_;
  next.windows.insert(
      std::upper_bound(next.windows.begin(), next.windows.end(), window, WindowBefore), window);
  view_ = std::make_shared<const View>(std::move(next));
  open_.push_back(window);
  return window;
}

// ---- commit

Status Store::CollectPending(const WriteBatch& batch, std::vector<Pending>* pending,
                             AppendResult* result) {
  if (batch.t_ms.size() != batch.ref.size() || batch.value.size() != batch.ref.size() ||
      (!batch.start_ms.empty() && batch.start_ms.size() != batch.ref.size())) {
    return Status::InvalidArgument("columns of a write batch differ in length");
  }
  const int64_t oldest = OldestAllowedMs();
  const int64_t newest = options_.clock->WallMs() + kMaxAheadMs;
  const auto accept = [&](int64_t t_ms) {
    result->too_old += t_ms < oldest;
    result->too_far_ahead += t_ms > newest;
    return oldest <= t_ms && t_ms <= newest;
  };
  std::vector<SeriesPlace> places;
  index_.Places(batch.ref, &places);
  pending->reserve(batch.ref.size() + batch.histograms.size());
  for (uint32_t i = 0; i < batch.ref.size(); ++i) {
    if (batch.ref[i] == kNoSeries || !accept(batch.t_ms[i])) continue;
    if (places[i].group == UINT32_MAX) {
      result->unknown_ref.push_back(i);
      continue;
    }
    pending->push_back({places[i].group,
                        batch.t_ms[i],
                        static_cast<uint32_t>(batch.ref[i]),
                        {.column = places[i].column,
                         .value = batch.value[i],
                         .start_ms = batch.start_ms.empty() ? 0 : batch.start_ms[i]}});
  }
  for (uint32_t i = 0; i < batch.histograms.size(); ++i) {
    const WriteBatch::HistogramSample& h = batch.histograms[i];
    if (h.ref == kNoSeries || h.value == nullptr || !accept(h.t_ms)) continue;
    index_.Places({&h.ref, 1}, &places);
    if (places[0].group == UINT32_MAX) {
      result->unknown_histogram.push_back(i);
      continue;
    }
    pending->push_back(
        {places[0].group,
         h.t_ms,
         static_cast<uint32_t>(h.ref),
         {.column = places[0].column, .start_ms = h.start_ms, .histogram = &h.value}});
  }
  const auto earlier = [](const Pending& a, const Pending& b) {
    return a.group != b.group ? a.group < b.group : a.t_ms < b.t_ms;
  };
  if (!std::is_sorted(pending->begin(), pending->end(), earlier)) {
    std::stable_sort(pending->begin(), pending->end(), earlier);
  }
  return {};
}

// All windows are entered before the first sample is appended: what follows cannot fail.
Status Store::EnterWindows(const std::vector<Pending>& pending, CommitScope* scope) {
  int64_t last_ms = INT64_MIN;
  for (const Pending& p : pending) {
    if (p.t_ms == last_ms) continue;
    last_ms = p.t_ms;
    const Window::Info range = RangeOf(p.t_ms, scope->now_ms);
    while (scope->Find(range) == nullptr) {
      TRY_ASSIGN(const WindowPtr window, OpenWindow(range));
      if (window->HasUnread()) {  // damage stops a window, and must be met before it is entered
        for (const Pending& each : pending) {
          (void)window->FindGroup(each.group);
          if (!window->IsUnread(each.group)) continue;
          return Status::Unavailable("rows of an open window cannot be read");
        }
      }
      // When it was sealed meanwhile, the next look-up finds or makes another.
      if (window->Enter()) scope->windows.push_back(window);
    }
  }
  return {};
}

// ---- samples that are stored already, outside of the window they would go to

bool Store::IsCovered(const View& view, const CommitScope& scope, int64_t t_ms) const {
  if (std::any_of(view.parts.begin(), view.parts.end(),
                  [&](const PartPtr& p) { return p->Overlaps(t_ms, t_ms); })) {
    return true;
  }
  const Window* own = scope.Find(RangeOf(t_ms, scope.now_ms));
  return std::any_of(view.windows.begin(), view.windows.end(), [&](const WindowPtr& w) {
    return w.get() != own && w->min_ms() <= t_ms && t_ms <= w->max_ms();
  });
}

Status Store::ReadStored(const View& view, const CommitScope& scope, uint32_t id, int64_t start_ms,
                         int64_t end_ms, Columns* out) const {
  out->Clear();
  Columns one;
  const SeriesRef ref = id;
  std::vector<SeriesPlace> place;
  Labels labels;
  index_.Places({&ref, 1}, &place);
  if (!index_.GetLabels(id, &labels)) return {};
  for (const PartPtr& part : view.parts) {
    if (!part->Overlaps(start_ms, end_ms)) continue;
    const auto ordinal = part->Find(labels);
    if (!ordinal.ok() && ordinal.status().code() == StatusCode::kNotFound) continue;
    // What is damaged cannot say whether the sample is there already: it is taken once more.
    Status read = ordinal.status();
    if (read.ok()) read = part->Read(*ordinal, start_ms, end_ms, &one);
    if (!read.ok() && read.code() != StatusCode::kCorruption) return read;
    Suspect(*part, read);
    for (const TombstonePtr& t : view.tombstones) {
      if (t->Covers(*part) && MatchesAll(t->matchers, labels))
        CutRange(t->start_ms, t->end_ms, &one);
    }
    MergeColumns(std::move(one), out);
    one.Clear();
  }
  for (const WindowPtr& w : view.windows) {
    const GroupWindow* group = w->FindGroup(place[0].group);
    const bool own =
        std::find(scope.windows.begin(), scope.windows.end(), w) != scope.windows.end();
    if (group == nullptr || own) continue;
    group->Read(place[0].column, start_ms, end_ms, &one);
    MergeColumns(std::move(one), out);
    one.Clear();
  }
  return {};
}

// Takes out of `pending` what other windows or parts hold at the same time. Samples newer than
// everything sealed, which is nearly all, cost a comparison.
Status Store::DropStored(std::vector<Pending>* pending, const CommitScope& scope,
                         AppendResult* result) {
  const ViewPtr v = view();
  std::vector<size_t> covered;
  int64_t last_ms = INT64_MIN;
  bool is_covered = false;
  for (size_t i = 0; i < pending->size(); ++i) {
    const int64_t t_ms = (*pending)[i].t_ms;
    if (t_ms != last_ms) is_covered = IsCovered(*v, scope, t_ms);
    last_ms = t_ms;
    if (is_covered) covered.push_back(i);
  }
  if (covered.empty()) return {};
  std::stable_sort(covered.begin(), covered.end(), [&](size_t a, size_t b) {
    return (*pending)[a].id < (*pending)[b].id;  // by time within a series already
  });
  std::vector<bool> drop(pending->size());
  Columns stored;
  for (size_t i = 0; i < covered.size();) {
    const Pending& first = (*pending)[covered[i]];
    size_t end = i;
    while (end < covered.size() && (*pending)[covered[end]].id == first.id) ++end;
    TRY(ReadStored(*v, scope, first.id, first.t_ms, (*pending)[covered[end - 1]].t_ms, &stored));
    for (; i < end; ++i) {
      const Pending& p = (*pending)[covered[i]];
      const auto at = std::lower_bound(stored.t_ms.begin(), stored.t_ms.end(), p.t_ms);
      if (at == stored.t_ms.end() || *at != p.t_ms) continue;
      const auto k = static_cast<size_t>(at - stored.t_ms.begin());
      const HistogramPtr h = stored.histogram.empty() ? nullptr : stored.histogram[k];
      const bool same = SameSample(stored.value[k], h, p.input.value,
                                   p.input.histogram == nullptr ? nullptr : *p.input.histogram);
      ++(same ? result->duplicate : result->conflicting);
      drop[covered[i]] = true;
    }
  }
  size_t kept = 0;
  for (size_t i = 0; i < pending->size(); ++i) {
    if (!drop[i]) (*pending)[kept++] = (*pending)[i];
  }
  pending->resize(kept);
  return {};
}

void Store::AppendPending(const std::vector<Pending>& pending, CommitScope* scope,
                          AppendResult* result) {
  RowCounts counts;
  std::vector<GroupWindow::Input> row;
  std::vector<uint32_t> ids;
  std::string record;
  for (size_t i = 0; i < pending.size();) {
    const Pending& first = pending[i];
    row.clear();
    size_t end = i;
    for (; end < pending.size() && pending[end].group == first.group &&
           pending[end].t_ms == first.t_ms;
         ++end) {
      row.push_back(pending[end].input);
      ids.push_back(pending[end].id);
    }
    i = end;
    Window* window = scope->Find(RangeOf(first.t_ms, scope->now_ms));
    GroupWindow& group = window->Group(first.group);
    window->Cover(first.t_ms);  // first: a reader that has seen the row must find the window again
    const uint64_t bytes = group.bytes();
    group.AppendRow(first.t_ms, row, &counts, &record);
    window->Grew(group.bytes() - bytes);
    if (record.empty()) continue;
    scope->batch.Put(window->rows(), RowKey(index_.GroupKey(first.group), group.NextRecord()),
                     record);
    window->last_append_ms = options_.clock->MonotonicMs();
  }
  AddRegistryEntries(&ids, &scope->batch);
  result->appended += counts.appended;
  result->duplicate += counts.duplicate;
  result->conflicting += counts.conflicting;
  counters_.late += counts.late;
}

// Leaves in `ids` those whose entries the batch now holds.
void Store::AddRegistryEntries(std::vector<uint32_t>* ids, KvBatch* batch) {
  std::vector<SeriesRef> refs(ids->begin(), ids->end());
  std::vector<SeriesPlace> places;
  index_.Places(refs, &places);
  size_t kept = 0;
  for (size_t i = 0; i < ids->size(); ++i) {
    if (!places[i].durable) (*ids)[kept++] = (*ids)[i];
  }
  ids->resize(kept);
  std::sort(ids->begin(), ids->end());
  ids->erase(std::unique(ids->begin(), ids->end()), ids->end());
  for (const SeriesIndex::Entry& e : index_.Entries(*ids)) {
    std::string key, value;
    PutBig32(&key, e.id);
    PutFixed64(&value, index_.GroupKey(e.place.group));
    PutVarint(&value, e.place.column);
    value.append(e.labels.encoded());
    batch->Put(series_, key, value);
  }
}

void Store::AddMetadata(const std::vector<MetricMetadata>& metadata, KvBatch* batch) {
  MutexLock lock(mutex_);
  for (const MetricMetadata& m : metadata) {
    MetricMetadata& known = metadata_[m.name];
    if (known.name == m.name && known.type == m.type && known.help == m.help &&
        known.unit == m.unit) {
      continue;
    }
    known = m;
    meta_.Put(batch, "N" + m.name, MetadataValue(m));
  }
}

void Store::AddExemplars(const std::vector<WriteBatch::ExemplarSample>& exemplars, KvBatch* batch,
                         AppendResult* result) {
  Labels labels;
  const int64_t newest = options_.clock->WallMs() + kMaxAheadMs;
  for (uint32_t i = 0; i < exemplars.size(); ++i) {
    const WriteBatch::ExemplarSample& e = exemplars[i];
    if (e.ref == kNoSeries) continue;
    if (e.ref > UINT32_MAX || !index_.GetLabels(static_cast<uint32_t>(e.ref), &labels)) {
      result->unknown_exemplar.push_back(i);
      continue;
    }
    // One of the future would keep out all that come after it.
    if (e.exemplar.t_ms < OldestAllowedMs() || e.exemplar.t_ms > newest) continue;
    AddExemplar(labels, e.exemplar, batch);
  }
}

void Store::AddExemplar(const Labels& series, const Exemplar& exemplar, KvBatch* batch) {
  ExemplarRing::Stored stored;
  if (!exemplars_.Add(series, exemplar, &stored)) return;
  meta_.Put(batch, MetaKey('E', stored.number), stored.row);
  for (uint64_t n : stored.dropped) meta_.Delete(batch, MetaKey('E', n));
}

Status Store::WriteHead(KvBatch* batch) {
  if (batch->empty()) return {};
  TRY(CheckUsable());
  const bool sync = options_.sync_interval_ms == 0;
  if (const Status s = head_->Write(batch, sync); !s.ok()) {
    Fail("cannot write the log", s);
    return Status::Unavailable("the log cannot be written: " + s.message());
  }
  counters_.log_bytes += batch->bytes();
  if (!sync) unsynced_ = true;
  return {};
}

Result<AppendResult> Store::Commit(const WriteBatch& batch) {
  TRY(CheckTakesSamples());
  AppendResult result;
  CommitScope scope;
  std::vector<Pending> pending;
  scope.now_ms = options_.clock->WallMs();
  for (;;) {
    const uint64_t removals = index_.removals();
    TRY(CollectPending(batch, &pending, &result));
    for (size_t i = 0; i < pending.size(); ++i) {
      if (i > 0 && pending[i].group == pending[i - 1].group) continue;
      scope.turns.emplace_back(Turn(pending[i].group));
    }
    // Series are removed under their group's turn only: from here on the places hold.
    if (index_.removals() == removals) break;
    scope.turns.clear();
    pending.clear();
    result = {};
  }
  TRY(EnterWindows(pending, &scope));
  TRY(DropStored(&pending, scope, &result));
  int64_t least_ms = INT64_MAX;
  for (const Pending& p : pending) least_ms = std::min(least_ms, p.t_ms);
  AppendPending(pending, &scope, &result);
  // Queries see the samples from here on, whatever becomes of the log.
  if (!pending.empty()) changes_.Note(least_ms);
  AddMetadata(batch.metadata, &scope.batch);
  AddExemplars(batch.exemplars, &scope.batch, &result);
  TRY(WriteHead(&scope.batch));
  std::vector<uint32_t> ids;
  ids.reserve(pending.size());
  for (const Pending& p : pending) ids.push_back(p.id);
  index_.MarkDurable(ids);
  counters_.commits++;
  counters_.appended += result.appended;
  counters_.duplicate += result.duplicate;
  counters_.conflicting += result.conflicting;
  counters_.too_old += result.too_old;
  counters_.too_far_ahead += result.too_far_ahead;
  return result;
}

// ---- state

Status Store::Apply(const std::vector<StateChange>& changes) {
  KvBatch batch;
  for (const StateChange& c : changes) {
    if (c.value.has_value()) {
      state_.Put(&batch, c.key, *c.value);
    } else {
      state_.Delete(&batch, c.key);
    }
  }
  return WriteHead(&batch);
}

Result<std::string> Store::Get(std::string_view key) const {
  return state_.Get(key);
}

Status Store::Scan(std::string_view prefix,
                   const std::function<bool(std::string_view, std::string_view)>& visit) const {
  return state_.Scan(prefix, visit);
}

}  // namespace deckwatch::tsdb
