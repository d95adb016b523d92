#include "query/budget.h"

#include <algorithm>

namespace deckwatch::query {

namespace {
void RaiseTo(std::atomic<uint64_t>* peak, uint64_t v) {
  for (uint64_t old = peak->load(); old < v && !peak->compare_exchange_weak(old, v);) {
  }
}
Status TooManySamples() {
  return Status::ResourceExhausted(
      "query processing would load too many samples into memory in query execution");
}
}  // namespace

Charge& Charge::operator=(Charge&& o) noexcept {
  if (this == &o) return *this;
  Release();
  budget_ = std::exchange(o.budget_, nullptr);
  samples_ = std::exchange(o.samples_, 0);
  bytes_ = std::exchange(o.bytes_, 0);
  return *this;
}

void Charge::Release() {
  if (budget_ == nullptr) return;
  budget_->samples_ -= samples_;
  budget_->bytes_ -= bytes_;
  budget_ = nullptr;
  samples_ = bytes_ = 0;
}

void Charge::Absorb(Charge&& other) {
  if (other.budget_ != nullptr) budget_ = std::exchange(other.budget_, nullptr);
  samples_ += std::exchange(other.samples_, 0);
  bytes_ += std::exchange(other.bytes_, 0);
}

Budget::Budget(Limits limits, const Clock* clock)
    : limits_(std::move(limits)),
      clock_(clock),
      deadline_ms_(clock->MonotonicMs() + limits_.timeout_ms) {}

Status Budget::Hold(uint64_t samples, uint64_t bytes, Charge* charge) {
  charge->Release();
  const uint64_t all_samples = samples_.fetch_add(samples) + samples;
  const uint64_t all_bytes = bytes_.fetch_add(bytes) + bytes;
  charge->budget_ = this;
  charge->samples_ = samples;
  charge->bytes_ = bytes;
  RaiseTo(&peak_samples_, all_samples);
  RaiseTo(&peak_bytes_, all_bytes);
  constexpr uint64_t kReportBytes = 1 << 20;
  if (on_growth_ && all_bytes > reported_bytes_ + kReportBytes) {
    reported_bytes_ = all_bytes;
    on_growth_();
  }
  if (all_samples > limits_.max_samples) return TooManySamples();
  if (all_bytes > limits_.max_bytes) {
    return Status::ResourceExhausted("query would use " + std::to_string(all_bytes) +
                                     " bytes of memory, the limit is " +
                                     std::to_string(limits_.max_bytes));
  }
  return Ended();
}

Status Budget::CheckRoom(uint64_t rows, uint64_t steps) const {
  constexpr uint64_t kBytesPerCell = 9;
  const uint64_t most = std::min(limits_.max_samples, limits_.max_bytes / kBytesPerCell);
  return rows > 0 && steps > most / rows ? TooManySamples() : Status();
}

void Budget::End(Status status) {
  MutexLock lock(mutex_);
  if (end_.ok()) end_ = std::move(status);
  ended_ = true;
}

Status Budget::Ended() const {
  if (!ended_) return {};
  MutexLock lock(mutex_);
  return end_;
}

Status Budget::Check() const {
  TRY(Ended());
  if (limits_.stop.stop_requested()) {
    return Status::Cancelled("query was canceled in expression evaluation");
  }
  if (clock_->MonotonicMs() > deadline_ms_) {
    return Status::DeadlineExceeded("query timed out in expression evaluation");
  }
  return {};
}

}  // namespace deckwatch::query
