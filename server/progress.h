// One line of progress on standard error, redrawn in place:
//
//   [==========>         ]  52 %  41.2 MB, 1,203,412 samples
//
// Nothing is shown when standard error is no terminal.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace deckwatch::server {

class ProgressLine {
 public:
  explicit ProgressLine(const Clock* clock = Clock::Real());
  ~ProgressLine();  // wipes the line
  // `done` from 0 to 1; below 0: unknown, no bar. Redraws ten times a second at most.
  void Show(double done, const std::string& detail = "");

 private:
  const Clock* const clock_;
  const bool terminal_;
  bool drawn_ = false;
  int64_t drawn_ms_ = 0;
};

// What ProgressLine shows.
std::string ProgressText(double done, const std::string& detail);
// 1234567 -> "1,234,567".
std::string GroupDigits(uint64_t n);

}  // namespace deckwatch::server
