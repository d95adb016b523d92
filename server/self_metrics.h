// Our own page at /metrics: Prometheus's names where the meaning is the same, else deckwatch_*.
#pragma once

#include <cstdint>
#include <string>

#include "alerting/manager.h"
#include "query/engine.h"
#include "scraper/manager.h"
#include "server/http_server.h"
#include "server/query_log.h"
#include "server/remote_write.h"
#include "tsdb/db.h"

namespace deckwatch::server {

// What the page tells of; null parts are left out.
struct SelfMetricsSources {
  const tsdb::Db* db = nullptr;
  const query::Engine* engine = nullptr;
  const QueryLog* query_log = nullptr;
  const scraper::ScrapeManager* scraper = nullptr;
  const alerting::Manager* alerting = nullptr;
  const HttpServer* http = nullptr;
  const RemoteWriter* remote_writer = nullptr;
  bool ready = false;
  bool reload_ok = false;
  int64_t reload_ok_ms = 0;  // when the configuration last loaded
};

std::string SelfMetricsPage(const SelfMetricsSources& sources);

}  // namespace deckwatch::server
