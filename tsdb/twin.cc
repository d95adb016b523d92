#include "tsdb/twin.h"

namespace deckwatch::tsdb {

namespace {

Status ReadWhole(const Kv& kv, const FamilyPtr& family) {
  const auto it = kv.NewIterator(family, /*sequential=*/true);
  for (it->Seek(""); it->Valid(); it->Next()) {
  }
  return it->status();
}

bool IsEmpty(const Kv& kv, const FamilyPtr& family) {
  const auto it = kv.NewIterator(family);
  it->Seek("");
  return !it->Valid() && it->status().ok();
}

bool IsDamage(const Status& s) {
  return s.code() == StatusCode::kCorruption;
}

}  // namespace

Status Twin::Open(Kv* kv, const std::string& name) {
  kv_ = kv;
  name_ = name;
  TRY_ASSIGN(const FamilyPtr first, kv->GetOrCreate(name));
  TRY_ASSIGN(const FamilyPtr second, kv->GetOrCreate(name + ".copy"));
  {
    MutexLock lock(mutex_);
    families_ = {first, second};
  }
  // A store from before there were copies, or a crash between making one and filling it.
  const std::array<bool, 2> empty = {IsEmpty(*kv, first), IsEmpty(*kv, second)};
  if (empty[0] != empty[1]) TRY(Rebuild(empty[0] ? 0 : 1, "", nullptr));
  return {};
}

std::array<FamilyPtr, 2> Twin::families() const {
  MutexLock lock(mutex_);
  return families_;
}

void Twin::Put(KvBatch* batch, std::string_view key, std::string_view value) const {
  for (const FamilyPtr& f : families()) batch->Put(f, key, value);
}

void Twin::Delete(KvBatch* batch, std::string_view key) const {
  for (const FamilyPtr& f : families()) batch->Delete(f, key);
}

Result<std::string> Twin::Get(std::string_view key) const {
  Status worst;
  for (const FamilyPtr& f : families()) {
    const auto found = kv_->Get(f, key);
    if (found.ok()) return std::string(found->view());
    worst = found.status();
    if (!IsDamage(worst)) break;
    damaged_ = true;
  }
  return worst;
}

// Where one is damaged, the other goes on behind the last key seen.
Status Twin::Scan(std::string_view prefix,
                  const std::function<bool(std::string_view, std::string_view)>& visit) const {
  const std::array<FamilyPtr, 2> both = families();
  std::string from(prefix);
  int stuck = 0;
  for (size_t which = 0;; which = 1 - which) {
    const auto it = kv_->NewIterator(both[which]);
    for (it->Seek(from); it->Valid() && it->key().starts_with(prefix); it->Next()) {
      stuck = 0;
      from.assign(it->key()).push_back('\0');
      if (!visit(it->key(), it->value())) return {};
    }
    const Status s = it->status();
    if (!IsDamage(s)) return s;
    damaged_ = true;
    if (++stuck == 2) return s.Annotate(name_ + " and its copy");
  }
}

Status Twin::Check() const {
  for (const FamilyPtr& f : families()) {
    const Status s = ReadWhole(*kv_, f);
    if (IsDamage(s)) damaged_ = true;
    TRY(s);
  }
  return {};
}

// The new family has all rows or none, so that a crash in between is seen by Open.
Status Twin::Rebuild(size_t which, const std::string& why, Quarantine* quarantine) {
  std::vector<std::pair<std::string, std::string>> rows;
  const Status scanned = Scan("", [&](std::string_view key, std::string_view value) {
    rows.emplace_back(key, value);
    return true;
  });
  if (!scanned.ok() && !IsDamage(scanned)) return scanned;
  const FamilyPtr old = families()[which];
  if (quarantine != nullptr) {
    for (const std::string& file : kv_->Files(old)) TRY(quarantine->Keep(file, why));
  }
  TRY(kv_->Drop(old));
  TRY_ASSIGN(const FamilyPtr fresh, kv_->GetOrCreate(FamilyName(old)));
  KvBatch batch;
  for (const auto& [key, value] : rows) batch.Put(fresh, key, value);
  TRY(kv_->Write(&batch, /*sync=*/true));
  MutexLock lock(mutex_);
  families_[which] = fresh;
  return scanned;
}

Status Twin::Heal(Quarantine* quarantine) {
  Status lost;
  const std::array<FamilyPtr, 2> both = families();
  for (size_t which = 0; which < both.size(); ++which) {
    const Status s = ReadWhole(*kv_, both[which]);
    if (s.ok()) continue;
    if (!IsDamage(s)) return s;
    const Status rebuilt = Rebuild(which, s.message(), quarantine);
    if (!rebuilt.ok() && !IsDamage(rebuilt)) return rebuilt;
    if (!rebuilt.ok()) lost = rebuilt;
  }
  damaged_ = false;
  return lost;
}

uint64_t Twin::FileBytes() const {
  uint64_t n = 0;
  for (const FamilyPtr& f : families()) n += kv_->FileBytes(f);
  return n;
}

}  // namespace deckwatch::tsdb
