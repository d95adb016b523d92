// Looking for damage before anybody needs what is damaged: all parts are read in turn, a little
// with each maintenance, and the head at the end of each round.
#include <algorithm>

#include "tsdb/store.h"

namespace deckwatch::tsdb {

namespace {

constexpr int64_t kRoundMs = 7 * 86'400'000;
constexpr int64_t kLeastStepBytes = 1 << 20;

}  // namespace

// As much as is due since the last call, for a round to take a week.
Status Store::ScrubDue() {
  const int64_t now_ms = options_.clock->MonotonicMs();
  const uint64_t total = PartBytes(*view()) + kLeastStepBytes;  // with something for the head
  const double elapsed = static_cast<double>(now_ms - std::exchange(scrub_.at_ms, now_ms));
  scrub_.credit_bytes += static_cast<double>(total) * elapsed / kRoundMs;
  if (scrub_.credit_bytes < kLeastStepBytes) return {};
  return Scrub(static_cast<int64_t>(std::exchange(scrub_.credit_bytes, 0)));
}

Status Store::Scrub(int64_t bytes) {
  while (bytes > 0 && !stopping_) {
    const ViewPtr v = view();
    const auto part =
        std::find_if(v->parts.begin(), v->parts.end(),
                     [next = scrub_.part](const PartPtr& p) { return p->id() >= next; });
    if (part == v->parts.end()) return FinishScrubRound();
    if ((*part)->id() != scrub_.part) scrub_.part = (*part)->id(), scrub_.key.clear();
    const int64_t before = bytes;
    const Status s = (*part)->Check(&scrub_.key, &bytes);
    scrub_bytes_ += static_cast<uint64_t>(before - bytes);
    if (!s.ok() && s.code() != StatusCode::kCorruption) return s.Annotate("scrub");
    if (!s.ok()) Suspect(**part, s);
    if (scrub_.key.empty() || !s.ok()) ++scrub_.part, scrub_.key.clear();
  }
  return MendSuspects();
}

// Memory holds what the head's files do: opening it anew writes what is damaged once more.
Status Store::FinishScrubRound() {
  scrub_.part = 0;
  const Status s = head_->VerifyChecksums();
  if (s.code() == StatusCode::kCorruption) {
    counters_.corruptions++;
    Fail("a file of the head is damaged", s);
  } else {
    TRY(s.Annotate("scrub"));
  }
  scrub_rounds_++;
  scrub_finished_ms_ = options_.clock->WallMs();
  return MendSuspects();
}

// The head first: until it is sound, a compaction may meet what is damaged and make writes fail.
Status Store::Repair(const std::function<void(double)>& progress) {
  MutexLock turn(maintenance_turn_);
  const Status head = head_->VerifyChecksums();
  if (head.code() == StatusCode::kCorruption) Fail("a file of the head is damaged", head);
  TRY(Recover());
  if (head.code() == StatusCode::kCorruption) TRY(SealWindows(SealMode::kAll));
  const ViewPtr v = view();
  double done = 0;
  const double total = static_cast<double>(std::max<uint64_t>(1, PartBytes(*v)));
  for (const PartPtr& part : v->parts) {
    progress(done / total);
    {
      MutexLock lock(mutex_);
      suspects_.insert(part->id());
    }
    TRY(MendSuspects());
    done += static_cast<double>(part->meta().value_bytes + part->meta().index_bytes);
  }
  KvBatch losses;
  SaveLosses(&losses);
  TRY(WriteHead(&losses));
  TRY(head_->SyncLog());
  progress(1);
  return {};
}

}  // namespace deckwatch::tsdb
