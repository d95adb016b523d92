#include "query/result_cache.h"

#include <algorithm>

namespace deckwatch::query {

namespace {

constexpr StepRange kNoSteps{0, -1, 1};

size_t BytesOf(const ResultSeries& s) {
  return sizeof s + s.labels.encoded().size() + s.t_ms.size() * sizeof(int64_t) +
         s.value.size() * sizeof(double) + s.histogram.size() * sizeof(HistogramPtr);
}

size_t BytesOf(const KeptAnswer& answer) {
  size_t bytes = sizeof answer + answer.result.string.size();
  for (const ResultSeries& s : answer.result.series) {
    bytes += BytesOf(s);
    for (const HistogramPtr& h : s.histogram) {
      if (h != nullptr) bytes += HistogramSampleCost(*h) * 16;
    }
  }
  for (const auto* texts :
       {&answer.result.annotations.warnings, &answer.result.annotations.infos}) {
    for (const std::string& text : *texts) bytes += sizeof text + text.size();
  }
  return bytes;
}

// Appends the points of `from` at `steps` to `to`.
void AppendPoints(const ResultSeries& from, const StepRange& steps, ResultSeries* to) {
  const auto first = std::lower_bound(from.t_ms.begin(), from.t_ms.end(), steps.start_ms);
  const auto last = std::upper_bound(first, from.t_ms.end(), steps.end_ms);
  const auto begin = first - from.t_ms.begin(), end = last - from.t_ms.begin();
  to->t_ms.insert(to->t_ms.end(), first, last);
  to->value.insert(to->value.end(), from.value.begin() + begin, from.value.begin() + end);
}

// The part of rows in label order that lies at `steps`.
struct Piece {
  const std::vector<ResultSeries>* rows;
  StepRange steps;
  size_t next = 0;
};

// Rows of all pieces by label, each row's points piece after piece.
std::vector<ResultSeries> JoinRows(std::vector<Piece> pieces) {
  std::vector<ResultSeries> out;
  for (const Piece& p : pieces) out.reserve(std::max(out.capacity(), p.rows->size()));
  for (;;) {
    const Labels* least = nullptr;
    for (const Piece& p : pieces) {
      if (p.next == p.rows->size()) continue;
      const Labels& labels = (*p.rows)[p.next].labels;
      if (least == nullptr || labels < *least) least = &labels;
    }
    if (least == nullptr) return out;
    ResultSeries row;
    row.labels = *least;
    for (Piece& p : pieces) {
      if (p.next == p.rows->size() || (*p.rows)[p.next].labels != row.labels) continue;
      AppendPoints((*p.rows)[p.next++], p.steps, &row);
    }
    if (!row.t_ms.empty()) out.push_back(std::move(row));
  }
}

bool SameSteps(const StepRange& a, const StepRange& b) {
  return a.start_ms == b.start_ms && a.end_ms == b.end_ms && a.step_ms == b.step_ms;
}

}  // namespace

// ---- the cache

KeptAnswerPtr ResultCache::Find(const std::string& key) {
  MutexLock lock(mutex_);
  const auto it = by_key_.find(key);
  if (it == by_key_.end()) return nullptr;
  items_.splice(items_.begin(), items_, it->second);
  return it->second->answer;
}

void ResultCache::Put(const std::string& key, KeptAnswerPtr answer) {
  const size_t bytes = BytesOf(*answer) + sizeof(Item) + key.size();
  if (bytes > max_bytes_ / 4) return;
  MutexLock lock(mutex_);
  if (const auto it = by_key_.find(key); it != by_key_.end()) Remove(it->second);
  items_.push_front({key, std::move(answer), bytes});
  by_key_[items_.front().key] = items_.begin();
  stats_.bytes += bytes;
  while (stats_.bytes > max_bytes_) Remove(std::prev(items_.end()));
}

void ResultCache::Remove(std::list<Item>::iterator item) {
  stats_.bytes -= item->bytes;
  by_key_.erase(item->key);
  items_.erase(item);
}

void ResultCache::Count(Outcome outcome, uint64_t steps_taken) {
  MutexLock lock(mutex_);
  ++(outcome == Outcome::kHit       ? stats_.hits
     : outcome == Outcome::kPartial ? stats_.partial_hits
                                    : stats_.misses);
  stats_.steps_taken += steps_taken;
}

CacheStats ResultCache::Stats() const {
  MutexLock lock(mutex_);
  CacheStats stats = stats_;
  stats.answers = items_.size();
  return stats;
}

// ---- one query

CachedQuery::CachedQuery(ResultCache* cache, const Queryable& storage, std::string_view text,
                         const Expr& expr, const StepRange& steps, int64_t step_ms,
                         int64_t lookback_ms)
    : cache_(cache), storage_(storage), steps_(steps), instant_(step_ms == 0), taken_(kNoSteps) {
  missing_ = {steps_};
  if (cache_ == nullptr) return;
  reach_ = ReachOf(expr, lookback_ms);
  // The text as it is, not as it would be printed: annotations tell positions in it. Not the phase
  // of the grid: one that is never met again would only fill the cache.
  key_ = std::to_string(reinterpret_cast<uintptr_t>(&storage)) + ' ' + std::to_string(step_ms) +
         ' ' + std::to_string(lookback_ms) + ' ' + std::string(text);
}

void CachedQuery::Look() {
  Forget();
  if (cache_ == nullptr) return;
  version_ = storage_.Version();
  oldest_ms_ = storage_.OldestMs();
  kept_ = cache_->Find(key_);
  if (kept_ == nullptr) return;
  if (SameSteps(kept_->steps, steps_) && MayTakeWhole(*kept_)) {
    Take(steps_);
  } else if (kept_->stepwise && !instant_) {
    Take(Unchanged(*kept_));
  }
}

void CachedQuery::Forget() {
  taken_ = kNoSteps;
  missing_ = {steps_};
}

bool CachedQuery::MayTakeWhole(const KeptAnswer& kept) const {
  const int64_t before_ms = storage_.UnchangedBefore(kept.version);
  const int64_t oldest_ms = std::max(oldest_ms_, kept.oldest_ms);
  return kept.steps.start_ms - reach_.behind_ms >= oldest_ms &&
         kept.steps.end_ms + reach_.ahead_ms < before_ms && reach_.fixed_first_ms >= oldest_ms &&
         reach_.fixed_last_ms < before_ms;
}

StepRange CachedQuery::Unchanged(const KeptAnswer& kept) const {
  const StepRange& k = kept.steps;
  const int64_t step_ms = steps_.step_ms;
  const int64_t before_ms = storage_.UnchangedBefore(kept.version);
  const int64_t oldest_ms = std::max(oldest_ms_, kept.oldest_ms);
  const bool same_grid = (k.start_ms - steps_.start_ms) % step_ms == 0;
  if (!same_grid || reach_.fixed_first_ms < oldest_ms || reach_.fixed_last_ms >= before_ms) {
    return kNoSteps;
  }
  StepRange both{std::max(k.start_ms, steps_.start_ms),
                 std::min(k.At(k.size() - 1), steps_.At(steps_.size() - 1)), step_ms};
  while (both.size() > 0 && both.start_ms - reach_.behind_ms < oldest_ms) both.start_ms += step_ms;
  while (both.size() > 0 && both.end_ms + reach_.ahead_ms >= before_ms) both.end_ms -= step_ms;
  return both;
}

void CachedQuery::Take(const StepRange& taken) {
  if (taken.size() == 0) return;
  taken_ = taken;
  missing_.clear();
  const int64_t step_ms = steps_.step_ms, last_ms = steps_.At(steps_.size() - 1);
  if (steps_.start_ms < taken.start_ms) {
    missing_.push_back({steps_.start_ms, taken.start_ms - step_ms, step_ms});
  }
  if (taken.end_ms < last_ms) missing_.push_back({taken.end_ms + step_ms, last_ms, step_ms});
}

QueryResult CachedQuery::Join(std::vector<QueryResult> evaluated) const {
  if (taken_.size() == 0) return std::move(evaluated[0]);
  if (SameSteps(taken_, kept_->steps) && missing_.empty()) return kept_->result;
  std::vector<Piece> pieces;
  for (size_t i = 0; i < missing_.size(); ++i) {
    pieces.push_back({&evaluated[i].series, missing_[i]});
  }
  pieces.push_back({&kept_->result.series, taken_});
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.steps.start_ms < b.steps.start_ms; });
  QueryResult out;
  out.type = ValueType::kMatrix;
  out.series = JoinRows(std::move(pieces));
  return out;
}

void CachedQuery::Keep(const QueryResult& answer, bool saw_histograms, bool saw_chunks) const {
  if (cache_ == nullptr) return;
  cache_->Count(taken_.size() == 0 ? ResultCache::Outcome::kMiss
                : missing_.empty() ? ResultCache::Outcome::kHit
                                   : ResultCache::Outcome::kPartial,
                taken_.size());
  // What was taken is still there, and may reach further.
  if (missing_.empty() || saw_chunks) return;
  auto kept = std::make_shared<KeptAnswer>();
  kept->steps = steps_;
  kept->stepwise = reach_.stepwise && !instant_ && !saw_histograms &&
                   answer.annotations.warnings.empty() && answer.annotations.infos.empty();
  kept->version = version_;
  kept->oldest_ms = std::max(oldest_ms_, storage_.OldestMs());
  kept->result.type = answer.type;
  kept->result.scalar_t_ms = answer.scalar_t_ms;
  kept->result.scalar = answer.scalar;
  kept->result.string = answer.string;
  kept->result.series = answer.series;
  kept->result.annotations = answer.annotations;
  cache_->Put(key_, std::move(kept));
}

}  // namespace deckwatch::query
