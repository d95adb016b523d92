// Reading the small text files of procfs, sysfs and cgroupfs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace deckwatch::scraper {

// The whole file, at most 8 MB. Io naming the file when it cannot be read; that is normal for what
// vanishes while it is looked at.
Result<std::string> ReadSmallFile(const std::string& path);

// The next line of `*text`, which is shortened by it. False at the end.
bool NextLine(std::string_view* text, std::string_view* line);

// The words of a line, split at blanks and tabs.
std::vector<std::string_view> Words(std::string_view line);

// A decimal number; nothing for anything else ("max", "").
std::optional<double> ParseNumber(std::string_view text);

// The number that a file holds; nothing when there is no file or no number.
std::optional<double> ReadNumber(const std::string& path);

// The number after `key` in a text of "key value" lines.
std::optional<double> ValueOf(std::string_view text, std::string_view key);

// The microseconds of "some … total=N" and "full … total=N" in a pressure file, as seconds.
struct Pressure {
  std::optional<double> some_seconds, full_seconds;
};
Pressure ParsePressure(std::string_view text);

}  // namespace deckwatch::scraper
