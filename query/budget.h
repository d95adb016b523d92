// What one query may use: samples, bytes, time. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"

namespace deckwatch::query {

class Budget;

// Samples and bytes held of a budget; given back when the charge goes.
class Charge {
 public:
  Charge() = default;
  Charge(Charge&& o) noexcept { *this = std::move(o); }
  Charge& operator=(Charge&& o) noexcept;
  ~Charge() { Release(); }
  void Release();
  // Takes over what `other` holds of the same budget.
  void Absorb(Charge&& other);
  uint64_t samples() const { return samples_; }

 private:
  friend class Budget;
  Budget* budget_ = nullptr;
  uint64_t samples_ = 0;
  uint64_t bytes_ = 0;
};

class Budget {
 public:
  struct Limits {
    uint64_t max_samples = 0;
    uint64_t max_bytes = 0;
    int64_t timeout_ms = 0;
    std::stop_token stop;
  };
  // `clock` must outlive the budget.
  Budget(Limits limits, const Clock* clock);

  // Makes `charge` hold that much, in place of what it held before. ResourceExhausted with
  // Prometheus's text when that is too much for the query.
  Status Hold(uint64_t samples, uint64_t bytes, Charge* charge);
  // An error when a vector of so many cells could never be held, to be asked before making one.
  Status CheckRoom(uint64_t rows, uint64_t steps) const;
  // DeadlineExceeded or Cancelled once the query has to end. Cheap enough to be called per series.
  Status Check() const;

  // Makes every later Check fail with `status`. The first one given counts.
  void End(Status status) EXCLUDES(mutex_);
  // `f` is called whenever the query has come to hold another part of its memory. Set it before
  // evaluation begins.
  void OnGrowth(std::function<void()> f) { on_growth_ = std::move(f); }

  void CountRead(uint64_t samples) { samples_read_.fetch_add(samples, std::memory_order_relaxed); }
  void CountSeries(uint64_t series) {
    series_selected_.fetch_add(series, std::memory_order_relaxed);
  }

  void NoteHistograms() { saw_histograms_.store(true, std::memory_order_relaxed); }
  void NoteChunks() { saw_chunks_.store(true, std::memory_order_relaxed); }

  bool saw_histograms() const { return saw_histograms_; }  // some series read held native ones
  bool saw_chunks() const { return saw_chunks_; }          // some of those were laid out as chunks
  uint64_t samples_read() const { return samples_read_; }
  uint64_t series_selected() const { return series_selected_; }
  int64_t timeout_ms() const { return limits_.timeout_ms; }
  int64_t left_ms() const { return deadline_ms_ - clock_->MonotonicMs(); }
  uint64_t bytes() const { return bytes_; }
  uint64_t peak_samples() const { return peak_samples_; }
  uint64_t peak_bytes() const { return peak_bytes_; }

 private:
  friend class Charge;
  // What End was given, OK before.
  Status Ended() const EXCLUDES(mutex_);

  const Limits limits_;
  const Clock* const clock_;
  const int64_t deadline_ms_;
  std::function<void()> on_growth_;
  std::atomic<uint64_t> reported_bytes_{0};  // peak at the last call of on_growth_
  std::atomic<bool> ended_{false};
  mutable Mutex mutex_;
  Status end_ GUARDED_BY(mutex_);
  std::atomic<bool> saw_histograms_{false};
  std::atomic<bool> saw_chunks_{false};
  std::atomic<uint64_t> samples_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> peak_samples_{0};
  std::atomic<uint64_t> peak_bytes_{0};
  std::atomic<uint64_t> samples_read_{0};
  std::atomic<uint64_t> series_selected_{0};
};

}  // namespace deckwatch::query
