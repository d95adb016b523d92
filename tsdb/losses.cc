#include "tsdb/losses.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/clock.h"

namespace deckwatch::tsdb {

bool Loss::Concerns(int64_t start_ms, int64_t end_ms, const std::vector<Matcher>& matchers) const {
  if (max_ms < start_ms || end_ms < min_ms) return false;
  if (first_metric.empty() && last_metric.empty()) return true;
  return std::all_of(matchers.begin(), matchers.end(), [this](const Matcher& m) {
    return m.name() != "__name__" || m.type() != MatchType::kEqual ||
           (first_metric <= m.value() && m.value() <= last_metric);
  });
}

std::string Loss::ToString() const {
  std::string out = "samples from " + FormatRfc3339Ms(min_ms) + " to " + FormatRfc3339Ms(max_ms);
  if (!first_metric.empty() && first_metric == last_metric) {
    out += " of " + first_metric;
  } else if (!first_metric.empty()) {
    out += " of metrics between " + first_metric + " and " + last_metric;
  }
  return out + " are lost (" + what + ", found " + FormatRfc3339Ms(found_ms) + ")";
}

void Loss::EncodeTo(std::string* out) const {
  PutSignedVarint(out, min_ms);
  PutSignedVarint(out, max_ms);
  PutSignedVarint(out, found_ms);
  PutString(out, what);
  PutString(out, first_metric);
  PutString(out, last_metric);
}

Result<Loss> Loss::Decode(std::string_view data) {
  Loss out;
  Reader in(data);
  std::string_view what, first, last;
  if (!in.GetSignedVarint(&out.min_ms) || !in.GetSignedVarint(&out.max_ms) ||
      !in.GetSignedVarint(&out.found_ms) || !in.GetString(&what) || !in.GetString(&first) ||
      !in.GetString(&last)) {
    return Status::Corruption("a loss is damaged");
  }
  out.what = what, out.first_metric = first, out.last_metric = last;
  return out;
}

bool LossBook::Add(Loss loss) {
  MutexLock lock(mutex_);
  for (const auto& [number, known] : losses_) {
    if (known.what == loss.what && known.min_ms <= loss.min_ms && loss.max_ms <= known.max_ms) {
      return false;
    }
  }
  const uint64_t number = losses_.empty() ? saved_ + 1 : losses_.rbegin()->first + 1;
  losses_.emplace(number, std::move(loss));
  return true;
}

void LossBook::Restore(uint64_t number, Loss loss) {
  MutexLock lock(mutex_);
  losses_[number] = std::move(loss);
  saved_ = std::max(saved_, number);
}

std::vector<Loss> LossBook::All() const {
  MutexLock lock(mutex_);
  std::vector<Loss> out;
  for (const auto& [number, loss] : losses_) out.push_back(loss);
  return out;
}

std::vector<Loss> LossBook::Concerning(int64_t start_ms, int64_t end_ms,
                                       const std::vector<Matcher>& matchers) const {
  MutexLock lock(mutex_);
  std::vector<Loss> out;
  for (const auto& [number, loss] : losses_) {
    if (loss.Concerns(start_ms, end_ms, matchers)) out.push_back(loss);
  }
  return out;
}

std::map<uint64_t, Loss> LossBook::TakeUnsaved() {
  MutexLock lock(mutex_);
  const std::map<uint64_t, Loss> out(losses_.upper_bound(saved_), losses_.end());
  if (!out.empty()) saved_ = out.rbegin()->first;
  return out;
}

void LossBook::ForgetSaved() {
  MutexLock lock(mutex_);
  saved_ = 0;
}

std::vector<uint64_t> LossBook::DropBefore(int64_t oldest_ms) {
  MutexLock lock(mutex_);
  std::vector<uint64_t> gone;
  for (auto it = losses_.begin(); it != losses_.end();) {
    if (it->second.max_ms >= oldest_ms) {
      ++it;
      continue;
    }
    gone.push_back(it->first);
    it = losses_.erase(it);
  }
  return gone;
}

void LossNotes::Add(std::string sentence) {
  constexpr size_t kMost = 20;
  MutexLock lock(mutex_);
  if (sentences_.size() < kMost) sentences_.insert(std::move(sentence));
}

std::vector<std::string> LossNotes::All() const {
  MutexLock lock(mutex_);
  return {sentences_.begin(), sentences_.end()};
}

}  // namespace deckwatch::tsdb
