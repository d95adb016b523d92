#include "scraper/collectors/procfs.h"

#include <cerrno>
#include <charconv>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace deckwatch::scraper {
namespace {

constexpr size_t kMaxFileBytes = 8 << 20;

}  // namespace

Result<std::string> ReadSmallFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return Status::Io("cannot open " + path + ": " + std::strerror(errno));
  std::string text;
  char buffer[16384];
  ssize_t n = 0;
  while (text.size() < kMaxFileBytes && (n = ::read(fd, buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<size_t>(n));
  }
  const int error = errno;
  ::close(fd);
  if (n < 0) return Status::Io("cannot read " + path + ": " + std::strerror(error));
  return text;
}

bool NextLine(std::string_view* text, std::string_view* line) {
  if (text->empty()) return false;
  const size_t end = text->find('\n');
  *line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return true;
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> out;
  constexpr std::string_view kBlanks = " \t";
  while (true) {
    const size_t begin = line.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return out;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(kBlanks), line.size());
    out.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::optional<double> ParseNumber(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<double> ReadNumber(const std::string& path) {
  const auto text = ReadSmallFile(path);
  return text.ok() ? ParseNumber(*text) : std::nullopt;
}

std::optional<double> ValueOf(std::string_view text, std::string_view key) {
  for (std::string_view line; NextLine(&text, &line);) {
    if (line.size() > key.size() && line[key.size()] == ' ' && line.substr(0, key.size()) == key) {
      return ParseNumber(line.substr(key.size() + 1));
    }
  }
  return std::nullopt;
}

Pressure ParsePressure(std::string_view text) {
  Pressure out;
  for (std::string_view line; NextLine(&text, &line);) {
    const size_t at = line.find(" total=");
    if (at == std::string_view::npos) continue;
    const auto micros = ParseNumber(line.substr(at + 7));
    if (!micros) continue;
    if (line.substr(0, 5) == "some ") out.some_seconds = *micros / 1e6;
    if (line.substr(0, 5) == "full ") out.full_seconds = *micros / 1e6;
  }
  return out;
}

}  // namespace deckwatch::scraper
