// Import: the buckets of a History become parts, one after another, without what is stored already.
#include <deque>
#include <filesystem>

#include "tsdb/columns.h"
#include "tsdb/store.h"

namespace deckwatch::tsdb {

namespace {

constexpr int64_t kMaxAheadMs = 600'000;

// The samples of `source` that `view` does not hold. Looks up the series of the source only: an
// import of few series into a large store reads little of it.
class NewSamples : public SeriesSource {
 public:
  NewSamples(std::unique_ptr<SeriesSource> source, ViewPtr view, const History::Bucket& bucket,
             AppendResult* result)
      : source_(std::move(source)), view_(std::move(view)), result_(result) {
    for (const PartPtr& p : view_->parts) {
      if (p->Overlaps(bucket.start_ms, bucket.end_ms)) stored_.emplace_back(p);
    }
  }
  Result<std::map<uint64_t, std::vector<int64_t>>> Clocks() override { return source_->Clocks(); }
  bool Valid() const override { return source_->Valid(); }
  LabelsView labels() const override { return source_->labels(); }
  uint64_t group_key() override { return source_->group_key(); }
  Status Next() override { return source_->Next(); }
  Status Read(int64_t start_ms, int64_t end_ms, Columns* out) override {
    TRY(source_->Read(start_ms, end_ms, out));
    Columns one;
    for (Stored& stored : stored_) {
      if (out->empty()) return {};
      const auto ordinal = stored.part->Find(labels());
      if (ordinal.status().code() == StatusCode::kNotFound) continue;
      TRY(ordinal.status());
      PartReader::Span span(out->t_ms.front(), out->t_ms.back());
      TRY(stored.cursor.Read(*ordinal, &span, &one));
      for (const TombstonePtr& t : view_->tombstones) {
        if (t->Covers(*stored.part) && MatchesAll(t->matchers, labels())) {
          CutRange(t->start_ms, t->end_ms, &one);
        }
      }
      LeaveOutStored(one, out, result_);
    }
    result_->appended += out->size();
    return {};
  }

 private:
  struct Stored {
    explicit Stored(PartPtr p) : part(p), cursor(std::move(p)) {}
    PartPtr part;
    PartReader::Cursor cursor;
  };
  const std::unique_ptr<SeriesSource> source_;
  const ViewPtr view_;
  AppendResult* const result_;
  std::deque<Stored> stored_;  // cursors stay where they are
};

}  // namespace

Result<std::unique_ptr<History>> Store::NewHistory(size_t memory_bytes) {
  std::error_code ec;
  std::filesystem::create_directories(options_.path + "/scratch", ec);
  if (ec) return Status::Io("create " + options_.path + "/scratch: " + ec.message());
  const int64_t now_ms = options_.clock->WallMs();
  return History::Create({.scratch_path = options_.path + "/scratch/history",
                          .memory_bytes = memory_bytes,
                          .settled_ms = now_ms - WindowGraceMs() - options_.window_ms,
                          .retention_ms = options_.retention_ms,
                          .oldest_ms = OldestAllowedMs(),
                          .newest_ms = now_ms + kMaxAheadMs});
}

Status Store::StoreBucket(const History& history, const History::Bucket& bucket,
                          AppendResult* result) {
  uint64_t id;
  ViewPtr v;
  {
    MutexLock lock(mutex_);
    id = next_part_++;
    v = view_;
  }
  TRY_ASSIGN(auto gathered, history.Open(bucket, result));
  std::vector<std::unique_ptr<SeriesSource>> sources;
  sources.push_back(std::make_unique<NewSamples>(std::move(gathered), v, bucket, result));
  TRY_ASSIGN(const PartPtr added,
             MakePart(id, bucket.level, std::move(sources), bucket.start_ms, bucket.end_ms,
                      [this] { return !stopping_ && disk_.level() != DiskGuard::Level::kFull; }));
  if (added == nullptr) return {};
  TRY(ReplaceParts({}, added));
  changes_.Note(added->meta().min_ms);
  return {};
}

Status Store::StoreHistory(History* history, const Progress& progress, AppendResult* result) {
  MutexLock turn(maintenance_turn_);
  TRY(CheckTakesSamples());
  TRY(history->Finish());
  *result = history->counts();
  // What is stored is looked up in parts.
  TRY(SealWindows(SealMode::kAll));
  const std::vector<History::Bucket> buckets = history->Buckets();
  for (size_t i = 0; i < buckets.size(); ++i) {
    progress(static_cast<double>(i) / static_cast<double>(buckets.size()));
    TRY(StoreBucket(*history, buckets[i], result));
  }
  progress(1);
  KvBatch batch;
  AddMetadata(history->metadata(), &batch);
  for (const auto& [labels, exemplar] : history->Exemplars()) {
    AddExemplar(labels, exemplar, &batch);
  }
  TRY(WriteHead(&batch));
  return FlushHead();
}

}  // namespace deckwatch::tsdb
