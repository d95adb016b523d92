// Logging. One line per event: time, level, message, key=value pairs; logfmt or JSON as
// --log.format says. spdlog stays in log.cc. Values are escaped, so that what a target sends cannot
// forge lines. Secrets must not be passed.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/status.h"

namespace deckwatch {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kLogfmt, kJson };

Result<LogLevel> ParseLogLevel(std::string_view text);    // debug, info, warn, error
Result<LogFormat> ParseLogFormat(std::string_view text);  // logfmt, json
void ConfigureLog(LogLevel level, LogFormat format);      // once, before threads start

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, const Status& v) : key(k), value(v.message()) {}
  template <typename Int>
  LogField(std::string_view k, Int v) : key(k), value(std::to_string(v)) {}
  std::string_view key;
  std::string value;
};

// Thread-safe.
void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
inline void LogDebug(std::string_view m, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kDebug, m, f);
}
inline void LogInfo(std::string_view m, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kInfo, m, f);
}
inline void LogWarn(std::string_view m, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kWarn, m, f);
}
inline void LogError(std::string_view m, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kError, m, f);
}

}  // namespace deckwatch
