// Deletes: a tombstone in head.meta hides samples of the parts there were, and does so again after
// every start. While it can be undone, the parts it covers stay out of merges; then merges leave
// out what it hides, and it goes with the last part that it covers.
#include <algorithm>

#include "tsdb/store.h"

namespace deckwatch::tsdb {

namespace {

std::string SelectorOf(const std::vector<Matcher>& matchers) {
  std::string out;
  for (const Matcher& m : matchers) out += (out.empty() ? "{" : ",") + m.ToString();
  return out + "}";
}

}  // namespace

bool Store::IsKeptForUndo(const View& view, const PartReader& part) const {
  const int64_t now_ms = options_.clock->WallMs();
  return std::any_of(view.tombstones.begin(), view.tombstones.end(), [&](const TombstonePtr& t) {
    return t->Covers(part) && t->CanBeUndone(now_ms);
  });
}

// In place of the one with its number, or as a new one.
Status Store::PutTombstone(TombstonePtr tombstone) {
  std::string value;
  tombstone->EncodeTo(&value);
  KvBatch batch;
  meta_.Put(&batch, MetaKey('T', tombstone->id), value);
  TRY(WriteHead(&batch));
  TRY(head_->SyncLog());
  MutexLock lock(mutex_);
  View next = *view_;
  std::erase_if(next.tombstones, [&](const TombstonePtr& t) { return t->id == tombstone->id; });
  next.tombstones.push_back(std::move(tombstone));
  view_ = std::make_shared<const View>(std::move(next));
  return {};
}

Status Store::DropTombstones(const std::vector<TombstonePtr>& gone) {
  if (gone.empty()) return {};
  KvBatch batch;
  for (const TombstonePtr& t : gone) meta_.Delete(&batch, MetaKey('T', t->id));
  TRY(WriteHead(&batch));
  TRY(head_->SyncLog());
  MutexLock lock(mutex_);
  View next = *view_;
  std::erase_if(next.tombstones, [&](const TombstonePtr& t) {
    return std::find(gone.begin(), gone.end(), t) != gone.end();
  });
  view_ = std::make_shared<const View>(std::move(next));
  return {};
}

Status Store::DropStaleTombstones() {
  const ViewPtr v = view();
  std::vector<TombstonePtr> stale;
  std::copy_if(v->tombstones.begin(), v->tombstones.end(), std::back_inserter(stale),
               [&](const TombstonePtr& t) {
                 return std::none_of(v->parts.begin(), v->parts.end(),
                                     [&](const PartPtr& p) { return t->Covers(*p); });
               });
  return DropTombstones(stale);
}

Status Store::DeleteSeries(const std::vector<Matcher>& matchers, int64_t start_ms, int64_t end_ms) {
  if (matchers.empty()) return Status::InvalidArgument("deleting needs a matcher");
  MutexLock turn(maintenance_turn_);
  TRY(CheckUsable());
  // Everything stored now becomes parts, so that a tombstone can name it by part number.
  TRY(SealWindows(SealMode::kAll));
  Tombstone t{.start_ms = start_ms, .end_ms = end_ms, .matchers = matchers};
  t.created_ms = options_.clock->WallMs();
  {
    MutexLock lock(mutex_);
    t.id = next_tombstone_++;
    t.last_part = next_part_ - 1;
  }
  TRY(PutTombstone(std::make_shared<const Tombstone>(std::move(t))));
  changes_.Note(start_ms);
  return {};
}

Status Store::Undelete(uint64_t id) {
  MutexLock turn(maintenance_turn_);
  TRY(CheckUsable());
  const ViewPtr v = view();
  for (const TombstonePtr& t : v->tombstones) {
    if (t->id != id) continue;
    if (!t->CanBeUndone(options_.clock->WallMs())) {
      return Status::NotFound("delete " + std::to_string(id) + " cannot be undone any more");
    }
    TRY(DropTombstones({t}));
    changes_.Note(t->start_ms);
    return {};
  }
  return Status::NotFound("there is no delete " + std::to_string(id));
}

Status Store::CleanTombstones() {
  MutexLock turn(maintenance_turn_);
  TRY(CheckUsable());
  // First of all, as half of the samples may be gone when this ends early.
  const ViewPtr before = view();
  for (const TombstonePtr& t : before->tombstones) {
    Tombstone last = *t;
    last.final = true;
    if (!t->final) TRY(PutTombstone(std::make_shared<const Tombstone>(std::move(last))));
  }
  const ViewPtr v = view();
  for (const PartPtr& p : v->parts) {
    const bool covered = std::any_of(v->tombstones.begin(), v->tombstones.end(),
                                     [&](const auto& t) { return t->Covers(*p); });
    if (!covered) continue;
    const Status s = MergeOnce({{p->id()}, p->meta().level},
                               [this]() REQUIRES(maintenance_turn_) { return KeepMerging(); });
    if (s.code() != StatusCode::kCorruption) TRY(s);
    Suspect(*p, s);  // mending leaves out what is hidden as well
    TRY(MendSuspects());
  }
  return DropStaleTombstones();
}

std::vector<Db::DeleteInfo> Store::Deletes() const {
  std::vector<DeleteInfo> out;
  const ViewPtr v = view();
  const int64_t now_ms = options_.clock->WallMs();
  for (const TombstonePtr& t : v->tombstones) {
    out.push_back({t->id, t->created_ms,
                   t->CanBeUndone(now_ms) ? t->created_ms + Tombstone::kUndoMs : 0, t->start_ms,
                   t->end_ms, SelectorOf(t->matchers)});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return out;
}

}  // namespace deckwatch::tsdb
