// After an error of the disk. The log may end anywhere, may lack what was acknowledged since the
// last fsync, and may hold a write that was reported as failed. Memory holds all that was
// acknowledged, and of each failed commit the whole. So memory is the truth: the databases are
// opened anew, meta and registry are made to say what memory says, and the windows, which the log
// may not match any more, take no more samples and become parts.
#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "tsdb/store.h"

namespace deckwatch::tsdb {

void Store::Fail(const char* what, const Status& cause) {
  if (failed_.exchange(true)) return;
  LogError("nothing more is acknowledged until the disk takes writes again",
           {{"reason", what}, {"error", cause}});
}

Status Store::Recover() {
  if (!HasFailed()) return {};
  TRY(disk_.Probe());
  const bool head_too = failed_ || head_->failed();
  if (head_too) {
    failed_ = true;  // until all below is done
    std::vector<WindowPtr> closing;
    {
      MutexLock lock(mutex_);
      closing.swap(open_);
    }
    for (const WindowPtr& w : closing) w->Close();
  }
  MutexLock creating(create_turn_);
  TRY(parts_->Reopen(OnDamage::kOpen));
  if (head_too) {
    TRY(head_->Reopen(OnDamage::kRefuse));
    // An fsync that failed leaves pages that no later one writes: what was read from the memory of
    // the kernel now must not be needed again.
    TRY(FlushHead());
    TRY(HealTwins());
    TRY(RestoreMeta());
    TRY(RestoreRegistry());
    TRY(head_->AllowCompaction());
  }
  TRY(DropOrphans());
  if (head_too) {
    unsynced_ = false;
    failed_ = false;
  }
  changes_.Note(INT64_MIN);  // what was kept is not worth an argument here
  unmergeable_.clear();
  counters_.reopens++;
  LogInfo("the databases were opened anew after an error", {{"path", options_.path}});
  return {};
}

Status Store::RestoreMeta() {
  KvBatch batch;
  TRY(meta_.Scan("", [&](std::string_view key, std::string_view) {
    if (std::string_view("WPTE").find(key[0]) != std::string_view::npos) meta_.Delete(&batch, key);
    return true;
  }));
  const ViewPtr v = view();
  const std::vector<FamilyPtr> families = head_->Families();
  for (const WindowPtr& w : v->windows) {
    // Without its rows it is in memory only, and a start must not look for them.
    if (std::find(families.begin(), families.end(), w->rows()) == families.end()) continue;
    meta_.Put(&batch, MetaKey('W', w->info().id), WindowValue(w->info()));
  }
  for (const PartPtr& p : v->parts) {
    std::string value;
    p->meta().EncodeTo(&value);
    meta_.Put(&batch, MetaKey('P', p->id()), value);
  }
  for (const TombstonePtr& t : v->tombstones) {
    std::string value;
    t->EncodeTo(&value);
    meta_.Put(&batch, MetaKey('T', t->id), value);
  }
  {
    MutexLock lock(mutex_);
    for (const auto& [name, m] : metadata_) meta_.Put(&batch, "N" + name, MetadataValue(m));
  }
  for (const auto& [number, row] : exemplars_.Rows()) {
    meta_.Put(&batch, MetaKey('E', number), row);
  }
  losses_.ForgetSaved();
  SaveLosses(&batch);
  return head_->Write(&batch, /*sync=*/true);
}

Status Store::RestoreRegistry() {
  std::vector<uint32_t> stored;
  const auto it = head_->NewIterator(series_, true);
  for (it->Seek(""); it->Valid(); it->Next()) {
    Reader key(it->key());
    uint32_t id;
    if (key.GetBig32(&id)) stored.push_back(id);
  }
  if (it->status().code() == StatusCode::kCorruption) return RebuildRegistry();
  TRY(it->status());
  const std::vector<SeriesRef> refs(stored.begin(), stored.end());
  std::vector<SeriesPlace> places;
  index_.Places(refs, &places);
  KvBatch batch;
  for (size_t i = 0; i < stored.size(); ++i) {
    if (places[i].group != UINT32_MAX) continue;
    std::string key;
    PutBig32(&key, stored[i]);
    batch.Delete(series_, key);
  }
  index_.SetDurable(stored);
  return head_->Write(&batch, /*sync=*/true);
}

}  // namespace deckwatch::tsdb
