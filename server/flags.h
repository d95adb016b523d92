// The command line. CLI11 stays in flags.cc.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/status.h"

namespace deckwatch::server {

// `deckwatch [serve] …`: Prometheus's own flags, with its defaults.
struct ServeFlags {
  std::string config_file = "prometheus.yml";
  std::string alertmanager_config_file;  // "": no built-in notification
  std::string storage_path = "data/";
  int64_t retention_ms = 0;  // 0: not given
  int64_t retention_bytes = 0;
  int64_t memory_bytes = 0;  // 0: a quarter of the machine's or the container's
  bool accept_conflicting = false;
  std::vector<std::string> listen_addresses = {"0.0.0.0:9090"};
  std::string external_url;
  std::string route_prefix;  // "": the path of the external URL
  std::string web_config_file;
  bool enable_lifecycle = false;
  bool enable_admin_api = false;
  bool enable_remote_write = false;
  bool enable_otlp = false;
  int64_t query_timeout_ms = 120'000;
  int64_t query_max_samples = 50'000'000;
  int64_t query_max_concurrency = 20;
  int64_t lookback_delta_ms = 300'000;
  int64_t query_cache_bytes = 64 << 20;
  int64_t slow_query_ms = 0;
  int64_t resend_delay_ms = 60'000;
  int64_t outage_tolerance_ms = 3'600'000;
  int64_t for_grace_period_ms = 600'000;
  int64_t notifier_queue_capacity = 10'000;
  int64_t notifier_batch_size = 256;
  bool use_start_timestamps = false;  // --enable-feature=use-start-timestamps
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kLogfmt;

  std::map<std::string, std::string> all;  // every flag and its value, for status/flags
  // What was given but does nothing here, in words for the log.
  std::vector<std::string> notes;
};

// A sub-command, e.g. `check config FILE…`.
struct ToolCommand {
  std::string name;               // "check config", "query instant", …
  std::vector<std::string> args;  // positional
  std::string url;                // --http.config-less server URL of `query`
  std::string start, end, step, time;
  std::vector<std::string> match;  // --match
  bool json = false;
  int64_t limit = 20;
  uint64_t id = 0;                     // of `tsdb undelete`
  std::string storage_path = "data/";  // of `tsdb import`
  int64_t retention_ms = 0;            // likewise; 0: not given
  std::string output;                  // of `tsdb export`; "": standard output
};

struct Invocation {
  enum class Kind { kServe, kTool, kExit };
  Kind kind = Kind::kServe;
  ServeFlags serve;
  ToolCommand tool;
  int exit_code = 0;         // kExit: help, version or an error that has been explained
  int64_t retention_ms = 0;  // likewise; 0: not given
  std::string output;        // kExit: what to print; to stderr when exit_code is not 0
};

Invocation ParseCommandLine(int argc, const char* const* argv);

}  // namespace deckwatch::server
