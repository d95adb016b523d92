#include "server/progress.h"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

namespace deckwatch::server {

namespace {
constexpr int64_t kRedrawMs = 100;
}  // namespace

ProgressLine::ProgressLine(const Clock* clock)
    : clock_(clock), terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void ProgressLine::Show(double done, const std::string& detail) {
  const int64_t now_ms = clock_->MonotonicMs();
  if (!terminal_ || (drawn_ && now_ms - drawn_ms_ < kRedrawMs)) return;
  std::fputs(("\r" + ProgressText(done, detail) + "\033[K").c_str(), stderr);
  drawn_ = true;
  drawn_ms_ = now_ms;
}

std::string ProgressText(double done, const std::string& detail) {
  constexpr int kWidth = 20;
  std::string out;
  if (done >= 0) {
    const double share = std::min(done, 1.0);
    const auto filled = static_cast<size_t>(share * kWidth);
    std::string bar(filled, '=');
    if (filled < kWidth) bar += '>';
    bar.resize(kWidth, ' ');
    const std::string percent = std::to_string(static_cast<int>(share * 100));
    out = "[" + bar + "] " + std::string(3 - percent.size(), ' ') + percent + " %";
  }
  if (!detail.empty()) out += (out.empty() ? "" : "  ") + detail;
  return out;
}

std::string GroupDigits(uint64_t n) {
  std::string out = std::to_string(n);
  for (size_t i = out.size(); i > 3; i -= 3) out.insert(i - 3, ",");
  return out;
}

}  // namespace deckwatch::server
