#include "base/log.h"

#include <algorithm>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/labels.h"

namespace deckwatch {

namespace {

struct Logger {
  std::shared_ptr<spdlog::logger> out = std::make_shared<spdlog::logger>(
      "deckwatch", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  LogFormat format = LogFormat::kLogfmt;
  Logger() { out->set_pattern("%v"); }
};

Logger& TheLogger() {
  static Logger logger;
  return logger;
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarn: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "DEBUG";
    case LogLevel::kInfo: return "INFO";
    case LogLevel::kWarn: return "WARN";
    case LogLevel::kError: return "ERROR";
  }
  return "INFO";
}

void AppendLogfmt(std::string* out, std::string_view key, std::string_view value) {
  if (!out->empty()) *out += ' ';
  *out += key;
  *out += '=';
  const bool plain = !value.empty() &&
                     value.find_first_of(" \"=\\\t\r\n") == std::string_view::npos &&
                     IsValidUtf8(value) &&
                     std::none_of(value.begin(), value.end(),
                                  [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  *out += plain ? std::string(value) : QuoteGo(value);
}

}  // namespace

Result<LogLevel> ParseLogLevel(std::string_view text) {
  if (text == "debug") return LogLevel::kDebug;
  if (text == "info") return LogLevel::kInfo;
  if (text == "warn") return LogLevel::kWarn;
  if (text == "error") return LogLevel::kError;
  return Status::InvalidArgument("unrecognized log level \"" + std::string(text) +
                                 "\": want debug, info, warn or error");
}

Result<LogFormat> ParseLogFormat(std::string_view text) {
  if (text == "logfmt") return LogFormat::kLogfmt;
  if (text == "json") return LogFormat::kJson;
  return Status::InvalidArgument("unrecognized log format \"" + std::string(text) +
                                 "\": want logfmt or json");
}

void ConfigureLog(LogLevel level, LogFormat format) {
  TheLogger().out->set_level(ToSpdlog(level));
  TheLogger().format = format;
}

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  Logger& logger = TheLogger();
  if (!logger.out->should_log(ToSpdlog(level))) return;
  const std::string time = FormatRfc3339Ms(Clock::Real()->WallMs());
  std::string line;
  if (logger.format == LogFormat::kJson) {
    JsonWriter json(&line);
    json.BeginObject();
    json.Key("time").String(time).Key("level").String(LevelName(level)).Key("msg").String(message);
    for (const LogField& f : fields) json.Key(f.key).String(f.value);
    json.EndObject();
  } else {
    AppendLogfmt(&line, "time", time);
    AppendLogfmt(&line, "level", LevelName(level));
    AppendLogfmt(&line, "msg", message);
    for (const LogField& f : fields) AppendLogfmt(&line, f.key, f.value);
  }
  logger.out->log(ToSpdlog(level), line);
}

}  // namespace deckwatch
