#include "dashboard/plot/time_view.h"

#include <algorithm>
#include <cmath>

namespace deckwatch::dashboard {
namespace {

constexpr int64_t kMinSpanMs = 1000;
constexpr int64_t kMaxSpanMs = int64_t{20} * 365 * 86'400'000;
constexpr int64_t kSameGestureMs = 500;
constexpr size_t kMaxHistory = 200;

TimeRange Clamped(TimeRange range) {
  if (range.from_ms > range.to_ms) std::swap(range.from_ms, range.to_ms);
  range.from_ms = std::max<int64_t>(0, range.from_ms);
  range.to_ms = std::clamp(range.to_ms, range.from_ms + kMinSpanMs, range.from_ms + kMaxSpanMs);
  return range;
}

}  // namespace

TimeRange TimeView::Window(int64_t now_ms) const {
  if (current_.live) return {now_ms - current_.span_ms, now_ms};
  return current_.fixed;
}

void TimeView::Set(State next) {
  if (next == current_) return;
  back_.push_back(current_);
  if (back_.size() > kMaxHistory) back_.erase(back_.begin());
  forward_.clear();
  current_ = next;
}

void TimeView::GoLive(int64_t span_ms) {
  last_move_ms_ = INT64_MIN / 2;
  Set({.live = true, .span_ms = std::clamp(span_ms, kMinSpanMs, kMaxSpanMs), .fixed = {}});
}

void TimeView::Show(TimeRange range) {
  last_move_ms_ = INT64_MIN / 2;
  Set({.live = false, .span_ms = 0, .fixed = Clamped(range)});
}

void TimeView::Move(TimeRange range, int64_t now_ms) {
  const State next{.live = false, .span_ms = 0, .fixed = Clamped(range)};
  if (now_ms - last_move_ms_ < kSameGestureMs) {
    current_ = next;
  } else {
    Set(next);
  }
  last_move_ms_ = now_ms;
}

void TimeView::ZoomAround(int64_t at_ms, double factor, int64_t now_ms) {
  const TimeRange window = Window(now_ms);
  const double span = static_cast<double>(window.span_ms());
  const double left = static_cast<double>(at_ms - window.from_ms) / span;
  const double new_span = std::clamp(span * factor, double{kMinSpanMs}, double{kMaxSpanMs});
  const int64_t from_ms = at_ms - std::llround(left * new_span);
  Move({from_ms, from_ms + std::llround(new_span)}, now_ms);
}

void TimeView::Pan(int64_t delta_ms, int64_t now_ms) {
  TimeRange window = Window(now_ms);
  delta_ms = std::max(delta_ms, -window.from_ms);
  Move({window.from_ms + delta_ms, window.to_ms + delta_ms}, now_ms);
}

void TimeView::Back() {
  if (back_.empty()) return;
  forward_.push_back(current_);
  current_ = back_.back();
  back_.pop_back();
}

void TimeView::Forward() {
  if (forward_.empty()) return;
  back_.push_back(current_);
  current_ = forward_.back();
  forward_.pop_back();
}

}  // namespace deckwatch::dashboard
